"""The two libraries that decode, behind one small shape: `read`, `seek`, `close`.

Both read an already opened descriptor or file, never a path: FFmpeg would otherwise follow
playlists and network addresses, and paths may hold any bytes.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile

# Decoders of overlapping frames need some sound before the wanted place: measured for MP3, where
# up to 5,400 frames after a seek are wrong.
SEEK_LEAD = 0.25

# The C library of a Windows build doesn't know Python's descriptors; it is given read and seek.
SHARES_DESCRIPTORS = os.name != "nt"

_SNDFILE_CONTAINERS = {"WAVEX": "wav", "RF64": "wav"}
_SNDFILE_FORMATS = {"MPEG_LAYER_I": "mp1", "MPEG_LAYER_II": "mp2", "MPEG_LAYER_III": "mp3"}

# Names by which people know what FFmpeg calls otherwise.
_FFMPEG_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2": "m4a", "asf": "wma", "matroska,webm": "mka"}
# Where the channels of WAV (left, right, centre, low frequencies, behind, beside) stand in Vorbis
# and Opus, by their number: Vorbis I, 4.3.9, and RFC 7845, 5.1.1.2.
_OGG_ORDERS = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
# What FFmpeg may open: containers of one sound each, nothing that refers to other files.
_FFMPEG_ALLOWED = (
    "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,dts,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,rm,tak,"
    "tta,voc,w64,wav,webm,wv,mp4,m4a,mpegts,mpeg"
)
_TOO_MANY_PLANES = 8  # too many for PyAV: see Interleaver
# How many damaged packets in a row end a file.
_DAMAGED_PACKETS = 50


class SourceError(Exception):
    """A library could not open or go on decoding; the text is the library's own."""


class NoFramesError(SourceError):
    """The file was understood, but not one frame came out of it."""


class Source(Protocol):
    """Decoded frames of one file."""

    samplerate: int
    channels: int
    frames: int  # as the header claims, 0 when it says nothing
    sample_format: str
    container: str
    damage: str

    def read(self, frames: int) -> np.ndarray:
        """The next float32 (n, channels), n <= frames; n = 0 only at the end. SourceError."""

    def seek(self, frame: int) -> None:
        """Let the next read start at this frame; past the end nothing is read. SourceError."""

    def close(self) -> None:
        """Release everything but the file itself, which belongs to the caller."""


class _ForwardFile(soundfile.SoundFile):
    """A SoundFile that doesn't seek by itself.

    soundfile seeks to the place where it is after every read. In MP3 that spoils up to 5,400
    frames at the start of each block (seen with soundfile 0.14 and libsndfile 1.2), and it costs
    time in other formats. Told that the file can't seek, it leaves that out; `seek` still works.
    """

    def seekable(self) -> bool:
        return False


class SndfileSource:
    """libsndfile: WAV, AIFF, FLAC, OGG, Opus, MP3, CAF and their relatives."""

    def __init__(self, file: BinaryIO) -> None:
        # Never the path: the library would open it anew, and on Windows lock it.
        opened = file.fileno() if SHARES_DESCRIPTORS else file
        try:
            self._file = _ForwardFile(opened, closefd=False)
        except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
            raise SourceError(str(error)) from error
        self.samplerate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = max(0, self._file.frames)
        kind: str = self._file.format
        subtype: str = self._file.subtype
        self.container = _SNDFILE_CONTAINERS.get(kind, kind).lower()
        self.sample_format = _SNDFILE_FORMATS.get(subtype, subtype).lower()
        # libsndfile leaves the channels in the order of the format.
        ogg = self.sample_format in ("vorbis", "opus")
        self._order = _OGG_ORDERS.get(self.channels) if ogg else None
        self.damage = ""

    def read(self, frames: int) -> np.ndarray:
        block = np.empty((frames, self.channels), np.float32)
        try:
            # Not SoundFile.read, which stops at the number of frames that the header claims.
            count = self._file.buffer_read_into(block, "float32")
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise SourceError(str(error)) from error
        block = block[: max(0, count)]
        return block if self._order is None else block[:, self._order]

    def seek(self, frame: int) -> None:
        lead = round(SEEK_LEAD * self.samplerate) if self.sample_format.startswith("mp") else 0
        target = min(frame, self.frames)
        start = max(0, target - lead)
        try:
            self._file.seek(start)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise SourceError(str(error)) from error
        while start < target:
            got = len(self.read(min(target - start, 65536)))
            if not got:
                break
            start += got

    def close(self) -> None:
        self._file.close()


class FfmpegSource:
    """PyAV: AAC, WMA and whatever libsndfile refuses."""

    def __init__(self, file: BinaryIO) -> None:
        import av  # heavy, and seldom needed

        # FFmpeg's log calls into Python from its own threads and can block them.
        av.logging.set_level(None)
        self._failures = (av.error.FFmpegError, EOFError)
        self._damaged_packet = av.error.InvalidDataError
        file.seek(0)
        options = {"format_whitelist": _FFMPEG_ALLOWED, "enable_drefs": "0"}
        try:
            self._container: Any = av.open(
                file, options=options, container_options=options, metadata_errors="replace"
            )
        except (*self._failures, OSError, ValueError) as error:
            raise SourceError(str(error)) from error
        try:
            self._prepare()
        except BaseException:
            self._container.close()
            raise

    def _prepare(self) -> None:
        if not self._container.streams.audio:
            raise SourceError("no audio stream")
        self._stream = self._container.streams.audio[0]
        if self._stream.codec_context is None:
            raise SourceError("unknown codec")
        # Automatic threading can hang at exit, and decoders are one process each already.
        self._stream.codec_context.thread_type = "NONE"
        self.damage = ""
        self._pending = np.empty((0, 0), np.float32)
        self._interleave = Interleaver()
        self._decoded = self._decode()
        # Only a decoded frame tells rate and channels for sure (AAC with band replication).
        first = next(self._decoded, None)
        if first is None:
            raise NoFramesError(self.damage or "no frames")
        self.samplerate: int = first.sample_rate
        self.channels: int = len(first.layout.channels)
        self._pending = self._samples(first)
        kind: str = self._container.format.name
        self.container = _FFMPEG_CONTAINERS.get(kind, kind.split(",")[0])
        self.sample_format: str = self._stream.codec_context.name
        seconds = (
            float(self._stream.duration * self._stream.time_base) if self._stream.duration else 0.0
        )
        self.frames = max(0, round(seconds * self.samplerate))

    def _decode(self) -> Iterator[Any]:
        """Frames from the container's position on, past damaged packets."""
        damaged = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
                damaged = 0
            except self._damaged_packet:
                self.damage = "damaged inside"
                damaged += 1
                if damaged > _DAMAGED_PACKETS:
                    return
            except EOFError:
                return
            except self._failures as error:
                self.damage = f"damaged inside ({error})"
                return

    def _samples(self, frame: Any) -> np.ndarray:
        """A decoded frame as float32 (n, channels) in [-1, 1]."""
        if frame.format.is_planar and len(frame.layout.channels) >= _TOO_MANY_PLANES:
            frame = self._interleave(frame)
        data = frame.to_ndarray()
        planar = frame.format.is_planar
        data = data.T if planar else data.reshape(-1, self.channels)  # (n, channels)
        if data.dtype == np.uint8:
            return (data.astype(np.float32) - 128.0) / 128.0
        if data.dtype.kind == "i":
            return data.astype(np.float32) / float(2 ** (8 * data.dtype.itemsize - 1))
        return np.ascontiguousarray(data, np.float32)

    def _more(self) -> bool:
        """Decode until something is pending; False at the end."""
        while not len(self._pending):
            frame = next(self._decoded, None)
            if frame is None:
                return False
            changed = (frame.sample_rate, len(frame.layout.channels))
            if changed != (self.samplerate, self.channels):
                self.damage = "changes its sample rate or channels inside"
                return False
            self._pending = self._samples(frame)
        return True

    def read(self, frames: int) -> np.ndarray:
        parts: list[np.ndarray] = []
        wanted = frames
        while wanted and self._more():
            parts.append(self._pending[:wanted])
            self._pending = self._pending[wanted:]
            wanted -= len(parts[-1])
        return np.concatenate(parts) if parts else np.empty((0, self.channels), np.float32)

    def seek(self, frame: int) -> None:
        start = self._stream.start_time or 0
        base = self._stream.time_base
        seconds = max(0.0, frame / self.samplerate - SEEK_LEAD)
        try:
            self._container.seek(start + int(seconds / base), stream=self._stream)
        except (*self._failures, OSError) as error:
            raise SourceError(str(error)) from error
        self._decoded = self._decode()
        self._pending = np.empty((0, self.channels), np.float32)
        landed = next(self._decoded, None)
        if landed is None:
            return
        if landed.pts is None:
            raise SourceError("frames without time")
        self._pending = self._samples(landed)
        skip = frame - round(float((landed.pts - start) * base) * self.samplerate)
        while skip > 0 and (got := len(self.read(min(skip, 65536)))):
            skip -= got

    def close(self) -> None:
        with suppress(*self._failures):
            self._container.close()


class Interleaver:
    """Puts the planes of a frame into one: the way around a crash of PyAV.

    It looks for one more plane behind the last until it finds none, and FFmpeg ends the list so
    only below eight: with 7.1 and more `to_ndarray` reads anywhere (seen with PyAV 18.1).
    """

    def __init__(self) -> None:
        self._resampler: Any = None
        self._made_for: tuple[str, str, int] | None = None

    def __call__(self, frame: Any) -> Any:
        import av

        kind = frame.format.packed.name, frame.layout.name, frame.sample_rate
        if kind != self._made_for:
            self._resampler, self._made_for = (
                av.AudioResampler(kind[0], frame.layout, kind[2]),
                kind,
            )
        (packed,) = self._resampler.resample(frame)
        return packed
