"""Does a model work? It must rank the demo's synthesised sounds against their descriptions better
than chance would, whatever the model's habits are."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundsearch.audio.resample import resample
from soundsearch.demo import synth
from soundsearch.models.catalog import CHECK

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

LUCK = 0.001  # a model passes whose result chance reaches less often than this
_SHUFFLES = 5000
_AT_ONCE = 8  # sounds


@dataclass(frozen=True)
class Verdict:
    """place: where a description's own sound stands among all, on average: 0 first, 1 last;
    chance 0.5. luck: how often that comes by chance. lengths: of the sounds, in seconds; busy: the
    seconds that the model took for them."""

    place: float
    luck: float
    sounds: int
    lengths: tuple[float, ...] = ()
    busy: float = 0.0

    @property
    def passed(self) -> bool:
        return self.luck < LUCK

    @property
    def warning(self) -> str:
        if self.passed:
            return ""
        return (
            f"it ranks {self.sounds} test sounds no better than chance would "
            f"(mean place {100 * self.place:.0f} of 100)"
        )


def check(
    encoder: "DualEncoder", on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Verdict:
    """Ranks every demo sound for every description. on_progress(sounds done, of all)."""
    described = synth.descriptions()
    sounds: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    lengths: list[float] = []
    busy = 0.0

    def hear() -> None:
        nonlocal busy
        began = time.perf_counter()
        parts.append(encoder.embed_audio(sounds)[0])
        busy += time.perf_counter() - began
        lengths.extend(len(sound) / encoder.rate for sound in sounds)
        sounds.clear()
        on_progress(len(lengths), len(described))

    for _, samples, rate in synth.render():
        mono = samples if samples.ndim == 1 else samples.mean(axis=1)
        sounds.append(resample(mono.astype(np.float32), rate, encoder.rate))
        if len(sounds) == _AT_ONCE:
            hear()
    hear()
    texts = encoder.embed_text([described[name] for name in synth.names()])
    verdict = judge(texts @ np.concatenate(parts).T)
    return replace(verdict, lengths=tuple(lengths), busy=busy)


def judge(cosines: np.ndarray) -> Verdict:
    """cosines (N, N): descriptions by sounds, the right pairs on the diagonal.

    The same places are looked up for shuffled pairs, so that a model that likes some sounds for
    every text, or gives one vector to all, is not taken for a good one.
    """
    count = len(cosines)
    if not np.isfinite(cosines).all():
        return Verdict(0.5, 1.0, count)
    # Sounds that are equally near share their places.
    nearer = (cosines[:, None, :] > cosines[:, :, None]).sum(2)
    equal = (cosines[:, None, :] == cosines[:, :, None]).sum(2) - 1
    places = (nearer + equal / 2) / max(count - 1, 1)
    rows = np.arange(count)
    own = float(places[rows, rows].mean())
    random = np.random.default_rng(0)
    shuffled = [places[rows, random.permutation(count)].mean() for _ in range(_SHUFFLES)]
    luck = (1 + int((np.array(shuffled) <= own + 1e-12).sum())) / (1 + _SHUFFLES)
    return Verdict(own, luck, count)


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Keeps the verdict in a model's folder. Raises OSError."""
    stored = {
        "warning": verdict.warning,
        "place": round(verdict.place, 4),
        "luck": round(verdict.luck, 5),
        "sounds": verdict.sounds,
    }
    part = folder / f"{CHECK}.part"
    part.write_text(json.dumps(stored) + "\n", encoding="utf-8")
    os.replace(part, folder / CHECK)


def prove(
    folder: Path,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verdict:
    """Loads a model folder, checks it, and keeps the verdict there. Raises UserError when it can't
    be loaded."""
    from soundsearch.models.encoder import load_model

    verdict = check(load_model(folder, device), on_progress)
    write_verdict(folder, verdict)
    return verdict
