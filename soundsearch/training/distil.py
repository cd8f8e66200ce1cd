"""The text encoder: an own vocabulary and a small transformer that learns a sentence encoder's
vectors.

Its word embeddings start as the sentence encoder's vectors of the words themselves, brought to
fewer dimensions: that saves most of the hours it would take to learn what words mean.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from soundsearch.models.text import CaptionTokenizer, TextConfig, TextEncoder, clean_caption


@dataclass(frozen=True)
class Distillation:
    """Sizes of the text encoder and how it learns. precision: "float32" or "bfloat16"."""

    vocabulary: int = 8_000
    hidden: int = 256
    layers: int = 2
    heads: int = 4
    inner: int = 512
    tokens: int = 32
    epochs: int = 5
    batch: int = 128
    learning_rate: float = 1e-3
    precision: str = "float32"
    seed: int = 1


def make_vocabulary(texts: list[str], size: int) -> str:
    """A WordPiece tokenizer of `texts`, as the text of a tokenizer.json."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=special, min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator([clean_caption(text) for text in texts], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return str(tokenizer.to_str())


def vocabulary_words(tokenizer_json: str) -> list[str]:
    """The pieces in the order of their ids, as words: without the mark of a continuation."""
    ids = Tokenizer.from_str(tokenizer_json).get_vocab()
    return [piece.removeprefix("##") for piece in sorted(ids, key=lambda piece: ids[piece])]


def text_config(settings: Distillation, vocabulary: int) -> TextConfig:
    """The configuration of the text encoder, as it stands in model.json."""
    config: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": settings.hidden,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": settings.inner,
        "max_position_embeddings": settings.tokens,
        "type_vocab_size": 1,
        "pad_token_id": 0,
    }
    return TextConfig("bert", config, "mean", settings.tokens)


class Student(nn.Module):
    """The text encoder with a linear layer to the teacher's 384 dimensions."""

    def __init__(self, config: TextConfig, out: int) -> None:
        super().__init__()
        self.encoder = TextEncoder(config)
        self.head = nn.Linear(self.encoder.dim, out)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.head(self.encoder(ids, mask)), dim=-1)


def warm_start(student: Student, word_vectors: np.ndarray) -> None:
    """Sets word embeddings and head from the teacher's vectors of the vocabulary's words (V, H)."""
    centred = word_vectors - word_vectors.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[: student.encoder.dim]  # (hidden, out)
    embeddings = centred @ axes.T
    embeddings *= 0.05 / embeddings.std()
    with torch.no_grad():
        network = student.encoder.network
        network.embeddings.word_embeddings.weight.copy_(torch.from_numpy(embeddings))
        student.head.weight.copy_(torch.from_numpy(axes.T))
        student.head.bias.copy_(torch.from_numpy(word_vectors.mean(0)))


def distil(
    student: Student,
    tokenizer_json: str,
    texts: list[str],
    vectors: np.ndarray,
    weights: np.ndarray,
    settings: Distillation,
    minutes: float = 60.0,
    report: Callable[[str], None] | None = None,
) -> float:
    """Trains on texts and the teacher's unit vectors (N, H), each drawn `weights` (N,) times an
    epoch on average; the last mean cosine to the teacher. Ends early after `minutes`.
    """
    tokenizer = CaptionTokenizer(tokenizer_json, settings.tokens)
    random = np.random.default_rng(settings.seed)
    dropout = [m for m in student.modules() if isinstance(m, nn.Dropout)]
    for module in dropout:
        module.p = 0.0  # the teacher's vectors are exact: there is nothing to overfit to
    optimizer = torch.optim.AdamW(student.parameters(), settings.learning_rate, weight_decay=0.01)
    began, mean = time.monotonic(), 0.0
    share = 0.0
    for epoch in range(settings.epochs):
        counts = np.floor(weights + random.random(len(weights))).astype(int)
        drawn = np.repeat(np.arange(len(texts)), counts)
        # Batches of like lengths need little padding; their order is random.
        keys = np.array([len(texts[i]) for i in drawn]) + random.uniform(0, 8, len(drawn))
        drawn = drawn[np.argsort(keys)]
        batches = [drawn[i : i + settings.batch] for i in range(0, len(drawn), settings.batch)]
        student.train()
        cosines = []
        for place, number in enumerate(random.permutation(len(batches))):
            done = (epoch + place / len(batches)) / settings.epochs
            share = max(done, (time.monotonic() - began) / (60.0 * minutes))
            if share >= 1.0:
                break
            rate = settings.learning_rate * min(1.0, share / 0.03 + 0.02) * (1.0 - share)
            for group in optimizer.param_groups:
                group["lr"] = rate
            rows = batches[number]
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
                found = student(*tokenizer([texts[i] for i in rows]))
            cosine = (found.float() * torch.from_numpy(vectors[rows])).sum(1).mean()
            optimizer.zero_grad()
            (1.0 - cosine).backward()
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            cosines.append(float(cosine.detach()))
            if report and place % 50 == 49:
                report(f"{epoch} {place + 1}/{len(batches)} cosine {np.mean(cosines[-50:]):.3f}")
        mean = float(np.mean(cosines[-50:])) if cosines else mean
        if share >= 1.0:
            break
    return mean


@torch.inference_mode()
def student_vectors(student: Student, tokenizer_json: str, texts: list[str]) -> np.ndarray:
    """The student's own unit vectors of texts, float32 (N, H)."""
    tokenizer = CaptionTokenizer(tokenizer_json)
    student.eval()
    parts = [student(*tokenizer(texts[i : i + 64])).numpy() for i in range(0, len(texts), 64)]
    return np.concatenate(parts)
