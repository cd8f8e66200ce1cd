"""The training loop: plain PyTorch, one function that can be read from top to bottom.

A step takes a batch of packed versions: NT-Xent between sounds and captions, and three terms that
teach what the tagger hears in this very version. Everything random follows from the seed and the
step's number, so a run that was killed goes on as if nothing had been.
"""

import csv
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import distributed, nn

from soundsearch.models.starter_cnn import StarterCnn, StarterCnnConfig
from soundsearch.models.starter_passt import StarterPasst, StarterPasstConfig
from soundsearch.training.losses import cosine_loss, label_positives, nt_xent, tag_loss
from soundsearch.training.metrics import query_metrics
from soundsearch.training.pack import Pack

_HEARD = -6.0  # dB: a second sound at least so loud belongs into the caption


@dataclass(frozen=True)
class Settings:
    """How a run goes. minutes: of wall time after which the schedule has run down, whatever the
    epochs; precision: "float32", "bfloat16", "float16" (the last with gradient scaling); network:
    "cnn" (of `widths`) or "passt"."""

    epochs: int = 3
    minutes: float = 0.0
    batch: int = 96
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    network: str = "cnn"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    label_dim: int = 256
    known_dim: int = 256
    softness: float = 0.1
    tag_weight: float = 0.3
    feature_weight: float = 2.0
    known_weight: float = 1.0
    precision: str = "float32"
    checkpoint_every: int = 100
    seed: int = 1


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


class Run:
    """A run in a folder: log.csv, last.pt (to go on from), best.pt (by validation).

    Where `torch.distributed` is set up, each process takes batches of its own, gradients are
    averaged and the first process writes: on busy cores single threads wait less for each other.
    """

    def __init__(self, folder: Path, settings: Settings, corpus: Corpus) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.folder, self.settings, self.corpus = folder, settings, corpus
        self.learner = Learner(settings, corpus.known)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.learner.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.learner.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.scaler = torch.amp.GradScaler(self.device, enabled=settings.precision == "float16")
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        self._board: Any = None  # False: not installed
        together = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if together else 0
        self.processes = distributed.get_world_size() if together else 1
        self.steps_an_epoch = len(corpus.pack) // (settings.batch * self.processes)
        if not self.steps_an_epoch:
            raise ValueError("the pack is smaller than a batch")
        if (folder / "last.pt").exists():
            self._resume(torch.load(folder / "last.pt", map_location=self.device))

    @property
    def done(self) -> float:
        """How much of the schedule lies behind, 0…1."""
        share = self.step / (self.settings.epochs * self.steps_an_epoch)
        if self.settings.minutes:
            share = max(share, self.seconds / (60.0 * self.settings.minutes))
        return min(share, 1.0)

    def train(
        self,
        validate: Callable[[Learner], float] | None = None,
        report: Callable[[str], None] = lambda line: None,
        stop_after: int | None = None,
    ) -> None:
        """Steps until the schedule has run down (or `stop_after` steps, as a killed run would).

        validate gives the figure that best.pt is chosen by, after each epoch and at the end.
        """
        began, before = time.monotonic(), self.seconds
        recent: list[dict[str, float]] = []
        while self.done < 1.0 and (stop_after is None or self.step < stop_after):
            recent.append(self._one_step())
            self.step += 1
            self.seconds = self._shared(before + time.monotonic() - began)
            last = self.done >= 1.0
            if (self.step % self.settings.checkpoint_every == 0 or last) and self.rank == 0:
                means = {key: float(np.mean([r[key] for r in recent])) for key in recent[0]}
                row = {"step": self.step, "seconds": round(self.seconds, 1), **means}
                if validate and (last or self._epoch_ends()):
                    row["validation"] = self._validated(validate)
                self._log(row)
                report("  ".join(f"{k} {v:.4g}" for k, v in row.items()))
                recent = []
                self._save("last.pt")

    def _shared(self, seconds: float) -> float:
        """The first process's clock, so that all end together."""
        if self.processes == 1:
            return seconds
        clock = torch.tensor([seconds], dtype=torch.float64)
        distributed.broadcast(clock, 0)
        return float(clock)

    def _average_gradients(self) -> None:
        if self.processes > 1:
            owned = [p.grad for p in self.learner.parameters() if p.grad is not None]
            flat = torch.cat([gradient.ravel() for gradient in owned])
            distributed.all_reduce(flat)
            flat /= self.processes
            sizes = [gradient.numel() for gradient in owned]
            for gradient, part in zip(owned, flat.split(sizes), strict=True):
                gradient.copy_(part.view_as(gradient))

    def _epoch_ends(self) -> bool:
        every = self.settings.checkpoint_every
        return self.step // self.steps_an_epoch > (self.step - every) // self.steps_an_epoch

    def _validated(self, validate: Callable[[Learner], float]) -> float:
        self.learner.eval()
        value = validate(self.learner)
        if value > self.best:
            self.best = value
            self._save("best.pt")
        return value

    def _one_step(self) -> dict[str, float]:
        settings, learner = self.settings, self.learner.train()
        random = np.random.default_rng([settings.seed, self.step, self.rank])
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate_share(self.done, settings.warmup)
        batch = self._batch(random)
        reduced = settings.precision != "float32"
        with torch.autocast(self.device, getattr(torch, settings.precision), enabled=reduced):
            features = learner.audio.window(batch["mel"], batch["frames"])
        features = features.float()
        audio = learner.audio_projection(features)
        text = learner.text_vectors(batch["text"])
        positives = label_positives(batch["label"], settings.softness)
        temperature = learner.log_temperature.exp().clamp(0.02, 0.2)
        half = learner.label_dim
        losses = {
            "joint": nt_xent(F.normalize(audio, dim=-1), text, positives, temperature),
            "labels": nt_xent(
                F.normalize(audio[:, :half], dim=-1),
                F.normalize(text[:, :half], dim=-1),
                positives,
                temperature,
            ),
            "known": settings.known_weight * cosine_loss(audio[:, half:], batch["known"]),
            "tags": settings.tag_weight * tag_loss(learner.tags(features), batch["logits"]),
            "features": settings.feature_weight
            * cosine_loss(learner.features(features), batch["features"]),
        }
        loss = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        self._average_gradients()
        nn.utils.clip_grad_norm_(learner.parameters(), 2.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return {"loss": float(loss.detach()), **{k: float(v.detach()) for k, v in losses.items()}}

    def _batch(self, random: np.random.Generator) -> dict[str, torch.Tensor]:
        pack, size = self.corpus.pack, self.settings.batch
        epoch, place = divmod(self.step, self.steps_an_epoch)
        order = np.random.default_rng([self.settings.seed, 1 << 20, epoch]).permutation(len(pack))
        first = (place * self.processes + self.rank) * size
        rows = np.sort(order[first : first + size])
        logits = torch.from_numpy(pack.logits[rows].astype(np.float32))
        batch = {
            "mel": torch.from_numpy(spoil(pack.mel[rows].astype(np.float32), random))[:, None],
            "frames": torch.from_numpy(pack.frames[rows].astype(np.int64)),
            "text": torch.from_numpy(self._texts(rows, random)),
            "label": torch.from_numpy(self._texts(rows, None)),
            "logits": logits,
            "features": torch.from_numpy(pack.features[rows].astype(np.float32)),
            "known": known_vectors(logits, self.corpus.classes) @ self.learner.known.cpu(),
        }
        return {name: value.to(self.device) for name, value in batch.items()}

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

    def _save(self, name: str) -> None:
        state = {
            "learner": self.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "settings": asdict(self.settings),
        }
        torch.save(state, self.folder / f"{name}.part")
        os.replace(self.folder / f"{name}.part", self.folder / name)

    def _resume(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]

    def _log(self, row: dict[str, float]) -> None:
        path = self.folder / "log.csv"
        names = ["step", "seconds", "loss", "joint", "labels", "known", "tags", "features"]
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*names, "validation"])
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
        if self._board is None:
            self._board = _tensorboard(self.folder)
        if self._board:
            for name in row.keys() - {"step"}:
                self._board.add_scalar(name, row[name], int(row["step"]))


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return False
    return SummaryWriter(str(folder))


def rate_share(done: float, warmup: float) -> float:
    """The learning rate over its largest: linear warm-up, then half a cosine down to 0."""
    if done < warmup:
        return (done + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1.0 + math.cos(math.pi * (done - warmup) / (1.0 - warmup)))


def known_vectors(logits: torch.Tensor, classes: np.ndarray, best: int = 10) -> torch.Tensor:
    """The tagger's ten best classes, weighted by probability: (B, 527) → text vectors (B, T)."""
    values, which = torch.sigmoid(logits).topk(best)
    names = torch.from_numpy(classes.astype(np.float32))[which]  # (B, best, T)
    return F.normalize((values[:, :, None] * names).sum(1), dim=-1)


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
