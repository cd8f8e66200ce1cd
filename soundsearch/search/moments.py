"""The cosine of a sound: that of the whole, or of its best moment if that is clearly larger."""

import numpy as np


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
