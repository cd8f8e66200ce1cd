"""Small labelled sounds for the tests of training."""

import csv
from pathlib import Path

import numpy as np
import soundfile

RATE = 32_000
COLUMNS = (
    *("path", "split", "set", "label", "tags", "original_file", "licence", "author"),
    *("source_repo", "ship"),
)


def render(label: str, number: int, seconds: float = 0.5) -> np.ndarray:
    """A tone whose pitch follows the label, with a little noise: float32 (n,)."""
    random = np.random.default_rng([number, *label.encode()])
    hz = 150.0 * 2.0 ** (sum(label.encode()) % 23 / 4) * random.uniform(0.97, 1.03)
    times = np.arange(int(RATE * seconds)) / RATE
    tone = np.sin(2 * np.pi * hz * times) * np.exp(-3 * times)
    return (0.3 * tone + 0.01 * random.standard_normal(len(times))).astype(np.float32)


def write_clips(
    folder: Path, labels: list[tuple[str, str]], split: str = "train", seconds: float = 0.5
) -> Path:
    """Writes a sound for each (label, set) and the table that lists them; returns the table."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    table = folder / "clips.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, (label, source) in enumerate(labels):
            path = f"clips/{number:04d}.wav"
            soundfile.write(folder / path, render(label, number, seconds), RATE)
            original = f"{label.replace(' ', '_')}_{number}.wav"
            writer.writerow(
                (path, split, source, label, "short tone", original, "CC0-1.0", "someone",
                 f"somewhere/{source}", "yes")
            )  # fmt: skip
    return table
