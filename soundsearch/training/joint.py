"""The joint space of a trained audio network: three parts, one vector, one cosine.

What the labels taught by contrast, what the tagger knows, and a ridge regression from the audio
network's features to the vectors of the captions, which generalises best to sources and words that
were never heard: few labels teach a contrast by heart, a regression can't.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from soundsearch.models.starter import WindowedAudio
from soundsearch.training.starter_task import Corpus, Learner

RIDGES = (1_000.0, 3_000.0, 10_000.0, 30_000.0)
WEIGHTS = (0.5, 1.0, 2.0)
_ROWS = 40_000  # versions that the regression sees


@dataclass(frozen=True)
class Part:
    """A space of its own: audio weight (k, F) and bias (k,) over features, text weight (k, T) over
    text vectors less `centre` (T,)."""

    audio: torch.Tensor
    bias: torch.Tensor
    text: torch.Tensor
    centre: torch.Tensor

    def sounds(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.audio.T + self.bias

    def texts(self, texts: torch.Tensor) -> torch.Tensor:
        return F.normalize((texts - self.centre) @ self.text.T, dim=-1)


class Joint(nn.Module):
    """Sounds and texts in the space of all parts, or in what is left of it along `axes` (D, k's).

    temperature: that of the contrast. The parts of a sound are as long as what they are worth; of
    a text all are of one length.
    """

    def __init__(
        self,
        audio: WindowedAudio,
        parts: Sequence[Part],
        temperature: float,
        axes: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.audio = audio
        self.parts = list(parts)
        self.temperature = temperature
        whole = sum(len(part.audio) for part in parts)
        self.axes = torch.eye(whole) if axes is None else axes
        self.dim = len(self.axes)
        self.audio_projection = nn.Linear(audio.dim, self.dim)
        with torch.no_grad():
            weight = torch.cat([part.audio for part in parts])
            self.audio_projection.weight.copy_(self.axes @ weight)
            self.audio_projection.bias.copy_(self.axes @ torch.cat([part.bias for part in parts]))

    def narrowed(self, texts: torch.Tensor, dim: int) -> "Joint":
        """The same along the axes that keep most of the vectors of texts (N, T)."""
        _, _, axes = torch.linalg.svd(self.text_vectors(texts), full_matrices=False)
        return Joint(self.audio, self.parts, self.temperature, axes[:dim] @ self.axes)

    def text_vectors(self, texts: torch.Tensor) -> torch.Tensor:
        """Text vectors (B, T) → joint unit vectors (B, D)."""
        parts = torch.cat([part.texts(texts) for part in self.parts], dim=-1)
        return F.normalize(parts @ self.axes.T, dim=-1)

    def audio_vectors(self, features: torch.Tensor) -> torch.Tensor:
        """Features (B, F) → joint unit vectors (B, D)."""
        return F.normalize(self.audio_projection(features), dim=-1)


@torch.no_grad()
def join_parts(
    learner: Learner,
    audio: WindowedAudio,
    corpus: Corpus,
    held: tuple[torch.Tensor, torch.Tensor],
    find: Callable[[torch.Tensor], float],
    report: Callable[[str], None],
) -> Joint:
    """The joint space of a trained learner.

    audio: the learner's network, whose features may hold more behind those that were trained; held:
    features (N, F) of sounds held out and text vectors (Q, T) of what is asked; find(scores
    (Q, N)) -> how well, by which the regression's ridge and the weights of the parts are chosen.
    """
    learner.eval()
    half = learner.label_dim
    sounds, asked = held
    projection = learner.audio_projection
    nothing = torch.zeros(asked.shape[1])
    weight = F.pad(projection.weight, (0, audio.dim - learner.audio.dim))
    label = Part(weight[:half], projection.bias[:half], learner.text_label.weight, nothing)
    known = Part(weight[half:], projection.bias[half:], learner.known.T, nothing)
    features, wanted = _regressed(audio, corpus)
    parts = [ridge_part(features, wanted, learner.known.T, ridge) for ridge in RIDGES]
    alone = [find(part.texts(asked) @ F.normalize(part.sounds(sounds), dim=-1).T) for part in parts]
    told = parts[int(np.argmax(alone))]
    report(f"regression: {dict(zip(RIDGES, (round(a, 4) for a in alone), strict=True))}")
    even = [_scaled(part, sounds, asked) for part in (label, known, told)]
    best: tuple[float, Joint | None] = (-1.0, None)
    for weights in itertools.product(WEIGHTS, WEIGHTS, (0.0, 1.0)):
        weighed = [
            Part(part.audio * weight, part.bias * weight, part.text, part.centre)
            for part, weight in zip(even, weights, strict=True)
        ]
        made = Joint(audio, weighed, float(learner.log_temperature.exp().clamp(0.02, 0.2)))
        value = find(made.text_vectors(asked) @ made.audio_vectors(sounds).T)
        report(f"weights {weights}: {value:.4f}")
        if value > best[0]:
            best = value, made
    assert best[1] is not None
    return best[1]


def ridge_part(
    features: torch.Tensor, wanted: torch.Tensor, axes: torch.Tensor, ridge: float
) -> Part:
    """Ridge regression of standardised features (N, F) on centred text vectors (N, T), within some
    axes (k, T) of these."""
    mean, spread = features.mean(0), features.std(0) + 1e-6
    centre = wanted.mean(0)
    x, y = (features - mean) / spread, (wanted - centre) @ axes.T
    gram = x.T @ x + ridge * torch.eye(x.shape[1])
    weight = torch.linalg.solve(gram, x.T @ y).T / spread  # (k, F)
    return Part(weight, -weight @ mean, axes, centre)


def _regressed(audio: WindowedAudio, corpus: Corpus) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of versions whose caption is one sound's, and the means of their captions."""
    pack = corpus.pack
    rows = np.flatnonzero((pack.other < 0) | (pack.decibels < -8.0))
    rows = np.sort(np.random.default_rng(1).permutation(rows)[:_ROWS])
    features = features_of(audio, pack.mel, pack.frames, rows)
    wanted = corpus.captions[pack.clip[rows]].mean(1)
    return features, F.normalize(torch.from_numpy(wanted.astype(np.float32)), dim=-1)


@torch.no_grad()
def features_of(
    audio: WindowedAudio, mel: np.ndarray, frames: np.ndarray, rows: np.ndarray
) -> torch.Tensor:
    """Features (n, F) of packed windows."""
    return torch.cat(
        [
            audio.window(
                torch.from_numpy(mel[some].astype(np.float32))[:, None],
                torch.from_numpy(frames[some].astype(np.int64)),
            )
            for some in np.array_split(rows, -(-len(rows) // 128))
        ]
    )


def _scaled(part: Part, sounds: torch.Tensor, asked: torch.Tensor) -> Part:
    """The part with its audio side so large that scores spread by 1 over the sounds."""
    scores = part.texts(asked) @ part.sounds(sounds).T
    spread = float(scores.std(1).mean())
    return Part(part.audio / spread, part.bias / spread, part.text, part.centre)
