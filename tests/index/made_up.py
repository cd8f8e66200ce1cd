"""Rows for the tests of the index."""

from pathlib import Path

import numpy as np

from soundsearch.index.vectors import WHOLE, Vectors

DIM = 24


def some(count: int, seed: int = 0, dim: int = DIM) -> tuple[list[bytes], np.ndarray, np.ndarray]:
    """Identities, starts, vectors."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    identities = [random.bytes(15) + b"\0" for _ in range(count)]  # a trailing zero must survive
    return identities, np.full(count, WHOLE, np.float32), vectors.astype(np.float32)


def filled(folder: Path, count: int = 10, seed: int = 0) -> tuple[list[bytes], np.ndarray]:
    identities, starts, rows = some(count, seed)
    with Vectors.open(folder, DIM, write=True) as vectors:
        vectors.append(identities[:4], starts[:4], rows[:4])
        vectors.append(identities[4:], starts[4:], rows[4:])
        vectors.flush()
    return identities, rows
