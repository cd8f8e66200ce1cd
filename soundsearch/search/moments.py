"""The cosine of a sound: that of the whole, or of its best moment if that is clearly larger."""

from dataclasses import dataclass

import numpy as np

from soundsearch.index.vectors import Vectors
from soundsearch.library.catalog import Library


@dataclass(frozen=True)
class SoundRows:
    """The rows of vectors that stand for the library's sounds, those of a sound side by side.

    rows int64 (R,); owners int64 (R,): whose a row is, sorted ids of sounds; starts float32 (R,):
    seconds of a segment, below 0 for the whole sound; sound_ids int64 (N,), sorted, and wholes
    int64 (N,): the row of each whole sound.
    """

    rows: np.ndarray
    owners: np.ndarray
    starts: np.ndarray
    sound_ids: np.ndarray
    wholes: np.ndarray

    def whole_of(self, sound_ids: list[int]) -> np.ndarray:
        """int64 (n,): the row of each whole sound, -1 for sounds without one."""
        wanted = np.array(sound_ids, np.int64)
        if not len(self.sound_ids):
            return np.full(len(wanted), -1)
        at = np.minimum(np.searchsorted(self.sound_ids, wanted), len(self.sound_ids) - 1)
        return np.where(self.sound_ids[at] == wanted, self.wholes[at], -1)


class SoundTable:
    """Keeps the SoundRows of a library as it grows; of sounds, only new ones are read. One thread
    at a time."""

    def __init__(self, library: Library, vectors: Vectors) -> None:
        self._library = library
        self._vectors = vectors
        self._ids = np.empty(0, np.int64)
        self._identities = b""
        self._last = -1  # the newest sound's id
        self._state: object = None
        self._rows: SoundRows | None = None

    def rows(self) -> SoundRows:
        """As of now."""
        db = self._library.db
        version = db.execute("PRAGMA data_version").fetchone()[0]
        state = len(self._vectors), version, db.total_changes
        if self._rows is None or self._state != state:
            self._read_new_sounds()
            self._state, self._rows = state, self._arranged()
        return self._rows

    def _read_new_sounds(self) -> None:
        ids, joined = self._library.sound_identities(self._last)
        if len(ids):
            self._ids = np.concatenate([self._ids, np.frombuffer(ids, np.int64)])
            self._identities += joined
            self._last = max(ids)

    def _arranged(self) -> SoundRows:
        vectors = self._vectors
        owner_rows = vectors.owners()
        whole_rows = vectors.rows_of(self._identities)
        there = (whole_rows >= 0) & (whole_rows < len(owner_rows))
        sound_of = np.full(len(owner_rows), -1, np.int64)  # by the row of the whole sound
        sound_of[whole_rows[there]] = self._ids[there]
        owners = np.where(owner_rows >= 0, sound_of[owner_rows], -1)
        rows = np.flatnonzero(owners >= 0)
        rows = rows[np.argsort(owners[rows], kind="stable")]
        whole = rows[owner_rows[rows] == rows]
        starts = vectors.starts[rows]
        return SoundRows(rows, owners[rows], starts, owners[whole], whole)


def best_moments(
    owners: np.ndarray, starts: np.ndarray, cosines: np.ndarray, margin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of sounds and of their segments → (owners, cosines, starts), one of each sound.

    owners: int64 (R,), whose a row is, equal ones side by side; starts: float32 (R,), seconds of a
    segment, below 0 for the whole sound; cosines: float32 (R,). A sound gets max(whole, best
    segment - margin), since many segments have many tries, and its best segment's start, of equal
    ones the first; 0 when it has no segments here. Returns int64, float32 and float32 (N,), in
    the order of the rows.
    """
    if not len(owners):
        return owners, cosines, starts
    first = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))
    segment = starts >= 0
    best = np.maximum.reduceat(np.where(segment, cosines - margin, cosines), first)
    # Of the segments alone, where it is heard best; among equal ones the earliest.
    sound = np.repeat(np.arange(len(first)), np.diff(first, append=len(owners)))
    of_segments = np.where(segment, cosines, -np.inf)
    top = np.maximum.reduceat(of_segments, first)
    is_top = segment & (of_segments == top[sound])
    at = np.minimum.reduceat(np.where(is_top, starts, np.inf), first)
    at[np.isinf(at)] = 0.0
    return owners[first], best.astype(np.float32), at.astype(np.float32)
