"""Files of vectors that were damaged: what was good stays, the rest is embedded again."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soundsearch.index.files import RECORD
from soundsearch.index.neighbours import Neighbours
from soundsearch.index.vectors import Vectors
from tests.index.made_up import DIM, filled, some

COUNT = 10
FILES = ("vectors.f16", "rows")
BOTH_WAYS = pytest.mark.parametrize("in_memory", [0, 10**6], ids=["disk", "memory"])


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0x40
    file.write_bytes(content)


@BOTH_WAYS
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("row", [0, 6, COUNT - 2])
def test_a_flipped_byte_costs_its_row_only(
    tmp_path: Path, name: str, row: int, in_memory: int, caplog: pytest.LogCaptureFixture
) -> None:
    identities, rows = filled(tmp_path, COUNT)
    flip(tmp_path / name, row * (DIM * 2 if name == "vectors.f16" else RECORD.itemsize) + 5)
    with Vectors.open(tmp_path, DIM, write=True, in_memory=in_memory) as vectors:
        assert len(vectors) == COUNT
        assert vectors.dead.tolist() == [row]
        kept = [i for i in range(COUNT) if i != row]
        np.testing.assert_allclose(vectors.take(np.array(kept)), rows[kept], atol=1e-3)
        assert [vectors.row_of(i) for i in identities] == [
            None if i == row else i for i in range(COUNT)
        ]
        cosines = vectors.cosines(rows[:3])
        assert np.isneginf(cosines[:, row]).all()
        np.testing.assert_allclose(cosines[:, kept], rows[:3] @ rows[kept].T, atol=2e-3)
        found, _ = Neighbours(vectors, "m").nearest(rows[row : row + 1], COUNT)
        assert sorted(found[0].tolist()) == kept
        assert vectors.owners().tolist() == [-1 if i == row else i for i in range(COUNT)]
        # The sound is embedded again: its new row counts.
        vectors.append(identities[row : row + 1], np.full(1, -1, "f4"), rows[row : row + 1])
        assert vectors.row_of(identities[row]) == COUNT
    assert len(caplog.messages) == 1
    assert "1 of its rows are damaged" in caplog.text
    assert len(Vectors.open(tmp_path, DIM)) == COUNT + 1


@pytest.mark.parametrize("name", FILES)
def test_a_stretch_of_rubbish_costs_its_rows(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    identities, rows = filled(tmp_path, 300)
    size = DIM * 2 if name == "vectors.f16" else RECORD.itemsize
    with open(tmp_path / name, "r+b") as file:
        file.seek(100 * size)
        file.write(b"\xff" * (50 * size))
        file.seek(200 * size)
        file.write(b"\xff" * size)
    vectors = Vectors.open(tmp_path, DIM)
    assert vectors.dead.tolist() == [*range(100, 150), 200]
    assert vectors.row_of(identities[150]) == 150
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("name", FILES)
def test_what_was_put_behind_is_cut(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, rows = filled(tmp_path, COUNT)
    size = (tmp_path / name).stat().st_size
    with open(tmp_path / name, "ab") as file:
        file.write(b"\x01" * 1000)
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        np.testing.assert_allclose(vectors.matrix, rows, atol=1e-3)
    assert (tmp_path / name).stat().st_size == size
    assert len(caplog.messages) == 1
    assert "is cut" in caplog.text


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"RIFF" + bytes(range(256)) * 20], ids=["empty", "other"])
def test_a_file_of_something_else_is_put_aside(
    tmp_path: Path, name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    identities, rows = filled(tmp_path, COUNT)
    before = {n: (tmp_path / n).read_bytes() for n in FILES}
    before[name] = content
    (tmp_path / name).write_bytes(content)
    assert len(Vectors.open(tmp_path, DIM)) == 0
    caplog.clear()
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        assert len(vectors) == 0
        vectors.append(identities, np.full(COUNT, -1, "f4"), rows)
    assert len(caplog.messages) == 1
    assert "put aside" in caplog.text
    for file, content_before in before.items():
        assert (tmp_path / f"{file}.damaged").read_bytes() == content_before
    np.testing.assert_allclose(Vectors.open(tmp_path, DIM).matrix, rows, atol=1e-3)


def test_a_file_that_went_missing_leaves_the_other_aside(tmp_path: Path) -> None:
    filled(tmp_path, COUNT)
    (tmp_path / "rows").unlink()
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        assert len(vectors) == 0
    assert (tmp_path / "vectors.f16.damaged").stat().st_size == COUNT * DIM * 2


def test_rows_are_whole_after_a_disk_was_full_for_a_while(tmp_path: Path) -> None:
    filled(tmp_path, COUNT)
    code = f"""
import resource, signal
import numpy as np
from pathlib import Path
from soundsearch.errors import UserError
from soundsearch.index.vectors import Vectors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
rows = np.full((50, {DIM}), {DIM} ** -0.5, np.float32)
names = [bytes([i] * 16) for i in range(50)]
with Vectors.open(Path({str(tmp_path)!r}), {DIM}, write=True) as vectors:
    for limit in (600, {10 * DIM * 2 + 700}):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            vectors.append(names, np.full(50, -1, np.float32), rows)
        except UserError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    vectors.append(names, np.full(50, -1, np.float32), rows)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("can't be written") == 2
    vectors = Vectors.open(tmp_path, DIM)
    assert len(vectors) == COUNT + 50
    assert not len(vectors.dead)
    assert vectors.row_of(bytes([49] * 16)) == COUNT + 49


def test_files_that_can_not_be_opened_are_one_line(tmp_path: Path) -> None:
    from soundsearch.errors import UserError

    (tmp_path / "rows").mkdir()
    (tmp_path / "vectors.f16").write_bytes(b"")
    with pytest.raises(UserError, match="can't be opened"):
        Vectors.open(tmp_path, DIM)


@BOTH_WAYS
def test_any_bytes_of_any_length_open(tmp_path: Path, in_memory: int) -> None:
    random = np.random.default_rng(3)
    for seed in range(60):
        folder = tmp_path / str(seed)
        filled(folder, COUNT, seed)
        for name in FILES:
            file = folder / name
            content = bytearray(file.read_bytes())
            for _ in range(random.integers(0, 4)):
                content[random.integers(len(content))] = random.integers(256)
            if random.random() < 0.3:
                content = content[: random.integers(len(content))]
            if random.random() < 0.3:
                content += random.bytes(int(random.integers(200)))
            file.write_bytes(content)
        with Vectors.open(folder, DIM, write=True, in_memory=in_memory) as vectors:
            count = len(vectors)
            assert os.path.getsize(folder / "vectors.f16") % (DIM * 2) == 0
            new, starts, rows = some(2, 99)
            vectors.append(new, starts, rows)
            assert [vectors.row_of(i) for i in new] == [count, count + 1]
        assert len(Vectors.open(folder, DIM)) == count + 2
