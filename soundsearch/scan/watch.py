"""Watching folders for changes, by watchfiles.

Events are hints only: some file systems send none and systems limit how many folders may be
watched. What is missed here is found by the next comparison, so nothing is ever an error.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)

QUIET_SECONDS = 3.0
LONGEST_SECONDS = 60.0  # of changes without a pause, such as a long copy
_STEP_SECONDS = 0.5
# Changes that others make on these are not told, and asking for them may be slow.
_REMOTE_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "davfs")
)


@dataclass(frozen=True)
class _Watched:
    place: tuple[int, int]  # device and inode: another disk may come to stand at the same path
    stop: threading.Event
    thread: threading.Thread


class Watch:
    """Calls on_change(folder) when something changed in it and `quiet` seconds passed since.

    extensions: of sound files, lower case with dot; other files don't count. on_change is called
    on threads of this object. One thread at a time may use it.
    """

    def __init__(
        self,
        on_change: Callable[[bytes], None],
        extensions: Collection[str],
        quiet: float = QUIET_SECONDS,
    ) -> None:
        self._on_change = on_change
        self._extensions = frozenset(extensions)
        self._quiet = quiet
        self._watched: dict[bytes, _Watched] = {}

    def follow(self, folders: Iterable[bytes]) -> None:
        """Watches these folders (absolute paths) from now on, and no others.

        Setting up holds the interpreter while the folder's tree is walked: 0.25 s for 10,000
        folders that were listed a moment ago (measured), so call it after a scan. A folder that
        can't be watched is told in the log, and tried again only when it lies elsewhere.
        """
        places = {folder: place for folder in folders if (place := _place(folder))}
        for folder, watched in list(self._watched.items()):
            if places.get(folder) != watched.place:
                self._watched.pop(folder).stop.set()
        for folder, place in places.items():
            if folder not in self._watched:
                self._watched[folder] = self._begin(folder, place)

    def close(self) -> None:
        for watched in self._watched.values():
            watched.stop.set()
        for watched in self._watched.values():
            watched.thread.join(2 * _STEP_SECONDS)
        self._watched.clear()

    def _begin(self, folder: bytes, place: tuple[int, int]) -> _Watched:
        stop = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(folder, stop), name="folder watch", daemon=True
        )
        thread.start()
        return _Watched(place, stop, thread)

    def _run(self, folder: bytes, stop: threading.Event) -> None:
        if is_remote(folder):
            _log.info("%a is on a network drive; it is compared, not watched", folder)
            return
        first = last = 0.0  # of the changes not told yet
        while not stop.is_set():
            begun = False
            try:
                for changed in _steps(folder, stop):
                    begun = True
                    now = time.monotonic()
                    if any(self._counts(path) for path in changed):
                        first, last = first or now, now
                    over = now - last >= self._quiet or now - first >= LONGEST_SECONDS
                    if first and over and not stop.is_set():
                        first = 0.0
                        self._on_change(folder)
            except Exception as error:
                if not begun:
                    _log.info("%a is compared, not watched: %s", folder, error)
                    return
                first = last = time.monotonic()  # a name that is no text, or too many events

    def _counts(self, path: str) -> bool:
        """Whether a change of this path may concern a sound: a sound file or a folder."""
        name = os.path.basename(path)
        if name.startswith("."):
            return False
        extension = os.path.splitext(name)[1].lower()
        return not extension or extension in self._extensions or os.path.isdir(path)


def is_remote(folder: bytes) -> bool:
    """Whether a folder lies on a network drive, or (Windows) on one that a person may want to
    unplug, which watching would hinder; as far as the system tells."""
    if sys.platform == "win32":
        import ctypes

        drive = os.path.splitdrive(os.path.abspath(os.fsdecode(folder)))[0]
        fixed = 3
        return bool(ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") != fixed)
    place = _place(folder)
    if place is None or not sys.platform.startswith("linux"):
        return False
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return False
    device = f"{os.major(place[0])}:{os.minor(place[0])}"
    return any(
        _is_remote_type(fields[1].split()[0])
        for line in mounts.splitlines()
        if (fields := line.split(" - "))[0].split()[2] == device
    )


def _is_remote_type(name: str) -> bool:
    return name in _REMOTE_TYPES or name.startswith("fuse.")


def _steps(folder: bytes, stop: threading.Event) -> Iterable[list[str]]:
    """What changed, each half second; [] when nothing did."""
    from watchfiles import watch

    step = int(_STEP_SECONDS * 1000)
    for changes in watch(
        os.fsdecode(folder),
        watch_filter=None,
        debounce=step,
        step=step,
        rust_timeout=step,
        yield_on_timeout=True,
        stop_event=stop,
        force_polling=False,
        ignore_permission_denied=True,
        raise_interrupt=False,
    ):
        yield [path for _, path in changes]


def _place(folder: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino
