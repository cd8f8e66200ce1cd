"""The text encoder settles into the joint space of the finished audio side."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from soundsearch.models.encoder import DualModel
from soundsearch.models.text import CaptionTokenizer
from soundsearch.training.joint import Joint, features_of
from soundsearch.training.losses import cosine_loss, label_positives, nt_xent
from soundsearch.training.starter_task import Corpus


@dataclass(frozen=True)
class Tuning:
    """How the text encoder settles into the joint space."""

    steps: int = 600
    batch: int = 96
    sounds: int = 5000  # versions that captions are drawn to
    learning_rate: float = 4e-4
    seed: int = 1


@dataclass(frozen=True)
class Texts:
    """The corpus with the sentence encoder's vectors float32 (N, 384); rows of each clip's captions
    int (clips, K), of the class names int (527,)."""

    texts: list[str]
    vectors: np.ndarray
    captions: np.ndarray
    classes: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Axes (384, 256) that keep most of what texts differ in."""
        some = self.vectors[:: max(1, len(self.vectors) // 20_000)]
        _, _, axes = np.linalg.svd(some - some.mean(0), full_matrices=False)
        return np.asarray(axes[:256].T)


def text_weights(texts: Texts) -> np.ndarray:
    """How often an epoch sees a text: captions and class names always, single words seldom."""
    own = {*texts.captions.ravel().tolist(), *texts.classes.tolist()}
    several = [len(text.split()) > 1 for text in texts.texts]
    return np.array([1.0 if i in own else 0.6 if more else 0.35 for i, more in enumerate(several)])


def tune_text(
    model: DualModel,
    joint: Joint,
    learnt: Corpus,
    texts: Texts,
    caption_rows: np.ndarray,
    tokenizer_json: str,
    softness: float,
    settings: Tuning,
    report: Callable[[str], None],
) -> None:
    """Trains the text side of `model` against the finished audio side: captions to the sounds that
    they belong to, and all texts to where the sentence encoder's vectors stand in the joint space.
    """
    random = np.random.default_rng(settings.seed)
    tokenizer = CaptionTokenizer(tokenizer_json, model.text.config.tokens)
    weights = text_weights(texts)
    weights /= weights.sum()
    own = [*model.text.parameters(), *model.text_projection.parameters()]
    optimizer = torch.optim.AdamW(own, settings.learning_rate, weight_decay=0.01)
    # Versions in which a second sound is loud have no caption of their own here.
    alone = np.flatnonzero((learnt.pack.other < 0) | (learnt.pack.decibels < -6.0))
    alone = random.permutation(alone)[: settings.sounds]
    with torch.no_grad():
        features = features_of(joint.audio, learnt.pack.mel, learnt.pack.frames, alone)
        sounds = joint.audio_vectors(features)
    model.text.eval()  # without dropout
    settle_projection(
        model, joint, tokenizer, texts, random.choice(len(texts.texts), 8192, p=weights)
    )
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            done = step / settings.steps
            group["lr"] = settings.learning_rate * min(1.0, 20 * done + 0.05) * (1.0 - done)
        drawn = random.integers(0, len(alone), settings.batch)
        rows = alone[drawn]
        numbers = caption_rows[
            learnt.pack.clip[rows], random.integers(0, caption_rows.shape[1], len(rows))
        ]
        others = random.choice(len(texts.texts), settings.batch, p=weights)
        asked = np.concatenate([numbers, others])
        found = model.text_vectors(*tokenizer([texts.texts[i] for i in asked]))
        with torch.no_grad():
            wanted = joint.text_vectors(torch.from_numpy(texts.vectors[asked]))
            labels = texts.vectors[caption_rows[learnt.pack.clip[rows], 0]]
            positives = label_positives(torch.from_numpy(labels), softness)
        contrast = nt_xent(sounds[drawn], found[: len(rows)], positives, joint.temperature)
        stay = cosine_loss(found, wanted)
        optimizer.zero_grad()
        (0.2 * contrast + 4.0 * stay).backward()
        nn.utils.clip_grad_norm_(own, 1.0)
        optimizer.step()
        if step % 25 == 24:
            report(f"text {step + 1}: contrast {contrast.item():.3f}, apart {stay.item():.4f}")


@torch.no_grad()
def settle_projection(
    model: DualModel, joint: Joint, tokenizer: CaptionTokenizer, texts: Texts, rows: np.ndarray
) -> None:
    """The text projection by least squares: from what the text encoder says of some texts to where
    these stand in the joint space."""
    parts = []
    for some in np.array_split(rows, -(-len(rows) // 64)):
        parts.append(model.text(*tokenizer([texts.texts[i] for i in some])))
    found = torch.cat(parts)
    wanted = joint.text_vectors(torch.from_numpy(texts.vectors[rows]))
    x = torch.cat([found, torch.ones(len(found), 1)], dim=1).double()
    gram = x.T @ x + 1e-4 * len(x) * torch.eye(x.shape[1])
    weight = torch.linalg.solve(gram, x.T @ wanted.double()).T.float()  # (D, hidden + 1)
    model.text_projection.weight.copy_(weight[:, :-1])
    model.text_projection.bias.copy_(weight[:, -1])
