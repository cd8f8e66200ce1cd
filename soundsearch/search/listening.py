"""How the library's sounds fit a query vector: all of them, or in large libraries those that may
matter: the nearest, and whichever the ranking asks for by name or filter."""

from dataclasses import dataclass

import numpy as np

from soundsearch.index.neighbours import Neighbours
from soundsearch.index.vectors import Vectors
from soundsearch.search.calibration import Calibration
from soundsearch.search.moments import SoundRows, best_moments
from soundsearch.search.ranking import SoundScores
from soundsearch.search.takes import alike_by_vector

_NEAREST = 1_000  # rows
_FEW = 20_000  # sounds, of which each is compared


@dataclass(frozen=True)
class Listening:
    """One query vector, float32 (D,), and what it is compared with."""

    vectors: Vectors
    near: Neighbours
    table: SoundRows
    calibration: Calibration
    vector: np.ndarray
    by_example: bool

    def scores(self, exact: bool = False) -> SoundScores:
        """Of all sounds, or where these are too many, and not exact, of the nearest ones first."""
        if exact or not self.vectors.is_large:
            cosines = self.vectors.cosines(self.vector[None])[0]
            return self._scores(self.table.owners, self.table.starts, cosines[self.table.rows])
        return self._of_nearest(None)

    def _of(self, sound_ids: np.ndarray) -> SoundScores:
        """Of these sounds; of the nearest among them when they are many."""
        ids = np.unique(sound_ids)
        if len(ids) > _FEW:
            return self._of_nearest(ids)
        owners = self.table.owners
        first, last = np.searchsorted(owners, ids), np.searchsorted(owners, ids, "right")
        # The ranges first…last - 1, one behind another.
        counts = last - first
        at = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        rows = self.table.rows[at]
        order = np.argsort(rows)  # neighbours on disk are read at once
        cosines = np.empty(len(rows), np.float32)
        cosines[order] = self.vectors.cosines(self.vector[None], rows[order])[0]
        return self._scores(owners[at], self.table.starts[at], cosines)

    def _of_nearest(self, ids: np.ndarray | None) -> SoundScores:
        owner_of = np.full(len(self.vectors), -1, np.int64)
        rows = self.table.rows
        if ids is not None:
            rows = rows[np.isin(self.table.owners, ids)]
        owner_of[self.table.rows] = self.table.owners
        allowed = None
        if ids is not None or len(rows) < 0.9 * len(owner_of):
            marked = np.zeros(len(owner_of), bool)
            marked[rows] = True
            allowed = np.flatnonzero(marked)
        found, _ = self.near.nearest(self.vector[None], _NEAREST, allowed)
        found = found[0][found[0] < len(owner_of)]  # rows that came meanwhile
        owners = owner_of[found]
        return self._of(owners[owners >= 0])

    def _scores(self, owners: np.ndarray, starts: np.ndarray, cosines: np.ndarray) -> SoundScores:
        calibration, total = self.calibration, len(self.table.sound_ids)
        sound_ids, best, at = best_moments(owners, starts, cosines, calibration.segment_margin)
        return SoundScores(
            sound_ids,
            best,
            calibration.strength(best, self.vector, total, self.by_example),
            None if self.by_example else calibration.least_strength(total),
            at,
            alike_by_vector(self.table.whole_of, self.vectors.take, calibration.take_cosine),
            None if len(sound_ids) == total else self._of,
            lambda identity: self.vectors.segments.best(identity, self.vector),
        )
