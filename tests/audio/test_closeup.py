"""Pictures of sounds against their definitions, written out slowly."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.closeup import HIGHEST, LOWEST, envelope, spectrogram

RATE = 8000


def write(path: Path, sound: np.ndarray, rate: int = RATE) -> bytes:
    soundfile.write(path, sound, rate, subtype="FLOAT")
    return bytes(path)


@pytest.mark.parametrize(
    ("start", "end", "points"),
    [(0.0, 20.0, 40), (1.5, 12.25, 333), (19.0, 25.0, 60), (3.0, 3.01, 500), (2.0, 2.1, 7)],
)
def test_each_point_holds_the_extremes_of_its_stretch(
    tmp_path: Path, start: float, end: float, points: int
) -> None:
    sound = np.random.default_rng(5).uniform(-1, 1, (20 * RATE, 2)).astype(np.float32)
    found = np.frombuffer(envelope(write(tmp_path / "a.wav", sound), start, end, points), np.int8)
    first, count = round(start * RATE), round(end * RATE) - round(start * RATE)
    part = np.concatenate([sound, np.zeros((6 * RATE, 2), np.float32)])[first : first + count]
    expected = []
    for point in range(points):
        begin = point * count // points
        stop = max(begin + 1, (point + 1) * count // points)
        stretch = part[begin:stop]
        there = stretch[: max(0, len(sound) - first - begin)]
        values = (there.min(), there.max(), np.sqrt(np.mean(there**2))) if len(there) else (0, 0, 0)
        expected.append(values)
    np.testing.assert_allclose(found.reshape(points, 3), np.rint(np.array(expected) * 127), atol=1)


@pytest.mark.parametrize("hertz", [110.0, 440.0, 1760.0])
@pytest.mark.parametrize("seconds", [0.2, 3.0, 40.0])
def test_a_tone_is_a_line_at_its_frequency(tmp_path: Path, hertz: float, seconds: float) -> None:
    t = np.arange(round(seconds * RATE)) / RATE
    path = write(tmp_path / "a.wav", np.sin(2 * np.pi * hertz * t))
    rows, columns = 60, 30
    pixels = np.frombuffer(spectrogram(path, 0.0, seconds, columns, rows), np.uint8)
    picture = pixels.reshape(rows, columns)
    edges = np.geomspace(LOWEST, min(HIGHEST, RATE / 2), rows + 1)
    row = rows - 1 - int(np.searchsorted(edges, hertz, "right") - 1)
    loudest = picture[:, 5:25].argmax(axis=0)
    assert np.abs(loudest - row).max() <= 2
    assert picture[: max(0, row - 12), 5:25].max(initial=0) < 128


def test_what_sounds_in_one_half_is_seen_there(tmp_path: Path) -> None:
    sound = np.zeros(4 * RATE)
    sound[2 * RATE :] = np.random.default_rng(2).uniform(-0.5, 0.5, 2 * RATE)
    path = write(tmp_path / "a.wav", sound)
    picture = np.frombuffer(spectrogram(path, 0.0, 4.0, 40, 20), np.uint8).reshape(20, 40)
    assert picture[:, :17].max() == 0
    assert picture[:, 23:].mean() > 100
    later = np.frombuffer(spectrogram(path, 2.5, 3.5, 40, 20), np.uint8).reshape(20, 40)
    assert later.mean(axis=0).min() > 80


def test_silence_is_black_and_cancelling_ends_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(RATE))
    assert spectrogram(path, 0, 1, 10, 5) == bytes(50)
    loud = write(tmp_path / "b.wav", np.ones(RATE))
    assert spectrogram(loud, 0, 1, 10, 5, cancelled=lambda: True) == bytes(50)
    assert envelope(loud, 0, 1, 10, cancelled=lambda: True) == bytes(30)
