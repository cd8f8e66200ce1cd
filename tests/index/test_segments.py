"""All segments of long sounds: the best one is found, whatever was cut or damaged."""

import os
from pathlib import Path

import numpy as np
import pytest

from soundsearch.index.segments import Segments

DIM = 12


def some(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def name(number: int) -> bytes:
    return bytes([number]) * 15 + b"\0"


def filled(folder: Path) -> dict[bytes, np.ndarray]:
    sounds = {name(number): some(9 + 40 * number, number) for number in range(5)}
    segments = Segments(folder, DIM)
    for identity, vectors in sounds.items():
        segments.add(identity, 10.0, vectors)
    return sounds


def test_the_best_segment_is_the_naive_one(tmp_path: Path) -> None:
    sounds, queries = filled(tmp_path), some(20, 99)
    segments = Segments(tmp_path, DIM)
    for identity, vectors in sounds.items():
        for query in queries:
            best = max(range(len(vectors)), key=lambda i: float(vectors[i] @ query))
            assert segments.best(identity, query) == 10.0 * best
    assert segments.best(b"x" * 16, queries[0]) is None
    assert Segments(tmp_path / "nowhere", DIM).best(name(1), queries[0]) is None


def test_a_reader_sees_what_is_added_and_the_newest_counts(tmp_path: Path) -> None:
    writer, reader, query = Segments(tmp_path, DIM), Segments(tmp_path, DIM), some(1, 7)[0]
    assert reader.best(name(1), query) is None
    vectors = some(30, 3)
    vectors[17] = query
    writer.add(name(1), 10.0, vectors)
    assert reader.best(name(1), query) == 170.0
    writer.add(name(1), 5.0, vectors[::-1])
    assert reader.best(name(1), query) == 60.0


@pytest.mark.parametrize("cut", [1, 20, 30, 500])
def test_a_cut_block_is_written_over(tmp_path: Path, cut: int) -> None:
    sounds = filled(tmp_path)
    file = tmp_path / "segments"
    os.truncate(file, file.stat().st_size - cut)
    segments = Segments(tmp_path, DIM)
    assert segments.best(name(4), sounds[name(4)][3]) is None
    assert segments.best(name(3), sounds[name(3)][3]) == 30.0
    segments.add(name(9), 10.0, sounds[name(4)])
    again = Segments(tmp_path, DIM)
    assert again.best(name(9), sounds[name(4)][3]) == 30.0
    assert again.best(name(3), sounds[name(3)][3]) == 30.0


def test_damage_costs_the_damaged_sound(tmp_path: Path) -> None:
    sounds = filled(tmp_path)
    data = bytearray((tmp_path / "segments").read_bytes())
    data[28 + 9 * DIM * 2 + 28 + 5] ^= 1  # within the vectors of the second sound
    (tmp_path / "segments").write_bytes(data)
    segments = Segments(tmp_path, DIM)
    found = [segments.best(name(n), sounds[name(n)][3]) for n in range(5)]
    assert found == [30.0, None, 30.0, 30.0, 30.0]
