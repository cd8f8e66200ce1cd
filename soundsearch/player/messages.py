"""What the window and the player say to each other: frozen dataclasses over a pipe.

Standard library only. Each Play is answered by exactly one Ended or Failed with its id, also when
Stop or another Play cut it off; Playing and Position come in between. Each Export, Detail and
Spectrogram is answered by exactly one Exported, Detailed, Spectrum or Failed.
"""

import math
from dataclasses import dataclass
from typing import Literal

CEILING = 10 ** (-1 / 20)  # -1 dBFS: no sample that we hand out lies above it
TARGET_LOUDNESS = -18.0
LARGEST_BOOST = 10 ** (24 / 20)  # quieter recordings would become mostly noise


def match_gain(loudness: float | None, peak: float, target: float = TARGET_LOUDNESS) -> float:
    """Returns the linear gain that brings a sound to `target`, for Play.gain.

    loudness and target in LUFS (None: too quiet to measure), peak linear (1.0 is full scale). The
    gain is at most 24 dB and keeps the peak at or below -1 dBFS.
    """
    gain = 1.0
    if loudness is not None and math.isfinite(loudness):
        gain = min(10 ** ((target - loudness) / 20), LARGEST_BOOST)
    if math.isfinite(peak) and peak > 0:
        gain = min(gain, CEILING / peak)
    return gain


# Window to player.
@dataclass(frozen=True)
class Play:
    """Play a file from `start` to `end` (seconds; None: its end); a loop goes back to `start`.

    path: os.fsencode'd. gain: linear, from match_gain; the ids are the caller's and grow. at: where
    to begin (None: `start`, in reverse `end`), such as where leading silence ends or the best
    moment. speed: 0.25 to 4, and the pitch goes with it, as on a tape.
    """

    id: int
    path: bytes
    start: float = 0.0
    end: float | None = None
    loop: bool = False
    gain: float = 1.0
    at: float | None = None
    speed: float = 1.0
    reverse: bool = False


@dataclass(frozen=True)
class Stop:
    pass


@dataclass(frozen=True)
class Seek:
    """Go on at another second of the file; nothing happens when nothing plays."""

    seconds: float


@dataclass(frozen=True)
class SetLoop:
    """For the sound that plays; without the loop it ends with the current round."""

    loop: bool


@dataclass(frozen=True)
class SetRegion:
    """Other ends for the sound that plays, in seconds; it goes on where it is if that is inside."""

    start: float
    end: float | None


@dataclass(frozen=True)
class SetPace:
    """Another speed or direction for the sound that plays, from where it is; see Play."""

    speed: float
    reverse: bool


@dataclass(frozen=True)
class SetVolume:
    """volume: linear, 0.0 to 1.0, for everything that is played from now on."""

    volume: float


@dataclass(frozen=True)
class SetDevice:
    """name: as in Devices and Output, also when it is not plugged in now; None: the default.
    short: a small buffer, which answers sooner and drops out more easily."""

    name: str | None
    short: bool = False


@dataclass(frozen=True)
class ListDevices:
    """Answered by Devices."""


@dataclass(frozen=True)
class Measure:
    """Answered by Measured."""


@dataclass(frozen=True)
class Export:
    """Write a region (seconds; end None: the sound's end) as a new WAV file into a folder.

    path, folder: os.fsencode'd.
    """

    id: int
    path: bytes
    start: float
    end: float | None
    folder: bytes


@dataclass(frozen=True)
class Detail:
    """The envelope of a part of a sound in `points` points. A newer one replaces it unbegun."""

    id: int
    path: bytes
    start: float
    end: float
    points: int


@dataclass(frozen=True)
class Spectrogram:
    """A picture of a part of a sound. A newer one replaces it unbegun."""

    id: int
    path: bytes
    start: float
    end: float
    columns: int
    rows: int


@dataclass(frozen=True)
class Shutdown:
    pass


# Player to window.
@dataclass(frozen=True)
class Ready:
    """The process is up."""


@dataclass(frozen=True)
class Playing:
    """The first sample was handed to the stream.

    duration: seconds of the whole file, 0.0 when it doesn't tell. handed: that moment by
    time.monotonic, which on Linux and macOS all processes share.
    """

    id: int
    duration: float
    handed: float


@dataclass(frozen=True)
class Position:
    """Where in the file the ear is, about 30 times a second."""

    id: int
    seconds: float


@dataclass(frozen=True)
class Ended:
    """The sound was heard to its end, or cut off by Stop or another Play."""

    id: int


@dataclass(frozen=True)
class Failed:
    """What was asked can't be done, or not to its end; message: one line for a person.

    cause: "file", "output" (there is no way to play anything) or "player" (it had to be restarted,
    or a fault of ours). id is None when no sound was concerned.
    """

    id: int | None
    message: str
    cause: Literal["file", "output", "player"] = "file"


@dataclass(frozen=True)
class Output:
    """The output stream changed.

    state: "open", "closed" (other programs have the device), "lost" (it went away while open),
    "none" (no device can be opened) or "stopped" (the player died too often; the next Play a
    minute later tries again). message: for a person, or empty.
    """

    name: str | None
    state: Literal["open", "closed", "lost", "none", "stopped"]
    message: str = ""


@dataclass(frozen=True)
class Devices:
    """Names for SetDevice, and the name of the one that None stands for."""

    names: tuple[str, ...]
    default: str | None


@dataclass(frozen=True)
class Exported:
    """path: the finished file, os.fsencode'd; frames: how many it holds."""

    id: int
    path: bytes
    frames: int


@dataclass(frozen=True)
class Detailed:
    """envelope: int8 (points, 3) as bytes: minimum, maximum, RMS; empty: a newer one was asked."""

    id: int
    envelope: bytes


@dataclass(frozen=True)
class Spectrum:
    """pixels: uint8 (rows, columns) as bytes, row 0 the highest frequency; empty as above."""

    id: int
    pixels: bytes


@dataclass(frozen=True)
class Measured:
    """Counts since the stream was opened (zeros when it is closed).

    late: callbacks after their time; starved: callbacks for which not enough was decoded.
    """

    callbacks: int
    late: int
    starved: int


Aside = Export | Detail | Spectrogram  # answered without the stream
Request = (
    Play | Stop | Seek | SetLoop | SetRegion | SetPace | SetVolume | SetDevice | ListDevices
    | Measure | Shutdown | Aside
)  # fmt: skip
Report = (
    Ready | Playing | Position | Ended | Failed | Output | Devices | Measured | Exported
    | Detailed | Spectrum
)  # fmt: skip
