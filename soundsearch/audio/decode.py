"""Any sound file as a stream of float32 blocks.

libsndfile reads what it knows; FFmpeg (PyAV) reads the rest and takes over where libsndfile gives
up in the middle of a damaged file. Nothing is read whole and no handle outlives its reader.
"""

import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO

import numpy as np

from soundsearch.audio.files import without_hindrance
from soundsearch.audio.resample import Resampler
from soundsearch.audio.sources import (
    FfmpegSource,
    NoFramesError,
    SndfileSource,
    Source,
    SourceError,
)

AUDIO_EXTENSIONS: frozenset[str] = frozenset(
    (
        ".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".afc", ".flac",
        ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mp1", ".caf", ".au", ".snd", ".voc", ".m4a",
        ".m4b", ".aac", ".wma", ".mka", ".weba", ".ac3", ".amr", ".ape", ".wv", ".tta",
    )
)  # fmt: skip

# Blocks hold at most this many samples over all channels, so that 1,024 channels stay small.
_BLOCK_SAMPLES = 1 << 20
# Float files may hold anything: more than 96 dB above full scale is nonsense, not sound.
_LARGEST_SAMPLE = 65536.0

# Hz; beyond them a header is broken, and resampling a minute "at 1 Hz" would take days.
_RATES = (500, 6_000_000)
# Claims are exact or guesses from the bit rate; well below them a file was cut.
_SHORT_OF_CLAIM = 0.85

_NO_SOUND = "holds no sound"
_NOT_AUDIO = "not an audio file that can be read"


class DecodeError(Exception):
    """A file that gives no sound.

    reason: one line for a person, without the path; retry: whether the same bytes may work later
    (no permission, a disk that went away) or not (damaged, not audio).
    """

    def __init__(self, reason: str, retry: bool = False) -> None:
        super().__init__(reason, retry)  # both, so that the error can be pickled
        self.reason = reason
        self.retry = retry

    def __str__(self) -> str:
        return self.reason


class AudioReader:
    """One open sound file; made by `open_audio`, closed by `with`.

    samplerate: Hz; channels; frames: as the header claims, 0 when it says nothing, never to be
    trusted; sample_format: "pcm_16", "pcm_24", "float", "vorbis", "mp3", "aac", …;
    container: "wav", "aiff", "flac", "ogg", "mp3", "caf", "m4a", "wma", …;
    damage: "" or, once blocks were read, what was wrong although there was sound.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._source = _open_source(file)
        self._position = 0  # frames delivered or skipped by a seek
        self._sought = False
        self.samplerate = self._source.samplerate
        self.channels = self._source.channels
        self.frames = self._source.frames
        self.sample_format = self._source.sample_format
        self.container = self._source.container
        self.damage = ""

    def __enter__(self) -> "AudioReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if not self._file.closed:
            self._source.close()
            self._file.close()

    def blocks(self, frames: int = 65536) -> Iterator[np.ndarray]:
        """The sound from here to its end, float32 (n, channels), n = frames but for the last.

        Nominal range [-1, 1]; float files may go beyond, NaN and infinity are made finite. A file
        that breaks off gives what could be read. Raises DecodeError when that is nothing at all.
        """
        frames = max(1, min(frames, _BLOCK_SAMPLES // self.channels))
        first = not self._sought
        while True:
            block = self._read(frames)
            if not len(block):
                break
            first = False
            self._position += len(block)
            yield _finite(block)
        if first:
            raise DecodeError(self.damage or _NO_SOUND)
        self.damage = self.damage or self._source.damage
        if not self.damage and self._position < _SHORT_OF_CLAIM * self.frames:
            self.damage = "ends before its header says"

    def seek_seconds(self, seconds: float) -> None:
        """Let `blocks` go on from this time; past the end it gives nothing."""
        target = max(0, round(seconds * self.samplerate))
        self._sought = True
        try:
            self._source.seek(target)
        except SourceError:
            self._decode_up_to(target)
        self._position = target

    def _read(self, frames: int) -> np.ndarray:
        try:
            return self._source.read(frames)
        except OSError as error:
            raise _unreadable(error) from error
        except SourceError:
            # libsndfile says nothing about the frames before the damage: FFmpeg decodes the
            # same file up to here and goes on.
            return self._take_over(frames)

    def _take_over(self, frames: int) -> np.ndarray:
        nothing = np.empty((0, self.channels), np.float32)
        self.damage = "damaged inside"
        if isinstance(self._source, FfmpegSource):
            return nothing
        try:
            self._decode_up_to(self._position)
            return self._source.read(frames)
        except (DecodeError, SourceError, OSError):
            return nothing  # what was read so far counts

    def _decode_up_to(self, target: int) -> None:
        """Open the file anew with FFmpeg and drop what comes before `target`."""
        try:
            source = _open_ffmpeg(self._file)
        except DecodeError as error:
            raise DecodeError("damaged inside") from error
        same = (source.samplerate, source.channels) == (self.samplerate, self.channels)
        if not same:
            source.close()
            raise DecodeError("damaged inside")
        self._source.close()
        self._source = source
        while target > 0 and (got := len(source.read(min(target, 65536)))):
            target -= got


def open_audio(path: bytes | str) -> AudioReader:
    """Open a sound file for reading. Raises DecodeError for everything that is not one.

    Only regular files are opened: a named pipe or a device would block or do harm.
    """
    file = open_regular(path)
    try:
        if not os.fstat(file.fileno()).st_size:
            raise DecodeError("the file is empty")
        return AudioReader(file)
    except OSError as error:
        file.close()
        raise _unreadable(error) from error
    except BaseException:
        file.close()
        raise


def open_regular(path: bytes | str) -> BinaryIO:
    """A regular file, opened unbuffered for reading; it stays free to be renamed or deleted.

    Raises DecodeError.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DecodeError("not a regular file")
        # The file carries its path as `name`; it stays open beyond this function.
        file = open(path, "rb", buffering=0, opener=without_hindrance)  # noqa: SIM115
    except OSError as error:
        raise _unreadable(error) from error
    except ValueError as error:  # a NUL in the path
        raise DecodeError("the file is gone", retry=True) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DecodeError("not a regular file")
    return file


def mix_down(block: np.ndarray) -> np.ndarray:
    """The mean of the channels: float32 (n, channels) → (n,)."""
    channels = block.shape[1]
    mono = block[:, 0].copy()
    # Column by column: faster than mean(axis=1), and a matrix product would start threads.
    for channel in range(1, channels):
        mono += block[:, channel]
    return mono if channels == 1 else mono * np.float32(1 / channels)


def load_mono(
    path: bytes | str, rate: int, start: float = 0.0, end: float | None = None
) -> np.ndarray:
    """A sound or a region of it in seconds, as mono float32 (samples,) at `rate`, held in memory.

    Raises DecodeError, also when the region holds nothing.
    """
    with open_audio(path) as reader:
        if start > 0:
            reader.seek_seconds(start)
        length = None if end is None else round((end - max(start, 0.0)) * reader.samplerate)
        resampler = Resampler(reader.samplerate, rate)
        parts = []
        for block in reader.blocks():
            mono = mix_down(block if length is None else block[: max(length, 0)])
            parts.append(resampler.process(mono))
            if length is not None:
                length -= len(mono)
                if length <= 0:
                    break
        parts.append(resampler.process(np.empty(0, np.float32), last=True))
    sound = np.concatenate(parts)
    if not len(sound):
        raise DecodeError(_NO_SOUND)
    return sound


def _open_source(file: BinaryIO) -> Source:
    source: Source
    try:
        source = SndfileSource(file)
    except SourceError:
        source = _open_ffmpeg(file)
    low, high = _RATES
    if not low <= source.samplerate <= high:
        source.close()
        raise DecodeError(f"claims a sample rate of {source.samplerate} Hz")
    return source


def _open_ffmpeg(file: BinaryIO) -> FfmpegSource:
    try:
        return FfmpegSource(file)
    except NoFramesError as error:
        raise DecodeError(_NO_SOUND) from error
    except OSError:
        raise
    except Exception as error:  # broken headers make PyAV fail in many ways
        raise DecodeError(_NOT_AUDIO) from error


def _finite(block: np.ndarray) -> np.ndarray:
    # NaN fails both comparisons.
    if block.min() >= -_LARGEST_SAMPLE and block.max() <= _LARGEST_SAMPLE:
        return block
    block = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(block, -_LARGEST_SAMPLE, _LARGEST_SAMPLE)


def _unreadable(error: OSError) -> DecodeError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return DecodeError("the file is gone", retry=True)
    if isinstance(error, PermissionError):
        return DecodeError("no permission to read it", retry=True)
    return DecodeError(f"could not be read ({error.strerror or error})", retry=True)
