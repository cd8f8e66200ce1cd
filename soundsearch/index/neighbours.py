"""The rows nearest to query vectors, behind one call: `nearest(vectors, k, allowed)`."""

import numpy as np


class Exact:
    """Compares with every row. matrix: float32 (N, D), unit rows."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = matrix

    def nearest(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k rows of largest cosine, best first; equal cosines by row.

        vectors: float32 (Q, D), unit rows. allowed: int (M,) rows to choose from, all when None.
        Returns rows int64 (Q, k') and cosines float32 (Q, k'), k' = min(k, rows to choose from).
        """
        rows = np.arange(len(self._matrix)) if allowed is None else np.asarray(allowed, np.int64)
        matrix = self._matrix if allowed is None else self._matrix[rows]
        cosines = np.asarray(vectors, np.float32) @ matrix.T  # (Q, M)
        k = min(k, len(rows))
        chosen = np.empty((len(cosines), k), np.int64)
        for i, row in enumerate(cosines):
            best = np.arange(len(row))[:k]
            if 0 < k < len(row):
                # A partition leaves open which of several equal ones at the border it takes.
                border = np.partition(row, len(row) - k)[len(row) - k]
                sure = np.flatnonzero(row > border)
                best = np.concatenate([sure, np.flatnonzero(row == border)[: k - len(sure)]])
            chosen[i] = best[np.lexsort((best, -row[best]))]
        return rows[chosen], np.take_along_axis(cosines, chosen, axis=1)
