"""Walk → decode → embed → commit: the scan of folders, from their list to vectors on disk.

A decoding thread runs ahead of the model by a bounded queue; every batch is committed, vectors
before rows, so that a scan can be cut anywhere and goes on from there.
"""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from soundsearch.audio.decode import AUDIO_EXTENSIONS
from soundsearch.index.vectors import WHOLE, Vectors
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Change, FileRow, Record, State
from soundsearch.scan.candidates import Candidate, quick_hash
from soundsearch.scan.decoders import Decoded, Decoders, Event, Failed, Job, Need, Segment
from soundsearch.scan.naming import file_words
from soundsearch.scan.walk import plan, settle

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

BATCH_SECONDS = 80.0  # of sound that the model is given at once, in at most so many segments
BATCH_SEGMENTS = 64
COMMIT_FILES = 100
COMMIT_SECONDS = 1.0
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
    """What a scan did. files: all sounds seen, read or not; audio_seconds: what was embedded."""

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

    def as_json(self) -> dict[str, Any]:
        names = ("files", "new", "unchanged", "moved", "missing", "failed", "embedded")
        content: dict[str, Any] = {name: getattr(self, name) for name in names}
        content["seconds"] = round(self.seconds, 3)
        content["audio_seconds"] = round(self.audio_seconds, 3)
        return content


class Control:
    """Pause, resume and cancel a scan from another thread."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
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

    def wait(self) -> bool:
        """Blocks while paused; False when the scan shall end."""
        self._go.wait()
        return not self.cancelled


class _CancelledError(Exception):
    """Ends a walk."""


@dataclass
class _Reading:
    """A file that is being read: the sum of its segments' features, and what came at its end."""

    attempt: int = 0
    total: np.ndarray | None = None  # (F,)
    segments: int = 0
    waiting: int = 0  # segments that the model has not seen yet
    seconds: float = 0.0
    decoded: Decoded | None = None


def scan(
    library: Library,
    vectors: Vectors | None,
    encoder: "DualEncoder | None",
    *,
    retry: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_changes: Callable[[list[Change]], None] = lambda changes: None,
    control: Control | None = None,
) -> ScanReport:
    """Brings the library up to date with its folders.

    vectors and encoder belong together; without them files, facts and names are recorded and
    nothing is embedded. on_changes gets the places whose content became another sound. Ends early,
    with all that is done kept, when `control` is cancelled.
    """
    began = time.monotonic()
    control = control or Control()
    on_progress(Progress(0, 0, 0, 0.0, None))

    def look(seen: int) -> None:
        if not control.wait():
            raise _CancelledError

    try:
        found = plan(library, library.roots(), AUDIO_EXTENSIONS, retry=retry, on_found=look)
    except _CancelledError:
        return ScanReport(seconds=time.monotonic() - began)
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
    )
    tasks: list[Candidate | FileRow] = [*found.to_read]
    if vectors is not None:
        tasks += _not_embedded(library, vectors)
    if tasks:
        _Scan(library, vectors, encoder, report, on_progress, on_changes, control).run(tasks)
    library.name_files(file_words)
    report.seconds = time.monotonic() - began
    return report


def _not_embedded(library: Library, vectors: Vectors) -> list[FileRow]:
    """A file of each known sound that has no vector of this model yet and can be read."""
    ids, joined = library.sound_identities()
    lacking = [
        sound_id
        for at, sound_id in enumerate(ids)
        if vectors.row_of(joined[16 * at : 16 * at + 16]) is None
    ]
    rows: list[FileRow] = []
    for first in range(0, len(lacking), 1000):
        places = library.places(lacking[first : first + 1000])
        rows += [files[0] for files in places.values() if files[0].state == State.OK]
    return rows


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
    ) -> None:
        self._library = library
        self._vectors = vectors
        self._encoder = encoder
        self._report = report
        self._on_progress = on_progress
        self._on_changes = on_changes
        self._control = control
        self._roots = {root.id: root for root in library.roots()}
        _, joined = library.sound_identities()
        self._known = {joined[at : at + 16] for at in range(0, len(joined), 16)}
        self._reader_of: dict[bytes, int] = {}  # identity → key of the job that reads the sound
        self._readings: dict[int, _Reading] = {}
        self._batch: list[tuple[int, int, np.ndarray]] = []  # key, attempt, samples
        self._batch_seconds = 0.0
        self._rows: list[tuple[bytes, np.ndarray]] = []  # identity, vector
        self._records: list[Record] = []
        self._copies: dict[bytes, list[Record]] = {}  # wait for the facts of their sound
        self._failures: dict[int, Failed] = {}  # by the key of the job
        self._committed = time.monotonic()
        self._done = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=200)

    def run(self, tasks: Sequence[Candidate | FileRow]) -> None:
        self._tasks = tasks
        rate = self._encoder.rate if self._encoder else None
        seconds = self._encoder.segment_seconds if self._encoder else 10.0
        cores = os.cpu_count() or 1
        count = min(len(tasks), max(1, cores - 1 if self._encoder else cores))
        with Decoders(count, rate, seconds) as decoders:
            for event in _ahead(decoders.run(self._jobs(), self._need), decoders.stop):
                if not self._control.wait():
                    break
                self._take(event)
        if not self._control.cancelled:
            self._embed()
            self._fail_copies()
        self._commit()

    def _jobs(self) -> Iterator[Job]:
        for key, task in enumerate(self._tasks):
            yield Job(key, self._path(task), task.size)

    def _path(self, task: Candidate | FileRow) -> bytes:
        return os.path.join(self._roots[task.root_id].path, task.path)

    def _need(self, job: Job, identity: bytes) -> Need:
        """Runs on the decoding thread."""
        if self._reader_of.setdefault(identity, job.key) != job.key:
            return Need(samples=False, facts=False)  # an equal file is being read
        has_vector = self._vectors is None or self._vectors.row_of(identity) is not None
        return Need(samples=not has_vector, facts=identity not in self._known)

    def _take(self, event: Event | None) -> None:
        """One event of the decoders, or None when there is none at the moment."""
        if event is None:
            self._embed()
        elif isinstance(event, Segment):
            self._take_segment(event)
        elif isinstance(event, Decoded):
            self._readings.setdefault(event.job.key, _Reading()).decoded = event
            self._finish(event.job.key)
        else:
            self._readings.pop(event.job.key, None)
            self._fail(event)
        late = time.monotonic() - self._committed >= COMMIT_SECONDS
        if len(self._records) + len(self._rows) >= COMMIT_FILES or late:
            self._commit()

    def _take_segment(self, event: Segment) -> None:
        assert self._encoder is not None
        reading = self._readings.setdefault(event.job.key, _Reading())
        if reading.attempt != event.job.attempt:  # what a decoder that died had read is void
            self._readings[event.job.key] = reading = _Reading(event.job.attempt)
        seconds = len(event.samples) / self._encoder.rate
        reading.waiting += 1
        reading.seconds += seconds
        self._batch.append((event.job.key, event.job.attempt, event.samples))
        self._batch_seconds += seconds
        if self._batch_seconds >= BATCH_SECONDS or len(self._batch) >= BATCH_SEGMENTS:
            self._embed()

    def _embed(self) -> None:
        """Gives the model what has come, and finishes the sounds that are complete then."""
        if not self._batch:
            return
        assert self._encoder is not None
        batch, self._batch, self._batch_seconds = self._batch, [], 0.0
        features = self._encoder.segment_features([samples for _, _, samples in batch])
        for (key, attempt, _), feature in zip(batch, features, strict=True):
            reading = self._readings.get(key)
            if reading is None or reading.attempt != attempt:
                continue
            total = feature.astype(np.float64)
            reading.total = total if reading.total is None else reading.total + total
            reading.segments += 1
            reading.waiting -= 1
        for key in dict.fromkeys(key for key, _, _ in batch):
            self._finish(key)

    def _finish(self, key: int) -> None:
        reading = self._readings.get(key)
        if reading is None or reading.decoded is None or reading.waiting:
            return
        del self._readings[key]
        decoded = reading.decoded
        silent = decoded.facts is not None and decoded.facts.silent
        if reading.total is not None and not silent:
            assert self._encoder is not None
            mean = (reading.total / reading.segments).astype(np.float32)
            self._rows.append((decoded.identity, self._encoder.pool(mean[None])))
            self._report.embedded += 1
            self._report.audio_seconds += reading.seconds
        self._done += 1
        task = self._tasks[key]
        if isinstance(task, Candidate):
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

    def _commit(self) -> None:
        """Vectors first: a row of the library never promises a vector that is not there."""
        if self._rows and self._vectors is not None:
            identities = [identity for identity, _ in self._rows]
            starts = np.full(len(identities), WHOLE, np.float32)
            self._vectors.append(identities, starts, np.stack([v for _, v in self._rows]))
            self._vectors.flush()
        if self._records:
            self._on_changes(self._library.record(self._records))
            self._library.name_files(file_words)
        self._rows, self._records = [], []
        self._committed = time.monotonic()
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        self._recent.append((now, self._done))
        since, done = self._recent[0]
        rate = (self._done - done) / (now - since) if now > since else 0.0
        left = (len(self._tasks) - self._done) / rate if rate else None
        self._on_progress(Progress(len(self._tasks), self._done, self._report.failed, rate, left))


def _ahead(events: Iterator[Event], end: Callable[[], None]) -> Iterator[Event | None]:
    """Runs `events` on a thread of its own, a bounded number ahead.

    Yields None when nothing is ready, so that the caller works off what it has. end: called when
    no more is wanted, makes `events` end soon.
    """
    ready: queue.Queue[Event | BaseException | None] = queue.Queue(AHEAD)
    stop = threading.Event()

    def put(item: Event | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for event in events:
                if not put(event):
                    return
            put(None)
        except BaseException as error:  # raised again where the events are used
            put(error)

    thread = threading.Thread(target=work, name="decoding", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = ready.get(timeout=0.05)
            except queue.Empty:
                yield None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        end()
        thread.join()
