"""What is known of a sound besides its vector: identity, and one streaming pass over its samples.

Peak, envelope and leading silence all come from the same fine bins of the sound.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from soundsearch.audio.chunks import Chunk, read_chunks, read_content
from soundsearch.audio.decode import (
    AudioReader,
    DecodeError,
    mix_down,
    open_audio,
    open_regular,
)
from soundsearch.audio.loudness import LoudnessMeter
from soundsearch.audio.resample import Resampler

# Below this peak a sound is silence: two steps of 16 bit, what dithered silence reaches.
SILENCE = 2 / 32768
# A sound begins where it comes within 50 dB of its peak.
_ONSET = 10 ** (-50 / 20)

_POINTS = 1000
_POINTS_SHORT = 300
_SHORT_SECONDS = 2.0
_FINE_BINS = 8192

_PIECE = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What one pass over a sound found.

    frames: really read, at samplerate (Hz); loudness: LUFS (BS.1770), None for silence and below
    -70 LUFS; peak: largest absolute sample, 1.0 = full scale; envelope: int8 triples
    (minimum, maximum, RMS; 127 = full scale), row-major (points, 3), at most 1,000 points, 300
    below 2 s; silent: nothing above -84 dBFS; onset: seconds of leading silence, never too long;
    damage: "" or what is wrong with a file that gave sound nevertheless.
    """

    frames: int
    samplerate: int
    channels: int
    sample_format: str
    container: str
    loudness: float | None
    peak: float
    envelope: bytes
    silent: bool
    onset: float
    damage: str = ""


def analyse(
    path: bytes | str, rate: int | None, segment_seconds: float
) -> Iterator[np.ndarray | Facts]:
    """Read a sound once: yield its mono segments, then its Facts as the last item.

    Segments are float32 (samples,) at `rate` Hz, each exactly segment_seconds long but the last;
    none when rate is None. Memory doesn't grow with the sound. Raises DecodeError.
    """
    with open_audio(path) as reader:
        segments = None if rate is None else _Segments(reader.samplerate, rate, segment_seconds)
        bins = _FineBins()
        meter = LoudnessMeter(reader.samplerate, reader.channels)
        for block in reader.blocks():
            bins.add(block)
            meter.add(block)
            if segments is not None:
                yield from segments.add(mix_down(block))
        if segments is not None:
            yield from segments.finish()
        yield _facts(reader, bins, meter, _missing_part(path))


def identity(path: bytes | str) -> bytes:
    """16 bytes that name the sound: BLAKE2b-128 of the samples as they are stored.

    WAV and AIFF: of the payload alone, so that metadata don't matter; rate, channels and sample
    width are mixed in, since the same bytes at another rate are another sound. Other files: of
    the whole file. Raises DecodeError when the file can't be read.
    """
    with open_regular(path) as file:
        try:
            chunks = list(read_chunks(file))
            payload = _payload(chunks)
            if payload is None or not payload.size:
                file.seek(0)
                return _digest(file, None, b"")
            file.seek(payload.start)
            return _digest(file, payload.size, _layout(file, chunks))
        except OSError as error:
            reason = f"could not be read ({error.strerror or error})"
            raise DecodeError(reason, retry=True) from error


class _Segments:
    """Cuts a resampled stream into segments."""

    def __init__(self, source: int, rate: int, seconds: float) -> None:
        self._resampler = Resampler(source, rate)
        self._length = max(1, round(seconds * rate))
        self._parts: list[np.ndarray] = []
        self._held = 0

    def add(self, mono: np.ndarray, last: bool = False) -> Iterator[np.ndarray]:
        x = self._resampler.process(mono, last=last)
        while self._held + len(x) >= self._length:
            cut = self._length - self._held
            yield np.concatenate([*self._parts, x[:cut]])
            self._parts, self._held, x = [], 0, x[cut:]
        if len(x):
            self._parts.append(x)
            self._held += len(x)

    def finish(self) -> Iterator[np.ndarray]:
        yield from self.add(np.empty(0, np.float32), last=True)
        if self._held:
            yield np.concatenate(self._parts)


class _FineBins:
    """Minimum, maximum and energy of equal stretches of a sound whose length is not known.

    The bins' width doubles whenever there are more than 8,192 of them.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.width = 1
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._energy: list[np.ndarray] = []
        self._count = 0
        self._rest: np.ndarray | None = None

    def add(self, block: np.ndarray) -> None:
        """The next float32 (n, channels)."""
        self.frames += len(block)
        if self._rest is not None:
            block = np.concatenate((self._rest, block))
        while not self._count and len(block) > self.width * _FINE_BINS:
            self.width *= 2
        while len(block) >= self.width:
            bins = min(len(block) // self.width, _FINE_BINS - self._count)
            self._append(block[: bins * self.width])
            block = block[bins * self.width :]
            if self._count == _FINE_BINS:
                self._widen()
        self._rest = block.copy() if len(block) else None

    def finish(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """minimum, maximum, mean square over all channels: each float32 (bins,)."""
        if self._rest is not None:
            self._append(self._rest)
            self._rest = None
        return np.concatenate(self._low), np.concatenate(self._high), np.concatenate(self._energy)

    def _append(self, frames: np.ndarray) -> None:
        if not len(frames):
            return
        samples = frames.reshape(-1)
        starts = np.arange(0, len(samples), self.width * frames.shape[1])
        self._low.append(np.minimum.reduceat(samples, starts))
        self._high.append(np.maximum.reduceat(samples, starts))
        squares = np.add.reduceat(samples * samples, starts)
        sizes = np.diff(starts, append=len(samples))
        self._energy.append((squares / sizes).astype(np.float32))
        self._count += len(starts)

    def _widen(self) -> None:
        """Merge the bins in pairs; their number is even here."""
        self.width *= 2
        low, high, energy = (
            np.concatenate(parts).reshape(-1, 2) for parts in (self._low, self._high, self._energy)
        )
        self._low, self._high = [low.min(axis=1)], [high.max(axis=1)]
        self._energy = [energy.mean(axis=1)]
        self._count = len(self._low[0])


def _facts(reader: AudioReader, bins: _FineBins, meter: LoudnessMeter, missing: str) -> Facts:
    frames, width = bins.frames, bins.width
    low, high, energy = bins.finish()
    extremes = np.maximum(high, -low)
    peak = abs(float(extremes.max()))  # never -0.0
    silent = peak <= SILENCE
    onset = 0.0 if silent else int(np.argmax(extremes >= peak * _ONSET)) * width
    return Facts(
        frames=frames,
        samplerate=reader.samplerate,
        channels=reader.channels,
        sample_format=reader.sample_format,
        container=reader.container,
        loudness=None if silent else meter.integrated(),
        peak=peak,
        envelope=_envelope(low, high, energy, frames / reader.samplerate),
        silent=silent,
        onset=onset / reader.samplerate,
        damage=reader.damage or missing,
    )


def _envelope(low: np.ndarray, high: np.ndarray, energy: np.ndarray, seconds: float) -> bytes:
    """Fine bins → at most 1,000 points (300 below 2 s), int8 (points, 3) as bytes."""
    most = _POINTS_SHORT if seconds < _SHORT_SECONDS else _POINTS
    points = min(most, len(low))
    starts = np.arange(points) * len(low) // points
    sizes = np.diff(starts, append=len(low))
    table = np.stack(
        (
            np.minimum.reduceat(low, starts),
            np.maximum.reduceat(high, starts),
            np.sqrt(np.add.reduceat(energy, starts) / sizes),
        ),
        axis=1,
    )
    return np.clip(np.rint(table * 127), -127, 127).astype(np.int8).tobytes()


def _missing_part(path: bytes | str) -> str:
    """Whether a WAV or AIFF file is shorter than its header says; libsndfile keeps that quiet."""
    try:
        with open_regular(path) as file:
            payload = _payload(read_chunks(file))
    except (DecodeError, OSError):
        return ""
    return "ends before its header says" if payload is not None and payload.cut else ""


def _payload(chunks: "list[Chunk] | Iterator[Chunk]") -> Chunk | None:
    """The samples' chunk of a WAV or AIFF file."""
    for chunk in chunks:
        if chunk.name == "data":
            return chunk
        if chunk.name == "SSND":
            # Two numbers (offset, block size) stand before the samples.
            return Chunk("SSND", chunk.start + 8, max(0, chunk.size - 8), chunk.cut)
    return None


def _layout(file: BinaryIO, chunks: list[Chunk]) -> bytes:
    """Rate, channels and bits per sample from the header, packed the same way for both."""
    place = file.tell()
    head = {chunk.name: chunk for chunk in chunks if chunk.name in ("fmt ", "COMM")}
    channels = bits = rate = 0
    if "fmt " in head:
        content = read_content(file, head["fmt "], 16)
        if len(content) == 16:
            channels, rate, bits = struct.unpack("<2xHI6xH", content)
    elif "COMM" in head:
        content = read_content(file, head["COMM"], 18)
        if len(content) == 18:
            channels, bits, exponent, mantissa = struct.unpack(">H4xHHQ", content)
            # 80-bit float; rates are whole numbers
            shift = 16383 + 63 - exponent
            rate = mantissa >> shift if 0 <= shift < 64 else 0
    file.seek(place)
    return struct.pack("<IHH", rate & 0xFFFFFFFF, channels, bits)


def _digest(file: BinaryIO, size: int | None, person: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=16, person=person)
    left = size
    while left is None or left > 0:
        piece = file.read(_PIECE if left is None else min(_PIECE, left))
        if not piece:
            break
        digest.update(piece)
        if left is not None:
            left -= len(piece)
    return digest.digest()
