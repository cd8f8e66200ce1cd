"""Fits what a model's cosines mean, writes it beside the weights, and shows how true it is.

`search.calibration` says what is stored and how strength comes of it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundsearch.search.calibration import Calibration, Curve, fit, standardise, standing

POOL_SIZES = (50, 100, 200, 400)
FALSE_ALARMS = 0.15  # how often the threshold may deny that a right sound is there
_REPEATS = 3  # pools drawn of each size for each query


@dataclass(frozen=True)
class Reliability:
    """Strengths in bins: their mean, the share of right sounds, how many. All float (bins,)."""

    claimed: np.ndarray
    observed: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """The mean distance between claimed and observed, weighted by count."""
        distance = np.abs(self.claimed - self.observed) * self.counts
        return float(distance.sum() / max(self.counts.sum(), 1))


def fit_curve(
    queries: np.ndarray,
    sounds: np.ndarray,
    relevant: np.ndarray,
    background: np.ndarray,
    seed: int = 0,
    own: np.ndarray | None = None,
) -> tuple[Curve, float]:
    """(curve, threshold) from pools of several sizes drawn out of `sounds`.

    queries float32 (Q, D), sounds (N, D), relevant bool (Q, N), background (M, D), own: for
    queries that are sounds, their row (Q,), which never stands in the pool. Each pool keeps at
    least one right sound. The threshold is the standing (see search.calibration) of the best sound
    that all but `FALSE_ALARMS` of the pools exceed.
    """
    random = np.random.default_rng(seed)
    z = standardise(queries @ sounds.T, queries, background)
    zs, sizes, right = [], [], []
    pools: list[tuple[np.ndarray, int]] = []
    for row in range(len(queries)):
        candidates = np.arange(len(sounds))
        if own is not None:
            candidates = candidates[candidates != own[row]]
        hits = candidates[relevant[row, candidates]]
        if not len(hits):
            continue
        # A pool as large as all of them is drawn once.
        for size in sorted({min(size, len(candidates)) for size in (*POOL_SIZES, len(candidates))}):
            for _ in range(_REPEATS if size < len(candidates) else 1):
                pool = random.choice(candidates, size, replace=False)
                pool[0] = (
                    hits[random.integers(len(hits))] if not relevant[row, pool].any() else pool[0]
                )
                zs.append(z[row, pool])
                sizes.append(np.full(size, size))
                right.append(relevant[row, pool])
                pools.append((z[row, pool], size))
    curve = fit(np.concatenate(zs), np.concatenate(sizes), np.concatenate(right))
    best = np.array([standing(values, size) for values, size in pools])
    return curve, float(np.quantile(best, FALSE_ALARMS))


def write_calibration(
    folder: Path,
    background: np.ndarray,
    text: tuple[Curve, float],
    example: Curve,
    fitted_on: str,
) -> None:
    """Writes calibration.json and background.f16 into a model's folder, each whole or not."""
    stored = {
        "a": text[0].a, "b": text[0].b, "c": text[0].c,
        "threshold": text[1],
        "example": {"a": example.a, "b": example.b, "c": example.c},
        "fitted_on": fitted_on,
    }  # fmt: skip
    _replace(folder / "background.f16", background.astype("<f2").tobytes())
    _replace(folder / "calibration.json", (json.dumps(stored, indent=1) + "\n").encode())


def add_to_calibration(folder: Path, **numbers: float | None) -> None:
    """Stores further numbers, such as segment_margin, in a calibration.json that is there.

    None leaves what is stored."""
    file = folder / "calibration.json"
    stored = json.loads(file.read_text())
    stored |= {name: number for name, number in numbers.items() if number is not None}
    _replace(file, (json.dumps(stored, indent=1) + "\n").encode())


def _replace(file: Path, content: bytes) -> None:
    unfinished = file.with_name(file.name + ".part")
    with open(unfinished, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(unfinished, file)


def reliability(strengths: np.ndarray, relevant: np.ndarray, bins: int = 10) -> Reliability:
    """Strengths in 0…1 against what was right, in bins of equal width; both of any equal shape."""
    values, right = strengths.ravel(), relevant.ravel()
    places = np.minimum((values * bins).astype(int), bins - 1)
    counts = np.bincount(places, minlength=bins)
    some = np.maximum(counts, 1)
    return Reliability(
        np.bincount(places, values, bins) / some,
        np.bincount(places, right, bins) / some,
        counts.astype(np.float64),
    )


def caught_against_false_alarms(
    with_right: np.ndarray,
    without: np.ndarray,
    rates: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3),
) -> list[tuple[float, float]]:
    """(share of false alarms, share caught) for "nothing really matches".

    with_right (Q,): standing of the best sound of each query in a pool that holds right ones;
    without (Q,): the same with the right sounds taken out. An alarm is one below the threshold.
    """
    return [(rate, float((without < np.quantile(with_right, rate)).mean())) for rate in rates]


def strengths_of(calibration: Calibration, cosines: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """float32 (Q, N) for the cosines (Q, N) of queries (Q, D) in a pool of N sounds."""
    sounds = cosines.shape[1]
    pairs = zip(cosines, queries, strict=True)
    return np.stack([calibration.strength(row, query, sounds) for row, query in pairs])


def draw_reliability(found: Reliability, picture: Path) -> None:
    """The reliability diagram as a PNG: claimed strength across, observed share upward."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    filled = found.counts > 0
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(found.claimed[filled], found.observed[filled], "o-")
    for claimed, observed, count in zip(
        found.claimed[filled], found.observed[filled], found.counts[filled], strict=True
    ):
        axes.annotate(
            f"{int(count)}", (claimed, observed), textcoords="offset points", xytext=(4, -10)
        )
    axes.set(xlabel="strength", ylabel="share of right sounds", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Reliability (mean error {found.error:.3f})")
    figure.savefig(picture, dpi=120)
