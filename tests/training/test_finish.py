"""A model folder is completed by what `search` then uses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from soundsearch.search.calibration import Calibration
from soundsearch.training.data import LabelledQuery, read_clips
from soundsearch.training.finish import Measuring, finish
from tests.training.sounds import RATE, write_clips

LABELS = ("kick", "snare", "dog bark", "rain", "wind", "bell")


class Pitches:
    """Hears the strongest frequency and knows which label has it."""

    rate = RATE

    def __init__(self, pitches: dict[str, float]) -> None:
        self._pitches = pitches

    def _vectors(self, hz: list[float]) -> np.ndarray:
        axes = np.log2(np.array([80.0 * 2 ** (i / 2) for i in range(20)]))
        rows = np.exp(-((np.log2(np.maximum(hz, 1))[:, None] - axes) ** 2) / 0.05) + 1e-3
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        hz = [float(np.abs(np.fft.rfft(x)).argmax()) * RATE / len(x) for x in sounds]
        return self._vectors(hz), [self._vectors([one]) for one in hz]

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return self._vectors([self._pitches[text] for text in texts])


def test_finish_writes_calibration_and_card(tmp_path: Path) -> None:
    table = write_clips(tmp_path, [(label, f"source {i}") for i in range(8) for label in LABELS])
    clips = read_clips(table)
    pitches = {label: 150.0 * 2.0 ** (sum(label.encode()) % 23 / 4) for label in LABELS}
    learn, held = clips[:24], clips[24:]
    dev = [replace(clip, split="dev", set="dev set") for clip in held]
    queries = [
        LabelledQuery(
            label, "dev set", "class name", frozenset(c.path for c in dev if c.label == label)
        )
        for label in LABELS
    ]
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "model.json").write_text('{"name": "small"}')
    names = {clip.path: f"{clip.label}.wav" for clip in dev}
    encoder = Pitches(pitches)
    report = finish(
        folder, encoder, 20, learn, held, Measuring(dev, queries, names), {"seed": 1}, ["Vague."]
    )
    assert report.ways["by sound"].macro["mAP@10"] > 0.6
    assert set(report.ways) == {"by sound", "by name", "fused"}
    calibration = Calibration.load(folder, 20)
    assert calibration.threshold is not None
    assert "segment_margin" in (folder / "calibration.json").read_text()
    assert 24 <= len(calibration.background) <= 512
    vector = encoder.embed_text(["kick"])[0]
    sounds = encoder.embed_audio([np.zeros(RATE, np.float32)])[0]
    assert 0 <= calibration.strength(sounds @ vector, vector, 100)[0] < 0.5
    settings = json.loads((folder / "model.json").read_text())
    assert settings["name"] == "small"
    assert f"{report.ways['by sound'].macro['mAP@10']:.2f}" in settings["quality"]
    card = (folder / "README.md").read_text()
    assert "# small" in card
    assert "Vague." in card
    assert "source 3" in card
