"""The vectors of one model: an append-only pair of files that survives being cut anywhere.

`vectors.f16` holds float16 unit vectors, `rows` beside it one record a vector: the sound's
identity (16 bytes), the start of the segment in seconds (float32; -1 for the whole sound, -2 for
a whole sound of which only some segments were heard) and a CRC-32 of both and of the vector. A
record is written after its vector; rows count up to the last good CRC, and a writer cuts what
lies behind.

The segments of a sound stand directly before the row of the whole sound, so that a sound whose
own row is there has them all. A sound embedded again takes the place of its older rows.
"""

import os
import zlib
from pathlib import Path
from types import TracebackType

import numpy as np

from soundsearch.errors import UserError

WHOLE = -1.0
FIRST_PASS = -2.0
RECORD = np.dtype([("identity", "V16"), ("start", "<f4"), ("crc", "<u4")])
_HEAD = np.dtype([("identity", "V16"), ("start", "<f4")])
_BLOCK = 65_536  # rows read at once when a library is opened


class Vectors:
    """All vectors of one model, in memory as float32 (`matrix`), on disk as float16.

    One writer (the caller holds the data folder's lock), any number of readers. Appending while
    another thread reads `matrix` is safe: an array once handed out never changes.
    """

    def __init__(self, folder: Path, dim: int, write: bool) -> None:
        self.dim = dim
        self._folder = folder
        self._write = write
        self._matrix = np.empty((0, dim), np.float32)
        self._records = np.empty(0, RECORD)
        self._count = 0
        self._rows: dict[bytes, int] = {}
        if write:
            folder.mkdir(parents=True, exist_ok=True)
        self._read()
        if write:
            self._cut()
            self._vector_file = open(folder / "vectors.f16", "ab")  # noqa: SIM115
            self._row_file = open(folder / "rows", "ab")  # noqa: SIM115

    @classmethod
    def open(cls, folder: Path, dim: int, write: bool = False) -> "Vectors":
        """Opens `embeddings/<model id>`; a reader of a folder that is not there sees no rows."""
        return cls(folder, dim, write)

    @staticmethod
    def count(folder: Path) -> int:
        """How many rows a folder holds, by the size of its `rows`; reads nothing."""
        rows = folder / "rows"
        return rows.stat().st_size // RECORD.itemsize if rows.exists() else 0

    def __len__(self) -> int:
        return self._count

    @property
    def matrix(self) -> np.ndarray:
        """float32 (N, D), unit rows; a view that stays as it is when rows are appended."""
        return self._matrix[: self._count]

    @property
    def identities(self) -> np.ndarray:
        """(N,) of 16 raw bytes each (`.tobytes()` gives the identity)."""
        return self._records["identity"][: self._count]

    @property
    def starts(self) -> np.ndarray:
        """float32 (N,): seconds into the sound, WHOLE or FIRST_PASS for the whole sound."""
        return self._records["start"][: self._count]

    def row_of(self, identity: bytes) -> int | None:
        """The row of the whole sound's vector."""
        return self._rows.get(identity)

    def is_complete(self, identity: bytes) -> bool:
        """Whether all of a sound was heard, not only the segments of a first pass."""
        row = self._rows.get(identity)
        return row is not None and float(self._records["start"][row]) == WHOLE

    def owners(self) -> np.ndarray:
        """int64 (N,): the row of the whole sound that each row belongs to, its own for whole ones.

        -1 for rows that later ones replaced, and for segments that a cut left alone.
        """
        count = self._count
        records, whole = self._records[:count], np.array(list(self._rows.values()), np.int64)
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
        records["crc"] = _checksums(records, halves)
        ends = self._vector_file.tell(), self._row_file.tell()
        try:
            self._vector_file.write(halves.tobytes())
            self._vector_file.flush()
            self._row_file.write(records.tobytes())
            self._row_file.flush()
        except OSError as error:
            for file, end in zip((self._vector_file, self._row_file), ends, strict=True):
                os.truncate(file.fileno(), end)
            raise UserError(
                f"The embeddings can't be written to {self._folder} ({error.strerror})",
                "Make room on that disk, then scan again: what is done stays",
            ) from error
        self._grow(records, halves.astype(np.float32))

    def flush(self) -> None:
        """Forces what was appended onto the disk: vectors first, then their rows."""
        for file in (self._vector_file, self._row_file):
            os.fsync(file.fileno())

    def refresh(self) -> int:
        """Reads what another process appended since; returns the number of new rows."""
        before = self._count
        self._read()
        return self._count - before

    def close(self) -> None:
        if self._write:
            self._vector_file.close()
            self._row_file.close()

    def __enter__(self) -> "Vectors":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _grow(self, records: np.ndarray, vectors: np.ndarray) -> None:
        first, count = self._count, self._count + len(records)
        if count > len(self._matrix):
            capacity = max(count, int(1.5 * len(self._matrix)), 1024)
            matrix = np.empty((capacity, self.dim), np.float32)
            matrix[:first] = self._matrix[:first]
            grown = np.empty(capacity, RECORD)
            grown[:first] = self._records[:first]
            self._matrix, self._records = matrix, grown
        self._matrix[first:count] = vectors
        self._records[first:count] = records
        joined = records["identity"].tobytes()
        for i in np.flatnonzero(records["start"] < 0).tolist():
            self._rows[joined[16 * i : 16 * i + 16]] = first + i
        self._count = count

    def _read(self) -> None:
        """Takes in the rows behind those in memory, up to the first whose CRC is wrong."""
        try:
            vector_file = open(self._folder / "vectors.f16", "rb")  # noqa: SIM115
            row_file = open(self._folder / "rows", "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with vector_file, row_file:
            vector_file.seek(self._count * self.dim * 2)
            row_file.seek(self._count * RECORD.itemsize)
            while True:
                records = np.frombuffer(
                    _whole(row_file.read(_BLOCK * RECORD.itemsize), RECORD.itemsize), RECORD
                )
                vectors = np.frombuffer(
                    _whole(vector_file.read(len(records) * self.dim * 2), self.dim * 2), "<f2"
                ).reshape(-1, self.dim)
                records = records[: len(vectors)]
                good = _good(records, vectors)
                self._grow(records[:good], vectors[:good].astype(np.float32))
                if good < _BLOCK:
                    return

    def _cut(self) -> None:
        """Cuts both files behind the last good row."""
        for name, size in (("vectors.f16", self.dim * 2), ("rows", RECORD.itemsize)):
            path = self._folder / name
            if path.exists() and path.stat().st_size > self._count * size:
                os.truncate(path, self._count * size)


def _whole(data: bytes, size: int) -> bytes:
    return data[: len(data) // size * size]


def _checksums(records: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """uint32 (n,): CRC-32 of identity, start and vector of each row."""
    heads = memoryview(records[["identity", "start"]].astype(_HEAD).tobytes())
    rows = memoryview(np.ascontiguousarray(halves).tobytes())
    size = halves.shape[1] * 2
    head, crc = _HEAD.itemsize, zlib.crc32
    return np.fromiter(
        (
            crc(rows[i * size : i * size + size], crc(heads[i * head : i * head + head]))
            for i in range(len(records))
        ),
        np.uint32,
        len(records),
    )


def _good(records: np.ndarray, halves: np.ndarray) -> int:
    wrong = np.flatnonzero(_checksums(records, halves) != records["crc"])
    return int(wrong[0]) if len(wrong) else len(records)
