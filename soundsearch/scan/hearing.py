"""Segments → the model → vectors of sounds and of their moments.

Segments of several sounds share a batch. In a first pass a long sound is heard by three segments
only; in the pass after it by all, as they come, so that memory does not grow with the sound.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from soundsearch.scan.decoders import Decoded, Segment
from soundsearch.scan.segments import FirstPass

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

# The model works so long at once, since a question waits for its end (design, section 2), on at
# most so many segments.
MODEL_SECONDS = 0.25
BATCH_SEGMENTS = 64


@dataclass(frozen=True)
class Heard:
    """What the model made of a sound.

    whole: its unit vector float32 (D,); starts float32 (S,), seconds, and segments float16 (S, D):
    of the segments it was given, in order of time; complete: these are all; seconds: of sound
    that was given.
    """

    whole: np.ndarray
    starts: np.ndarray
    segments: np.ndarray
    complete: bool
    seconds: float


@dataclass
class Work:
    """What the model did: segments; seconds of sound, each segment counted as a second at least;
    busy: the seconds that took."""

    segments: int = 0
    sound: float = 0.0
    busy: float = 0.0

    def within(self, seconds: float) -> float:
        """Seconds of sound that the model takes `seconds` for, as far as is known; 0 before."""
        return seconds * self.sound / self.busy if self.busy else 0.0


@dataclass
class _Reading:
    """A file that is being read: what the model said so far, and what came at its end."""

    attempt: int
    first: FirstPass | None  # None: every segment is heard
    total: np.ndarray | None = None  # (F,), of the features
    numbers: list[int] = field(default_factory=list)
    segments: list[np.ndarray] = field(default_factory=list)  # (D,) each
    given: int = 0  # to the batch
    seconds: float = 0.0
    decoded: Decoded | None = None


class Hearing:
    """encoder: None when there is no model; first_pass: whether long sounds are heard in part;
    work: what the model does is added to it."""

    def __init__(self, encoder: "DualEncoder | None", first_pass: bool, work: Work) -> None:
        self._work = work
        self._encoder = encoder
        self._first_pass = first_pass
        self._readings: dict[int, _Reading] = {}  # by the key of the job
        self._batch: list[tuple[_Reading, int, np.ndarray]] = []  # its number, samples
        self._batch_seconds = 0.0  # as Work counts them

    def take(self, event: Segment | Decoded) -> Iterator[tuple[Decoded, Heard | None]]:
        """One event of the decoders; yields the files that are done by it.

        Heard is None for a file without segments and for silence.
        """
        key, attempt = event.job.key, event.job.attempt
        reading = self._readings.get(key)
        if reading is None or reading.attempt != attempt:
            # What a decoder that died had read is void.
            first = FirstPass() if self._first_pass else None
            self._readings[key] = reading = _Reading(attempt, first)
        if isinstance(event, Segment):
            if reading.first is not None:
                reading.first.add(event.samples)
            else:
                self._give(reading, reading.given, event.samples)
        else:
            reading.decoded = event
            silent = event.facts is not None and event.facts.silent
            if reading.first is not None and not silent:
                for number, samples in reading.first.chosen():
                    self._give(reading, number, samples)
            if reading.given == len(reading.segments):
                yield self._end(key, reading)
        enough = self._work.within(MODEL_SECONDS)
        if self._batch and (self._batch_seconds >= enough or len(self._batch) >= BATCH_SEGMENTS):
            yield from self.embed()

    def forget(self, key: int) -> None:
        """A file that can't be used."""
        self._readings.pop(key, None)

    def embed(self) -> Iterator[tuple[Decoded, Heard | None]]:
        """Gives the model what has come; yields the files that are done by it."""
        if not self._batch:
            return
        assert self._encoder is not None
        batch, self._batch, self._batch_seconds = self._batch, [], 0.0
        segments = [samples for _, _, samples in batch]
        began = time.perf_counter()
        features = self._encoder.segment_features(segments)
        self._work.busy += time.perf_counter() - began
        self._work.segments += len(segments)
        self._work.sound += sum(_counted(len(s) / self._encoder.rate) for s in segments)
        for (reading, number, _), feature in zip(batch, features, strict=True):
            wide = feature.astype(np.float64)
            reading.total = wide if reading.total is None else reading.total + wide
            reading.numbers.append(number)
            reading.segments.append(self._encoder.pool(feature[None]).astype(np.float16))
        for key, reading in list(self._readings.items()):
            if reading.decoded is not None and reading.given == len(reading.segments):
                yield self._end(key, reading)

    def _give(self, reading: _Reading, number: int, samples: np.ndarray) -> None:
        assert self._encoder is not None
        seconds = len(samples) / self._encoder.rate
        reading.given += 1
        reading.seconds += seconds
        self._batch.append((reading, number, samples))
        self._batch_seconds += _counted(seconds)

    def _end(self, key: int, reading: _Reading) -> tuple[Decoded, Heard | None]:
        del self._readings[key]
        decoded = reading.decoded
        assert decoded is not None
        silent = decoded.facts is not None and decoded.facts.silent
        if reading.total is None or silent:
            return decoded, None
        assert self._encoder is not None
        mean = (reading.total / len(reading.segments)).astype(np.float32)
        return decoded, Heard(
            whole=self._encoder.pool(mean[None]),
            starts=np.array(reading.numbers, np.float32) * self._encoder.segment_seconds,
            segments=np.stack(reading.segments),
            complete=reading.first is None or reading.first.complete,
            seconds=reading.seconds,
        )


def _counted(seconds: float) -> float:
    """What a segment counts as: the model takes hardly less for a shorter one than for a second."""
    return max(1.0, seconds)
