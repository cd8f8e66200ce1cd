"""The training set as files: augmented versions of each clip as log-mel, judged by the tagger.

Shards are independent of each other and written whole, so packing goes on where it stopped. A
shard `NNNN.npz` holds, a version a row: mel float16 (n, 64, 128), frames int16 (n,) that hold
sound, logits float16 (n, 527) and features float16 (n, 384) of the tagger for this very version,
clip int32 (n,), other int32 (n,) (-1: none) and decibels float16 (n,) of the sound mixed in.
"""

import importlib.util
import multiprocessing
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soundsearch.audio.decode import DecodeError, load_mono
from soundsearch.errors import UserError
from soundsearch.models.mel import RATE, LogMel
from soundsearch.training.augment import crop, normalise, vary
from soundsearch.training.data import Clip

FRAMES = 128  # of 20 ms
LENGTH = FRAMES * 640  # samples of a window
BANDS = 64
_SHORTEST = RATE  # the tagger wants a second
_BATCH = 16


@dataclass(frozen=True)
class Packing:
    """folder: where shards go; versions of a clip; shard: clips in one; teacher: its folder;
    precision: "float32" or "bfloat16", in which the tagger runs (0.1 apart in the logits)."""

    folder: Path
    teacher: Path
    versions: int = 5
    shard: int = 128
    seed: int = 1
    processes: int = 2
    precision: str = "float32"


@dataclass(frozen=True)
class Pack:
    """Shards put together; arrays as in the module's docstring."""

    mel: np.ndarray
    frames: np.ndarray
    logits: np.ndarray
    features: np.ndarray
    clip: np.ndarray
    other: np.ndarray
    decibels: np.ndarray

    def __len__(self) -> int:
        return len(self.mel)


def load_teacher(folder: Path) -> Any:
    """The tagger: float32 (N, samples) at 32 kHz → logits (N, 527), features (N, 384)."""
    spec = importlib.util.spec_from_file_location("teacher", folder / "teacher.py")
    if spec is None or spec.loader is None or not (folder / "teacher.py").exists():
        raise UserError(f"The tagger is not in {folder}", "Say where it is under [pack] teacher")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Teacher()


def pack(clips: list[Clip], packing: Packing, augment: bool = True) -> None:
    """Writes the shards of `clips` that are not there yet. clip numbers index into `clips`.

    Without `augment` each clip gives its loudest window as it is.
    """
    packing.folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(packing.seed).permutation(len(clips))
    parts = [order[i : i + packing.shard] for i in range(0, len(order), packing.shard)]
    jobs = [
        (clips, part, packing, augment, packing.folder / f"{number:04d}.npz")
        for number, part in enumerate(parts)
        if not (packing.folder / f"{number:04d}.npz").exists()
    ]
    if packing.processes <= 1:
        for job in jobs:
            _write_shard(job)
        return
    with multiprocessing.get_context("spawn").Pool(packing.processes, _one_thread) as pool:
        for _ in pool.imap_unordered(_write_shard, jobs):
            pass


def read_pack(folder: Path) -> Pack:
    """All shards of a folder in memory, in the order of their names."""
    files = sorted(folder.glob("[0-9]*.npz"))
    if not files:
        raise UserError(f"There is nothing packed in {folder}")
    loaded = [dict(np.load(file)) for file in files]
    return Pack(**{name: np.concatenate([part[name] for part in loaded]) for name in loaded[0]})


def join(packs: list[Pack], clips: list[int]) -> Pack:
    """Packs of several lists of clips as one of the joined list. clips: how long each list is."""
    starts = np.cumsum([0, *clips[:-1]])
    moved = [
        replace(
            pack,
            clip=pack.clip + start,
            other=np.where(pack.other >= 0, pack.other + start, -1),
        )
        for pack, start in zip(packs, starts, strict=True)
    ]
    names = [field.name for field in fields(Pack)]
    return Pack(**{name: np.concatenate([getattr(p, name) for p in moved]) for name in names})


def _one_thread() -> None:
    torch.set_num_threads(1)


def _write_shard(job: tuple[list[Clip], np.ndarray, Packing, bool, Path]) -> None:
    clips, numbers, packing, augment, target = job
    sounds: dict[int, np.ndarray] = {}
    for number in numbers:
        try:
            sounds[int(number)] = load_mono(clips[number].file, RATE)
        except DecodeError:
            continue  # the rest of the corpus is worth more than a stop
    windows, rows = [], []
    for number, sound in sounds.items():
        for version in range(packing.versions if augment else 1):
            random = np.random.default_rng([packing.seed, number, version])
            other, decibels = -1, 0.0
            if augment and version % 2 and len(sounds) > 1:
                other = int(random.choice([n for n in sounds if n != number]))
                decibels = float(random.uniform(-15.0, 0.0))
            if augment:
                partner = sounds[other] if other >= 0 else None
                seed = [packing.seed, number, version, 7]
                windows.append(vary(sound, partner, decibels, LENGTH, RATE, seed))
            else:
                windows.append(normalise(crop(sound, LENGTH, random)))
            rows.append((number, other, decibels))
    arrays = _judge(windows, load_teacher(packing.teacher), packing.precision)
    arrays["clip"] = np.array([row[0] for row in rows], np.int32)
    arrays["other"] = np.array([row[1] for row in rows], np.int32)
    arrays["decibels"] = np.array([row[2] for row in rows], np.float16)
    unfinished = target.with_suffix(".part")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    os.replace(unfinished, target)


@torch.inference_mode()
def _judge(windows: list[np.ndarray], teacher: Any, precision: str) -> dict[str, np.ndarray]:
    """Log-mel and the tagger's opinion of windows; short ones are judged padded to a second."""
    count = len(windows)
    arrays = {
        "mel": np.empty((count, BANDS, FRAMES), np.float16),
        "frames": np.array([max(1, min(FRAMES, -(-len(w) // 640))) for w in windows], np.int16),
        "logits": np.empty((count, 527), np.float16),
        "features": np.empty((count, 384), np.float16),
    }
    front = LogMel()
    short = [i for i in range(count) if len(windows[i]) <= _SHORTEST]
    rest = [i for i in range(count) if len(windows[i]) > _SHORTEST]
    for indices, length in ((short, _SHORTEST), (rest, LENGTH)):
        for first in range(0, len(indices), _BATCH):
            rows = indices[first : first + _BATCH]
            batch = np.zeros((len(rows), LENGTH), np.float32)
            for place, row in enumerate(rows):
                batch[place, : len(windows[row])] = windows[row]
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                logits, features = teacher(batch[:, :length])
            mel = torch.nn.functional.avg_pool2d(front(torch.from_numpy(batch))[:, :, :, :256], 2)
            arrays["mel"][rows] = mel[:, 0].numpy()
            arrays["logits"][rows] = logits.float().numpy()
            arrays["features"][rows] = features.float().numpy()
    return arrays
