"""Rows for the tests of the index."""

from pathlib import Path

import numpy as np

from soundsearch.index.vectors import WHOLE, Vectors

DIM = 24
WIDE = 96  # of clustered rows


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


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Rows around centres that lie in few directions."""
    random = np.random.default_rng(seed)
    world = np.random.default_rng(99)
    scale = np.arange(1, WIDE + 1) ** -0.8
    centres = world.normal(size=(50, WIDE)) * scale
    rows = centres[random.integers(0, 50, count)] + 0.5 * random.normal(size=(count, WIDE)) * scale
    return unit(rows)


def asked(count: int = 20) -> np.ndarray:
    """Queries that do not lie where the rows do."""
    random = np.random.default_rng(5)
    return unit(0.3 * clustered(count, 7) + 0.1 * random.normal(size=(count, WIDE)))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def names(first: int, last: int) -> list[bytes]:
    return [i.to_bytes(16, "big") for i in range(first, last)]
