"""The rows nearest to query vectors, behind one call: `nearest(vectors, k, allowed)`."""

import atexit
import logging
import threading
import time
from collections.abc import Iterator

import numpy as np

from soundsearch.index import snapshot
from soundsearch.index.graph import ADDED_AT_ONCE, Graph
from soundsearch.index.projection import Projection
from soundsearch.index.snapshot import Indexed
from soundsearch.index.vectors import Vectors

SNAPSHOT_ROWS = 50_000  # added since the last snapshot make a new one
# Fewer are not worth one at the end of a scan: hnswlib holds the interpreter while it writes, a
# second for a million rows, and the next start adds these rows in less.
_FEW = 0.01
# The graph's memory: at the widest of these dimensions, with 4 bytes each and some 250 for links
# and tables, the rows must stay below MOST_BYTES.
DIMS = (192, 160, 128, 96, 64)
MOST_BYTES = 1_300_000_000
_ROW_BYTES = 250
_FITTED_ON = 32_768  # rows, spread over all
_STALE = 0.05  # when rows lose so much more than those it was fitted on, all is made anew
_RERANKED = 400  # candidates beyond k whose true cosine is computed
_MOST_CANDIDATES = 5_000
_NARROW = 8_192  # rows; so few to choose from are compared one by one
_IDLE = 1.0  # seconds between looks for new rows

_log = logging.getLogger(__name__)


class Exact:
    """Compares with every row. matrix: float32 (N, D), unit rows."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = matrix

    def nearest(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k rows of largest cosine, best first; equal cosines by row.

        vectors: float32 (Q, D), unit rows. allowed: int (M,) rows to choose from, all when None.
        Returns rows int64 (Q, k') and cosines float32 (Q, k'), k' = min(k, rows to choose from).
        """
        rows = np.arange(len(self._matrix)) if allowed is None else np.asarray(allowed, np.int64)
        matrix = self._matrix if allowed is None else self._matrix[rows]
        return _best(np.asarray(vectors, np.float32) @ matrix.T, rows, k)


class Neighbours:
    """The nearest rows of a model's vectors: by comparing with all while these are in memory, by
    a graph when they are not.

    The graph is loaded, built and kept up to date on a thread of its own, by the one writer of the
    vectors (write=True); a reader loads what there is. Whatever the graph does not hold yet is
    compared one by one, so an answer never waits for it. Without hnswlib everything is.
    """

    def __init__(self, vectors: Vectors, model_id: str, write: bool = False) -> None:
        self._vectors = vectors
        self._model_id = model_id
        self._write = write
        self._indexed: Indexed | None = None
        self._saved = 0  # rows covered by the snapshot
        self._tried = 0  # rows covered when one was last made, or could not be
        self._settling = False
        self._changed = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None
        if write or (vectors.is_large and snapshot.exists(vectors.folder)):
            self._thread = threading.Thread(target=self._work, name="index", daemon=True)
            self._thread.start()
            # A thread within hnswlib when the interpreter ends would take the process down.
            atexit.register(self.close)

    @property
    def covered(self) -> int:
        """Rows that the graph knows; the others are compared one by one."""
        indexed = self._indexed
        return indexed.graph.covered if indexed else 0

    def nearest(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None, exact: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k rows of largest cosine, best first; equal cosines by row.

        vectors: float32 (Q, D), unit rows. allowed: int (M,) rows to choose from, sorted, each
        once; all when None. exact: compare with all of them. Returns rows int64 (Q, k') and
        cosines float32 (Q, k'), k' = min(k, rows to choose from). The cosines are those of the
        stored rows; only whether a row is found is left to the graph.
        """
        queries = np.asarray(vectors, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._vectors.dim:
            raise ValueError(f"expected (Q, {self._vectors.dim}), got {queries.shape}")
        indexed, count = self._indexed, len(self._vectors)
        rows = None if allowed is None else np.asarray(allowed, np.int64)
        candidates = k + _RERANKED + k // 4
        if rows is not None:
            candidates = max(candidates, 2 * k * count // max(len(rows), 1))
        narrow = rows is not None and len(rows) <= _NARROW
        if indexed is None or exact or narrow or candidates > _MOST_CANDIDATES:
            return self._exact(queries, k, rows, count)
        found = [self._by_graph(indexed, q[None], k, rows, count, candidates) for q in queries]
        width = min((len(best) for best, _ in found), default=0)
        shape = (len(found), width)
        return (
            np.array([best[:width] for best, _ in found], np.int64).reshape(shape),
            np.array([cosines[:width] for _, cosines in found], np.float32).reshape(shape),
        )

    def settle(self, wait: bool = False) -> None:
        """No more rows come for now: the graph takes in what is there, then is saved.

        wait: until that is done.
        """
        with self._changed:
            self._settling = True
            self._changed.notify_all()
            while wait and self._settling and self._thread is not None and self._thread.is_alive():
                self._changed.wait(_IDLE)

    def close(self) -> None:
        """Ends the thread, after the rows in hand."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            atexit.unregister(self.close)

    def _exact(
        self, queries: np.ndarray, k: int, rows: np.ndarray | None, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        if rows is not None and 4 * len(rows) < count:
            return _best(self._vectors.cosines(queries, rows), rows, k)
        cosines = self._vectors.cosines(queries)[:, :count]
        if rows is None:
            rows = np.arange(cosines.shape[1])
        else:
            cosines = cosines[:, rows]
        return _best(cosines, rows, k)

    def _by_graph(
        self,
        indexed: Indexed,
        query: np.ndarray,
        k: int,
        rows: np.ndarray | None,
        count: int,
        candidates: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of one query (1, D): rows and cosines (k',)."""
        covered = indexed.graph.covered
        near = np.sort(indexed.graph.search(indexed.projection.queries(query), candidates)[0])
        near = near[near < covered]  # what it took in since is in the tail
        tail = np.arange(covered, count)
        possible = covered - len(self._vectors.dead)
        if rows is not None:
            near = near[_contains(rows, near)]
            border = int(np.searchsorted(rows, covered))
            tail, possible = rows[border:], border
        if len(near) < min(k, possible):
            best, cosines = self._exact(query, k, rows, count)
        else:
            pool = np.concatenate([near, tail])
            best, cosines = _best(self._vectors.cosines(query, pool), pool, k)
        return best[0], cosines[0]

    def _work(self) -> None:
        try:
            self._open()
            while self._write and not self._ended:
                settling = self._settling  # before looking: all rows that it is about are there
                if self._indexed is None and self._vectors.is_large:
                    self._begin()
                if not self._catch_up():
                    self._rest(settling)
        except ImportError:
            _log.warning("hnswlib is not installed: this large library is searched exactly")
        except Exception:
            self._indexed = None
            _log.exception("The index failed: searches are exact until the next start")
        finally:
            with self._changed:
                self._settling = False
                self._changed.notify_all()

    def _open(self) -> None:
        folder = self._vectors.folder
        if not self._vectors.is_large or not snapshot.exists(folder):
            return
        try:
            self._indexed = snapshot.load(
                folder, self._vectors, self._model_id, lambda: self._ended
            )
            self._saved = self._tried = self._indexed.graph.covered
        except snapshot.UnusableError as error:
            if self._ended:
                return
            _log.warning(
                "%s: the index can't be used (%s); %s",
                folder,
                error,
                "it is made again from the vectors, and searches are exact until then"
                if self._write
                else "searches are exact",
            )

    def _begin(self) -> None:
        """An empty graph, with a projection that fits the rows there are."""
        dims = _dims(len(self._vectors))
        blocks = self._spread_rows()
        projection = Projection.fit(blocks, self._vectors.dim, dims)
        self._indexed = Indexed(Graph(projection.dims), projection)
        self._saved, self._tried, self._settling = 0, 0, True

    def _spread_rows(self) -> Iterator[np.ndarray]:
        count = len(self._vectors)
        rows = np.unique(np.linspace(0, count - 1, min(_FITTED_ON, count)).astype(np.int64))
        for first in range(0, len(rows), 4_096):
            yield self._vectors.take(rows[first : first + 4_096])

    def _catch_up(self) -> bool:
        """Adds the next rows; False when there are none."""
        indexed, vectors = self._indexed, self._vectors
        if indexed is None:
            return False
        graph = indexed.graph
        first, count = graph.covered, len(vectors)
        if first == count:
            return False
        for _, block in vectors.blocks(first, min(first + 16 * ADDED_AT_ONCE, count)):
            for at in range(0, len(block), ADDED_AT_ONCE):
                if self._ended:
                    return True
                first = graph.covered
                projected = indexed.projection.rows(block[at : at + ADDED_AT_ONCE])
                rows = np.arange(first, first + len(projected))
                alive = ~np.isin(rows, vectors.dead)
                graph.add(rows[alive], projected[alive], first + len(rows))
                indexed.lost += float(np.square(projected[alive, -1]).sum())
        if graph.covered - self._tried >= SNAPSHOT_ROWS:
            self._save()
        return True

    def _rest(self, settling: bool) -> None:
        """All rows are in the graph: saves it when a scan has ended, then waits for more."""
        indexed = self._indexed
        if indexed is not None and settling:
            if self._is_stale(indexed):
                self._indexed = None  # its memory is needed for the next one
                return
            if indexed.graph.covered - self._saved > _FEW * self._saved:
                self._save()
        with self._changed:
            if settling:
                self._settling = False
                self._changed.notify_all()
            if not self._ended:
                self._changed.wait_for(lambda: self._ended or self._settling, _IDLE)

    def _is_stale(self, indexed: Indexed) -> bool:
        """Whether its dimensions are too many for so many rows, or miss what the rows hold."""
        rows = len(indexed.graph)
        if indexed.graph.dim > _dims(int(0.95 * rows)):
            return True
        return indexed.lost / max(rows, 1) > 1.0 - indexed.projection.kept + _STALE

    def _save(self) -> None:
        indexed = self._indexed
        assert indexed is not None
        began = time.perf_counter()
        try:
            snapshot.save(self._vectors.folder, indexed, self._vectors, self._model_id)
        except OSError as error:
            _log.warning(
                "%s: the index can't be saved (%s); the next start makes it again",
                self._vectors.folder,
                error.strerror or error,
            )
        else:
            _log.info("index saved in %.1f s", time.perf_counter() - began)
            self._saved = indexed.graph.covered
        self._tried = indexed.graph.covered


def _dims(rows: int) -> int:
    fitting = (d for d in DIMS if rows * (4 * d + _ROW_BYTES) <= MOST_BYTES)
    return next(fitting, DIMS[-1])


def _contains(rows: np.ndarray, some: np.ndarray) -> np.ndarray:
    """bool: which of `some` are in the sorted `rows`."""
    at = np.minimum(np.searchsorted(rows, some), len(rows) - 1)
    return rows[at] == some


def _best(cosines: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Of cosines (Q, M) with rows (M,), sorted: the k largest, minus infinity left out."""
    k = min(k, len(rows))
    chosen = np.empty((len(cosines), k), np.int64)
    for i, row in enumerate(cosines):
        best = np.arange(len(row))[:k]
        if 0 < k < len(row):
            # A partition leaves open which of several equal ones at the border it takes.
            border = np.partition(row, len(row) - k)[len(row) - k]
            sure = np.flatnonzero(row > border)
            best = np.concatenate([sure, np.flatnonzero(row == border)[: k - len(sure)]])
        chosen[i] = best[np.lexsort((best, -row[best]))]
    found = np.take_along_axis(cosines, chosen, axis=1)
    alive = int(np.isfinite(found).sum(axis=1).min()) if len(found) else k
    return rows[chosen[:, :alive]], found[:, :alive]
