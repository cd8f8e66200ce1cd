"""The margin of moments and the likeness of takes, on clips whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from soundsearch.training.data import read_clips
from soundsearch.training.margin import MARGINS, margin, take_cosine
from tests.training.sounds import RATE, write_clips

LABELS = ("kick", "snare", "dog bark", "rain", "wind", "bell")


class Tones:
    """Hears 0.5 s segments by their strongest frequency; a sound is the mean of its segments.

    noise: how far every segment's vector is from what it should be.
    """

    rate = RATE

    def __init__(self, noise: float) -> None:
        self._noise = noise
        self._random = np.random.default_rng(0)

    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        segments = [self._vectors([s[i : i + RATE // 2] for i in range(0, len(s), RATE // 2)])
                    for s in sounds]  # fmt: skip
        return np.stack([_unit(rows.mean(axis=0)) for rows in segments]), segments

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return self._axes([150.0 * 2.0 ** (sum(text.encode()) % 23 / 4) for text in texts])

    def _vectors(self, sounds: list[np.ndarray]) -> np.ndarray:
        hz = [float(np.abs(np.fft.rfft(x)).argmax()) * RATE / len(x) for x in sounds]
        rows = self._axes(hz)
        return _unit(rows + self._random.normal(0, self._noise, rows.shape).astype(np.float32))

    def _axes(self, hz: list[float]) -> np.ndarray:
        steps = np.log2(np.array([80.0 * 2 ** (i / 2) for i in range(20)]))
        return _unit(np.exp(-((np.log2(np.maximum(hz, 1))[:, None] - steps) ** 2) / 0.05) + 1e-3)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def clips(folder: Path) -> list:
    return read_clips(write_clips(folder, [(label, "one") for _ in range(24) for label in LABELS]))


def test_moments_find_what_whole_recordings_hide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundsearch.training.margin.JOINED", (0.8, 1.9))
    found = margin(Tones(0.2), clips(tmp_path))
    assert (found.clips, found.queries) == (72, len(LABELS))
    assert 15 <= found.recordings <= 36
    assert len(found.curve) == len(MARGINS)
    assert found.curve[found.margin == MARGINS][0] == found.curve.max()
    assert found.margin < 0.5
    assert found.curve.max() > found.wholes
    assert found.curve[-1] == pytest.approx(found.wholes, abs=0.02)  # hardly a moment counts
    again = margin(Tones(0.2), clips(tmp_path))
    assert again.margin == found.margin


def test_takes_are_parted_from_others_of_equal_names() -> None:
    random = np.random.default_rng(0)
    centres = _unit(random.normal(size=(8, 40)))
    labels, names, rows = [], [], []
    for group in range(4):
        for take in range(10):  # all alike
            labels.append(f"sound {group}")
            names.append(f"takes/name{chr(97 + group)}_{take}.wav")
            rows.append(centres[group] + random.normal(0, 0.08, 40))
    for number in range(20):  # named alike, each another sound
        labels.append(f"other {number}")
        names.append(f"mixed/x_{number}.wav")
        rows.append(random.normal(size=40))
    vectors = _unit(np.stack(rows))
    found = take_cosine(vectors, labels, names)
    assert found is not None
    pairs = [(i, j) for i in range(60) for j in range(i) if names[i][:8] == names[j][:8]]
    right = [float(vectors[i] @ vectors[j]) for i, j in pairs if labels[i] == labels[j]]
    wrong = [float(vectors[i] @ vectors[j]) for i, j in pairs if labels[i] != labels[j]]
    assert np.mean(np.array(right) >= found) > 0.9
    assert np.mean(np.array(wrong) >= found) < 0.1


def test_without_both_kinds_of_pairs_nothing_is_chosen() -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert take_cosine(vectors, ["a"] * 4, ["", "", "", ""]) is None
    assert take_cosine(vectors, ["a"] * 4, [f"x/a{i}.wav" for i in range(4)]) is None
    assert take_cosine(vectors, list("abcd"), [f"x/a{i}.wav" for i in range(4)]) is None
