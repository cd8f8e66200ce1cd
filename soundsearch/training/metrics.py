"""Retrieval metrics over several right sounds a query, and how sure they are."""

from dataclasses import dataclass

import numpy as np

CUT = 10
NAMES = ("mAP@10", "R@1", "R@5", "R@10")


@dataclass(frozen=True)
class Interval:
    """A mean and the middle 95% of it over bootstrap samples."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def query_metrics(scores: np.ndarray, relevant: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of each query: name → float64 (Q,).

    scores (Q, N), larger is better, equal ones stand in their order; relevant bool (Q, N), one or
    more True a row. AP@10 is the mean of the precisions at the right sounds among the first ten,
    over as many right sounds as can stand there; R@k the share of right sounds among the first k,
    again of as many as can stand there. A row without right sounds gives 0.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :CUT]
    hits = np.take_along_axis(relevant, order, axis=1).astype(np.float64)  # (Q, at most CUT)
    counts = relevant.sum(1)
    found = hits.cumsum(1)
    precisions = found / np.arange(1, hits.shape[1] + 1)
    result = {"mAP@10": (precisions * hits).sum(1) / np.clip(counts, 1, CUT)}
    for k in (1, 5, 10):
        last = min(k, hits.shape[1]) - 1
        result[f"R@{k}"] = found[:, last] / np.clip(counts, 1, k)
    return result


def macro_mean(values: np.ndarray, groups: np.ndarray) -> float:
    """The mean over groups of each group's mean. values float (Q,), groups (Q,)."""
    return float(np.mean([values[groups == group].mean() for group in np.unique(groups)]))


def interval(
    values: np.ndarray, groups: np.ndarray | None = None, samples: int = 1000, seed: int = 0
) -> Interval:
    """The mean of values (Q,), or macro mean over groups, with its bootstrap interval.

    Queries are drawn with replacement, within their groups where there are any.
    """
    random = np.random.default_rng(seed)
    parts = [values] if groups is None else [values[groups == group] for group in np.unique(groups)]
    means = np.zeros(samples)
    for part in parts:
        drawn = random.integers(0, len(part), (samples, len(part)))
        means += part[drawn].mean(1) / len(parts)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(np.mean([part.mean() for part in parts])), float(low), float(high))
