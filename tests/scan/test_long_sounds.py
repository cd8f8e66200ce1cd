"""Long recordings: heard in part first, whole when every file had its turn."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.decode import load_mono
from soundsearch.index.vectors import FIRST_PASS, WHOLE
from soundsearch.scan.pipeline import Control, Progress
from soundsearch.scan.segments import HELD, representatives
from tests.scan.place import Place
from tests.scan.spectral_encoder import SpectralEncoder

RATE = SpectralEncoder.rate


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Low noise: white, averaged over neighbours."""
    white = np.random.default_rng(seed).normal(0, 0.02, int(seconds * RATE) + 15)
    return np.convolve(white, np.ones(16) / 4, "valid")


def whistle(seconds: float = 1.0) -> np.ndarray:
    return 0.1 * np.sin(2 * np.pi * 3300 * np.arange(int(seconds * RATE)) / RATE)


def write(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE)
    return path


def rows_of(place: Place, path: Path) -> tuple[list[float], np.ndarray]:
    """Starts and vectors of a sound's rows as they count."""
    row = place.read(lambda library: library.file_at(os.fsencode(path)))
    assert row is not None
    assert row.identity is not None
    vectors = place.vectors()
    whole = vectors.row_of(row.identity)
    found = np.flatnonzero(vectors.owners() == whole)
    return vectors.starts[found].tolist(), vectors.matrix[found]


def test_an_event_in_a_long_recording_has_a_row_of_its_own(place: Place, tmp_path: Path) -> None:
    seconds, at = 25 * 60, 20 * 60 + 31
    samples = noise(seconds)
    samples[at * RATE : (at + 1) * RATE] += whistle()
    path = write(tmp_path / "Sounds" / "night.wav", samples)
    tracemalloc.start()
    report = place.scan(path.parent)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.embedded == 1
    assert peak < 0.5 * len(samples) * 4  # it streams
    starts, rows = rows_of(place, path)
    assert starts[-1] == WHOLE
    assert len(starts) == 9
    encoder = SpectralEncoder()
    event = encoder.pool(encoder.segment_features([whistle().astype(np.float32)]))
    cosines = rows @ event
    assert starts[int(np.argmax(cosines))] == at
    assert cosines[:-1].max() > cosines[-1] + 0.05  # nearer than the whole
    row = place.read(lambda library: library.file_at(os.fsencode(path)))
    assert place.vectors().segments.best(row.identity, event) == at
    # The same rows as those of all its segments at once.
    mono = load_mono(os.fsencode(path), RATE)
    segments = [mono[i : i + RATE] for i in range(0, len(mono), RATE)]
    features = encoder.segment_features(segments)
    units = np.stack([encoder.pool(f[None]) for f in features]).astype(np.float16)
    assert starts[:-1] == representatives(units).tolist()
    assert float(rows[-1] @ encoder.pool(features)) > 0.9999


def test_every_file_has_its_first_pass_before_a_long_one_is_heard_whole(
    place: Place,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "Sounds"
    for number in range(3):
        write(folder / f"a long {number}.wav", noise(40, number))
    for number in range(6):
        write(folder / f"short {number}.wav", noise(1.5, 10 + number))
    report = place.scan(folder)
    assert report.embedded == 9
    assert report.audio_seconds == pytest.approx(3 * (3 + 40) + 6 * 1.5)
    assert place.encoder.segments == 3 * (3 + 40) + 6 * 2
    starts = place.vectors().starts
    first = np.flatnonzero(starts == FIRST_PASS)
    assert len(first) == 3
    whole = np.flatnonzero(starts == WHOLE)
    assert len(whole) == 9
    assert (whole > first.max()).sum() >= 3
    assert all(len(rows_of(place, folder / f"a long {n}.wav")[0]) == 9 for n in range(3))
    seen = place.encoder.segments
    assert place.scan().embedded == 0
    assert place.encoder.segments == seen


def test_a_scan_cut_after_the_first_pass_goes_on_with_the_rest(
    place: Place,
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "Sounds" / "long.wav", noise(30))
    control = Control()

    def stop(progress: Progress) -> None:
        if progress.done:
            control.cancel()

    place.scan(path.parent, control=control, on_progress=stop)
    starts, _ = rows_of(place, path)
    assert starts[-1] == FIRST_PASS
    assert starts[0] == 0.0
    assert len(starts) <= 4
    heard = place.encoder.segments
    assert place.scan().embedded == 0
    assert rows_of(place, path)[0][-1] == WHOLE
    assert place.encoder.segments == heard + 30


def test_what_the_person_saw_is_heard_whole_first(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # one file after the other
    folder = tmp_path / "Sounds"
    names = [f"long {number}.wav" for number in range(5)]
    for number, name in enumerate(names):
        write(folder / name, noise(12, number))
    place.scan(folder, model=False)
    rows = place.read(
        lambda library: [library.file_at(os.fsencode(folder / name)) for name in names]
    )
    place.scan(seen=lambda: [rows[3].sound_id, rows[1].sound_id])
    vectors = place.vectors()
    by_row = sorted(names, key=lambda n: vectors.row_of(rows[names.index(n)].identity))
    assert by_row == [names[i] for i in (3, 1, 0, 2, 4)]


def test_a_sound_of_a_few_segments_is_heard_whole_at_once(place: Place, tmp_path: Path) -> None:
    path = write(tmp_path / "Sounds" / "some.wav", noise(HELD - 0.5))
    place.scan(path.parent)
    assert place.encoder.segments == HELD
    assert rows_of(place, path)[0] == [*range(HELD), WHOLE]
