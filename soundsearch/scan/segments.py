"""Which segments of a long sound are heard first, and which stand for it in the index."""

import numpy as np

HELD = 6  # segments of a sound that are kept until it is known to be long
REPRESENTATIVES = 8


class FirstPass:
    """Chooses start, loudest and middle of a stream of segments whose end is not known.

    Sounds of at most HELD segments are taken whole. Memory does not grow with the sound.
    """

    def __init__(self) -> None:
        self.count = 0
        self._step = 1
        self._held: dict[int, np.ndarray] = {}  # those whose number is a multiple of the step
        self._loudest = (-1.0, 0, np.empty(0, np.float32))

    @property
    def complete(self) -> bool:
        """Whether `chosen` are all segments there are."""
        return self.count <= HELD

    def add(self, samples: np.ndarray) -> None:
        """The next segment, float32 (samples,)."""
        power = float(np.dot(samples, samples)) / max(len(samples), 1)
        if power > self._loudest[0]:
            self._loudest = (power, self.count, samples)
        if self.count % self._step == 0:
            self._held[self.count] = samples
        self.count += 1
        if len(self._held) > HELD:
            self._step *= 2
            self._held = {i: held for i, held in self._held.items() if i % self._step == 0}

    def chosen(self) -> list[tuple[int, np.ndarray]]:
        """(number, samples) of the segments to hear, in order of time."""
        if self.complete:
            return list(self._held.items())
        middle = min(self._held, key=lambda i: abs(2 * i - self.count))
        _, loudest, samples = self._loudest
        return sorted(
            {0: self._held[0], middle: self._held[middle], loudest: samples}.items(),
            key=lambda item: item[0],
        )


def representatives(vectors: np.ndarray, most: int = REPRESENTATIVES) -> np.ndarray:
    """Rows of the segments that stand for a sound: int64 (at most `most`,), sorted.

    vectors: unit vectors (S, D) of all its segments. Greedy k-centre: the one nearest to the mean,
    then again and again the one that is least like those chosen, so that what is rare in a long
    recording is kept. Of equal ones the first.
    """
    if len(vectors) <= most:
        return np.arange(len(vectors))
    rows = vectors.astype(np.float32)
    chosen = [int(np.argmax(rows @ rows.mean(axis=0)))]
    nearest = rows @ rows[chosen[0]]  # of each segment to those chosen
    while len(chosen) < most:
        nearest[chosen] = np.inf
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, rows @ rows[chosen[-1]])
    return np.array(sorted(chosen), np.int64)
