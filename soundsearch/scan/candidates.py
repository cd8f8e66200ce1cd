"""The sound files below a folder, as its listings show them. Only files' ends are ever read."""

import errno
import fnmatch
import hashlib
import os
import re
import stat
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from soundsearch.audio.files import without_hindrance
from soundsearch.library.rows import Root

END_BYTES = 64 * 1024

_SKIPPED_FOLDERS = frozenset(
    (
        b"@eadir", b"#recycle", b"__macosx", b"$recycle.bin", b"recycler", b"recycled",
        b"system volume information", b"lost+found", b"network trash folder",
        b"temporary items",
    )
)  # fmt: skip

_SEPARATOR = os.fsencode(os.sep)
# Not there, though the listing named it: a dangling link, a link to itself, just deleted.
_GONE = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR}
# Content only in a cloud: OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS (Windows); SF_DATALESS.
_CLOUD_ATTRIBUTES = 0x1000 | 0x40000 | 0x400000
_CLOUD_FLAG = 0x40000000


class Candidate(NamedTuple):
    """A sound file as one look at its folder shows it. path: relative to the root, bytes.

    online: its content lies in a cloud, opening it would download it.
    """

    root_id: int
    path: bytes
    size: int
    mtime_ns: int
    online: bool = False


class Unreadable(NamedTuple):
    """A folder (absolute path) that could not be listed, and why."""

    path: bytes
    reason: str


class Rules:
    """Which names are looked at. extensions: lower case with dot; patterns: the person's own.

    A pattern is a shell pattern, letter case doesn't matter. One without "/" is compared with the
    name of every file and folder ("*_old"), one with "/" with the path below the root
    ("Loops/raw*").
    """

    def __init__(self, extensions: Collection[str], patterns: Sequence[str] = ()) -> None:
        self._extensions = frozenset(os.fsencode(extension) for extension in extensions)
        self._names: list[re.Pattern[str]] = []
        self._paths: list[re.Pattern[str]] = []
        for pattern in filter(None, (text.strip().strip("/") for text in patterns)):
            compiled = re.compile(fnmatch.translate(pattern), re.IGNORECASE)
            (self._paths if "/" in pattern else self._names).append(compiled)

    def folder(self, path: bytes, name: bytes) -> bool:
        """Whether a folder (relative path, name) is entered."""
        if name.startswith(b".") or name.lower() in _SKIPPED_FOLDERS:
            return False
        return not self._excluded(path, name)

    def file(self, path: bytes, name: bytes) -> bool:
        """Whether a file is a candidate by its name."""
        if name.startswith(b".") or os.path.splitext(name)[1].lower() not in self._extensions:
            return False
        return not self._excluded(path, name)

    def path(self, path: bytes) -> bool:
        """Whether a file at a relative path would be found, its folders included."""
        *folders, name = path.split(_SEPARATOR)
        below = b""
        for folder in folders:
            below = os.path.join(below, folder)
            if not self.folder(below, folder):
                return False
        return self.file(path, name)

    def _excluded(self, path: bytes, name: bytes) -> bool:
        if self._names:
            text = os.fsdecode(name)
            if any(pattern.match(text) for pattern in self._names):
                return True
        if self._paths:
            text = os.fsdecode(path).replace(os.sep, "/")
            return any(pattern.match(text) for pattern in self._paths)
        return False


class Walk:
    """One root's candidates. After iterating, `unreadable` names the folders that weren't listed.

    Symlinked folders come last and only where they lead to folders not seen yet, so that a file
    has its real path and loops end. skip: absolute paths of folders never entered.
    """

    def __init__(self, root: Root, rules: Rules, skip: Iterable[bytes] = ()) -> None:
        self._root = root
        self._rules = rules
        self._skip = {key for path in skip if (key := _key(path)) is not None}
        self._unlisted: list[bytes] = []  # relative
        self.unreadable: list[Unreadable] = []

    def __iter__(self) -> Iterator[Candidate]:
        # A link upwards must not bring in what lies beside the root.
        seen = self._skip | set(_keys_above(self._root.path))
        links: deque[bytes] = deque()
        folders = [b""]
        while folders or links:
            folder = folders.pop() if folders else links.popleft()
            key = _key(os.path.join(self._root.path, folder))
            if key is not None:
                if key in seen:
                    continue
                seen.add(key)
            inside: list[bytes] = []
            yield from self._list(folder, inside, links)
            folders.extend(reversed(inside))

    def hides(self, path: bytes) -> bool:
        """Whether a relative path lies in a folder that could not be listed."""
        return any(not f or path.startswith(f + _SEPARATOR) for f in self._unlisted)

    def _list(self, folder: bytes, inside: list[bytes], links: deque[bytes]) -> Iterator[Candidate]:
        try:
            with os.scandir(os.path.join(self._root.path, folder)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self._note(folder, error)
            return
        start = folder + _SEPARATOR if folder else b""
        for entry in entries:
            path = start + entry.name
            try:
                if entry.is_dir():
                    if self._rules.folder(path, entry.name) and not _hidden(entry.stat()):
                        (links if entry.is_symlink() else inside).append(path)
                    continue
                if not self._rules.file(path, entry.name):
                    continue
                status = entry.stat()
            except OSError as error:
                if error.errno not in _GONE and folder not in self._unlisted:
                    self._note(folder, error)
                continue
            if stat.S_ISREG(status.st_mode) and not _hidden(status):
                yield Candidate(
                    self._root.id, path, status.st_size, status.st_mtime_ns, _in_cloud(status)
                )

    def _note(self, folder: bytes, error: OSError) -> None:
        place = os.path.join(self._root.path, folder) if folder else self._root.path
        self._unlisted.append(folder)
        self.unreadable.append(Unreadable(place, error.strerror or str(error)))


def quick_hash(path: bytes) -> bytes | None:
    """16 bytes: BLAKE2b of the first and last 64 KiB; None when the file can't be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb", buffering=0, opener=without_hindrance) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            digest.update(file.read(END_BYTES) or b"")
            if status.st_size > END_BYTES:
                file.seek(max(END_BYTES, status.st_size - END_BYTES))
                digest.update(file.read(END_BYTES) or b"")
    except OSError:
        return None
    return digest.digest()


def _key(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _keys_above(path: bytes) -> Iterator[tuple[int, int]]:
    real = os.path.realpath(path)
    while (above := os.path.dirname(real)) != real:
        real = above
        key = _key(real)
        if key is not None:
            yield key


def _hidden(status: os.stat_result) -> bool:
    """By attribute (Windows, macOS); hidden by a dot is hidden by name."""
    attributes: int = getattr(status, "st_file_attributes", 0)
    flags: int = getattr(status, "st_flags", 0)
    return bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN or flags & stat.UF_HIDDEN)


def _in_cloud(status: os.stat_result) -> bool:
    attributes: int = getattr(status, "st_file_attributes", 0)
    flags: int = getattr(status, "st_flags", 0)
    return bool(attributes & _CLOUD_ATTRIBUTES or flags & _CLOUD_FLAG)
