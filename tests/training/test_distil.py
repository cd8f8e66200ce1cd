"""The text encoder: its vocabulary, and that it comes near the vectors it learns from."""

import hashlib

import numpy as np
import torch

from soundsearch.training.distil import (
    Distillation,
    Student,
    distil,
    make_vocabulary,
    student_vectors,
    text_config,
    vocabulary_words,
    warm_start,
)

WORDS = ("dog", "bark", "kick", "drum", "heavy", "rain", "glass", "breaking", "bell", "church")
TEXTS = [*WORDS, *(f"{a} {b}" for a in WORDS for b in WORDS if a != b)]
SMALL = Distillation(
    vocabulary=200, hidden=32, layers=1, heads=2, inner=64, epochs=30, batch=20, learning_rate=3e-3
)


def word_vector(word: str) -> np.ndarray:
    seed = int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).normal(size=48)


def teacher(texts: list[str]) -> np.ndarray:
    """A sentence's vector is the sum of its words', at unit length."""
    rows = np.stack([sum(word_vector(word) for word in text.split()) for text in texts])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made() -> tuple[Student, str]:
    tokenizer = make_vocabulary(TEXTS, SMALL.vocabulary)
    torch.manual_seed(1)
    return Student(text_config(SMALL, len(vocabulary_words(tokenizer))), 48), tokenizer


def test_the_vocabulary_is_ours_and_whole() -> None:
    tokenizer = make_vocabulary(TEXTS, SMALL.vocabulary)
    words = vocabulary_words(tokenizer)
    assert words[:4] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    assert set(WORDS) <= set(words)


def test_the_student_comes_near_the_teacher() -> None:
    held = [f"{a} {b} {c}" for a, b, c in zip(WORDS, WORDS[3:], WORDS[6:], strict=False)]
    student, tokenizer = made()
    before = (student_vectors(student, tokenizer, held) * teacher(held)).sum(1).mean()
    ends: list[str] = []
    last = distil(
        student, tokenizer, TEXTS, teacher(TEXTS), np.ones(len(TEXTS)), SMALL, report=ends.append
    )
    found = student_vectors(student, tokenizer, held)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert last > 0.9
    assert (found * teacher(held)).sum(1).mean() > max(0.7, before + 0.3)


def test_a_warm_start_knows_single_words() -> None:
    student, tokenizer = made()
    vectors = teacher([word.lower() for word in vocabulary_words(tokenizer)])
    cold = student_vectors(student, tokenizer, list(WORDS))
    warm_start(student, vectors)
    warm = student_vectors(student, tokenizer, list(WORDS))
    wanted = teacher(list(WORDS))
    assert (warm * wanted).sum(1).mean() > (cold * wanted).sum(1).mean() + 0.05


def test_time_ends_it_early() -> None:
    student, tokenizer = made()
    vectors, weights = teacher(TEXTS), np.ones(len(TEXTS))
    assert distil(student, tokenizer, TEXTS, vectors, weights, SMALL, minutes=1e-4) < 0.9
