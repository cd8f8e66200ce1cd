"""A model that works passes, one that guesses does not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundsearch.demo import synth
from soundsearch.models import catalog
from soundsearch.models.check import Verdict, check, judge, prove
from tests.models.small import small_model


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, count)).astype(np.float32)


def test_places_by_hand() -> None:
    cosines = np.array([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.2, 0.2, 0.2]])
    # First; second of three; equal to both others, so in the middle.
    assert judge(cosines).place == pytest.approx((0 + 0.5 + 0.5) / 3)


def test_chance_rarely_passes() -> None:
    passed = sum(judge(noise(40, seed)).passed for seed in range(50))
    assert passed <= 1


def test_a_weak_model_passes_and_is_told_apart() -> None:
    weak = judge(noise(94, 1) + np.eye(94, dtype=np.float32))
    assert weak.passed
    assert 0.1 < weak.place < 0.4
    assert weak.warning == ""


@pytest.mark.parametrize(
    "cosines",
    [
        np.ones((40, 40), np.float32),  # one vector for all
        np.tile(noise(40, 0)[0], (40, 1)),  # the same order for every text
        np.full((40, 40), np.nan, np.float32),
    ],
)
def test_models_that_do_not_listen(cosines: np.ndarray) -> None:
    verdict = judge(cosines)
    assert not verdict.passed
    assert "no better than chance" in verdict.warning
    assert "(mean place 50 of 100)" in verdict.warning


class Known:
    """Recognises the demo's sounds by length and loudness, at half their rate."""

    rate = 22_050
    dim = 94

    def __init__(self) -> None:
        self.prints = np.stack(
            [self._print(np.atleast_2d(sound.T).mean(0)[::2]) for _, sound, _ in synth.render()]
        )

    def _print(self, samples: np.ndarray) -> np.ndarray:
        return np.array([np.log(len(samples)), np.log(np.abs(samples).mean())])

    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[Any]]:
        distance = [np.abs(self.prints - self._print(sound)).sum(1) for sound in sounds]
        return np.array([-d / np.linalg.norm(d) for d in distance]), []

    def embed_text(self, texts: list[str]) -> np.ndarray:
        described = list(synth.descriptions().values())
        return np.eye(94)[[described.index(text) for text in texts]]


def test_the_demo_sounds_are_ranked() -> None:
    seen: list[tuple[int, int]] = []
    verdict = check(Known(), lambda done, total: seen.append((done, total)))  # type: ignore[arg-type]
    assert verdict.sounds == len(synth.names())
    assert verdict.place < 0.02
    assert verdict.passed
    assert seen[-1] == (94, 94)


def test_a_random_model_is_marked(tmp_path: Path) -> None:
    folder = small_model(
        tmp_path / "random", kind="cnn", audio={"widths": [4, 8, 8], "dim": 24}, mel_pooling=2
    )
    verdict = prove(folder, "cpu")
    assert not verdict.passed
    assert catalog.read_entry(folder).warning == verdict.warning
    stored = json.loads((folder / catalog.CHECK).read_text())
    assert stored["place"] == pytest.approx(verdict.place, abs=1e-3)
    assert Verdict(0.1, 0.0001, 94).passed
