"""From cosines, which mean nothing to a person, to the chance that a sound is what was meant.

A model folder's `calibration.json`:
    {"a": …, "b": …, "c": …, "threshold": … or null,
     "example": {"a": …, "b": …, "c": …},          for queries that are sounds; optional
     "segment_margin": …,                          see search.moments; optional
     "take_cosine": …,                             see search.takes; optional
     "fitted_on": "…"}                             for people
and `background.f16`: float16 unit vectors (M, D) of several hundred varied sounds.

z = (cosine - mean of the background's nearest hundredth) / spread over the background, strength =
logistic(a z + b - c ln N), N being the number of sounds searched. (Against the nearest, not against
all: what is asked for stands out from its like, not from everything.) Nothing matches when the best
z, less what chance gives the best of N, is below the threshold. A folder without these is read by
the library's own sounds, cautiously, and never says that nothing matches.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Share of the background that a sound is compared with, and how much the largest of N values grows
# with each ln N: the best pair of a grid (0.2% to all, 0 to 0.5) on the starter's clips held out of
# training, 28.0% of what was missing caught at 15% false alarms (against the mean of all: 24.7%).
NEAREST = 0.01
CHANCE = 0.25
# A model without a calibration of its own is judged by the library's own sounds. These may be few,
# and may nearly all be what is asked for, so "nothing matches" stays silent, and the nearest
# hundredth is where it would stand among normally spread cosines. The numbers keep below what the
# starter's clips would allow (10 to 1,200 of them as a library: its best sound claimed 0.18 to 0.54
# and was right 0.20 to 0.78), and hold what chance gives the best of many at the same strength.
_HUNDREDTH = 2.67  # spreads above the mean: the mean of a normal distribution's upper hundredth
_ROUGH = 1.5, 0.5, 1.5 * CHANCE
_ROUGH_EXAMPLE = 1.5, -0.5, 1.5 * CHANCE
# And where it does not say: measured with an AudioSet tagger's features on labelled clips. Moments
# of recordings joined from clips were found best without a margin (mAP 0.59; by whole recordings
# 0.50); 0.5 keeps five of six takes and lets in one of twenty others of the same name.
SEGMENT_MARGIN = 0.0
TAKE_COSINE = 0.5


@dataclass(frozen=True)
class Curve:
    """strength = logistic(a z + b - c ln N)."""

    a: float
    b: float
    c: float

    def strength(self, z: np.ndarray, sounds: int) -> np.ndarray:
        x = self.a * np.asarray(z, np.float64) + self.b - self.c * np.log(max(sounds, 1))
        return (1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0)))).astype(np.float32)


@dataclass(frozen=True)
class Calibration:
    """How a model's cosines are read. background: float32 (M, D), M may be 0.

    threshold: of `standing`; segment_margin: how much larger a moment's cosine must be than that of
    a whole sound; take_cosine: from here on takes sound alike; is_own: the model's, with varied
    sounds in its background, not made of the library's.
    """

    text: Curve
    example: Curve
    background: np.ndarray
    threshold: float | None = None
    segment_margin: float = SEGMENT_MARGIN
    take_cosine: float = TAKE_COSINE
    is_own: bool = True

    @classmethod
    def load(
        cls, folder: Path, dim: int, library_vectors: np.ndarray | None = None
    ) -> "Calibration":
        """A model folder's own calibration; without one a rough one over the library's vectors."""
        try:
            stored = json.loads((folder / "calibration.json").read_text())
            text = _curve(stored)
            example = _curve(stored["example"]) if "example" in stored else text
            background = np.fromfile(folder / "background.f16", "<f2").reshape(-1, dim)
            margin = float(stored.get("segment_margin", SEGMENT_MARGIN))
            take_cosine = float(stored.get("take_cosine", TAKE_COSINE))
            threshold = stored.get("threshold")
            threshold = None if threshold is None else float(threshold)
        except (OSError, ValueError, KeyError, TypeError):
            rows = np.empty((0, dim), np.float32) if library_vectors is None else library_vectors
            return cls(Curve(*_ROUGH), Curve(*_ROUGH_EXAMPLE), _some(rows), is_own=False)
        background = background.astype(np.float32)
        return cls(text, example, background, threshold, margin, take_cosine)

    def strength(
        self, cosines: np.ndarray, vector: np.ndarray, sounds: int, by_example: bool = False
    ) -> np.ndarray:
        """float32 (N,) in 0…1 for cosines (N,) of the query vector (D,) among `sounds` sounds."""
        z = self._z(cosines, vector)
        return (self.example if by_example else self.text).strength(z, sounds)

    def standing(self, cosines: np.ndarray, vector: np.ndarray, sounds: int) -> float:
        """How far the best of the cosines (N,) stands out, in spreads beyond chance."""
        return standing(self._z(cosines, vector), sounds)

    def least_strength(self, sounds: int) -> float | None:
        """The best strength among so many sounds below which nothing really matches."""
        if self.threshold is None:
            return None
        z = np.array(self.threshold + CHANCE * np.log(max(sounds, 1)))
        return float(self.text.strength(z, sounds))

    def _z(self, cosines: np.ndarray, vector: np.ndarray) -> np.ndarray:
        if len(self.background) < 2:
            return (cosines - 0.27) / 0.1
        if self.is_own:
            return standardise(cosines[None], vector[None], self.background)[0]
        over = self.background @ vector
        return (cosines - over.mean()) / max(float(over.std()), 1e-6) - _HUNDREDTH


def _curve(stored: dict[str, float]) -> Curve:
    return Curve(float(stored["a"]), float(stored["b"]), float(stored["c"]))


def standing(z: np.ndarray, sounds: int) -> float:
    """The largest z (N,) less what chance adds among so many sounds."""
    return float(z.max(initial=-np.inf)) - CHANCE * float(np.log(max(sounds, 1)))


def standardise(cosines: np.ndarray, queries: np.ndarray, background: np.ndarray) -> np.ndarray:
    """z of cosines (Q, N): how far above the mean of the nearest hundredth of the background (M, D)
    to each query (Q, D), in spreads over all of it."""
    over = queries @ background.T
    nearest = max(1, round(NEAREST * over.shape[1]))
    reference = np.partition(over, -nearest, axis=1)[:, -nearest:].mean(1)
    return (cosines - reference[:, None]) / np.maximum(over.std(1)[:, None], 1e-6)


def _some(rows: np.ndarray, most: int = 512) -> np.ndarray:
    """Rows spread evenly over all of them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def fit(z: np.ndarray, sounds: np.ndarray, relevant: np.ndarray, steps: int = 50) -> Curve:
    """Logistic regression by Newton's method.

    z float (n,), sounds (n,) the pool size of each sample, relevant bool (n,). Several pool sizes
    must occur for c to be determined; a little ridge keeps it near zero otherwise.
    """
    x = np.stack([z, np.ones_like(z), -np.log(np.maximum(sounds, 1))], axis=1).astype(np.float64)
    y = np.asarray(relevant, np.float64)
    weights = np.zeros(3)
    ridge = np.diag([1e-3, 1e-6, 1e-3])
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -50, 50)))
        gradient = x.T @ (p - y) + ridge @ weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(hessian + 1e-9 * np.eye(3), gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return Curve(float(weights[0]), float(weights[1]), float(weights[2]))
