"""Whole sounds and their moments against a naive loop."""

import numpy as np
import pytest

from soundsearch.search.moments import best_moments


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_whole_and_moments_is_the_naive_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    owners, starts, cosines = [], [], []
    for owner in random.permutation(30):
        for start in range(random.integers(0, 9)):
            owners.append(owner)
            starts.append(10.0 * start)
            cosines.append(random.integers(-4, 5) / 8)  # equal ones occur
        if random.random() < 0.8 or not owners or owners[-1] != owner:
            owners.append(owner)
            starts.append(random.choice([-1.0, -2.0]))
            cosines.append(random.integers(-4, 5) / 8)
    found = best_moments(
        np.array(owners, np.int64), np.array(starts, np.float32), np.array(cosines, np.float32), 0.1
    )
    expected = []
    for owner in dict.fromkeys(owners):
        rows = [(s, c) for o, s, c in zip(owners, starts, cosines, strict=True) if o == owner]
        whole = [c for s, c in rows if s < 0]
        segments = [(c, -s) for s, c in rows if s >= 0]
        best = max([*whole, *(c - 0.1 for c, _ in segments)])
        expected.append((owner, best, -max(segments)[1] if segments else 0.0))
    assert found[0].tolist() == [owner for owner, _, _ in expected]
    np.testing.assert_allclose(found[1], [best for _, best, _ in expected], atol=1e-6)
    assert found[2].tolist() == [start for _, _, start in expected]


def test_no_rows_are_no_sounds() -> None:
    empty = np.empty(0, np.float32)
    owners, cosines, starts = best_moments(np.empty(0, np.int64), empty, empty, 0.1)
    assert len(owners) == len(cosines) == len(starts) == 0
