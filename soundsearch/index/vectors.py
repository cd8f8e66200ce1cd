"""The vectors of one model: an append-only pair of files that survives being cut anywhere.

`vectors.f16` holds float16 unit vectors, `rows` beside it one record a vector: the sound's
identity (16 bytes), the start of the segment in seconds (float32; -1 for the whole sound, -2 for
a whole sound of which only some segments were heard) and a CRC-32 of both and of the vector. A
record is written after its vector; rows count up to the last good CRC, and a writer cuts what
lies behind. Rows before it whose CRC is wrong are dead: they keep their numbers, are found by
nothing and cost the others nothing; their sounds are embedded again.

The segments of a sound stand directly before the row of the whole sound, so that a sound whose
own row is there has them all. A sound embedded again takes the place of its older rows.
"""

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from soundsearch.errors import UserError
from soundsearch.index import half
from soundsearch.index.files import RECORD, Reading, checksums, whole_elements
from soundsearch.index.lookup import Lookup
from soundsearch.index.segments import Segments

WHOLE = -1.0
FIRST_PASS = -2.0
_BLOCK = 16_384  # rows read at once
# Values (rows times dimension) that are kept in memory as float32, half a gigabyte: up to there a
# scan of all rows takes some 15 ms, and no index is needed.
IN_MEMORY = 2**27

_log = logging.getLogger(__name__)


class Vectors:
    """All vectors of one model: on disk as float16, and in memory as float32 while they are few.

    One writer (the caller holds the data folder's lock), any number of readers. Appending while
    other threads read is safe: an array once handed out never changes. dead: int64, rows that
    count for nothing. segments: all segments of long sounds, which stay on disk.
    """

    def __init__(self, folder: Path, dim: int, write: bool, in_memory: int) -> None:
        self.dim = dim
        self.folder = folder
        self.dead = np.empty(0, np.int64)
        self.segments = Segments(folder, dim)
        self._write = write
        self._in_memory = in_memory
        self._matrix: np.ndarray | None = np.empty((0, dim), np.float32)
        self._records = np.empty(0, RECORD)
        self._count = 0
        self._lookup = Lookup()
        self._reading: Reading | None = None
        try:
            if write:
                folder.mkdir(parents=True, exist_ok=True)
            self._read()
            if write:
                self._cut()
                # Unbuffered: what a full disk refused must not be written later.
                self._vector_file = open(folder / "vectors.f16", "ab", 0)  # noqa: SIM115
                self._row_file = open(folder / "rows", "ab", 0)  # noqa: SIM115
        except OSError as error:
            raise UserError(
                f"The embeddings in {folder} can't be opened ({error.strerror or error})",
                "Look at the rights of that folder, or move what stands in their way",
            ) from error

    @classmethod
    def open(
        cls, folder: Path, dim: int, write: bool = False, in_memory: int = IN_MEMORY
    ) -> "Vectors":
        """Opens `embeddings/<model id>`; a reader of a folder that is not there sees no rows.

        in_memory: values up to which rows are kept as float32. Raises UserError.
        """
        return cls(folder, dim, write, in_memory)

    @staticmethod
    def count(folder: Path) -> int:
        """How many rows a folder holds, by the size of its `rows`; reads nothing."""
        rows = folder / "rows"
        return rows.stat().st_size // RECORD.itemsize if rows.exists() else 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_large(self) -> bool:
        """Whether rows are read from disk, because all of them are too many for memory."""
        return self._matrix is None

    @property
    def matrix(self) -> np.ndarray:
        """float32 (N, D), unit rows; a view that stays as it is when rows are appended.

        Raises ValueError when the vectors are large.
        """
        count, matrix = self._count, self._matrix  # in this order: the writer grows the other way
        if matrix is None:
            raise ValueError("these vectors are too many for memory")
        return matrix[:count]

    @property
    def identities(self) -> np.ndarray:
        """(N,) of 16 raw bytes each (`.tobytes()` gives the identity)."""
        count = self._count
        return self._records["identity"][:count]

    @property
    def starts(self) -> np.ndarray:
        """float32 (N,): seconds into the sound, WHOLE or FIRST_PASS for the whole sound, NaN for
        dead rows."""
        count = self._count
        return self._records["start"][:count]

    def fingerprint(self, count: int) -> int:
        """A checksum of the first `count` rows and their order."""
        return zlib.crc32(np.ascontiguousarray(self._records["crc"][:count]).tobytes())

    def take(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, D) of rows int64 (n,), in any order."""
        matrix = self._matrix
        if matrix is not None:
            return matrix[rows]
        return self._halves(np.asarray(rows, np.int64)).astype(np.float32)

    def cosines(self, queries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """float32 (Q, n) of queries (Q, D) with all rows, or with rows int64 (n,).

        Dead rows have minus infinity.
        """
        count, matrix = self._count, self._matrix  # in this order: the writer grows the other way
        queries = np.asarray(queries, np.float32)
        if rows is not None:
            rows = np.asarray(rows, np.int64)
            if matrix is None:
                found = half.cosines(self._halves(rows), queries)
            else:
                found = queries @ matrix[rows].T
            if len(self.dead):
                found[:, np.isin(rows, self.dead)] = -np.inf
            return found
        if matrix is not None:
            found = queries @ matrix[:count].T
        else:
            found = np.empty((len(queries), count), np.float32)
            for first, halves in self._blocks(0, count):
                found[:, first : first + len(halves)] = half.cosines(halves, queries)
        found[:, self.dead[self.dead < count]] = -np.inf
        return found

    def blocks(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        """Rows first…last - 1 as (number of the first, float32 (n, D)), a few thousand at once."""
        matrix = self._matrix
        if matrix is None:
            for at, halves in self._blocks(first, last):
                yield at, halves.astype(np.float32)
        else:
            for at in range(first, last, _BLOCK):
                yield at, matrix[at : min(at + _BLOCK, last)]

    def row_of(self, identity: bytes) -> int | None:
        """The row of the whole sound's vector."""
        return self._lookup.get(identity)

    def rows_of(self, identities: bytes) -> np.ndarray:
        """int64 (n,): `row_of` n identities that stand one behind another, -1 for none."""
        return self._lookup.many(identities)

    def is_complete(self, identity: bytes) -> bool:
        """Whether all of a sound was heard, not only the segments of a first pass."""
        row = self._lookup.get(identity)
        return row is not None and float(self._records["start"][row]) == WHOLE

    def owners(self) -> np.ndarray:
        """int64 (N,): the row of the whole sound that each row belongs to, its own for whole ones.

        -1 for rows that later ones replaced, and for segments that a cut left alone.
        """
        count = self._count
        records, whole = self._records[:count], self._lookup.rows()
        whole = whole[whole < count]  # another thread may append meanwhile
        owners = np.full(count, -1, np.int64)
        owners[whole] = whole
        ends = np.flatnonzero(records["start"] < 0)
        segments = np.flatnonzero(records["start"] >= 0)
        at = np.searchsorted(ends, segments)
        segments, after = segments[at < len(ends)], ends[at[at < len(ends)]]
        halves = np.ascontiguousarray(records["identity"]).view(np.uint64).reshape(count, 2)
        same = (halves[segments] == halves[after]).all(axis=1) & (owners[after] == after)
        owners[segments[same]] = after[same]
        return owners

    def append(self, identities: list[bytes], starts: np.ndarray, vectors: np.ndarray) -> None:
        """Adds rows: identities (n), starts float32 (n,), vectors (n, D). On disk after flush().

        Raises ValueError for vectors of another dimension or with NaN, UserError when the disk is
        full; nothing is added then.
        """
        if vectors.shape != (len(identities), self.dim):
            raise ValueError(f"expected {(len(identities), self.dim)}, got {vectors.shape}")
        halves = np.ascontiguousarray(vectors, dtype=np.float16)
        if not np.isfinite(halves).all():
            raise ValueError("a vector is not finite")
        records = np.empty(len(identities), RECORD)
        records["start"] = starts
        for i, identity in enumerate(identities):
            records["identity"][i] = np.void(identity)
        records["crc"] = checksums(records, halves)
        try:
            self._cut_failed()
            for file, data in ((self._vector_file, halves), (self._row_file, records)):
                rest = memoryview(data.tobytes())
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):  # else before the next ones are written
                self._cut_failed()
            raise self._unwritable(error) from error
        self._grow(records, halves)

    def flush(self) -> None:
        """Forces what was appended onto the disk: vectors first, then their rows. Raises UserError:
        it may be lost then, and is read as far as it is whole."""
        try:
            for file in (self._vector_file, self._row_file):
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _cut_failed(self) -> None:
        """Cuts what a write that failed left behind the last row."""
        for file, size in ((self._vector_file, 2 * self.dim), (self._row_file, RECORD.itemsize)):
            if os.fstat(file.fileno()).st_size > self._count * size:
                os.truncate(file.fileno(), self._count * size)

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"The embeddings can't be written to {self.folder} ({error.strerror or error})",
            "Make room on that disk, then scan again: what is done stays",
        )

    def refresh(self) -> int:
        """Reads what another process appended since; returns the number of new rows."""
        before = self._count
        self._read()
        return self._count - before

    def close(self) -> None:
        if self._write:
            self._vector_file.close()
            self._row_file.close()
        if self._reading is not None:
            self._reading.close()

    def __enter__(self) -> "Vectors":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _grow(self, records: np.ndarray, halves: np.ndarray) -> None:
        first, count = self._count, self._count + len(records)
        if count > len(self._records):
            capacity = max(count, int(1.5 * len(self._records)), 1024)
            grown = np.empty(capacity, RECORD)
            grown[:first] = self._records[:first]
            self._records = grown
        self._records[first:count] = records
        if self._matrix is not None:
            self._matrix = self._grown(self._matrix, first, count)
        if self._matrix is not None:
            self._matrix[first:count] = halves
        sounds = np.flatnonzero(records["start"] < 0)
        self._lookup.put(records["identity"][sounds], first + sounds)
        self._count = count

    def _grown(self, matrix: np.ndarray, first: int, count: int) -> np.ndarray | None:
        """Room for `count` rows; None when so many shall not be in memory."""
        if count * self.dim > self._in_memory:
            return None
        if count <= len(matrix):
            return matrix
        capacity = max(count, int(1.5 * len(matrix)), 1024)
        grown = np.empty((min(capacity, max(count, self._in_memory // self.dim)), self.dim), "f4")
        grown[:first] = matrix[:first]
        return grown

    def _read(self) -> None:
        """Takes in the rows behind those in memory, up to the last whose CRC is right."""
        try:
            vector_file = open(self.folder / "vectors.f16", "rb")  # noqa: SIM115
            row_file = open(self.folder / "rows", "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with vector_file, row_file:
            coming = min(
                os.fstat(row_file.fileno()).st_size // RECORD.itemsize,
                os.fstat(vector_file.fileno()).st_size // (self.dim * 2),
            )
            if coming * self.dim > self._in_memory:
                self._matrix = None
            dead = len(self.dead)
            vector_file.seek(self._count * self.dim * 2)
            row_file.seek(self._count * RECORD.itemsize)
            doubtful: list[np.ndarray] = []  # records that nothing good has followed yet
            while True:
                records = np.frombuffer(
                    whole_elements(row_file.read(_BLOCK * RECORD.itemsize), RECORD.itemsize), RECORD
                )
                halves = np.frombuffer(
                    whole_elements(vector_file.read(len(records) * self.dim * 2), self.dim * 2),
                    "<f2",
                ).reshape(-1, self.dim)
                records = records[: len(halves)]
                good = checksums(records, halves) == records["crc"]
                end = int(np.flatnonzero(good)[-1]) + 1 if good.any() else 0
                if end:
                    for damaged in doubtful:
                        self._bury(damaged)
                    self._take_in(records[:end], halves[:end], good[:end])
                    doubtful = []
                if end < len(records):
                    doubtful.append(records[end:])
                if len(records) < _BLOCK:
                    break
        if len(self.dead) > dead:
            _log.warning(
                "%s: %d of its rows are damaged and left out; a scan embeds their sounds again, "
                "the other rows stay",
                self.folder,
                len(self.dead) - dead,
            )

    def _take_in(self, records: np.ndarray, halves: np.ndarray, good: np.ndarray) -> None:
        if good.all():
            self._grow(records, halves)
            return
        edges = np.flatnonzero(np.diff(good)) + 1
        for some, kept, fine in zip(
            np.split(records, edges), np.split(halves, edges), np.split(good, edges), strict=True
        ):
            if fine[0]:
                self._grow(some, kept)
            else:
                self._bury(some)

    def _bury(self, damaged: np.ndarray) -> None:
        """Dead rows take the place of damaged ones."""
        records = np.zeros(len(damaged), RECORD)
        records["start"] = np.nan
        records["crc"] = damaged["crc"]  # an index made before the damage stays known by it
        first, count = self._count, len(damaged)
        self.dead = np.concatenate([self.dead, np.arange(first, first + count)])
        self._grow(records, np.zeros((count, self.dim), np.float16))

    def _cut(self) -> None:
        """Cuts both files behind the last good row; puts them aside when nothing in them is good.

        Without a record a vector belongs to nothing: its sound is embedded again.
        """
        paths = {"vectors.f16": self.dim * 2, "rows": RECORD.itemsize}
        sizes = {}
        for name in paths:
            with contextlib.suppress(FileNotFoundError):
                sizes[name] = (self.folder / name).stat().st_size
        lost = max((sizes[n] - self._count * paths[n]) // paths[n] for n in sizes) if sizes else 0
        if lost > 0 and not self._count:
            for name in sizes:
                os.replace(self.folder / name, self.folder / f"{name}.damaged")
            _log.warning(
                "%s: nothing in these files can be read; they are put aside as *.damaged, and the "
                "next scan embeds the sounds again",
                self.folder,
            )
            return
        for name, size in sizes.items():
            if size > self._count * paths[name]:
                os.truncate(self.folder / name, self._count * paths[name])
        if lost > 0:
            _log.warning(
                "%s: what lies behind the last good row, %d rows, is cut; the next scan embeds "
                "those sounds again",
                self.folder,
                lost,
            )

    def _halves(self, rows: np.ndarray) -> np.ndarray:
        """float16 (n, D) from disk; rows that follow each other are read at once."""
        if not len(rows):
            return np.empty((0, self.dim), np.float16)
        size = self.dim * 2
        file = self._opened()
        firsts = np.concatenate([[0], np.flatnonzero(np.diff(rows) != 1) + 1])
        counts = np.diff(np.append(firsts, len(rows)))
        parts = [
            file.read(row * size, count * size)
            for row, count in zip(rows[firsts].tolist(), counts.tolist(), strict=True)
        ]
        return np.frombuffer(b"".join(parts), "<f2").reshape(len(rows), self.dim)

    def _blocks(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        size = self.dim * 2
        file = self._opened()
        for at in range(first, last, _BLOCK):
            count = min(_BLOCK, last - at)
            data = file.read(at * size, count * size)
            yield at, np.frombuffer(data, "<f2").reshape(count, self.dim)

    def _opened(self) -> Reading:
        if self._reading is None:
            self._reading = Reading(self.folder / "vectors.f16")
        return self._reading
