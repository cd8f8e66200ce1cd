"""hnswlib behind a wall: what it does not check is checked here, before its code sees it.

hnswlib 0.8 reads beyond the ends of queries of another dimension, loads a file of another
dimension without a word, crashes on damaged ones, ends silently when the disk is full while it
saves, forgets `ef` in a file, accepts NaN, fails when a search reaches fewer rows than were asked
for, and must not be searched while it is added to. Deleting makes it crash, so nothing is ever
deleted; its filters call Python for every row, so none is used.
"""

import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

M = 16  # links of a row in each layer, twice as many in the lowest
EF_CONSTRUCTION = 200
# Rows that a search keeps in view. Queries by text do not lie where sounds lie, so it takes many:
# recall@10 of 1,200,000 rows (D = 1024) 0.964 with 1,000, 0.984 with 2,000, 0.990 with 4,000 (in
# 9 ms), 0.993 with 8,000; of 1,000,000 (D = 256) 0.952, 0.970, 0.982, 0.984.
EF = 4_000
ADDED_AT_ONCE = 256  # a search waits for so many at most
_NOISE = 0.01  # length of what is added to each row, which is of unit length
_MORE_ROOM = 65_536
_HEAD = struct.Struct("<4Q")  # of a file: offset, room, rows, bytes a row


class Graph:
    """Rows of unit length in a graph that finds most of the nearest ones.

    covered: rows 0…covered - 1 are in it, or were left out on purpose. Safe for several threads:
    searches and additions take turns, searches first.
    """

    def __init__(self, dim: int) -> None:
        """Raises ImportError without hnswlib."""
        self.dim = dim
        self.covered = 0
        self._index = _empty(dim)
        self._index.init_index(_MORE_ROOM, ef_construction=EF_CONSTRUCTION, M=M, random_seed=1)
        self._turns = _Turns()

    def __len__(self) -> int:
        return int(self._index.get_current_count())

    def add(self, rows: np.ndarray, vectors: np.ndarray, covered: int) -> None:
        """rows int64 (n,), their float32 (n, dim) vectors; covered: the new value.

        Raises ValueError for vectors of another dimension or with NaN.
        """
        if vectors.shape != (len(rows), self.dim) or not np.isfinite(vectors).all():
            raise ValueError(f"expected finite {(len(rows), self.dim)}, got {vectors.shape}")
        vectors = vectors + _noise(rows, self.dim)
        with self._turns.adding():
            if len(self) + len(rows) > self._index.get_max_elements():
                self._index.resize_index(int(1.1 * len(self)) + _MORE_ROOM)
            if len(rows):
                # With the labels given: what it counts itself is wrong after loading.
                self._index.add_items(vectors, rows, num_threads=os.cpu_count() or 1)
            self.covered = covered

    def search(self, queries: np.ndarray, count: int) -> list[np.ndarray]:
        """Of each query (Q, dim) about `count` rows near to it, fewer when no more are reached."""
        if queries.ndim != 2 or queries.shape[1] != self.dim or not np.isfinite(queries).all():
            raise ValueError(f"expected finite (Q, {self.dim}), got {queries.shape}")
        with self._turns.searching():
            count = min(count, len(self))
            if count < 1:
                return [np.empty(0, np.int64) for _ in queries]
            self._index.set_ef(max(EF, count))
            return [self._search(query[None], count) for query in queries]

    def _search(self, query: np.ndarray, count: int) -> np.ndarray:
        while count:
            try:
                labels, _ = self._index.knn_query(query, k=count, num_threads=1)
            except RuntimeError:  # fewer were reached than asked for
                count //= 2
            else:
                return labels[0].astype(np.int64)
        return np.empty(0, np.int64)

    def save(self, path: Path) -> tuple[int, int]:
        """Writes and fsyncs a file; returns its size and CRC-32. Raises OSError, the disk being
        full among others."""
        with self._turns.searching():  # saving changes nothing, but nothing may be added meanwhile
            self._index.save_index(os.fspath(path))
            expected = int(self._index.index_file_size())
        with open(path, "r+b") as file:
            os.fsync(file.fileno())
        size, crc = measured(path)
        if size != expected:
            raise OSError(f"{path}: {size} of {expected} bytes were written")
        return size, crc

    @classmethod
    def load(cls, path: Path, dim: int, count: int, covered: int) -> "Graph":
        """A file that `save` wrote. The caller has compared size and CRC, without which a damaged
        file ends the process. Raises ValueError for one of another dimension or count."""
        with open(path, "rb") as file:
            head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise ValueError(f"{path} is cut")
        _, room, held, row_size = _HEAD.unpack(head)
        if held != count or room < held or row_size != 4 * (2 * M + 1) + 4 * dim + 8:
            raise ValueError(f"{path} holds {held} rows of {row_size} bytes")
        graph = cls.__new__(cls)
        graph.dim, graph.covered = dim, covered
        graph._turns = _Turns()
        graph._index = _empty(dim)
        try:
            graph._index.load_index(os.fspath(path), max_elements=count + _MORE_ROOM)
        except RuntimeError as error:
            raise ValueError(f"{path}: {error}") from None
        return graph


def measured(path: Path, is_ended: Callable[[], bool] = lambda: False) -> tuple[int, int]:
    """Size and CRC-32 of a file; of a part of it once is_ended() is true."""
    size = crc = 0
    with open(path, "rb", 0) as file:
        while not is_ended() and (data := file.read(1 << 22)):
            crc = zlib.crc32(data, crc)
            size += len(data)
    return size, crc


def _empty(dim: int) -> Any:
    import hnswlib

    return hnswlib.Index("l2", dim)


def _noise(rows: np.ndarray, dim: int) -> np.ndarray:
    """float32 (n, dim), rows of length _NOISE, the same for a row each time.

    Equal rows, as copies have them, would link to each other only and be islands that a search
    does not enter or leave (recall@10 0.90 with 40 % copies, 0.997 with the noise). Results are
    ranked by the true rows, so the noise is not seen.
    """
    columns = np.arange(dim, dtype=np.uint64)
    cells: np.ndarray = np.asarray(rows, np.uint64)[:, None] * np.uint64(dim) + columns
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64
        cells = (cells ^ (cells >> np.uint64(shift))) * np.uint64(factor)
    uniform = (cells >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return uniform * np.float32(_NOISE * (3 / dim) ** 0.5)


class _Turns:
    """Searches and additions never at once; an addition waits while a search does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._busy = False

    @contextmanager
    def searching(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._busy)
            finally:
                self._waiting -= 1
                self._changed.notify_all()  # who adds may be waiting for us alone
            self._busy = True
        yield from self._until_done()

    @contextmanager
    def adding(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not (self._busy or self._waiting))
            self._busy = True
        yield from self._until_done()

    def _until_done(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
