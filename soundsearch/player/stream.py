"""The output stream: what the audio callback does, the device, and its silent twin with a clock.

Both outputs have the same interface. Nothing here decodes, and the callback neither allocates
buffers nor waits: it copies from a track's ring and applies prepared ramps.
"""

import contextlib
import os
import sys
import threading
import time
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from soundsearch.player.track import Track, fade_in

SILENT_RATE = 48000
SILENT_BLOCK = 480
SILENT_NAME = "silent"
LIST_AGE = 30.0  # seconds after which PortAudio's list of devices is asked for again
STALL_SECONDS = 2.0  # a stream that asks for nothing this long has lost its device
CLOSE_SECONDS = 2.0


class OutputError(Exception):
    """There is no way to play sound; the text is one line for a person."""


class HungDeviceError(Exception):
    """PortAudio doesn't return from closing a stream: only a new process can play again."""


class Mixer:
    """Fills the stream's blocks. `play` and `stop` take effect with the next block.

    What was cut off fades out while the next track begins. One thread plays and stops, one other
    (the callback's) fills.
    """

    def __init__(self, rate: int, volume: float = 1.0) -> None:
        self.rate = rate
        self.volume = volume
        self.callbacks = 0
        self.starved = 0
        self._next: Track | None = None
        self._track: Track | None = None
        # The last block that held sound: its track, first frame, length, and when it was asked.
        self._clock: tuple[Track, int, int, float] | None = None
        self._fade_out = np.ascontiguousarray(fade_in(rate)[::-1])
        self._tail = np.zeros((len(self._fade_out), 2), np.float32)
        self._cut = np.zeros_like(self._tail)
        self._tail_from = len(self._tail)  # all of it was heard
        self._level = volume
        glide = max(1, rate // 100)
        self._glide = np.linspace(1 / glide, 1, glide, dtype=np.float32)[:, None]
        self._gains = np.zeros_like(self._glide)

    def play(self, track: Track) -> None:
        self._next = track

    def stop(self) -> None:
        self._next = None

    def ear(self, track: Track, latency: float, now: float) -> float | None:
        """Which frame of the track is heard now; None before its first block was handed over.

        latency: seconds from handing a block over to hearing its first frame.
        """
        clock = self._clock
        if clock is None or clock[0] is not track:
            return None
        _, first, length, asked = clock
        return max(0.0, min(first + (now - asked - latency) * self.rate, float(first + length)))

    def fill(self, out: np.ndarray) -> None:
        """Writes the next float32 (frames, 2)."""
        now = time.monotonic()
        self.callbacks += 1
        track = self._next
        if track is not self._track:
            self._cut_off()
            self._track = track
        frames = 0
        if track is not None:
            finished = track.finished  # asked first: more may be written in between
            first = track.read
            frames = track.take(out)
            if frames:
                self._clock = (track, first, frames, now)
                if track.handed is None:
                    track.handed = now
            if frames < len(out) and not finished:
                self.starved += 1
        out[frames:] = 0
        if self._tail_from < len(self._tail):
            part = self._tail[self._tail_from : self._tail_from + len(out)]
            out[: len(part)] += part
            self._tail_from += len(part)
        self._apply_volume(out)

    def _cut_off(self) -> None:
        """Takes the next few frames of the old track as the tail that fades out."""
        rest = len(self._tail) - self._tail_from
        self._cut[:rest] = self._tail[self._tail_from :]
        self._cut[rest:] = 0
        frames = self._track.take(self._tail) if self._track is not None else 0
        self._tail[frames:] = 0
        self._tail *= self._fade_out
        self._tail += self._cut
        self._tail_from = 0

    def _apply_volume(self, out: np.ndarray) -> None:
        change = self.volume - self._level
        if change:
            gains = self._gains[: len(out)]
            np.multiply(self._glide[: len(out)], change, out=gains)
            gains += self._level
            out[: len(gains)] *= gains
            self._level += change * float(self._glide[len(gains) - 1, 0])
            if abs(self.volume - self._level) < 1e-4:
                self._level = self.volume
            out[len(gains) :] *= self._level
        elif self._level != 1.0:
            out *= self._level


class Stream(Protocol):
    """An open output. latency: seconds from handing over to hearing."""

    name: str
    rate: int
    latency: float
    late: int
    mixer: Mixer

    def alive(self) -> bool:
        """False when the device went away."""

    def close(self) -> None:
        """Gives the device back. Raises HungDeviceError."""


class SilentStream:
    """Takes blocks by its own clock, and nobody hears them.

    late counts blocks that were taken after the next one was due. With `keep` all that was handed
    over stays in `handed`.
    """

    name = SILENT_NAME

    def __init__(
        self, rate: int = SILENT_RATE, block: int = SILENT_BLOCK, keep: bool = False
    ) -> None:
        self.rate = rate
        self.latency = 2 * block / rate
        self.late = 0
        self.mixer = Mixer(rate)
        self._block = block
        self._kept: list[np.ndarray] | None = [] if keep else None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="silent stream", daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        out = np.zeros((self._block, 2), np.float32)
        period = self._block / self.rate
        due = time.monotonic() + period
        while not self._end.wait(max(0.0, due - time.monotonic())):
            self.mixer.fill(out)
            if self._kept is not None:
                self._kept.append(out.copy())
            due += period
            if (now := time.monotonic()) > due:
                self.late += 1
                due = now + period

    @property
    def handed(self) -> np.ndarray:
        """float32 (frames, 2): everything so far, when it was to be kept."""
        return np.concatenate([np.zeros((0, 2), np.float32), *(self._kept or [])])

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._end.set()
        self._thread.join()


class DeviceStream:
    """A stream of one or two channels at the device's own rate, shared with other programs."""

    def __init__(self, sounddevice: ModuleType, index: int, name: str, short: bool = False) -> None:
        device = sounddevice.query_devices(index)
        self.name = name
        self.rate = round(device["default_samplerate"])
        self.late = 0
        self.mixer = Mixer(self.rate)
        self._mono = device["max_output_channels"] == 1
        self._pair = np.zeros((4096, 2), np.float32)  # for mono devices
        self._asked = time.monotonic()
        self._stream: Any = sounddevice.OutputStream(
            samplerate=self.rate,
            device=index,
            channels=1 if self._mono else 2,
            dtype="float32",
            latency="low" if short else "high",
            extra_settings=_shared_mode(sounddevice, device),
            callback=self._callback,
        )
        try:
            self._stream.start()
        except Exception:
            self._stream.close()
            raise
        self.latency = float(self._stream.latency)

    def _callback(self, out: np.ndarray, frames: int, when: Any, status: Any) -> None:
        self._asked = time.monotonic()
        if status.output_underflow:
            self.late += 1
        if not self._mono:
            self.mixer.fill(out)
            return
        for start in range(0, frames, len(self._pair)):
            part = out[start : start + len(self._pair)]
            pair = self._pair[: len(part)]
            self.mixer.fill(pair)
            np.add(pair[:, :1], pair[:, 1:], out=part)
            part *= 0.5

    def alive(self) -> bool:
        return bool(self._stream.active) and time.monotonic() - self._asked < STALL_SECONDS

    def close(self) -> None:
        # Drivers have been seen to hang here when the device is gone.
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            raise HungDeviceError(self.name)

    def _close(self) -> None:
        for step in (self._stream.abort, self._stream.close):
            with contextlib.suppress(Exception):  # a lost device; there is nothing else to do
                step()


class Outputs:
    """Opens the output that the person chose, or the system's default one.

    PortAudio is loaded with the first sound. The chosen device is remembered by name and host API,
    since indices move when something is plugged in, and looked for again at each opening.
    """

    def __init__(self) -> None:
        self.wanted: str | None = None
        self.short = False  # a small buffer
        mode = os.environ.get("SOUNDSEARCH_OUTPUT", "")
        self._silent = mode == "silent"
        self._or_silent = mode == "device-or-silent"
        self._sounddevice: ModuleType | None = None
        self._listed = -LIST_AGE

    def open(self) -> tuple[Stream, str]:
        """Returns an open stream and what a person should know about it, or "".

        Must not be called while another stream is open. Raises OutputError.
        """
        if self._silent:
            return SilentStream(), ""
        try:
            return self._open_device()
        except OutputError:
            if self._or_silent:
                return SilentStream(), ""
            raise

    def names(self, renew: bool) -> tuple[tuple[str, ...], str | None]:
        """All outputs, and the default one. renew: no stream is open, so the list may be renewed.

        Raises OutputError.
        """
        if self._silent:
            return (SILENT_NAME,), SILENT_NAME
        sounddevice = self._load()
        if renew:
            self._renew(sounddevice)
        names, default = _named(sounddevice)
        return tuple(names), default

    def forget(self) -> None:
        """Lets the next `open` ask for the list of devices again."""
        self._listed = -LIST_AGE

    def _open_device(self) -> tuple[Stream, str]:
        sounddevice = self._load()
        if time.monotonic() - self._listed > LIST_AGE:
            self._renew(sounddevice)
        fault = ""
        for last_try in (False, True):
            if last_try:
                self._renew(sounddevice)  # perhaps it was plugged in, or out, a moment ago
            names, default = _named(sounddevice)
            candidates = [name for name in (self.wanted, default) if name is not None]
            if not last_try:
                candidates = candidates[:1]
            for name in dict.fromkeys(candidates):
                if name not in names:
                    fault = f"{name} is not connected"
                    continue
                try:
                    stream = DeviceStream(sounddevice, names[name], name, self.short)
                except (sounddevice.PortAudioError, ValueError, OSError) as error:
                    fault = f"{name} can't be opened ({_reason(error)})"
                    continue
                other = self.wanted is not None and name != self.wanted
                return stream, f"{fault}; playing through {name}" if other else ""
        raise OutputError(fault or "No audio output was found")

    def _load(self) -> ModuleType:
        if self._sounddevice is None:
            try:
                import sounddevice
            except OSError as error:  # the wheels for Linux come without PortAudio
                raise OutputError(
                    "The PortAudio library is missing; install it (Debian, Ubuntu: libportaudio2)"
                ) from error
            except ImportError as error:
                raise OutputError("The Python package sounddevice is missing") from error
            except Exception as error:  # its own PortAudioError, when PortAudio can't start
                raise OutputError(f"Audio can't be started: {_reason(error)}") from error
            self._sounddevice = sounddevice
            self._listed = time.monotonic()
        return self._sounddevice

    def _renew(self, sounddevice: ModuleType) -> None:
        """Lets PortAudio look for devices again; it does so only when it starts."""
        try:
            sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            self._sounddevice = None
            raise OutputError(f"Audio can't be started: {_reason(error)}") from error
        self._listed = time.monotonic()


def _named(sounddevice: ModuleType) -> tuple[dict[str, int], str | None]:
    """The outputs' indices by "name, host API", and which of them is the default."""
    apis = sounddevice.query_hostapis()
    names: dict[str, int] = {}
    by_index: dict[int, str] = {}
    for index, device in enumerate(sounddevice.query_devices()):
        if device["max_output_channels"] > 0:
            name = f"{device['name']}, {apis[device['hostapi']]['name']}"
            names.setdefault(name, index)
            by_index[index] = name
    index = sounddevice.default.device[1]
    if sys.platform == "win32":
        # PortAudio's default there is MME: long latency, names cut off.
        index = next(
            (a["default_output_device"] for a in apis if a["name"] == "Windows WASAPI"), index
        )
    return names, by_index.get(index, next(iter(names), None))


def _shared_mode(sounddevice: ModuleType, device: Any) -> Any:
    """WASAPI's shared mode refuses other rates than its own unless Windows converts."""
    api = sounddevice.query_hostapis(device["hostapi"])["name"]
    return sounddevice.WasapiSettings(auto_convert=True) if api == "Windows WASAPI" else None


def _reason(error: Exception) -> str:
    """PortAudio's own words without its numbers."""
    return str(error.args[0] if error.args else error).split(" [")[0]
