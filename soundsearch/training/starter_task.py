"""What the starter learns from: a batch of packed versions.

NT-Xent between sounds and captions, and three terms that teach what the tagger hears in this very
version.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from soundsearch.models.starter import SILENCE
from soundsearch.models.starter_cnn import StarterCnn, StarterCnnConfig
from soundsearch.models.starter_passt import StarterPasst, StarterPasstConfig
from soundsearch.training.loop import Place, Schedule
from soundsearch.training.losses import cosine_loss, label_positives, nt_xent, tag_loss
from soundsearch.training.metrics import query_metrics
from soundsearch.training.pack import Pack

_HEARD = -6.0  # dB: a second sound at least so loud belongs into the caption


@dataclass(frozen=True)
class Settings(Schedule):
    """How the starter learns. batch: of each process; network: "cnn" (of `widths`) or "passt";
    softness: see `label_positives`; label_weight: of both contrastive terms; dropout: of features
    before these, since labels are fewer than what the tagger says."""

    network: str = "cnn"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    label_dim: int = 256
    known_dim: int = 256
    softness: float = 0.1
    tag_weight: float = 0.3
    feature_weight: float = 2.0
    known_weight: float = 1.0
    label_weight: float = 1.0
    dropout: float = 0.0


@dataclass(frozen=True)
class Corpus:
    """What is learnt from.

    pack: its versions; captions float (clips, K, T): text vectors of each clip's captions, the
    label first; known float (T, known_dim): axes of the text space for the tagger's part;
    classes float (527, T): text vectors of its class names.
    """

    pack: Pack
    captions: np.ndarray
    known: np.ndarray
    classes: np.ndarray


class Learner(nn.Module):
    """The audio network with its joint vector, and the parts that only training needs.

    The joint vector has two halves, what the labels teach and what the tagger knows; one linear
    layer gives both for sounds, another both for texts.
    """

    def __init__(self, settings: Settings, known: np.ndarray) -> None:
        super().__init__()
        self.audio = (
            StarterPasst(StarterPasstConfig())
            if settings.network == "passt"
            else StarterCnn(StarterCnnConfig(settings.widths))
        )
        self.dim = settings.label_dim + settings.known_dim
        self.label_dim = settings.label_dim
        self.audio_projection = nn.Linear(self.audio.dim, self.dim)
        self.text_label = nn.Linear(known.shape[0], settings.label_dim, bias=False)
        self.known: torch.Tensor
        self.register_buffer("known", torch.from_numpy(known.astype(np.float32)))
        self.tags = nn.Linear(self.audio.dim, 527)
        nn.init.constant_(self.tags.bias, -6.0)  # most tags are absent from most sounds
        self.features = nn.Linear(self.audio.dim, 384)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.07)))

    def text_vectors(self, texts: torch.Tensor) -> torch.Tensor:
        """Text vectors (B, T) → joint unit vectors (B, D): both halves weigh the same."""
        label = F.normalize(self.text_label(texts), dim=-1)
        known = F.normalize(texts @ self.known, dim=-1)
        return torch.cat([label, known], dim=-1) / math.sqrt(2.0)

    def audio_vectors(self, features: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.audio_projection(features), dim=-1)


class StarterTask:
    """The starter's task for the loop: each process takes batches of its own."""

    columns = ("joint", "labels", "known", "tags", "features")

    def __init__(self, settings: Settings, corpus: Corpus) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.corpus = settings, corpus
        self.learner = Learner(settings, corpus.known)

    def steps_an_epoch(self, processes: int) -> int:
        return len(self.corpus.pack) // (self.settings.batch * processes)

    def batches(self, first: int, place: Place) -> Iterator[dict[str, torch.Tensor]]:
        step = first
        while True:
            yield self._batch(step, place)
            step += 1

    def losses(self, batch: dict[str, torch.Tensor], place: Place) -> dict[str, torch.Tensor]:
        settings, learner = self.settings, self.learner
        with place.autocast():
            features = learner.audio.window(batch["mel"], batch["frames"])
        features = features.float()
        audio = learner.audio_projection(features)
        labelled = learner.audio_projection(features * batch["kept"])
        text = learner.text_vectors(batch["text"])
        positives = label_positives(batch["label"], settings.softness)
        temperature = learner.log_temperature.exp().clamp(0.02, 0.2)
        half = learner.label_dim
        return {
            "joint": settings.label_weight
            * nt_xent(F.normalize(labelled, dim=-1), text, positives, temperature),
            "labels": settings.label_weight
            * nt_xent(
                F.normalize(labelled[:, :half], dim=-1),
                F.normalize(text[:, :half], dim=-1),
                positives,
                temperature,
            ),
            "known": settings.known_weight * cosine_loss(audio[:, half:], batch["known"]),
            "tags": settings.tag_weight * tag_loss(learner.tags(features), batch["logits"]),
            "features": settings.feature_weight
            * cosine_loss(learner.features(features), batch["features"]),
        }

    def _batch(self, step: int, place: Place) -> dict[str, torch.Tensor]:
        pack, size = self.corpus.pack, self.settings.batch
        random = np.random.default_rng([self.settings.seed, step, place.rank])
        epoch, number = divmod(step, self.steps_an_epoch(place.processes))
        order = np.random.default_rng([self.settings.seed, 1 << 20, epoch]).permutation(len(pack))
        first = (number * place.processes + place.rank) * size
        rows = np.sort(order[first : first + size])
        logits = torch.from_numpy(pack.logits[rows].astype(np.float32))
        mel, frames = pack.mel[rows].astype(np.float32), pack.frames[rows].astype(np.int64)
        delay(mel, frames, random)
        batch = {
            "mel": torch.from_numpy(spoil(mel, random))[:, None],
            "frames": torch.from_numpy(frames),
            "text": torch.from_numpy(self._texts(rows, random)),
            "label": torch.from_numpy(self._texts(rows, None)),
            "logits": logits,
            "kept": torch.from_numpy(self._kept(len(rows), random)),
            "features": torch.from_numpy(pack.features[rows].astype(np.float32)),
            "known": known_vectors(logits, self.corpus.classes) @ self.learner.known.cpu(),
        }
        return {name: value.to(place.device) for name, value in batch.items()}

    def _kept(self, rows: int, random: np.random.Generator) -> np.ndarray:
        """Dropout's factors of features; drawn here, so that they follow from the step."""
        share = self.settings.dropout
        kept = random.random((rows, self.learner.audio.dim)) >= share
        return (kept / (1.0 - share)).astype(np.float32)

    def _texts(self, rows: np.ndarray, random: np.random.Generator | None) -> np.ndarray:
        """Unit text vectors: a caption drawn at random, without `random` the label. Where a second
        sound is loud enough, the vector stands between both."""
        pack, captions = self.corpus.pack, self.corpus.captions
        numbers = np.zeros(len(rows), int)
        if random is not None:
            numbers = random.integers(0, captions.shape[1], len(rows))
        text = captions[pack.clip[rows], numbers].astype(np.float32)
        other, loud = pack.other[rows], pack.decibels[rows].astype(np.float32)
        joined = (other >= 0) & (loud > _HEARD)
        gain = 10.0 ** (loud[joined] / 20.0)
        text[joined] += gain[:, None] * captions[other[joined], numbers[joined]]
        return text / np.linalg.norm(text, axis=1, keepdims=True)


def known_vectors(logits: torch.Tensor, classes: np.ndarray, best: int = 10) -> torch.Tensor:
    """The tagger's ten best classes, weighted by probability: (B, 527) → text vectors (B, T)."""
    values, which = torch.sigmoid(logits).topk(best)
    names = torch.from_numpy(classes.astype(np.float32))[which]  # (B, best, T)
    return F.normalize((values[:, :, None] * names).sum(1), dim=-1)


def delay(mel: np.ndarray, frames: np.ndarray, random: np.random.Generator) -> None:
    """Puts silence before every fourth sound that leaves room. mel (B, 64, T) and frames (B,) are
    changed."""
    late = np.flatnonzero((frames < mel.shape[2]) & (random.random(len(mel)) < 0.25))
    for row in late:
        by = int(random.integers(1, min(mel.shape[2] - frames[row], 40) + 1))
        mel[row, :, by:] = mel[row, :, :-by].copy()
        mel[row, :, :by] = SILENCE
        frames[row] += by


def spoil(mel: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Gain, and masks of up to 8 bands and 12 frames, a row each. mel (B, 64, T), changed."""
    for row in mel:
        row += random.uniform(-0.25, 0.25) * (row > -1.39)
        first = random.integers(0, row.shape[0])
        row[first : first + random.integers(0, 9)] = row.mean()
        first = random.integers(0, row.shape[1])
        row[:, first : first + random.integers(0, 13)] = row.mean()
    return mel


@torch.inference_mode()
def retrieval(
    learner: Learner, pack: Pack, captions: np.ndarray, labels: list[str], batch: int = 64
) -> float:
    """mAP@10 of the labels as queries over held-out clips, by the joint vector."""
    device = learner.log_temperature.device
    parts = []
    for first in range(0, len(pack), batch):
        mel = torch.from_numpy(pack.mel[first : first + batch].astype(np.float32))[:, None]
        frames = torch.from_numpy(pack.frames[first : first + batch].astype(np.int64))
        features = learner.audio.window(mel.to(device), frames.to(device))
        parts.append(learner.audio_vectors(features))
    own = np.array([labels[clip] for clip in pack.clip])
    _, firsts = np.unique(own, return_index=True)
    texts = torch.from_numpy(captions[pack.clip[firsts], 0].astype(np.float32)).to(device)
    scores = (learner.text_vectors(texts) @ torch.cat(parts).T).cpu().numpy()
    return float(query_metrics(scores, own[firsts][:, None] == own[None])["mAP@10"].mean())
