"""The paper's task: segments, spectrogram masks, the loss, and processes that share a batch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from torch import distributed

from soundsearch.models.mel import RATE
from soundsearch.training.datasets import Item, clotho
from soundsearch.training.loop import Run
from soundsearch.training.losses import nt_xent, nt_xent_pairs
from soundsearch.training.paper_task import (
    PaperLearner,
    PaperSettings,
    PaperTask,
    VariedFront,
)
from soundsearch.training.processes import leave
from soundsearch.training.sampling import Sampler, collate
from tests.models.small import small_config, small_tokenizer
from tests.training.trees import clotho_tree

SMALL = PaperSettings(
    epochs=2,
    batch=8,
    learning_rate=1e-3,
    weight_decay=0.0,
    clip=0.0,
    segment_seconds=1.0,
    workers=0,
    mask_bands=8,
    mask_frames=16,
)


def quiet_config(**audio: Any) -> dict[str, Any]:
    """A small model without dropout and, unless told otherwise, without patchout."""
    config = small_config(segment_seconds=1.0, padding="segment")
    config["audio"] |= audio
    config["text"]["config"] |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return config


def items_of(folder: Path, recordings: int = 6, seconds: float = 0.7) -> list[Item]:
    return clotho(clotho_tree(folder, "development", recordings, seconds), "development").items


def task_of(items: list[Item], settings: PaperSettings = SMALL, **audio: Any) -> PaperTask:
    sampler = Sampler(items, settings.crop_seconds, settings.swap, settings.seed)
    return PaperTask(settings, quiet_config(**audio), small_tokenizer(), sampler)


def noise(seconds: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("padding", ["longest", "segments"])
def test_each_sound_is_the_mean_of_its_own_segments(padding: str) -> None:
    learner = PaperLearner(quiet_config(), SMALL).eval()
    sounds = [noise(seconds, i) for i, seconds in enumerate((2.6, 1.0, 0.3, 2.1, 1.7))]
    width = round(2.6 * RATE) if padding == "longest" else 3 * RATE
    samples = torch.zeros(len(sounds), width)
    for row, sound in zip(samples, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    lengths = torch.tensor([len(sound) for sound in sounds])
    front = learner.dual.front
    with torch.inference_mode():
        found = learner.audio_features(samples, lengths, front)
        for number, sound in enumerate(sounds):
            parts = []
            for start in range(0, len(sound), RATE):
                part = torch.zeros(1, RATE)  # one of 0.6 s is made a second, too
                rest = samples[number, start : start + RATE]
                part[0, : len(rest)] = rest
                parts.append(learner.dual.audio(front(part))[0])
            torch.testing.assert_close(found[number], torch.stack(parts).mean(0))


def test_the_loss_by_hand() -> None:
    random = torch.Generator().manual_seed(1)
    audio = F.normalize(torch.randn(5, 8, generator=random), dim=1)
    text = F.normalize(torch.randn(5, 8, generator=random), dim=1)
    tau = 0.07
    scores = np.exp((audio @ text.T).double().numpy() / tau)

    def by_hand(pairs: list[tuple[int, int]]) -> float:
        texts = [-np.log(scores[i, j] / scores[i].sum()) for i, j in pairs]
        sounds = [-np.log(scores[i, j] / scores[:, j].sum()) for i, j in pairs]
        return float((np.mean(texts) + np.mean(sounds)) / 2)

    identity = torch.eye(5, dtype=torch.bool)
    wanted = by_hand([(i, i) for i in range(5)])
    assert float(nt_xent_pairs(audio, text, identity, tau)) == pytest.approx(wanted, rel=1e-5)
    assert float(nt_xent(audio, text, identity.float(), tau)) == pytest.approx(wanted, rel=1e-5)
    numbers = torch.tensor([0, 1, 0, 2, 0])
    same = numbers[:, None] == numbers
    wanted = by_hand([(i, j) for i in range(5) for j in range(5) if numbers[i] == numbers[j]])
    assert float(nt_xent_pairs(audio, text, same, tau)) == pytest.approx(wanted, rel=1e-5)


def test_masks_and_bands_vary_with_the_step_alone() -> None:
    learner = PaperLearner(quiet_config(), SMALL)
    samples = torch.from_numpy(np.stack([noise(1.0, 1), noise(1.0, 2)]))
    plain = learner.dual.front(samples)
    untouched = replace(SMALL, random_bands=False, mask_bands=0, mask_frames=0)
    assert torch.equal(VariedFront(learner.dual.front, untouched, 3)(samples), plain)
    masked = replace(SMALL, random_bands=False, mask_bands=48, mask_frames=60)
    areas = set()
    for step in range(12):
        mel = VariedFront(learner.dual.front, masked, step)(samples)
        changed = mel != plain
        assert (mel[changed] == 0.9).all()
        assert torch.equal(changed[0], changed[1])  # one draw for the batch
        bands = changed[0, 0].all(1).sum().item()
        frames = changed[0, 0].all(0).sum().item()
        assert bands < 48
        assert frames < 60
        areas.add((bands, frames))
        again = VariedFront(learner.dual.front, masked, step)(samples)
        assert torch.equal(again, mel)
    assert len(areas) > 6
    moved = VariedFront(learner.dual.front, replace(untouched, random_bands=True), 3)(samples)
    assert 0 < (moved - plain).abs().mean() < 0.5
    assert torch.equal(learner.dual.front(samples), plain)


def test_positives_are_the_diagonal_or_the_recording(tmp_path: Path) -> None:
    items = items_of(tmp_path, 2)
    task = task_of(items)
    batch = collate([task.sampler[0, n] for n in range(8)], 0)
    run = Run(tmp_path / "run", SMALL, task)
    diagonal = task.losses(batch, run.place)["contrast"]
    task.settings = replace(SMALL, positives="same recording")
    shared = task.losses(batch, run.place)["contrast"]
    assert diagonal.item() != pytest.approx(shared.item(), rel=1e-3)
    task.settings = SMALL
    assert task.losses(batch, run.place)["contrast"].item() == pytest.approx(diagonal.item())


@pytest.mark.parametrize("learnable", [True, False])
def test_the_temperature_is_learnt_or_fixed(tmp_path: Path, learnable: bool) -> None:
    settings = replace(SMALL, temperature=0.05, learnable_temperature=learnable)
    run = Run(tmp_path / "run", settings, task_of(items_of(tmp_path), settings))
    run.train(stop_after=2)
    assert (run.task.learner.tau.item() != pytest.approx(0.05)) == learnable


def test_steps_lower_the_loss_of_their_batch(tmp_path: Path) -> None:
    settings = replace(SMALL, learning_rate=3e-4, temperature=0.1, mask_bands=0, mask_frames=0)
    run = Run(tmp_path / "run", settings, task_of(items_of(tmp_path, seconds=0.5), settings))
    batch = next(run.task.batches(0, run.place))
    learner = run.task.learner.eval()
    optimizer = torch.optim.Adam(learner.parameters(), 3e-4)
    losses = []
    for _ in range(12):
        loss = run.task.losses(batch, run.place)["contrast"]
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.02


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    """With patchout: what is random is drawn anew for each step from the seed."""
    settings = replace(SMALL, checkpoint_every=2)
    items = items_of(tmp_path)
    figures = iter([0.1, 0.3, 0.2])

    def run_in(name: str) -> Run[PaperTask]:
        task = task_of(items, settings, patchout_time=15, patchout_frequency=2)
        return Run(tmp_path / name, settings, task)

    whole = run_in("whole")
    whole.train(lambda: next(figures))
    assert torch.load(tmp_path / "whole" / "best.pt")["best"] == 0.3
    run_in("killed").train(stop_after=3)
    again = run_in("killed")
    assert again.step == 2
    again.train()
    for name, value in whole.task.learner.state_dict().items():
        torch.testing.assert_close(again.task.learner.state_dict()[name], value, rtol=0, atol=0)


def one_step(folder: Path) -> None:
    """One step of the whole batch, or of this process's half; loss and gradients into a file."""
    torch.set_num_threads(1)
    items = clotho(folder, "development").items
    settings = replace(SMALL, positives="same recording")
    run = Run(folder / "shared", settings, task_of(items, settings))
    run.train(stop_after=1)
    batch = next(run.task.batches(0, run.place))
    loss = run.task.losses(batch, run.place)["contrast"].item()
    learner = run.task.learner
    gradients = {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
    if run.place.rank == 0:
        torch.save({"loss": loss, "gradients": gradients}, folder / f"{run.place.processes}.pt")


def in_a_process(rank: int, folder: Path) -> None:
    meeting = f"file://{folder.absolute()}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    one_step(folder)
    leave()


def test_two_processes_are_one_with_the_whole_batch(tmp_path: Path) -> None:
    # Sounds of different lengths, so that the longest is in one half only.
    clotho_tree(tmp_path, "development", 4, 0.4)
    for number, file in enumerate(sorted((tmp_path / "development").iterdir())):
        soundfile.write(file, noise(0.4 + 0.5 * number, number), RATE)
    one_step(tmp_path)
    torch.multiprocessing.spawn(in_a_process, (tmp_path,), 2)
    one, two = (torch.load(tmp_path / f"{count}.pt") for count in (1, 2))
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert one["gradients"].keys() == two["gradients"].keys()
    assert "tau" in one["gradients"]
    for name, gradient in one["gradients"].items():
        # Sums in float32 in another order: small elements are off by what large ones are.
        off = float((two["gradients"][name] - gradient).abs().max())
        assert off <= 1e-5 * float(gradient.abs().max()) + 1e-9, name
