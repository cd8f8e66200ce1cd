"""Metrics against slow and plain ones."""

import numpy as np
import pytest

from soundsearch.training.metrics import interval, macro_mean, query_metrics


def naive(scores: list[float], relevant: list[bool]) -> dict[str, float]:
    ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    right = sum(relevant)
    precisions, found = [], 0
    for place, i in enumerate(ranked[:10], start=1):
        if relevant[i]:
            found += 1
            precisions.append(found / place)
    result = {"mAP@10": sum(precisions) / min(right, 10) if right else 0.0}
    for k in (1, 5, 10):
        among = sum(relevant[i] for i in ranked[:k])
        result[f"R@{k}"] = among / min(right, k) if right else 0.0
    return result


@pytest.mark.parametrize("sounds", [3, 10, 60])
def test_metrics_equal_the_naive_ones(sounds: int) -> None:
    random = np.random.default_rng(sounds)
    # Few levels, so that equal scores occur.
    scores = random.integers(0, 12, (40, sounds)).astype(np.float32)
    relevant = random.random((40, sounds)) < random.uniform(0.02, 0.6, (40, 1))
    got = query_metrics(scores, relevant)
    for row in range(40):
        expected = naive(scores[row].tolist(), relevant[row].tolist())
        assert {name: got[name][row] for name in got} == pytest.approx(expected)


def test_the_order_by_hand() -> None:
    got = query_metrics(np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[True, False, True, False]]))
    assert got["mAP@10"][0] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert (got["R@1"][0], got["R@5"][0]) == (1.0, 1.0)


def test_macro_mean_weighs_groups_alike() -> None:
    values, groups = np.array([1.0, 0.0, 0.0, 0.0]), np.array(["a", "b", "b", "b"])
    assert macro_mean(values, groups) == 0.5


def test_the_interval_holds_the_mean_and_shrinks_with_more_queries() -> None:
    random = np.random.default_rng(4)
    few, many = random.random(20), random.random(2000)
    narrow, wide = interval(many), interval(few)
    assert wide.low < wide.mean < wide.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 4
    grouped = interval(few, np.repeat(["a", "b"], 10))
    assert grouped.mean == pytest.approx(few.mean())
