"""Answers over a library whose vectors are too many for memory, beside those over all of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soundsearch.cli.bench_data import synthetic_library
from soundsearch.index.neighbours import Neighbours
from soundsearch.index.vectors import FIRST_PASS, WHOLE, Vectors
from soundsearch.library.catalog import Library
from soundsearch.search import listening
from soundsearch.search.calibration import Calibration
from soundsearch.search.listening import Listening
from soundsearch.search.moments import SoundTable
from soundsearch.search.names import Names
from soundsearch.search.query import parse
from soundsearch.search.ranking import rank
from tests.library.test_library import ok

DIM, FILES = 48, 1_500


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class Place:
    def __init__(self, folder: Path) -> None:
        synthetic_library(folder, FILES)
        self.library = Library.open(folder)
        self.names = Names(self.library.db)
        random = np.random.default_rng(0)
        _, joined = self.library.sound_identities()
        self.vectors = Vectors.open(folder / "v", DIM, write=True)
        centres = random.normal(size=(30, DIM))
        for at in range(0, len(joined), 16):
            if at % 160 == 0:
                continue  # not embedded yet
            segments = random.integers(0, 4) if at % 5 == 0 else 0
            count = int(segments) + 1
            rows = unit(centres[random.integers(30)] + random.normal(size=(count, DIM)))
            starts = np.array([*range(count - 1), -1], np.float32)
            self.vectors.append([joined[at : at + 16]] * count, starts, rows)
            if at % 7 == 0:  # of a sound that is not in the library any more
                self.vectors.append([random.bytes(16)], np.array([-1], np.float32), rows[:1])
        self.vectors.close()
        self.plain = Vectors.open(folder / "v", DIM)
        self.large = Vectors.open(folder / "v", DIM, write=True, in_memory=0)
        self.near = Neighbours(self.large, "m", write=True)
        self.near.settle(wait=True)
        self.table = SoundTable(self.library, self.plain).rows()
        self.calibration = Calibration.load(folder, DIM, self.plain.matrix)

    def listening(self, vector: np.ndarray, large: bool) -> Listening:
        vectors = self.large if large else self.plain
        near = self.near if large else Neighbours(vectors, "m")
        return Listening(vectors, near, self.table, self.calibration, vector, False)

    def close(self) -> None:
        self.near.close()
        self.large.close()
        self.library.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    pytest.importorskip("hnswlib")
    made = Place(tmp_path_factory.mktemp("library"))
    yield made
    made.close()


@pytest.mark.parametrize("few", [20_000, 160], ids=["few", "many"])
@pytest.mark.parametrize(
    "query",
    ["", "kick hard", "dur:<2", "snare ch:1", "-soft -deep rain", "format:flac kick dur:>1"],
)
def test_answers_are_those_over_all_sounds(
    place: Place, query: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_NEAREST", 150)
    parsed = parse(query or "zzqx")
    for seed in range(4):
        vector = unit(np.random.default_rng(seed).normal(size=DIM))
        sound = place.listening(vector, large=False).scores()
        assert sound.more is None
        expected = rank(parsed, place.library, place.names, sound, k=10, takes=True)
        with monkeypatch.context() as patch:
            patch.setattr(listening, "_FEW", few)
            part = place.listening(vector, large=True).scores()
            assert part.more is not None
            found = rank(parsed, place.library, place.names, part, k=10, takes=True)
        assert [m.sound_id for m in found.matches] == [m.sound_id for m in expected.matches]
        for one, other in zip(found.matches, expected.matches, strict=True):
            assert one.strength == pytest.approx(other.strength, abs=2e-3)
            assert one.start == other.start
        assert found.nothing_matches == expected.nothing_matches


def test_exactly_all(place: Place) -> None:
    vector = unit(np.random.default_rng(9).normal(size=DIM))
    expected = place.listening(vector, large=False).scores()
    found = place.listening(vector, large=True).scores(exact=True)
    np.testing.assert_array_equal(found.sound_ids, expected.sound_ids)
    np.testing.assert_allclose(found.cosines, expected.cosines, atol=1e-3)
    nothing = place.listening(vector, large=True).scores().including(np.empty(0, np.int64))
    assert len(nothing.sound_ids)
    absent = nothing.including(np.array([10**9]))
    assert (absent.of(np.array([10**9])) == -1).all()


def test_the_table_of_sounds_follows_a_library_that_grows(tmp_path: Path) -> None:
    """What is read piece by piece equals what is read at once."""
    (tmp_path / "sounds").mkdir()
    library = Library.open(tmp_path / "data", write=True)
    root = library.add_root(str(tmp_path / "sounds"))
    with Vectors.open(tmp_path / "v", DIM, write=True) as vectors:
        table, random = SoundTable(library, vectors), np.random.default_rng(3)
        assert len(table.rows().rows) == 0
        known: list[bytes] = []
        for turn in range(4):
            new = [random.bytes(16) for _ in range(5)]
            if turn % 2:  # the vector comes first, then its sound
                vectors.append(new, np.full(5, FIRST_PASS, np.float32), unit(np.ones((5, DIM))))
                table.rows()
            files = [ok(root, b"%d %d.wav" % (turn, at), new[at]) for at in range(5)]
            library.record(files)
            known += new
            heard = [known[-1], known[0]]  # one of them again, as a whole
            starts = np.array([0, WHOLE, WHOLE], np.float32)
            rows = unit(random.normal(size=(3, DIM)))
            vectors.append([heard[0], *heard], starts, rows)
            found, fresh = table.rows(), SoundTable(library, vectors).rows()
            assert set(found.owners) == set(found.sound_ids)
            for name in ("rows", "owners", "starts", "sound_ids", "wholes"):
                np.testing.assert_array_equal(getattr(found, name), getattr(fresh, name), name)
    library.close()
