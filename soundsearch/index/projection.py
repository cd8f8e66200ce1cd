"""Fewer dimensions for large libraries: the directions in which a library's rows lie.

The uncentred singular vectors of the rows keep their inner products with any query as well as is
possible in so many dimensions, and what of a query lies outside of them is outside of all rows
anyway. One more coordinate, the length that a row lost, brings rows back to unit length (that of
queries is zero): so the nearest by Euclidean distance are those of the largest inner product, and
the graph has a true metric to be built on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    """basis: float32 (D, P - 1), orthonormal columns; kept: the share of the rows' squared length
    within them, 0…1."""

    basis: np.ndarray
    kept: float

    @property
    def dims(self) -> int:
        """P"""
        return self.basis.shape[1] + 1

    @classmethod
    def fit(cls, blocks: Iterable[np.ndarray], dim: int, dims: int) -> "Projection":
        """From float32 (n, D) blocks of unit rows to at most `dims` dimensions."""
        gram = np.zeros((dim, dim), np.float64)
        for block in blocks:
            gram += block.T @ block
        values, vectors = np.linalg.eigh(gram)  # ascending
        width = min(dims - 1, dim)
        kept = float(values[-width:].sum() / max(values.sum(), 1e-12))
        return cls(np.ascontiguousarray(vectors[:, : -width - 1 : -1], np.float32), kept)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Unit rows (n, D) → float32 (n, P), unit length."""
        within = rows @ self.basis
        lost = np.sqrt(np.maximum(0.0, 1.0 - np.square(within).sum(axis=1)))
        return np.concatenate([within, lost[:, None]], axis=1, dtype=np.float32)

    def queries(self, queries: np.ndarray) -> np.ndarray:
        """Queries (Q, D) → float32 (Q, P), of unit length unless nothing of them is within."""
        within = queries @ self.basis
        lengths = np.maximum(np.linalg.norm(within, axis=1, keepdims=True), 1e-12)
        return np.concatenate(
            [within / lengths, np.zeros((len(within), 1))], axis=1, dtype=np.float32
        )

    def share_kept(self, projected: np.ndarray) -> float:
        """Of rows (n, P) as `rows` gave them: like `kept`."""
        return float(1.0 - np.square(projected[:, -1]).mean()) if len(projected) else self.kept
