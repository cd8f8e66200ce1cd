"""Walk → decode → embed → commit: the scan of folders, from their list to vectors on disk.

A decoding thread runs ahead of the model by a bounded queue; every batch is committed, vectors
before rows, so that a scan can be cut anywhere and goes on from there.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from soundsearch.audio.decode import AUDIO_EXTENSIONS
from soundsearch.index.vectors import FIRST_PASS, WHOLE, Vectors
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Change, FileRow, Record, State
from soundsearch.scan.ahead import ahead
from soundsearch.scan.candidates import Candidate, quick_hash
from soundsearch.scan.decoders import Decoded, Decoders, Event, Failed, Job, Need
from soundsearch.scan.hearing import Heard, Hearing, Work
from soundsearch.scan.naming import file_words
from soundsearch.scan.segments import REPRESENTATIVES, representatives
from soundsearch.scan.volumes import follow_volumes
from soundsearch.scan.walk import plan, settle

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

COMMIT_FILES = 100
COMMIT_SECONDS = 1.0
MOST_GIVEN = 2.0  # seconds that a scan rests for one question
AHEAD = 48  # events that may wait for the model


@dataclass(frozen=True)
class Progress:
    """How far a scan is: files to read, done and failed so far, files/s, seconds left or None."""

    files: int
    done: int
    failed: int
    rate: float
    left: float | None


@dataclass
class ScanReport:
    """What a scan did. files: all sounds seen, read or not; audio_seconds: what was embedded;
    relocated: roots whose volume was found elsewhere, from where to where; work: the model's."""

    files: int = 0
    new: int = 0
    unchanged: int = 0
    moved: int = 0
    missing: int = 0
    failed: int = 0
    embedded: int = 0
    seconds: float = 0.0
    audio_seconds: float = 0.0
    offline: list[bytes] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    relocated: list[tuple[bytes, bytes]] = field(default_factory=list)
    work: Work = field(default_factory=Work)

    def as_json(self) -> dict[str, Any]:
        names = ("files", "new", "unchanged", "moved", "missing", "failed", "embedded")
        content: dict[str, Any] = {name: getattr(self, name) for name in names}
        content["seconds"] = round(self.seconds, 3)
        content["audio_seconds"] = round(self.audio_seconds, 3)
        return content


class Control:
    """Pause, resume and cancel a scan from another thread, or take its cores for a moment."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
        self._free = threading.Event()
        self._free.set()
        self.cancelled = False

    @property
    def paused(self) -> bool:
        return not self._go.is_set()

    def pause(self) -> None:
        self._go.clear()

    def resume(self) -> None:
        self._go.set()

    def cancel(self) -> None:
        self.cancelled = True
        self._go.set()

    @contextlib.contextmanager
    def giving_way(self) -> Iterator[None]:
        """The scan rests meanwhile, from its next event on, but not for long."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    def wait(self) -> bool:
        """Blocks while paused or giving way; False when the scan shall end."""
        self._go.wait()
        if not self.cancelled:
            self._free.wait(MOST_GIVEN)
        return not self.cancelled


class _CancelledError(Exception):
    """Ends a walk."""


def scan(
    library: Library,
    vectors: Vectors | None,
    encoder: "DualEncoder | None",
    *,
    only: Sequence[bytes] = (),
    retry: bool = False,
    patterns: Sequence[str] = (),
    decoders: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_changes: Callable[[list[Change]], None] = lambda changes: None,
    control: Control | None = None,
    seen: Callable[[], Iterable[int]] = tuple,
) -> ScanReport:
    """Brings the library up to date with its folders, or with `only` some (paths of roots).

    vectors and encoder belong together; without them files, facts and names are recorded and
    nothing is embedded. Long sounds are heard in part first, and whole once every file has been
    read. on_changes gets the places whose content became another sound. Ends early, with all that
    is done kept, when `control` is cancelled. seen: gives, on another thread, the ids of sounds
    that the person has just seen: of known sounds these are read first. patterns: what is left
    out, see Rules. decoders: how many files are read at the same time, 0: as the cores allow.
    """
    began = time.monotonic()
    control = control or Control()
    on_progress(Progress(0, 0, 0, 0.0, None))

    def look(seen: int) -> None:
        if not control.wait():
            raise _CancelledError

    relocated = follow_volumes(library)
    try:
        roots = [root for root in library.roots() if not only or root.path in only]
        found = plan(library, roots, AUDIO_EXTENSIONS, patterns, retry=retry, on_found=look)
    except _CancelledError:
        return ScanReport(seconds=time.monotonic() - began)
    with library.transaction():  # see _commit
        on_changes(settle(found, library))
    library.name_files(file_words)
    report = ScanReport(
        files=found.found,
        new=found.new,
        unchanged=found.unchanged,
        moved=len(found.moved),
        missing=len(found.missing),
        offline=[root.path for root in found.offline],
        unreadable=[folder.path for folder in found.unreadable],
        relocated=relocated,
    )
    run = _Scan(library, vectors, encoder, report, on_progress, on_changes, control, seen, decoders)
    tasks: list[Candidate | FileRow] = [*found.to_read]
    if vectors is not None:
        tasks += _places(library, lambda identity: vectors.row_of(identity) is None)
    if tasks:
        run.run(tasks)
    if vectors is not None and not control.cancelled:
        rest = _places(
            library,
            lambda i: vectors.row_of(i) is not None and not vectors.is_complete(i),
        )
        if rest:
            run.run(rest, rest=True)
    library.name_files(file_words)
    report.seconds = time.monotonic() - began
    return report


def _places(library: Library, wanted: Callable[[bytes], bool]) -> list[FileRow]:
    """A file that can be read of each sound whose identity is wanted; newest folders first."""
    ids, joined = library.sound_identities()
    sounds = [sound_id for at, sound_id in enumerate(ids) if wanted(joined[16 * at : 16 * at + 16])]
    rows: list[FileRow] = []
    for first in range(0, len(sounds), 1000):
        places = library.places(sounds[first : first + 1000])
        rows += [files[0] for files in places.values() if files[0].state == State.OK]
    added = {root.id: root.added for root in library.roots()}
    return sorted(rows, key=lambda row: (-added[row.root_id], row.path))


def _rows_of(identity: bytes, heard: Heard) -> Iterator[tuple[bytes, float, np.ndarray]]:
    """(identity, start, vector) of a sound's moments and then of the whole."""
    if len(heard.segments) > 1:
        for at in representatives(heard.segments).tolist():
            yield identity, float(heard.starts[at]), heard.segments[at]
    yield identity, WHOLE if heard.complete else FIRST_PASS, heard.whole


class _Scan:
    """One run over files that must be read."""

    def __init__(
        self,
        library: Library,
        vectors: Vectors | None,
        encoder: "DualEncoder | None",
        report: ScanReport,
        on_progress: Callable[[Progress], None],
        on_changes: Callable[[list[Change]], None],
        control: Control,
        seen: Callable[[], Iterable[int]],
        decoders: int,
    ) -> None:
        self._library = library
        self._vectors = vectors
        self._encoder = encoder
        self._seconds = encoder.segment_seconds if encoder else 10.0
        self._report = report
        self._on_progress = on_progress
        self._on_changes = on_changes
        self._control = control
        self._seen = seen
        self._decoders = decoders
        self._roots = {root.id: root for root in library.roots()}
        _, joined = library.sound_identities()
        self._known = {joined[at : at + 16] for at in range(0, len(joined), 16)}
        self._reader_of: dict[bytes, int] = {}  # identity → key of the job that reads the sound
        self._tasks: list[Candidate | FileRow] = []
        self._rest = False
        self._rows: list[tuple[bytes, float, np.ndarray]] = []  # identity, start, vector
        self._long: list[tuple[bytes, np.ndarray]] = []  # identity, all segments
        self._records: list[Record] = []
        self._copies: dict[bytes, list[Record]] = {}  # wait for the facts of their sound
        self._failures: dict[int, Failed] = {}  # by the key of the job
        self._committed = time.monotonic()
        self._done = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=200)

    def run(self, tasks: Sequence[Candidate | FileRow], rest: bool = False) -> None:
        """Reads files; rest: all of the sounds that a first pass heard in part."""
        first = len(self._tasks)
        self._tasks += tasks
        self._rest = rest
        self._reader_of.clear()
        self._hearing = Hearing(self._encoder, not rest, self._report.work)
        rate = self._encoder.rate if self._encoder else None
        cores = os.cpu_count() or 1
        most = self._decoders or max(1, cores - 1 if self._encoder else cores)
        count = min(len(tasks), most)
        with Decoders(count, rate, self._seconds) as decoders:
            for event in ahead(decoders.run(self._jobs(first), self._need), AHEAD, decoders.stop):
                if not self._control.wait():
                    break
                self._take(event)
        if not self._control.cancelled:
            self._finish(self._hearing.embed())
            self._fail_copies()
        self._commit()

    def _jobs(self, first: int) -> Iterator[Job]:
        """In the order of the tasks, but what the person has just seen before the others."""
        waiting = dict(enumerate(self._tasks[first:], first))
        key_of = {task.sound_id: key for key, task in waiting.items() if isinstance(task, FileRow)}
        while waiting:
            keys = (key_of.get(sound_id) for sound_id in self._seen())
            key = next((key for key in keys if key in waiting), None)
            if key is None:
                key = next(iter(waiting))
            task = waiting.pop(key)
            yield Job(key, self._path(task), task.size)

    def _path(self, task: Candidate | FileRow) -> bytes:
        return os.path.join(self._roots[task.root_id].path, task.path)

    def _need(self, job: Job, identity: bytes) -> Need:
        """Runs on the decoding thread."""
        if self._reader_of.setdefault(identity, job.key) != job.key:
            return Need(samples=False, facts=False)  # an equal file is being read
        return Need(samples=not self._is_heard(identity), facts=identity not in self._known)

    def _is_heard(self, identity: bytes) -> bool:
        if self._vectors is None:
            return True
        if self._rest:
            return self._vectors.is_complete(identity)
        return self._vectors.row_of(identity) is not None

    def _take(self, event: Event | None) -> None:
        """One event of the decoders, or None when there is none at the moment."""
        if event is None:
            self._finish(self._hearing.embed())
        elif isinstance(event, Failed):
            self._hearing.forget(event.job.key)
            self._fail(event)
        else:
            self._finish(self._hearing.take(event))
        late = time.monotonic() - self._committed >= COMMIT_SECONDS
        if len(self._records) + len(self._rows) >= COMMIT_FILES or late:
            self._commit()

    def _finish(self, files: Iterable[tuple[Decoded, Heard | None]]) -> None:
        for decoded, heard in files:
            if heard is not None:
                self._rows += _rows_of(decoded.identity, heard)
                if heard.complete and len(heard.segments) > REPRESENTATIVES:
                    self._long.append((decoded.identity, heard.segments))
                self._report.embedded += not self._rest
                self._report.audio_seconds += heard.seconds
            self._done += 1
            task = self._tasks[decoded.job.key]
            if isinstance(task, Candidate):
                silent = decoded.facts is not None and decoded.facts.silent
                self._keep(self._record(task, decoded, silent), decoded)

    def _keep(self, record: Record, decoded: Decoded) -> None:
        """Queues a record; copies of a sound wait until the facts of it have come."""
        identity = decoded.identity
        if decoded.facts is not None:
            self._known.add(identity)
            self._records.append(record)
            silent = record.state == State.SILENT
            for copy in self._copies.pop(identity, ()):
                self._records.append(replace(copy, state=State.SILENT) if silent else copy)
        elif identity in self._known:
            sound = self._library.sound_by_identity(identity)
            silent = bool(sound and sound.silent) or any(
                r.identity == identity and r.state == State.SILENT for r in self._records
            )
            self._records.append(replace(record, state=State.SILENT) if silent else record)
        else:
            self._copies.setdefault(identity, []).append(record)

    def _record(self, task: Candidate, decoded: Decoded, silent: bool) -> Record:
        return Record(
            root_id=task.root_id,
            path=task.path,
            size=task.size,
            mtime_ns=task.mtime_ns,
            ends=quick_hash(self._path(task)),
            state=State.SILENT if silent else State.OK,
            reason=decoded.facts.damage if decoded.facts else "",
            identity=decoded.identity,
            facts=decoded.facts,
            tags=decoded.tags,
        )

    def _fail(self, event: Failed) -> None:
        self._done += 1
        self._report.failed += 1
        self._failures[event.job.key] = event
        task = self._tasks[event.job.key]
        if not isinstance(task, Candidate):
            return  # a known file that can't be read at the moment; the next scan asks again
        self._records.append(
            Record(
                root_id=task.root_id,
                path=task.path,
                size=task.size,
                mtime_ns=task.mtime_ns,
                ends=quick_hash(self._path(task)),
                state=State.FAILED,
                reason=event.reason,
                retry=event.retry,
            )
        )

    def _fail_copies(self) -> None:
        """What is equal to a file that can't be used can't be used either."""
        for identity, copies in self._copies.items():
            failed = self._failures.get(self._reader_of[identity])
            reason = failed.reason if failed else "an equal file could not be read"
            retry = failed is None or failed.retry
            self._report.failed += len(copies)
            self._records += [
                replace(record, state=State.FAILED, reason=reason, retry=retry, identity=None)
                for record in copies
            ]
        self._copies.clear()

    def _commit(self) -> None:
        """Vectors first: a row of the library never promises a vector that is not there. Changes
        are told before rows count: a cut in between tells them again instead of never."""
        if self._rows and self._vectors is not None:
            for identity, segments in self._long:
                self._vectors.segments.add(identity, self._seconds, segments)
            identities, starts, rows = zip(*self._rows, strict=True)
            self._vectors.append(list(identities), np.array(starts, np.float32), np.stack(rows))
            self._vectors.flush()
        if self._records:
            with self._library.transaction():
                self._on_changes(self._library.record(self._records))
            self._library.name_files(file_words)
        self._rows, self._long, self._records = [], [], []
        self._committed = time.monotonic()
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        self._recent.append((now, self._done))
        since, done = self._recent[0]
        rate = (self._done - done) / (now - since) if now > since else 0.0
        left = (len(self._tasks) - self._done) / rate if rate else None
        self._on_progress(Progress(len(self._tasks), self._done, self._report.failed, rate, left))
