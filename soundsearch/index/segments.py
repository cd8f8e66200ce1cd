"""All segments of long sounds, on disk only: where exactly in a hit the query is heard.

The index holds a few representatives of a sound; this file, `segments` beside the rows, holds the
vectors of all its segments, 0.7 MB an hour at D = 1024. It is read for the sounds of an answer
only. Blocks are appended: identity (16 bytes), number of segments, seconds of one, a CRC-32 of
these and the vectors, then the vectors, float16. What is lost here costs exactness, nothing else.
"""

import os
import zlib
from pathlib import Path

import numpy as np

from soundsearch.errors import UserError

_HEAD = np.dtype([("identity", "V16"), ("count", "<u4"), ("seconds", "<f4"), ("crc", "<u4")])


class Segments:
    """The `segments` file of a model's folder. One thread adds (under the data folder's lock) and
    one reads."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._file = folder / "segments"
        self._dim = dim
        self._places: dict[bytes, int] = {}  # identity → offset of its newest block
        self._seen = 0  # bytes
        self._clean = False

    def add(self, identity: bytes, seconds: float, vectors: np.ndarray) -> None:
        """All segments of a sound in order, unit vectors (S, D), each `seconds` long but the last.

        Raises UserError when the disk is full; nothing is added then.
        """
        halves = np.ascontiguousarray(vectors, np.float16).tobytes()
        head = np.zeros(1, _HEAD)
        head["identity"][0] = np.void(identity)
        head["count"], head["seconds"] = len(vectors), seconds
        head["crc"] = _checksum(head, halves)
        with open(self._file, "ab", 0) as file:
            if not self._clean:  # a block that was cut is no beginning for another
                self._look()
                os.truncate(file.fileno(), self._seen)
                self._clean = True
            end = os.fstat(file.fileno()).st_size
            try:
                rest = memoryview(head.tobytes() + halves)
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                os.truncate(file.fileno(), end)
                raise UserError(
                    f"The embeddings can't be written to {self._file.parent} ({error.strerror})",
                    "Make room on that disk, then scan again: what is done stays",
                ) from error

    def best(self, identity: bytes, vector: np.ndarray) -> float | None:
        """Seconds to the segment nearest to a unit vector (D,); None where nothing is known."""
        self._look()
        place = self._places.get(identity)
        if place is None:
            return None
        with open(self._file, "rb") as file:
            file.seek(place)
            head = np.frombuffer(file.read(_HEAD.itemsize), _HEAD)
            data = file.read(int(head["count"][0]) * self._dim * 2)
        if _checksum(head, data) != head["crc"][0]:
            return None
        cosines = np.frombuffer(data, "<f2").reshape(-1, self._dim).astype(np.float32) @ vector
        return float(np.argmax(cosines) * head["seconds"][0])

    def _look(self) -> None:
        """Takes in the blocks behind those that are known."""
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return
        if size <= self._seen:
            return
        with open(self._file, "rb") as file:
            while self._seen + _HEAD.itemsize <= size:
                file.seek(self._seen)
                head = np.frombuffer(file.read(_HEAD.itemsize), _HEAD)
                end = self._seen + _HEAD.itemsize + int(head["count"][0]) * self._dim * 2
                if end > size:
                    return
                self._places[head["identity"][0].tobytes()] = self._seen
                self._seen = end


def _checksum(head: np.ndarray, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(head.tobytes()[: _HEAD.fields["crc"][1]]))  # type: ignore[index]
