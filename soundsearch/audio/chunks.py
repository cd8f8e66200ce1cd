"""Where the parts of WAV and AIFF files lie. Standard library only; never trusts a size."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# A sane file has some ten chunks; more than this is a broken or hostile one.
_MOST_CHUNKS = 1000
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class Chunk:
    """name: four characters; start: offset of its content; size: bytes that are really there;
    cut: whether the header claims more."""

    name: str
    start: int
    size: int
    cut: bool


def read_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a RIFF, RIFX, RF64, BW64 or FORM (AIFF) file; none for any other file."""
    file.seek(0, 2)
    end = file.tell()
    file.seek(0)
    head = file.read(12)
    form, kind = head[:4], head[8:12]
    if form in (b"RIFF", b"RF64", b"BW64") and kind == b"WAVE":
        order = "<"
    elif (form == b"RIFX" and kind == b"WAVE") or (form == b"FORM" and kind in (b"AIFF", b"AIFC")):
        order = ">"
    else:
        return
    long_data: int | None = None  # the 64-bit size of RF64
    position = 12
    for _ in range(_MOST_CHUNKS):
        if position + 8 > end:
            return
        file.seek(position)
        name, size = struct.unpack(order + "4sI", file.read(8))
        start = position + 8
        if name == b"ds64":
            fields = file.read(16)
            long_data = struct.unpack("<8xQ", fields)[0] if len(fields) == 16 else None
        elif name == b"data" and size == _UNKNOWN:
            # Written to a pipe, the size is unknown and the data reach to the end.
            size = end - start if long_data is None else long_data
        there = min(size, end - start)
        yield Chunk(name.decode("latin-1"), start, there, size > there)
        position = start + size + size % 2


def read_content(file: BinaryIO, chunk: Chunk, most: int = 1 << 20) -> bytes:
    """The content of a chunk, at most `most` bytes of it."""
    file.seek(chunk.start)
    return file.read(min(chunk.size, most))
