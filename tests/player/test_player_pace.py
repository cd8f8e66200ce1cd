"""Speed and direction: what is heard, against the file turned round and resampled as a whole."""

import threading
from pathlib import Path

import numpy as np
import pytest
import soxr

from soundsearch.audio.decode import open_audio
from soundsearch.player.track import FADE_SECONDS, Feeder, Track
from tests.player.test_player_track import hear, noise, write

RATE = 16000
FADE = round(FADE_SECONDS * RATE) + 3


def feed(
    path: bytes,
    pace: float,
    at: float | None = None,
    start: float = 0.0,
    end: float | None = None,
    loop: bool = False,
    rate: int = RATE,
) -> Track:
    track = Track(rate, loop, pace)
    ready = threading.Event()
    Feeder(track, path, at, start, end, 1.0, ready.set).start()
    assert ready.wait(20)
    return track


@pytest.mark.parametrize("pace", [0.5, 2.0])
def test_half_the_speed_takes_twice_as_long(tmp_path: Path, pace: float) -> None:
    sound = noise(2 * RATE)
    track = feed(write(tmp_path / "a.wav", sound, RATE), pace)
    heard = hear(track, 10 * RATE)
    expected = soxr.resample(sound, RATE * pace, RATE)
    assert abs(len(heard) - len(expected)) <= 2
    length = len(expected) - FADE
    np.testing.assert_allclose(heard[:length, :1], expected[:length], atol=1e-4)
    assert track.second(len(heard)) == pytest.approx(2.0, abs=0.001)
    assert track.second(len(heard) / 4) == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("seconds", [0.3, 1.7])  # read at once, and in several pieces
def test_reverse_gives_the_last_frame_first(tmp_path: Path, seconds: float) -> None:
    sound = noise(round(seconds * RATE), 2)
    track = feed(write(tmp_path / "a.wav", sound, RATE), -1.0)
    heard = hear(track, 10 * RATE)
    assert len(heard) == len(sound)
    np.testing.assert_array_equal(heard[FADE:-FADE], sound[::-1][FADE:-FADE])
    assert np.abs(heard[[0, -1]]).max() < 0.01
    assert track.second(len(heard)) == pytest.approx(0.0, abs=0.01)


def test_a_region_in_reverse_begins_at_its_end_and_loops(tmp_path: Path) -> None:
    sound = noise(RATE)
    track = feed(write(tmp_path / "a.wav", sound, RATE), -1.0, start=0.25, end=0.5, loop=True)
    lead = round(FADE_SECONDS * RATE)
    region = sound[RATE // 4 : RATE // 2, 0][::-1]
    heard = hear(track, lead + 2 * len(region))[:, 0]
    np.testing.assert_array_equal(heard[lead:], np.concatenate([region, region]))
    np.testing.assert_array_less(np.abs(heard[:lead]), np.abs(heard).max())
    track.cancelled.set()


def test_reverse_from_a_moment_and_at_half_speed(tmp_path: Path) -> None:
    sound = noise(RATE)
    track = feed(write(tmp_path / "a.wav", sound, RATE), -0.5, at=0.5)
    heard = hear(track, 5 * RATE)
    lead = round(FADE_SECONDS * 0.5 * RATE)
    expected = soxr.resample(sound[: RATE // 2 + lead][::-1], RATE / 2, RATE)
    assert abs(len(heard) - len(expected)) <= 2
    np.testing.assert_allclose(heard[FADE:-FADE, :1], expected[FADE : len(heard) - FADE], atol=1e-4)
    assert track.second(2 * lead) == pytest.approx(0.5, abs=0.001)


def test_reverse_of_a_lossy_file_is_its_decoding_turned_round() -> None:
    path = Path(__file__).parent.parent / "sounds" / "bell.mp3"
    with open_audio(bytes(path)) as reader:
        sound = np.concatenate(list(reader.blocks()))
        rate = reader.samplerate
    heard = hear(feed(bytes(path), -1.0, rate=rate), 10 * rate)
    fade = round(FADE_SECONDS * rate) + 3
    assert len(heard) == len(sound)
    expected = sound[::-1][fade:-fade]
    np.testing.assert_allclose(heard[fade:-fade, :1], expected, atol=1e-6)
