"""Regions of sound files as WAV files of their own, for other programs.

Samples stay as they are: the source's rate, channels and depth. A `bext` chunk (EBU Tech 3285,
version 1) tells where and when in the source the region lies.
"""

import contextlib
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from soundsearch.audio.chunks import read_chunks, read_content
from soundsearch.audio.decode import DecodeError, open_audio, open_regular
from soundsearch.audio.sources import SHARES_DESCRIPTORS

ORIGINATOR = "SoundSearch"
LONGEST_NAME = 120  # bytes of the source's name in the new one

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_BLOCK = 65536  # frames
_LARGEST_DATA = 0xFFFFFFFF - 4096  # what a RIFF file can hold beside its head
# Sample formats whose numbers libsndfile gives exactly → (bits, what is read).
_EXACT = {
    "pcm_s8": (8, "int32"),
    "pcm_u8": (8, "int32"),
    "pcm_16": (16, "int32"),
    "pcm_24": (24, "int32"),
    "pcm_32": (32, "int32"),
    "alac_16": (16, "int32"),
    "alac_20": (24, "int32"),
    "alac_24": (24, "int32"),
    "alac_32": (32, "int32"),
    "float": (32, "float32"),
    "double": (64, "float64"),
}


def export_region(path: bytes, start: float, end: float | None, folder: Path) -> tuple[Path, int]:
    """Writes the part from `start` to `end` (seconds; None: the end) into a new file in `folder`.

    Returns the file and how many frames it holds. Integer and floating point sources keep their
    depth and every sample; what was coded with losses becomes float. The name tells source and
    times and is one that is not there yet. Raises DecodeError when the region gives no sound and
    OSError when the file can't be written; then no file is left.
    """
    with open_audio(path) as reader:
        rate, channels, kind = reader.samplerate, reader.channels, reader.sample_format
    first = max(0, round(start * rate))
    count = None if end is None else round(end * rate) - first
    if count is not None and count <= 0:
        raise DecodeError("the selection is empty")
    bits, dtype = _EXACT.get(kind, (32, "float32"))
    blocks = _exact(path, first, count, dtype) if kind in _EXACT else _decoded(path, first, count)
    origin, mask = _origin(path)
    folder.mkdir(parents=True, exist_ok=True)
    name = region_name(path, first / rate, None if count is None else (first + count) / rate)
    file = _new_file(folder, name)
    try:
        with open(file, "r+b") as out:
            head = _head(path, rate, channels, bits, dtype != "int32", origin + first, mask)
            out.write(head)
            written = 0
            for block in blocks:
                written += len(block)
                if written * channels * bits // 8 > _LARGEST_DATA:
                    raise DecodeError("the selection is longer than a WAV file can be")
                out.write(_as_bytes(block, bits))
            if not written:
                raise DecodeError("the selection holds no sound")
            size = written * channels * bits // 8
            out.write(b"\0" * (size % 2))
            _write_sizes(out, len(head), size, written)
    except BaseException:
        with contextlib.suppress(OSError):
            file.unlink()
        raise
    return file, written


def region_name(path: bytes, start: float, end: float | None) -> str:
    """A file name for a region, which every system takes: "Anvil 0m01.250-0m02.500.wav".

    Other programs must be able to write it down: control characters, and what some system
    forbids in names, become "_".
    """
    stem = os.path.splitext(os.path.basename(path))[0].decode("utf-8", "replace")
    plain = "".join(
        "_" if ord(char) < 32 or char in '<>:"/\\|?*\x7f\ufffd' else char for char in stem
    )
    short = plain.encode()[:LONGEST_NAME].decode("utf-8", "ignore").strip() or "sound"
    return f"{short} {_clock(start)}-{_clock(end) if end is not None else 'end'}.wav"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes}m{rest / 1000:06.3f}"


def _new_file(folder: Path, name: str) -> Path:
    """An empty file that was not there before."""
    stem, ending = os.path.splitext(name)
    number = 1
    while True:
        file = folder / (name if number == 1 else f"{stem} ({number}){ending}")
        try:
            with open(file, "xb"):
                return file
        except FileExistsError:
            number += 1


def _exact(path: bytes, first: int, count: int | None, dtype: str) -> Iterator[np.ndarray]:
    """The source's own numbers: int32 (scaled to its full range) or float, (n, channels)."""
    with open_regular(path) as file:
        try:
            with soundfile.SoundFile(
                file.fileno() if SHARES_DESCRIPTORS else file, closefd=False
            ) as source:
                source.seek(min(first, source.frames))
                while count is None or count > 0:
                    wanted = _BLOCK if count is None else min(_BLOCK, count)
                    block = source.read(wanted, dtype=dtype, always_2d=True)
                    if not len(block):
                        return
                    count = None if count is None else count - len(block)
                    yield block
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise DecodeError("damaged inside") from error


def _decoded(path: bytes, first: int, count: int | None) -> Iterator[np.ndarray]:
    with open_audio(path) as reader:
        if first:
            reader.seek_seconds(first / reader.samplerate)
        for block in reader.blocks(_BLOCK):
            part = block if count is None else block[:count]
            yield part
            if count is not None:
                count -= len(part)
                if count <= 0:
                    return


def _as_bytes(block: np.ndarray, bits: int) -> bytes:
    if block.dtype.kind == "f":
        return block.astype("<f8" if bits == 64 else "<f4").tobytes()
    if bits == 8:  # WAV has them without sign
        return ((block >> 24) + 128).astype(np.uint8).tobytes()
    if bits == 24:
        four = np.ascontiguousarray(block.astype("<i4")).view(np.uint8).reshape(-1, 4)
        return four[:, 1:].tobytes()  # the lowest byte is empty
    return (block >> (32 - bits)).astype(f"<i{bits // 8}").tobytes()


def _head(
    path: bytes, rate: int, channels: int, bits: int, floating: bool, origin: int, mask: int
) -> bytes:
    """Everything up to the samples; the sizes are filled in when they are known."""
    tag = _FLOAT if floating else _PCM
    frame = channels * bits // 8
    if channels > 2:
        form = struct.pack("<HHIIHH", _EXTENSIBLE, channels, rate, rate * frame, frame, bits)
        form += struct.pack("<HHIH", 22, bits, mask, tag) + _GUID_TAIL
    else:
        form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
        form += struct.pack("<H", 0) if floating else b""
    parts = [_chunk(b"bext", _bext(path, rate, channels, bits, floating, origin))]
    parts.append(_chunk(b"fmt ", form))
    if floating:
        parts.append(_chunk(b"fact", bytes(4)))
    return b"RIFF\0\0\0\0WAVE" + b"".join(parts) + b"data\0\0\0\0"


def _bext(path: bytes, rate: int, channels: int, bits: int, floating: bool, origin: int) -> bytes:
    now = time.localtime()
    name = os.path.basename(path).decode("utf-8", "replace")
    kind = "float" if floating else "PCM"
    history = f"A=PCM,F={rate},W={bits},M={'mono' if channels == 1 else 'stereo'},T={kind}\r\n"
    fields = (
        _field(f"Region of {name}", 256),
        _field(ORIGINATOR, 32),
        _field("", 32),
        _field(time.strftime("%Y-%m-%d", now), 10),
        _field(time.strftime("%H:%M:%S", now), 8),
        struct.pack("<QH", origin, 1),
        bytes(64 + 190),  # no UMID; reserved
        history.encode("ascii"),
    )
    return b"".join(fields)


def _field(text: str, size: int) -> bytes:
    plain = " ".join(text.split())
    return plain.encode("utf-8")[:size].decode("utf-8", "ignore").encode("utf-8").ljust(size, b"\0")


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _write_sizes(out: BinaryIO, head: int, size: int, frames: int) -> None:
    out.seek(4)
    out.write(struct.pack("<I", head - 8 + size + size % 2))
    out.seek(head - 4)
    out.write(struct.pack("<I", size))
    out.seek(0)
    fact = out.read(head).find(b"fact\x04\0\0\0")
    if fact >= 0:
        out.seek(fact + 8)
        out.write(struct.pack("<I", frames))


def _origin(path: bytes) -> tuple[int, int]:
    """The TimeReference of a source (frames), and the loudspeakers that its channels stand for;
    zeros where it says nothing."""
    reference = mask = 0
    with contextlib.suppress(DecodeError, OSError, struct.error), open_regular(path) as file:
        for chunk in read_chunks(file):
            if chunk.name == "bext" and chunk.size >= 346:
                reference = struct.unpack_from("<Q", read_content(file, chunk), 338)[0]
            elif chunk.name == "fmt " and chunk.size >= 40:
                content = read_content(file, chunk)
                if struct.unpack_from("<H", content)[0] == _EXTENSIBLE:
                    mask = struct.unpack_from("<I", content, 20)[0]
    return reference, mask
