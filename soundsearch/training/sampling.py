"""Samples for the paper's training: a crop of a recording and a caption, batched.

All that is random about a sample is a function of the seed, the epoch and the item's number, so
neither the number of processes nor a restart changes it.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from soundsearch.audio.decode import DecodeError, load_mono, open_audio
from soundsearch.models.mel import RATE
from soundsearch.training.datasets import Item

_TRIES = 5  # items that may be unreadable one after the other
_ORDER = 1 << 20  # tells the stream of the order from those of samples


@dataclass(frozen=True)
class Sample:
    """samples float32 (n,) at 32 kHz; number: of the recording; unreadable: files passed over."""

    samples: np.ndarray
    caption: str
    number: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """samples float32 (B, n), zeros behind each sound; lengths int64 (B,); captions; numbers int64
    (B,) of the recordings; step: which of the run this is."""

    samples: torch.Tensor
    lengths: torch.Tensor
    captions: list[str]
    numbers: torch.Tensor
    step: int
    unreadable: tuple[str, ...] = ()


class Sampler(Dataset[Sample]):
    """Items by (epoch, number). seconds: of the crops; swap: chance that a caption is replaced by
    one of its variations."""

    def __init__(self, items: Sequence[Item], seconds: float, swap: float, seed: int) -> None:
        self.items, self.seconds, self.swap, self.seed = list(items), seconds, swap, seed
        recordings = {item.recording: None for item in items}
        self._numbers = {recording: number for number, recording in enumerate(recordings)}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: tuple[int, int]) -> Sample:
        """A file that can't be read gives way to the next item. Raises DecodeError after some."""
        epoch, number = place
        passed: list[str] = []
        while True:
            item = self.items[number % len(self.items)]
            random = np.random.default_rng([self.seed, epoch, number % len(self.items)])
            try:
                samples = read_crop(item.file, self.seconds, random)
            except DecodeError:
                passed.append(str(item.file))
                number += 1
                if len(passed) >= _TRIES:
                    raise
                continue
            caption = item.caption
            if item.variations and random.random() < self.swap:
                caption = item.variations[int(random.integers(len(item.variations)))]
            return Sample(samples, caption, self._numbers[item.recording], tuple(passed))


def read_crop(file: Path, seconds: float, random: np.random.Generator) -> np.ndarray:
    """A whole sound, or a random crop of a longer one: float32 (n,) at 32 kHz, at most `seconds`.

    Only the crop is decoded where the header tells the length. Raises DecodeError.
    """
    path, most = os.fsencode(file), round(seconds * RATE)
    share = random.random()
    with open_audio(path) as reader:
        length = reader.frames / reader.samplerate
    if length > seconds:
        start = share * (length - seconds)
        try:
            return load_mono(path, RATE, start, start + seconds)[:most]
        except DecodeError:
            pass  # the header claimed more than there is
    sound = load_mono(path, RATE)
    start_sample = int(share * max(0, len(sound) - most))
    return sound[start_sample : start_sample + most]


def batches(
    sampler: Sampler, size: int, first: int, rank: int, processes: int, workers: int
) -> Iterator[Batch]:
    """Endless batches of `size` samples in all, of which this process gets its part, from step
    `first` on. Each epoch has an order of its own; what fills no batch is left out. workers:
    processes that read."""
    loader: Iterable[list[Sample]] = DataLoader(
        sampler,
        batch_sampler=_Steps(len(sampler), size, first, rank, processes, sampler.seed),
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
    )
    for step, samples in enumerate(loader, start=first):
        yield collate(samples, step)


class _Steps:
    """(epoch, number) of the samples of each step of this process."""

    def __init__(
        self, items: int, size: int, first: int, rank: int, processes: int, seed: int
    ) -> None:
        self.items, self.size, self.first = items, size, first
        self.rank, self.processes, self.seed = rank, processes, seed

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step, own = self.first, self.size // self.processes
        steps = self.items // self.size
        epoch = -1
        while True:
            if step // steps != epoch:
                epoch = step // steps
                stream = np.random.default_rng([self.seed, _ORDER, epoch])
                order = stream.permutation(self.items)
            start = (step % steps) * self.size + self.rank * own
            yield [(epoch, int(number)) for number in order[start : start + own]]
            step += 1


def collate(samples: list[Sample], step: int) -> Batch:
    lengths = torch.tensor([len(sample.samples) for sample in samples])
    padded = torch.zeros(len(samples), int(lengths.max()))
    for row, sample in zip(padded, samples, strict=True):
        row[: len(sample.samples)] = torch.from_numpy(sample.samples)
    return Batch(
        padded,
        lengths,
        [sample.caption for sample in samples],
        torch.tensor([sample.number for sample in samples]),
        step,
        tuple(file for sample in samples for file in sample.unreadable),
    )
