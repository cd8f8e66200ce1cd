"""A data folder at work: its library, its vectors and a model; scans and searches.

The command line uses it in its own process, the window through `server`.
"""

import contextlib
import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundsearch.errors import UserError
from soundsearch.index.neighbours import Neighbours
from soundsearch.index.vectors import Vectors
from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.models import catalog
from soundsearch.models.speed import cost_of_work, note_speed
from soundsearch.scan.decoders import Decoders, Failed, Job, Need, Segment
from soundsearch.scan.pipeline import Control, Progress, ScanReport, scan
from soundsearch.search.calibration import Calibration
from soundsearch.search.examples import query_vector
from soundsearch.search.listening import Listening
from soundsearch.search.moments import SoundTable
from soundsearch.search.names import Names
from soundsearch.search.query import Example, Query
from soundsearch.search.ranking import Answer, SoundScores, rank
from soundsearch.settings import peek_settings

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

_MOST_SEEN = 50
_BACKGROUND = 512  # rows that a model without a calibration of its own is judged by
_MOST_HEARD = 100  # examples whose vectors are kept while words are typed beside them
EXCLUDED_WEIGHT = -0.5  # of words after a minus, which also filter by text


class Engine:
    """One data folder, open for reading or (write=True) under its lock for scanning.

    model: a model's name, None for the one in use, "" for none; device: auto, cpu, cuda or mps.
    The model is loaded when it is first needed. notices: what the person should be told about
    opening.
    One thread at a time; `reader` gives a second thread its own engine on the same model and
    vectors, `with_model` the same thread one with another model on the same library. Raises
    UserError: see Library.open, catalog.find.
    """

    def __init__(
        self,
        data: Path,
        *,
        model: str | None = None,
        device: str = "auto",
        write: bool = False,
        doing: str = "a scan",
        beside: "Engine | None" = None,
        library: Library | None = None,
    ) -> None:
        self._data = data
        self._device = device
        self._entry: catalog.ModelEntry | None = (
            beside._entry if beside else catalog.find(data, model) if model != "" else None
        )
        self._model: _Model = beside._model if beside else _Model(self._entry, device)
        self.library = library or Library.open(data, write=write, doing=doing)
        self.notices = [self.library.notice] if self.library.notice else []
        self._names = Names(self.library.db)
        # Sounds of the last answer, shared with the engine beside: the scan reads them first.
        self._seen: list[int] = beside._seen if beside else []
        self._vectors: Vectors | None = beside._vectors if beside else self._open_vectors(write)
        self._near: Neighbours | None = beside._near if beside else self._open_near(write)
        self._table: SoundTable | None = None
        if self._vectors is not None:
            self._table = SoundTable(self.library, self._vectors)
        self._calibrated: tuple[int, Calibration] | None = None
        self._heard: dict[object, np.ndarray] = {}

    def _open_vectors(self, write: bool) -> Vectors | None:
        if self._entry is None:
            return None
        return Vectors.open(_embeddings(self._data, self._entry), self._entry.dim, write)

    def _open_near(self, write: bool) -> Neighbours | None:
        if self._entry is None or self._vectors is None:
            return None
        return Neighbours(self._vectors, self._entry.model_id, write)

    def reader(self) -> "Engine":
        return Engine(self._data, beside=self)

    def with_model(self, name: str) -> "Engine":
        """For the thread that scans."""
        return Engine(self._data, model=name, device=self._device, write=True, library=self.library)

    def close(self) -> None:
        self._close_vectors()
        self.library.close()

    def _close_vectors(self) -> None:
        if self._near is not None:
            self._near.close()
        if self._vectors is not None:
            self._vectors.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *error: object) -> None:
        self._close_vectors()
        self.library.__exit__(*(error[0], error[1], error[2]))  # type: ignore[arg-type]

    @property
    def vector_count(self) -> int:
        """See vectors_of."""
        return len(self._vectors) if self._vectors is not None else 0

    @property
    def model_name(self) -> str | None:
        return self._entry.name if self._entry else None

    @property
    def model_warning(self) -> str:
        """What the person should know before they trust the model; "" for a good one."""
        return self._entry.warning if self._entry else ""

    @property
    def encoder(self) -> "DualEncoder | None":
        """The model, loaded at the first call; None when none is installed."""
        return self._model.get()

    @property
    def model_is_away(self) -> bool:
        """Whether there is a model, but not in memory."""
        return self._model.is_away

    def free_model(self, idle: float) -> bool:
        """Frees the model's memory if it is there and was not used for so many seconds; the next
        call that needs the model loads it. Any thread may ask."""
        return self._model.free(idle)

    def scan(
        self,
        folders: Sequence[str],
        *,
        only: Sequence[str] = (),
        retry: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        control: Control | None = None,
    ) -> ScanReport:
        """Adds folders, then brings the whole library up to date, or `only` some of its folders.
        Raises UserError for a folder that can't be added."""
        for folder in folders:
            self.library.add_root(os.fsencode(os.path.abspath(folder)))
        settings = peek_settings(self._data)
        with (
            self._model.kept() as encoder,
            UserData.open(self._data, write=True) as marks,
        ):
            self.notices += [marks.notice] if marks.notice else []
            report = scan(
                self.library,
                self._vectors,
                encoder,
                only=[os.fsencode(folder) for folder in only],
                retry=retry,
                patterns=settings.exclude.splitlines(),
                decoders=settings.cores,
                on_progress=on_progress,
                on_changes=marks.follow,
                control=control,
                seen=lambda: tuple(self._seen),
            )
            # What the person made is found again by path should its sound change.
            marks.set_places(self.library.places_of(marks.places()))
        if self._near is not None:
            self._near.settle()
        if self._entry is not None:
            work = report.work
            worked_on = cost_of_work(self._entry, work.segments, work.sound)
            note_speed(self._data, self._entry.model_id, worked_on, work.busy)
        return report

    @property
    def unindexed(self) -> int:
        """Vectors of a large library that its index does not hold yet."""
        if self._near is None or self._vectors is None or not self._vectors.is_large:
            return 0
        return len(self._vectors) - self._near.covered

    def finish_index(self) -> None:
        """Waits until all vectors are in the index and that is saved."""
        if self._near is not None:
            self._near.settle(wait=True)

    def prepare(self, query: Query) -> None:
        """Loads the model and hears the query's examples, so that `search` only searches.

        Raises UserError for an example that can't be used.
        """
        if (encoder := self.encoder) is not None:
            for example in query.examples:
                self._example_vector(example, encoder)

    def search(
        self,
        query: Query,
        k: int = 20,
        by: str = "both",
        takes: bool = False,
        exact: bool = False,
    ) -> Answer:
        """The best k rows by "name", by "sound", or by "both"; by name without a model.

        takes: see rank. exact: without the index of large libraries.
        """
        sound = None
        if by != "name" and not query.browses and self._entry is not None:
            sound = self._sound_scores(query, exact)
        with UserData.open(self._data, write=False) as marks:
            answer = rank(
                query,
                self.library,
                self._names,
                sound=sound,
                k=k,
                by_name=by != "sound",
                userdata=marks,
                takes=takes,
            )
        self._seen[:] = [match.sound_id for match in answer.matches[:_MOST_SEEN]]
        return answer

    def _sound_scores(self, query: Query, exact: bool) -> SoundScores:
        encoder, vectors, near, table = self.encoder, self._vectors, self._near, self._table
        assert encoder is not None
        assert vectors is not None
        assert near is not None
        assert table is not None
        assert self._entry is not None
        calibration = self._calibration()
        parts: list[tuple[np.ndarray, float]] = []
        if query.text:
            parts.append((encoder.embed_text([query.text])[0], 1.0))
        for example in query.examples:
            parts.append((self._example_vector(example, encoder), example.weight))
        for vector in encoder.embed_text(list(query.excluded)) if query.excluded else ():
            parts.append((vector, EXCLUDED_WEIGHT))
        vector = query_vector(parts, calibration.background)
        listening = Listening(vectors, near, table.rows(), calibration, vector, not query.text)
        return listening.scores(exact)

    def _calibration(self) -> Calibration:
        """The model's; read again when vectors came, for without its own it is made of those."""
        assert self._entry is not None
        assert self._vectors is not None
        count = len(self._vectors)
        if self._calibrated is None or self._calibrated[0] != count:
            spread = np.unique(np.linspace(0, count - 1, min(count, _BACKGROUND)).astype(np.int64))
            rows = self._vectors.take(spread)
            calibration = Calibration.load(self._entry.folder, self._entry.dim, rows)
            self._calibrated = count, calibration
        return self._calibrated[1]

    def _example_vector(self, example: Example, encoder: "DualEncoder") -> np.ndarray:
        """float32 (D,) of a library sound, of any file, or of a region of either."""
        vectors = self._vectors
        assert vectors is not None
        whole = example.start == 0 and example.end is None
        identity, path = example.sound, example.path
        if identity is None and path is not None and whole:
            row = self.library.file_at(path)
            status = _status(path)
            if row and status and (row.size, row.mtime_ns) == (status.st_size, status.st_mtime_ns):
                identity = row.identity
        if identity is not None:
            at = vectors.row_of(identity)
            if at is not None and whole:
                return vectors.take(np.array([at]))[0]
            path = path or self.library.places_of([identity]).get(identity)
        if path is None:
            raise UserError("The example is not in the library any more")
        status = _status(path)
        version = (status.st_size, status.st_mtime_ns) if status else None
        heard = (path, example.start, example.end, version)
        if heard not in self._heard:
            segments = _read(
                path, example.start, example.end, encoder.rate, encoder.segment_seconds
            )
            if len(self._heard) >= _MOST_HEARD:
                self._heard.clear()
            self._heard[heard] = encoder.pool(encoder.segment_features(segments))
        return self._heard[heard]


def vectors_of(data: Path, entry: catalog.ModelEntry) -> int:
    """How many vectors of a model lie on disk: of sounds and of parts of them."""
    return Vectors.count(_embeddings(data, entry))


def _embeddings(data: Path, entry: catalog.ModelEntry) -> Path:
    return data / "embeddings" / entry.model_id


class _Model:
    """Loads the model when a thread needs it, and frees it when none did for long."""

    def __init__(self, entry: "catalog.ModelEntry | None", device: str) -> None:
        self._entry = entry
        self._device = device
        self._encoder: DualEncoder | None = None
        self._loading = threading.Lock()
        self._keepers = 0
        self._used = 0.0  # time.monotonic

    def get(self) -> "DualEncoder | None":
        if self._entry is None:
            return None
        with self._loading:
            if self._encoder is None:
                from soundsearch.models.encoder import load_model

                self._encoder = load_model(self._entry.folder, self._device)
            self._used = time.monotonic()
            return self._encoder

    @property
    def is_away(self) -> bool:
        return self._entry is not None and self._encoder is None

    @contextlib.contextmanager
    def kept(self) -> "Iterator[DualEncoder | None]":
        """Uses the model for as long as it takes."""
        with self._loading:
            self._keepers += 1
        try:
            yield self.get()
        finally:
            with self._loading:
                self._keepers -= 1
                self._used = time.monotonic()

    def free(self, idle: float) -> bool:
        if not self._loading.acquire(blocking=False):
            return False
        try:
            if self._encoder is None or self._keepers or time.monotonic() - self._used < idle:
                return False
            self._encoder = None
        finally:
            self._loading.release()
        _give_back_memory()
        return True


def _give_back_memory() -> None:
    """What was freed goes back to the system, too: allocators keep it otherwise."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc's only
        ctypes.CDLL(None).malloc_trim(0)


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _read(
    path: bytes, start: float, end: float | None, rate: int, segment_seconds: float
) -> list[np.ndarray]:
    """Segments of a region, decoded in a process of its own. Raises UserError."""
    status = _status(path)
    if status is None:
        raise UserError(f"{os.fsdecode(path)} is not there")
    first = int(start * rate)
    last = None if end is None else int(end * rate)
    parts: list[np.ndarray] = []
    at = 0
    with Decoders(1, rate, segment_seconds) as decoders:
        job = Job(0, os.path.abspath(path), status.st_size)
        for event in decoders.run([job], lambda job, identity: Need(True, False)):
            if isinstance(event, Failed):
                raise UserError(f"{os.fsdecode(path)} can't be used: {event.reason}")
            if isinstance(event, Segment):
                begin = max(first - at, 0)
                stop = len(event.samples) if last is None else max(last - at, 0)
                parts.append(event.samples[begin:stop])
                at += len(event.samples)
    samples = np.concatenate([*parts, np.empty(0, np.float32)])
    if not len(samples):
        raise UserError(f"There is no sound at that place of {os.fsdecode(path)}")
    length = int(segment_seconds * rate)
    return [samples[i : i + length] for i in range(0, len(samples), length)]
