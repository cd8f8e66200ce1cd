"""Folders whose volume came back under another mount point or drive letter."""

import os
from collections.abc import Iterator

from soundsearch.library import roots as folders
from soundsearch.library.catalog import Library
from soundsearch.library.rows import KnownFile, Root, State

_LOOKED_AT = 20  # files by which a folder is recognised


def follow_volumes(library: Library) -> list[tuple[bytes, bytes]]:
    """Relocates roots that are away while their volume is mounted elsewhere.

    A root stays where any of its files still lies. The new place is the one on its volume, below
    the same folders, that holds at least half of some known files with their sizes. Returns (old,
    new) absolute paths. Nothing is read but names and sizes.
    """
    moved = []
    mounts: list[tuple[bytes, str]] | None = None
    for root in library.roots():
        if not root.volume or folders.volume_of(root.path) == root.volume:
            continue
        known = _some_files(library, root)
        if not known or _there(root.path, known):
            continue
        if mounts is None:
            mounts = folders.mounted()
        found = [
            place
            for mount, volume in mounts
            if volume == root.volume
            for place in _places(mount, root.path)
            if 2 * _there(place, known) >= len(known)
        ]
        if found:
            library.relocate(root.path, found[0])
            moved.append((root.path, found[0]))
    return moved


def _some_files(library: Library, root: Root) -> list[KnownFile]:
    """Of files that lay there, spread over all of them."""
    files = [f for f in library.known_files(root.id).values() if f.state != State.MISSING]
    files.sort(key=lambda file: file.path)
    step = max(1, len(files) // _LOOKED_AT)
    return files[::step][:_LOOKED_AT]


def _places(mount: bytes, path: bytes) -> Iterator[bytes]:
    """Where a folder may lie on a volume: below as many of its folders as possible."""
    separator = os.fsencode(os.sep)
    parts = [part for part in os.path.splitdrive(path)[1].split(separator) if part]
    for first in range(len(parts) + 1):
        yield os.path.join(mount, *parts[first:])


def _there(folder: bytes, known: list[KnownFile]) -> int:
    """How many of the files lie in a folder with their size."""
    count = 0
    for file in known:
        try:
            count += os.stat(os.path.join(folder, file.path)).st_size == file.size
        except OSError:
            continue
    return count
