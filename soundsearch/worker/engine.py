"""A data folder at work: its library, its vectors and a model; scans and searches.

The command line uses it in its own process, the window through `server`.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundsearch.errors import UserError
from soundsearch.index.vectors import Vectors
from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.models import catalog
from soundsearch.scan.decoders import Decoders, Failed, Job, Need, Segment
from soundsearch.scan.pipeline import Control, Progress, ScanReport, scan
from soundsearch.search.calibration import Calibration
from soundsearch.search.examples import query_vector
from soundsearch.search.names import Names
from soundsearch.search.query import Example, Query
from soundsearch.search.ranking import Answer, SoundScores, rank

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

EXCLUDED_WEIGHT = -0.5  # of words after a minus, which also filter by text


class Engine:
    """One data folder, open for reading or (write=True) under its lock for scanning.

    model: a model's name, None for the one in use; device: auto, cpu, cuda or mps. The model
    is loaded when it is first needed. notices: what the person should be told about opening.
    One thread at a time; `reader` gives a second thread its own engine on the same model and
    vectors. Raises UserError: see Library.open, catalog.find.
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
    ) -> None:
        self._data = data
        self._entry: catalog.ModelEntry | None = (
            beside._entry if beside else catalog.find(data, model)
        )
        self._model: _Model = beside._model if beside else _Model(self._entry, device)
        self.library = Library.open(data, write=write, doing=doing)
        self.notices = [self.library.notice] if self.library.notice else []
        self._names = Names(self.library.db)
        self._vectors: Vectors | None = beside._vectors if beside else self._open_vectors(write)
        self._scored: tuple[object, np.ndarray, np.ndarray] | None = None
        self._calibrated: tuple[int, Calibration] | None = None

    def _open_vectors(self, write: bool) -> Vectors | None:
        if self._entry is None:
            return None
        folder = self._data / "embeddings" / self._entry.model_id
        return Vectors.open(folder, self._entry.dim, write)

    def reader(self) -> "Engine":
        return Engine(self._data, beside=self)

    def close(self) -> None:
        if self._vectors is not None:
            self._vectors.close()
        self.library.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *error: object) -> None:
        if self._vectors is not None:
            self._vectors.close()
        self.library.__exit__(*(error[0], error[1], error[2]))  # type: ignore[arg-type]

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

    def scan(
        self,
        folders: Sequence[str],
        *,
        retry: bool = False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        control: Control | None = None,
    ) -> ScanReport:
        """Adds folders, then brings the whole library up to date. Raises UserError for a folder
        that can't be added."""
        for folder in folders:
            self.library.add_root(os.fsencode(os.path.abspath(folder)))
        with UserData.open(self._data, write=True) as marks:
            self.notices += [marks.notice] if marks.notice else []
            report = scan(
                self.library,
                self._vectors,
                self.encoder,
                retry=retry,
                on_progress=on_progress,
                on_changes=marks.follow,
                control=control,
            )
            # What the person made is found again by path should its sound change.
            marks.set_places(self.library.places_of(marks.places()))
        return report

    def search(self, query: Query, k: int = 20, by: str = "both") -> Answer:
        """The best k sounds by "name", by "sound", or by "both"; by name without a model."""
        sound = None
        if by != "name" and not query.browses and self._entry is not None:
            sound = self._sound_scores(query)
        with UserData.open(self._data, write=False) as marks:
            return rank(
                query,
                self.library,
                self._names,
                sound=sound,
                k=k,
                by_name=by != "sound",
                userdata=marks,
            )

    def _sound_scores(self, query: Query) -> SoundScores:
        encoder, vectors = self.encoder, self._vectors
        assert encoder is not None
        assert vectors is not None
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
        sound_ids, rows = self._rows_of_sounds()
        cosines = (vectors.matrix @ vector)[rows]
        by_example = not query.text
        return SoundScores(
            sound_ids,
            cosines,
            calibration.strength(cosines, vector, len(rows), by_example),
            None if by_example else calibration.threshold,
        )

    def _calibration(self) -> Calibration:
        """The model's; read again when vectors came, for without its own it is made of those."""
        assert self._entry is not None
        assert self._vectors is not None
        matrix = self._vectors.matrix
        if self._calibrated is None or self._calibrated[0] != len(matrix):
            calibration = Calibration.load(self._entry.folder, self._entry.dim, matrix)
            self._calibrated = len(matrix), calibration
        return self._calibrated[1]

    def _rows_of_sounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids (N,), sorted, of the library's sounds that have a vector, and its row (N,)."""
        vectors = self._vectors
        assert vectors is not None
        state = (
            len(vectors),
            self.library.db.execute("PRAGMA data_version").fetchone()[0],
            self.library.db.total_changes,
        )
        if self._scored is None or self._scored[0] != state:
            ids, joined = self.library.sound_identities()
            found = [
                (sound_id, row)
                for at, sound_id in enumerate(ids)
                if (row := vectors.row_of(joined[16 * at : 16 * at + 16])) is not None
            ]
            table = np.array(sorted(found), np.int64).reshape(-1, 2)
            self._scored = (state, table[:, 0], table[:, 1])
        return self._scored[1], self._scored[2]

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
                return vectors.matrix[at]
            path = path or self.library.places_of([identity]).get(identity)
        if path is None:
            raise UserError("The example is not in the library any more")
        segments = _read(path, example.start, example.end, encoder.rate, encoder.segment_seconds)
        return encoder.pool(encoder.segment_features(segments))


class _Model:
    """Loads the model once, whichever thread needs it first."""

    def __init__(self, entry: "catalog.ModelEntry | None", device: str) -> None:
        self._entry = entry
        self._device = device
        self._encoder: DualEncoder | None = None
        self._loading = threading.Lock()

    def get(self) -> "DualEncoder | None":
        if self._entry is None:
            return None
        with self._loading:
            if self._encoder is None:
                from soundsearch.models.encoder import load_model

                self._encoder = load_model(self._entry.folder, self._device)
            return self._encoder


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
