"""Sample rate conversion (soxr, its HQ setting: transparent for 16 bit)."""

import numpy as np
import soxr


class Resampler:
    """Converts a mono stream block by block; equal rates pass through.

    source, target: rates in Hz.
    """

    def __init__(self, source: float, target: float) -> None:
        self._stream = None
        if source != target:
            self._stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="HQ")

    def process(self, x: np.ndarray, last: bool = False) -> np.ndarray:
        """The next float32 (n,) → what is ready of it; `last` gives the rest."""
        if self._stream is None:
            return x
        return self._stream.resample_chunk(np.ascontiguousarray(x, np.float32), last=last)


def resample(x: np.ndarray, source: int, target: int) -> np.ndarray:
    """A whole mono sound float32 (n,) from `source` to `target` Hz."""
    return Resampler(source, target).process(x, last=True)
