"""The two files of a model's vectors: reading at any place, and the checksums of rows."""

import os
import threading
import zlib
from pathlib import Path

import numpy as np

RECORD = np.dtype([("identity", "V16"), ("start", "<f4"), ("crc", "<u4")])
_HEAD = np.dtype([("identity", "V16"), ("start", "<f4")])


class Reading:
    """A file that several threads read at places of their own.

    By handle, not as a memory map: Windows does not cut or replace a mapped file, and its pages
    would count as ours.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb", 0)  # noqa: SIM115
        self._seeking = threading.Lock()

    def read(self, start: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            data = os.pread(self._file.fileno(), size, start)
        else:
            with self._seeking:
                self._file.seek(start)
                data = self._file.read(size)
        if len(data) < size:
            raise OSError(f"{self._file.name} was cut while it was read")
        return data

    def close(self) -> None:
        self._file.close()


def whole_elements(data: bytes, size: int) -> bytes:
    """Without the part of an element at the end."""
    return data[: len(data) // size * size]


def checksums(records: np.ndarray, halves: np.ndarray) -> np.ndarray:
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
