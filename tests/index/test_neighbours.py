"""The graph behind `nearest`, beside brute force; its snapshots; hnswlib's faults."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from soundsearch.index import neighbours as module
from soundsearch.index import snapshot
from soundsearch.index.graph import Graph
from soundsearch.index.neighbours import Neighbours
from soundsearch.index.projection import Projection
from soundsearch.index.vectors import Vectors
from tests.index.made_up import WIDE as DIM
from tests.index.made_up import asked, clustered, names, unit

pytest.importorskip("hnswlib")

COUNT, MODEL = 1500, "made-up-1"


class Library:
    """A folder of vectors that are always too many for memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: list[tuple[Vectors, Neighbours]] = []

    def append(self, vectors: Vectors, rows: np.ndarray) -> None:
        first = len(vectors)
        starts = np.full(len(rows), -1, np.float32)
        vectors.append(names(first, first + len(rows)), starts, rows)

    def open(
        self, write: bool = True, rows: np.ndarray | None = None
    ) -> tuple[Vectors, Neighbours]:
        vectors = Vectors.open(self.folder, DIM, write, in_memory=0)
        if rows is not None:
            self.append(vectors, rows)
        near = Neighbours(vectors, MODEL, write)
        self._open.append((vectors, near))
        return vectors, near

    def settled(self, rows: np.ndarray | None = None) -> tuple[Vectors, Neighbours]:
        vectors, near = self.open(rows=rows)
        near.settle(wait=True)
        assert near.covered == len(vectors)
        return vectors, near

    def close(self) -> None:
        for vectors, near in self._open:
            near.close()
            vectors.close()
        self._open.clear()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    yield made
    made.close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def brute(matrix: np.ndarray, query: np.ndarray, k: int, allowed: list[int]) -> list[int]:
    cosines = (matrix @ query).tolist()
    return sorted(allowed, key=lambda i: (-cosines[i], i))[:k]


def recall(
    near: Neighbours, matrix: np.ndarray, k: int = 10, allowed: np.ndarray | None = None
) -> float:
    """Share of the true k nearest that are found; cosines and their order are checked."""
    matrix = matrix.astype(np.float16).astype(np.float32)
    queries = asked()
    rows, cosines = near.nearest(queries, k, allowed)
    pool = list(range(len(matrix))) if allowed is None else allowed.tolist()
    assert rows.shape == cosines.shape == (len(queries), min(k, len(pool)))
    found = 0
    for query, some, values in zip(queries, rows, cosines, strict=True):
        assert len(set(some.tolist())) == len(some)
        assert set(some.tolist()) <= set(pool)
        np.testing.assert_allclose(values, matrix[some] @ query, atol=1e-4)
        assert (np.diff(values) <= 0).all()
        least = float(matrix[brute(matrix, query, k, pool)[-1]] @ query)
        found += int((values >= least - 1e-4).sum())
    return found / rows.size


def test_the_graph_finds_what_comparing_finds(library: Library) -> None:
    rows = clustered(COUNT)
    _, near = library.settled(rows)
    assert recall(near, rows) >= 0.99
    assert recall(near, rows, k=300) >= 0.99
    exact, cosines = near.nearest(asked(), 10, exact=True)
    for query, some in zip(asked(), exact, strict=True):
        expected = brute(rows, query, 10, list(range(COUNT)))
        np.testing.assert_allclose(rows[some] @ query, rows[expected] @ query, atol=2e-3)


@pytest.mark.parametrize("narrow", [0, 10**6], ids=["by the graph", "one by one"])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.02, 0.0])
def test_only_what_is_allowed_is_found(
    library: Library, narrow: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(COUNT)
    _, near = library.settled(rows)
    monkeypatch.setattr(module, "_NARROW", narrow)
    allowed = np.flatnonzero(np.random.default_rng(1).random(COUNT) < share)
    if share:
        assert recall(near, rows, allowed=allowed) >= 0.99
    else:
        assert near.nearest(asked(3), 5, allowed)[0].shape == (3, 0)


def test_what_is_allowed_may_lie_far_from_the_query(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(COUNT)
    _, near = library.settled(rows)
    monkeypatch.setattr(module, "_NARROW", 0)
    query = asked(1)
    far = np.sort(np.argsort(rows @ query[0])[:600])
    found, _ = near.nearest(query, 10, far)
    assert found[0].tolist() == brute(
        rows.astype(np.float16).astype(np.float32), query[0], 10, far.tolist()
    )


def test_rows_that_came_later_are_found_at_once(library: Library) -> None:
    rows = clustered(COUNT)
    vectors, near = library.settled(rows)
    near.close()  # nothing adds them to the graph any more
    more = unit(asked(5) + 0.01 * clustered(5, 3))
    library.append(vectors, more)
    assert near.covered == COUNT
    together = np.concatenate([rows, more])
    assert recall(near, together) >= 0.99
    found, _ = near.nearest(asked(5), 1)
    assert found[:, 0].tolist() == list(range(COUNT, COUNT + 5))
    allowed = np.arange(0, COUNT + 3, 3)
    assert recall(near, together, allowed=allowed) >= 0.99


def test_searches_while_rows_are_added(library: Library) -> None:
    rows = clustered(2 * COUNT)
    vectors, near = library.open(rows=rows[:COUNT])
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            while near.covered < 2 * COUNT:
                known = len(vectors)
                found, _ = near.nearest(rows[known - 1 : known], 1)
                assert found[0, 0] >= known - 1 or np.allclose(rows[found[0, 0]], rows[known - 1])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for first in range(COUNT, 2 * COUNT, 500):
        library.append(vectors, rows[first : first + 500])
    near.settle(wait=True)
    for thread in threads:
        thread.join()
    assert not failures
    assert recall(near, rows) >= 0.99


def test_rows_that_come_while_a_search_waits_are_found_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search looks how far the graph goes, waits for its turn, and the graph has grown."""
    rows = clustered(1_200)
    vectors, near = library.settled(rows[:600])
    search = Graph.search

    def late(graph: Graph, queries: np.ndarray, count: int) -> list[np.ndarray]:
        near.settle(wait=True)
        return search(graph, queries, count)

    monkeypatch.setattr(Graph, "search", late)
    library.append(vectors, rows[600:])  # the graph takes them in when the search has looked
    found, _ = near.nearest(rows[900][None], 50)
    assert near.covered == 1_200
    assert len(set(found[0].tolist())) == 50


def test_copies_are_no_islands(library: Library) -> None:
    rows = clustered(COUNT)
    random = np.random.default_rng(0)
    copies = random.choice(COUNT, COUNT // 2, replace=False)
    rows[copies] = rows[random.integers(0, 20, len(copies))]
    _, near = library.settled(rows)
    assert recall(near, rows) >= 0.99


def test_a_snapshot_is_loaded_not_built_again(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = clustered(COUNT)
    _, near = library.settled(rows)
    before = near.nearest(asked(), 10)
    library.close()
    monkeypatch.setattr(Projection, "fit", None)  # building would fail
    _, near = library.open(write=False)
    until(lambda: near.covered == COUNT)
    for found, expected in zip(near.nearest(asked(), 10), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    library.close()
    # It grows by what comes, and is saved and loaded again.
    _, near = library.settled(clustered(300, 8))
    library.close()
    _, near = library.open()
    until(lambda: near.covered == COUNT + 300)
    assert recall(near, np.concatenate([rows, clustered(300, 8)])) >= 0.99
    assert not caplog.messages


def test_a_reader_loads_and_never_writes(library: Library) -> None:
    library.settled(clustered(COUNT))
    library.close()
    before = {f.name: f.stat().st_mtime_ns for f in library.folder.iterdir()}
    _, near = library.open(write=False)
    until(lambda: near.covered == COUNT)
    near.settle()
    library.close()
    assert {f.name: f.stat().st_mtime_ns for f in library.folder.iterdir()} == before


def flipped(content: bytes, share: float) -> bytes:
    at = int(share * (len(content) - 1))
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda content: flipped(content, 0.0),
    "in the links": lambda content: flipped(content, 0.5),
    "last byte": lambda content: flipped(content, 1.0),
    "cut": lambda content: content[:-100],
    "short": lambda content: content[:20],
    "longer": lambda content: content + b"more",
    "empty": lambda content: b"",
    "foreign": lambda content: b"RIFF" + bytes(1000),
}


@pytest.mark.parametrize("name", ["index.hnsw", "index.header"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_snapshot_is_made_again(
    library: Library, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = clustered(600)
    library.settled(rows)
    library.close()
    file = library.folder / name
    good = {n: (library.folder / n).read_bytes() for n in ("rows", "vectors.f16")}
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    _, near = library.open(write=False)
    assert recall(near, rows) == 1.0
    until(lambda: bool(caplog.messages))  # closed before, it would not say so
    library.close()
    assert len(caplog.messages) == 1
    caplog.clear()
    _, near = library.settled()
    assert recall(near, rows) >= 0.99
    library.close()
    assert len(caplog.messages) == 1
    assert "made again from the vectors" in caplog.text
    caplog.clear()
    _, near = library.open()
    until(lambda: near.covered == 600)
    assert not caplog.messages
    assert good == {n: (library.folder / n).read_bytes() for n in good}


@pytest.mark.parametrize("missing", ["index.hnsw", "index.header"])
def test_half_a_snapshot_is_none(library: Library, missing: str) -> None:
    library.settled(clustered(600))
    library.close()
    (library.folder / missing).unlink()
    library.settled()
    assert (library.folder / missing).exists()


def test_a_snapshot_of_other_vectors_or_another_model_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = [Library(tmp_path / name) for name in "ab"]
    for i, some in enumerate(made):
        some.settled(clustered(600, i))
        some.close()
    for name in ("index.hnsw", "index.header"):
        (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    _, near = made[0].settled()
    assert recall(near, clustered(600, 0)) >= 0.99
    made[0].close()
    assert "made from other vectors" in caplog.text
    vectors = Vectors.open(tmp_path / "a", DIM, in_memory=0)
    with pytest.raises(snapshot.UnusableError, match="another model"):
        snapshot.load(tmp_path / "a", vectors, "another")
    narrower = Vectors.open(tmp_path / "a", DIM // 2, in_memory=0)
    with pytest.raises(snapshot.UnusableError, match="another model"):
        snapshot.load(tmp_path / "a", narrower, MODEL)


def test_a_row_that_was_damaged_is_not_found_by_an_older_graph(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = clustered(600)
    library.settled(rows)
    library.close()
    query = asked(1)
    best = brute(rows, query[0], 3, list(range(600)))
    with open(library.folder / "vectors.f16", "r+b") as file:
        file.seek(best[0] * DIM * 2)
        file.write(b"\xff\x7f")  # NaN
    monkeypatch.setattr(Projection, "fit", None)  # the graph needs not be made again
    vectors, near = library.open()
    until(lambda: near.covered == 600)
    assert vectors.dead.tolist() == best[:1]
    assert near.nearest(query, 2)[0][0].tolist() == best[1:]


def test_a_full_disk_leaves_the_old_snapshot(library: Library) -> None:
    """hnswlib says nothing when a file can't be written to its end."""
    library.settled(clustered(600))
    library.close()
    before = (library.folder / "index.hnsw").read_bytes()
    code = f"""
import logging, resource, signal
from pathlib import Path
from soundsearch.index.neighbours import Neighbours
from soundsearch.index.vectors import Vectors
from tests.index.test_neighbours import DIM, MODEL, clustered, names
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
logging.basicConfig()
vectors = Vectors.open(Path({os.fspath(library.folder)!r}), DIM, write=True, in_memory=0)
vectors.append(names(600, 700), [-1.0] * 100, clustered(100, 4))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
near = Neighbours(vectors, MODEL, write=True)
near.settle(wait=True)
print(near.covered)
near.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "700\n"
    assert done.stderr.count("can't be saved") == 1
    assert (library.folder / "index.hnsw").read_bytes() == before
    assert not list(library.folder.glob("*.new"))
    _, near = library.settled()
    assert recall(near, np.concatenate([clustered(600), clustered(100, 4)])) >= 0.99


def test_a_snapshot_every_so_many_rows(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = library.settled(clustered(600))
    monkeypatch.setattr(module, "SNAPSHOT_ROWS", 300)
    library.append(vectors, clustered(299, 2))

    def counted() -> int:
        header = (library.folder / "index.header").read_bytes().partition(b"\n")[0]
        return int(json.loads(header)["count"])

    library.append(vectors, clustered(1, 3))
    until(lambda: counted() == 900)  # and no scan has ended


def test_a_snapshot_that_failed_is_tried_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only a few rows came since, of which none would be made."""
    vectors, near = library.open(rows=clustered(600))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(snapshot, "save", refuse)
        near.settle(wait=True)
    assert not snapshot.exists(library.folder)
    library.append(vectors, clustered(1, 5))
    near.settle(wait=True)
    assert snapshot.exists(library.folder)


def test_a_few_new_rows_make_no_snapshot(library: Library) -> None:
    """They are found all the same, also at the next start."""
    rows = clustered(1_010)
    vectors, near = library.settled(rows[:1_000])
    saved = (library.folder / "index.hnsw").stat().st_mtime_ns
    library.append(vectors, rows[1_000:1_005])
    near.settle(wait=True)
    assert (library.folder / "index.hnsw").stat().st_mtime_ns == saved
    library.close()
    vectors, near = library.settled()
    for row in range(1_000, 1_005):
        assert near.nearest(rows[row][None], 1)[0][0, 0] == row
    library.append(vectors, rows[1_005:])
    library.append(vectors, clustered(20, 4))
    near.settle(wait=True)
    assert (library.folder / "index.hnsw").stat().st_mtime_ns > saved


def test_rows_of_a_new_kind_make_a_new_projection(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DIMS", (16,))
    flat = np.zeros((600, DIM))
    flat[:, :7] = np.random.default_rng(0).normal(size=(600, 7))
    vectors, near = library.settled(unit(flat))
    other = np.zeros((1200, DIM))
    other[:, 40:47] = np.random.default_rng(1).normal(size=(1200, 7))
    library.append(vectors, unit(other))
    fits = []
    fit = Projection.fit.__func__
    monkeypatch.setattr(
        Projection, "fit", classmethod(lambda cls, *a: fits.append(a) or fit(cls, *a))
    )
    near.settle(wait=True)
    until(lambda: len(fits) == 1 and near.covered == 1800)
    assert recall(near, unit(np.concatenate([flat, other]))) >= 0.99
    near.settle(wait=True)
    assert len(fits) == 1


def test_more_rows_than_the_memory_holds_get_fewer_dimensions(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, near = library.settled(clustered(600))
    assert module._dims(600) == 192
    monkeypatch.setattr(module, "MOST_BYTES", 900 * (4 * 64 + module._ROW_BYTES))
    library.append(vectors, clustered(300, 2))
    near.settle(wait=True)
    until(lambda: near.covered == 900)
    assert near._indexed is not None
    assert near._indexed.graph.dim == 64
    assert recall(near, np.concatenate([clustered(600), clustered(300, 2)])) >= 0.99


def test_small_libraries_have_no_graph(tmp_path: Path) -> None:
    rows = clustered(500)
    with Vectors.open(tmp_path, DIM, write=True) as vectors:
        vectors.append(names(0, 500), np.full(500, -1, np.float32), rows)
        near = Neighbours(vectors, MODEL, write=True)
        near.settle(wait=True)
        assert recall(near, rows) == 1.0
        near.close()
    assert not (tmp_path / "index.hnsw").exists()


def test_a_library_that_grows_out_of_memory_gets_one(tmp_path: Path) -> None:
    rows = clustered(900)
    with Vectors.open(tmp_path, DIM, write=True, in_memory=600 * DIM) as vectors:
        vectors.append(names(0, 500), np.full(500, -1, np.float32), rows[:500])
        near = Neighbours(vectors, MODEL, write=True)
        assert not vectors.is_large
        assert recall(near, rows[:500]) == 1.0
        vectors.append(names(500, 900), np.full(400, -1, np.float32), rows[500:])
        assert vectors.is_large
        assert recall(near, rows) >= 0.99
        near.settle(wait=True)
        assert near.covered == 900
        assert recall(near, rows) >= 0.99
        near.close()


def test_without_hnswlib_everything_is_compared(tmp_path: Path) -> None:
    (tmp_path / "hnswlib.py").write_text("raise ImportError('not built')")
    code = f"""
import sys
sys.path.insert(0, {os.fspath(tmp_path)!r})
import logging
from pathlib import Path
import numpy as np
from soundsearch.index.neighbours import Neighbours
from soundsearch.index.vectors import Vectors
from tests.index.made_up import WIDE as DIM
from tests.index.made_up import asked, clustered, names
logging.basicConfig()
rows = clustered(600)
with Vectors.open(Path({os.fspath(tmp_path / "v")!r}), DIM, write=True, in_memory=0) as vectors:
    vectors.append(names(0, 600), np.full(600, -1, np.float32), rows)
    near = Neighbours(vectors, "a model", write=True)
    near.settle(wait=True)
    found, _ = near.nearest(asked(), 10)
    best = np.sort(asked() @ rows.T, axis=1)[:, -10]
    print(all((rows[f] @ q >= b - 2e-3).all() for f, q, b in zip(found, asked(), best)))
    near.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert done.stderr.count("hnswlib is not installed") == 1


def test_queries_of_another_dimension_are_refused(library: Library) -> None:
    _, near = library.settled(clustered(600))
    for wrong in (asked(2)[:, :-1], asked(1)[0]):
        with pytest.raises(ValueError, match="expected"):
            near.nearest(wrong, 3)


def test_the_graph_refuses_what_hnswlib_would_take(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = unit(random.normal(size=(500, DIM)))
    graph = Graph(DIM)
    assert [len(some) for some in graph.search(rows[:2], 5)] == [0, 0]
    graph.add(np.arange(500), rows, 500)
    for wrong in (rows[:, :-1], np.full((500, DIM), np.nan, np.float32)):
        with pytest.raises(ValueError, match="finite"):
            graph.add(np.arange(500), wrong, 1000)
        with pytest.raises(ValueError, match="finite"):
            graph.search(wrong, 3)
    # More than there are: as many as are reached.
    assert len(graph.search(rows[:1], 9999)[0]) > 400
    size, _ = graph.save(tmp_path / "graph")
    assert size == (tmp_path / "graph").stat().st_size
    again = Graph.load(tmp_path / "graph", DIM, 500, 500)
    assert again.search(rows[:3], 5)[0].tolist() == graph.search(rows[:3], 5)[0].tolist()
    again.add(np.arange(500, 700), unit(random.normal(size=(200, DIM))), 700)
    assert len(again) == 700
    assert sorted(again._index.get_ids_list()) == list(range(700))
    for dim, count in ((DIM // 2, 500), (DIM, 499), (DIM, 501)):
        with pytest.raises(ValueError, match="holds"):
            Graph.load(tmp_path / "graph", dim, count, count)


def test_a_projection_keeps_inner_products_and_lengths() -> None:
    rows = clustered(2000)
    projection = Projection.fit([rows[:700], rows[700:]], DIM, 40)
    projected, queries = projection.rows(rows), projection.queries(asked())
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-5)
    within = rows @ projection.basis
    np.testing.assert_allclose(projected[:, :-1], within, atol=1e-6)
    assert abs(projection.share_kept(projected) - projection.kept) < 1e-5
    values = np.linalg.svd(rows, compute_uv=False) ** 2
    assert abs(projection.kept - values[:39].sum() / values.sum()) < 1e-4
    # Order by distance is order by inner product.
    distances = ((queries[0] - projected) ** 2).sum(axis=1)
    assert (np.argsort(distances) == np.argsort(-(queries[0] @ projected.T)))[:50].all()
    whole = Projection.fit([rows], DIM, 500)
    assert whole.dims == DIM + 1
    np.testing.assert_allclose(
        whole.rows(rows[:50]) @ whole.rows(rows[:50]).T, rows[:50] @ rows[:50].T, atol=2e-3
    )


def test_halves_on_disk_are_compared_as_numpy_would(tmp_path: Path) -> None:
    rows = clustered(1000)
    rows[5] = 0
    rows[6, :10] = 6e-8  # below the smallest normal half
    with Vectors.open(tmp_path, DIM, write=True, in_memory=0) as vectors:
        vectors.append(names(0, 1000), np.full(1000, -1, np.float32), rows)
        expected = asked() @ rows.astype(np.float16).astype(np.float32).T
        np.testing.assert_allclose(vectors.cosines(asked()), expected, atol=2e-5)
        some = np.array([7, 3, 4, 5, 6, 999, 0])
        np.testing.assert_allclose(vectors.cosines(asked(), some), expected[:, some], atol=2e-5)
        np.testing.assert_array_equal(vectors.take(some), rows[some].astype(np.float16))
