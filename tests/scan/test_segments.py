"""The segments that are heard first and those that stand for a sound, against naive choices."""

import numpy as np
import pytest

from soundsearch.scan.segments import HELD, FirstPass, representatives


def stream(count: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [
        (random.normal(size=20) * random.uniform(0.1, 1)).astype(np.float32) for _ in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, HELD])
def test_short_sounds_are_heard_whole(count: int) -> None:
    first, segments = FirstPass(), stream(count)
    for samples in segments:
        first.add(samples)
    assert first.complete
    assert [number for number, _ in first.chosen()] == list(range(count))


@pytest.mark.parametrize("count", [HELD + 1, 9, 50, 123, 1080])
def test_of_long_sounds_start_loudest_and_about_the_middle(count: int) -> None:
    segments = stream(count, count)
    first = FirstPass()
    for samples in segments:
        first.add(samples)
    assert not first.complete
    loudest = max(range(count), key=lambda i: float(np.mean(segments[i] ** 2)))
    chosen = dict(first.chosen())
    assert len(chosen) <= 3
    assert {0, loudest} <= set(chosen)
    assert all(samples is segments[number] for number, samples in chosen.items())
    others = set(chosen) - {0, loudest} or {loudest}
    assert abs(others.pop() - count / 2) <= count / 8 + 1


def test_the_loudest_may_be_the_start() -> None:
    first = FirstPass()
    for number in range(20):
        first.add(np.full(10, 1.0 if number == 0 else 0.1, np.float32))
    assert [number for number, _ in first.chosen()] == [0, 8]


def naive_centres(vectors: np.ndarray, most: int) -> list[int]:
    mean = sum(vectors) / len(vectors)
    chosen = [max(range(len(vectors)), key=lambda i: float(vectors[i] @ mean))]
    while len(chosen) < most:
        left = [i for i in range(len(vectors)) if i not in chosen]
        chosen.append(min(left, key=lambda i: max(float(vectors[i] @ vectors[c]) for c in chosen)))
    return sorted(chosen)


@pytest.mark.parametrize("count", [1, 5, 8, 9, 40, 200])
def test_representatives_are_those_of_a_naive_choice(count: int) -> None:
    random = np.random.default_rng(count)
    vectors = random.normal(size=(count, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert representatives(vectors).tolist() == naive_centres(vectors, min(8, count))


def test_equal_segments_are_chosen_by_time_and_never_twice() -> None:
    vectors = np.tile(np.array([1.0, 0.0], np.float32), (30, 1))
    vectors[17] = (0.0, 1.0)
    assert representatives(vectors, 3).tolist() == [0, 1, 17]
