"""The loop: it learns, goes on after a kill as if nothing had been, and keeps its best."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soundsearch.training.loop import Run, Schedule, learning_rate
from soundsearch.training.pack import BANDS, FRAMES, Pack
from soundsearch.training.starter_task import (
    Corpus,
    Settings,
    StarterTask,
    delay,
    retrieval,
    spoil,
)

KINDS, EACH, TEXT = 6, 16, 32
SMALL = Settings(
    epochs=6, batch=16, widths=(8, 8, 16, 16), label_dim=16, known_dim=8, checkpoint_every=6
)


def corpus() -> Corpus:
    """Kinds of sound that differ by the band that sounds, some mixed with another kind."""
    random = np.random.default_rng(5)
    clip = np.repeat(np.arange(KINDS), EACH)
    mel = random.normal(-1.0, 0.1, (len(clip), BANDS, FRAMES))
    for row, kind in enumerate(clip):
        mel[row, 10 * kind : 10 * kind + 8] += 2.0
    other = np.where(np.arange(len(clip)) % 4 == 0, (clip + 1) % KINDS, -1)
    logits = np.full((len(clip), 527), -6.0)
    logits[np.arange(len(clip)), clip] = 3.0
    pack = Pack(
        mel=mel.astype(np.float16),
        frames=random.integers(40, FRAMES + 1, len(clip)).astype(np.int16),
        logits=logits.astype(np.float16),
        features=random.normal(size=(KINDS, 384))[clip].astype(np.float16),
        clip=clip.astype(np.int32),
        other=other.astype(np.int32),
        decibels=np.where(other >= 0, -3.0, 0.0).astype(np.float16),
    )
    captions = random.normal(size=(KINDS, 1, TEXT)) + 0.1 * random.normal(size=(KINDS, 3, TEXT))
    captions /= np.linalg.norm(captions, axis=-1, keepdims=True)
    known = np.linalg.qr(random.normal(size=(TEXT, 8)))[0]
    classes = random.normal(size=(527, TEXT))
    return Corpus(pack, captions.astype(np.float16), known, classes)


@pytest.fixture(scope="module")
def made() -> Corpus:
    return corpus()


def run_of(folder: Path, corpus: Corpus, settings: Settings = SMALL) -> Run[StarterTask]:
    return Run(folder, settings, StarterTask(settings, corpus))


def log(folder: Path) -> list[dict[str, str]]:
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def weights(run: Run[StarterTask]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.task.learner.state_dict().items()}


def test_a_short_run_lowers_the_loss_and_finds(tmp_path: Path, made: Corpus) -> None:
    labels = [f"kind {i}" for i in range(KINDS)]
    run = run_of(tmp_path, made)
    learner = run.task.learner.eval()
    before = retrieval(learner, made.pack, made.captions, labels)
    lines: list[str] = []
    run.train(lambda: retrieval(learner, made.pack, made.captions, labels), lines.append)
    rows = log(tmp_path)
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    validated = [float(row["validation"]) for row in rows if row["validation"]]
    assert len(validated) == SMALL.epochs
    assert validated[-1] > max(before, 0.6)
    assert len(lines) == len(rows)
    best = torch.load(tmp_path / "best.pt")
    assert best["best"] == pytest.approx(max(validated))
    assert best["settings"]["seed"] == SMALL.seed


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, made: Corpus) -> None:
    whole = run_of(tmp_path / "whole", made)
    whole.train()
    # Killed between two checkpoints: the steps since the last one are done again.
    run_of(tmp_path / "killed", made).train(stop_after=15)
    again = run_of(tmp_path / "killed", made)
    assert again.step == 12
    again.train()
    assert again.step == whole.step
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(again)[name], value, rtol=0, atol=0)
    # A finished run has nothing left to do.
    finished = run_of(tmp_path / "whole", made)
    finished.train()
    assert finished.step == whole.step


def test_another_seed_is_another_run(tmp_path: Path, made: Corpus) -> None:
    one, other = (
        run_of(tmp_path / "1", made),
        run_of(tmp_path / "2", made, replace(SMALL, seed=2)),
    )
    assert not torch.equal(
        one.task.learner.audio_projection.weight, other.task.learner.audio_projection.weight
    )


def test_the_rate_warms_up_and_runs_down() -> None:
    schedule = Schedule(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(schedule, done) for done in np.linspace(0, 1, 101)]
    assert 0 < rates[0] < 0.05
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 10
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


def test_the_rate_of_the_published_code() -> None:
    """Up over the first of 16 epochs, down along half a cosine from there to epoch 15."""
    schedule = Schedule(16, learning_rate=2e-5, warmup=1 / 16, cosine_end=15 / 16, floor=1e-7)
    for epoch in (1.0, 3.5, 8.0, 14.9):
        cosine = 0.5 * (1 + math.cos(math.pi * (epoch - 1) / 14))
        wanted = 1e-7 + (2e-5 - 1e-7) * cosine
        assert learning_rate(schedule, epoch / 16) == pytest.approx(wanted)
    assert learning_rate(schedule, 0.5 / 16) == pytest.approx(1e-5, rel=0.02)
    assert learning_rate(schedule, 15.5 / 16) == pytest.approx(1e-7)


def test_silence_before_a_sound_leaves_it_whole(made: Corpus) -> None:
    mel, frames = np.zeros((64, 64, 128), np.float32), np.full(64, 100)
    mel[:, :, :100] = np.arange(100)  # tells where each frame came from
    before = mel.copy()
    delay(mel, frames, np.random.default_rng(1))
    moved = frames - 100
    assert 0 < (moved > 0).sum() < 32
    for row, by in enumerate(moved):
        assert (mel[row, :, by : by + 100] == before[row, :, :100]).all()
        assert (mel[row, :, :by] < -1).all()


def test_masks_leave_most_of_a_window(made: Corpus) -> None:
    mel = made.pack.mel[:8].astype(np.float32)
    spoilt = spoil(mel.copy(), np.random.default_rng(1))
    assert spoilt.shape == mel.shape
    assert np.isfinite(spoilt).all()
    for before, after in zip(mel, spoilt, strict=True):
        assert 0.6 < np.corrcoef(before.ravel(), after.ravel())[0, 1] < 1.0


def test_vectors_have_unit_length(tmp_path: Path, made: Corpus) -> None:
    learner = run_of(tmp_path, made).task.learner
    texts = torch.from_numpy(made.captions[:, 0].astype(np.float32))
    vectors = learner.text_vectors(texts)
    assert vectors.shape == (KINDS, 24)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(KINDS))
