"""The demo sounds: a small library of everyday names, synthesised from a seed.

They serve the first start, tests, training and the check of imported models. Each sound has a
generator of its own, so the list may grow without changing the others; another seed gives other
sounds of the same kinds.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from soundsearch.demo import effects, music, percussion, world
from soundsearch.demo.parts import RATE, Sound, finish

_SOUNDS: tuple[Sound, ...] = (
    *percussion.SOUNDS, *music.SOUNDS, *effects.SOUNDS, *world.SOUNDS
)  # fmt: skip


def names() -> list[str]:
    """The files' paths below the demo folder, "/" between folders."""
    return [sound.name for sound in _SOUNDS]


def descriptions() -> dict[str, str]:
    """Name → a phrase that says what is heard ("a deep kick drum")."""
    return {sound.name: sound.description for sound in _SOUNDS}


def render(seed: int = 0) -> Iterator[tuple[str, np.ndarray, int]]:
    """Every sound in turn: name, float32 (n,) or (n, 2) with a peak of -3 dBFS, rate in Hz."""
    for sound in _SOUNDS:
        yield sound.name, _make(sound, seed), RATE


def render_one(name: str, seed: int = 0) -> np.ndarray:
    """One sound of `names`, as `render` gives it. Raises KeyError for another name."""
    for sound in _SOUNDS:
        if sound.name == name:
            return _make(sound, seed)
    raise KeyError(name)


def write(folder: str | os.PathLike[str], seed: int = 0) -> list[Path]:
    """Write every sound as 16-bit WAV below `folder`, made if missing; the paths written.

    Files of the same names are replaced. Raises OSError when the folder can't be written.
    """
    import soundfile  # only here, so that rendering needs NumPy alone

    written = []
    for name, sound, rate in render(seed):
        path = Path(folder, *name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            soundfile.write(file, sound, rate, format="WAV", subtype="PCM_16")
        written.append(path)
    return written


def _make(sound: Sound, seed: int) -> np.ndarray:
    return finish(sound.make(np.random.default_rng((seed, zlib.crc32(sound.name.encode())))))
