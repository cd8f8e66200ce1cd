"""The vector file: what is appended is read back, whatever was cut or damaged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soundsearch.errors import UserError
from soundsearch.index.files import RECORD
from soundsearch.index.neighbours import Exact
from soundsearch.index.vectors import FIRST_PASS, WHOLE, Vectors
from tests.index.made_up import DIM, filled, some


def test_rows_come_back(tmp_path: Path) -> None:
    identities, rows = filled(tmp_path)
    vectors = Vectors.open(tmp_path, DIM)
    assert len(vectors) == Vectors.count(tmp_path) == 10
    np.testing.assert_allclose(vectors.matrix, rows, atol=1e-3)
    assert [vectors.row_of(identity) for identity in identities] == list(range(10))
    assert vectors.row_of(b"x" * 16) is None
    assert [identity.tobytes() for identity in vectors.identities] == identities


def test_segments_are_no_whole_sounds(tmp_path: Path) -> None:
    identities, _, rows = some(3)
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        vectors.append(identities[:1] * 3, np.array([10.0, WHOLE, 20.0], np.float32), rows)
        assert vectors.row_of(identities[0]) == 1
    assert Vectors.open(tmp_path, DIM).starts.tolist() == [10.0, -1.0, 20.0]


@pytest.mark.parametrize("seed", range(8))
def test_every_row_belongs_to_the_newest_whole_sound_behind_it(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [bytes([i]) * 16 for i in range(5)]
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        for _ in range(12):
            name = names[random.integers(5)]
            segments = np.arange(random.integers(0, 4), dtype=np.float32)
            end = ([WHOLE], [FIRST_PASS], [])[random.integers(3)]  # []: cut before the whole sound
            starts = np.array([*segments, *end], np.float32)
            _, _, rows = some(max(len(starts), 1), seed)
            vectors.append([name] * len(starts), starts, rows[: len(starts)])
        found = vectors.owners()
        identities = [i.tobytes() for i in vectors.identities]
        starts_now = vectors.starts.tolist()
        newest = {i: row for row, i in enumerate(identities) if starts_now[row] < 0}
        for row, identity in enumerate(identities):
            end_row = next((r for r in range(row, len(found)) if starts_now[r] < 0), None)
            belongs = end_row is not None and identities[end_row] == identity
            expected = end_row if belongs and newest[identity] == end_row else -1
            assert found[row] == expected
        for name in names:
            row = newest.get(name)
            assert vectors.row_of(name) == row
            assert vectors.is_complete(name) == (row is not None and starts_now[row] == WHOLE)


@pytest.mark.parametrize("name", ["vectors.f16", "rows"])
@pytest.mark.parametrize("cut", [1, 7, RECORD.itemsize, 3 * DIM * 2 + 5])
def test_a_cut_file_keeps_the_rows_before(tmp_path: Path, name: str, cut: int) -> None:
    identities, rows = filled(tmp_path)
    file = tmp_path / name
    os.truncate(file, file.stat().st_size - cut)
    count = len(Vectors.open(tmp_path, DIM))
    size = DIM * 2 if name == "vectors.f16" else RECORD.itemsize
    assert count == 10 - -(-cut // size)
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        assert len(vectors) == count
        vectors.append(identities[count:], np.full(10 - count, WHOLE, np.float32), rows[count:])
    again = Vectors.open(tmp_path, DIM)
    np.testing.assert_allclose(again.matrix, rows, atol=1e-3)


def test_bad_vectors_are_refused(tmp_path: Path) -> None:
    identities, starts, rows = some(2)
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        with pytest.raises(ValueError, match="finite"):
            vectors.append(identities, starts, np.full_like(rows, np.nan))
        with pytest.raises(ValueError, match="expected"):
            vectors.append(identities, starts, rows[:, :5])
        assert len(vectors) == 0


def test_a_view_stays_while_rows_are_appended(tmp_path: Path) -> None:
    identities, starts, rows = some(5000)
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        vectors.append(identities[:10], starts[:10], rows[:10])
        view = vectors.matrix
        before = view.copy()
        vectors.append(identities[10:], starts[10:], rows[10:])
        np.testing.assert_array_equal(view, before)


def test_a_reader_sees_what_a_writer_appends(tmp_path: Path) -> None:
    identities, starts, rows = some(6)
    with Vectors.open(tmp_path, DIM, write=True) as writer:
        reader = Vectors.open(tmp_path, DIM)
        writer.append(identities, starts, rows)
        assert reader.refresh() == 6
        np.testing.assert_array_equal(reader.matrix, writer.matrix)


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    code = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from soundsearch.errors import UserError
from soundsearch.index.vectors import Vectors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
vectors = Vectors.open(Path({str(tmp_path)!r}), {DIM}, write=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
rows = np.full((50, {DIM}), {DIM} ** -0.5, np.float32)
try:
    vectors.append([bytes([i] * 16) for i in range(50)], np.full(50, -1, np.float32), rows)
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "can't be written" in done.stdout
    assert len(Vectors.open(tmp_path, DIM)) == 10


def test_nearest_is_the_sorted_list_of_cosines() -> None:
    _, _, matrix = some(500)
    matrix[7] = matrix[3]  # equal cosines stand by row
    _, _, queries = some(4, seed=1)
    queries[0] = matrix[3]
    allowed = np.arange(3, 500, 4)
    for rows_allowed in (None, allowed):
        rows, cosines = Exact(matrix).nearest(queries, 9, rows_allowed)
        for query, found, values in zip(queries, rows, cosines, strict=True):
            pool = range(500) if rows_allowed is None else rows_allowed.tolist()
            expected = sorted(pool, key=lambda i: (-float(matrix[i] @ query), i))[:9]
            np.testing.assert_allclose(matrix[found] @ query, values, atol=1e-5)
            np.testing.assert_allclose(matrix[expected] @ query, values, atol=1e-5)
    rows, _ = Exact(matrix).nearest(queries[:1], 2)
    assert rows[0].tolist() == [3, 7]
    assert Exact(matrix).nearest(queries, 9999)[0].shape == (4, 500)


def test_nearest_of_nothing_is_empty() -> None:
    _, _, matrix = some(5)
    rows, cosines = Exact(matrix).nearest(matrix[:2], 3, np.empty(0, np.int64))
    assert rows.shape == cosines.shape == (2, 0)
    rows, _ = Exact(matrix[:0]).nearest(matrix[:2], 3)
    assert rows.shape == (2, 0)
    assert Exact(matrix).nearest(matrix[:2], 0)[0].shape == (2, 0)


def test_a_disk_that_fails_costs_what_it_refused_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where forcing it out fails, and where what was written half can't be cut at once."""
    identities, starts, rows = some(6)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        vectors.append(identities[:2], starts[:2], rows[:2])
        with monkeypatch.context() as failing:
            failing.setattr(os, "fsync", refuse)
            with pytest.raises(UserError, match="Input/output error"):
                vectors.flush()
        # As a write leaves them that failed halfway, on a disk that won't cut them either.
        for name in ("vectors.f16", "rows"):
            with open(tmp_path / name, "ab") as file:
                file.write(b"half")
        with monkeypatch.context() as failing:
            failing.setattr(os, "truncate", refuse)
            with pytest.raises(UserError, match="Input/output error"):
                vectors.append(identities[2:], starts[2:], rows[2:])
        assert len(vectors) == 2
        vectors.append(identities[2:], starts[2:], rows[2:])
        vectors.flush()
    assert len(again := Vectors.open(tmp_path, DIM)) == 6
    np.testing.assert_allclose(again.matrix, rows, atol=1e-3)
