"""What comes out of a track, against decoding, folding and resampling the whole file at once."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from soundsearch.player.messages import CEILING
from soundsearch.player.track import AHEAD_SECONDS, FADE_SECONDS, Feeder, Track, fold


def noise(frames: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (0.2 * random.uniform(-1, 1, (frames, channels))).astype(np.float32)


def write(path: Path, sound: np.ndarray, rate: int) -> bytes:
    soundfile.write(path, sound, rate, subtype="FLOAT")
    return bytes(path)


def feed(
    path: bytes,
    rate: int,
    at: float = 0.0,
    start: float = 0.0,
    end: float | None = None,
    loop: bool = False,
    gain: float = 1.0,
) -> tuple[Track, Feeder]:
    track = Track(rate, loop)
    ready = threading.Event()
    feeder = Feeder(track, path, at, start, end, gain, ready.set)
    feeder.start()
    assert ready.wait(10)
    return track, feeder


def hear(track: Track, frames: int, block: int = 300) -> np.ndarray:
    """Reads as the callback does: up to `frames`, or to the end."""
    heard = np.zeros((0, 2), np.float32)
    limit = time.monotonic() + 20
    while len(heard) < frames and time.monotonic() < limit:
        out = np.full((min(block, frames - len(heard)), 2), np.nan, np.float32)
        finished = track.finished
        taken = track.take(out)
        heard = np.concatenate([heard, out[:taken]])
        if not taken:
            if finished:
                break
            time.sleep(0.002)
    return heard


@pytest.mark.parametrize(("source", "target"), [(48000, 48000), (44100, 48000), (96000, 44100)])
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_file(tmp_path: Path, source: int, target: int, channels: int) -> None:
    sound = noise(3 * source, channels)  # longer than the ring
    track, feeder = feed(write(tmp_path / "a.wav", sound, source), target, gain=0.5)
    heard = hear(track, 10 * target)
    expected = 0.5 * soxr.resample(sound, source, target)
    assert abs(len(heard) - len(expected)) <= 2
    fade = round(FADE_SECONDS * target) + 3
    length = len(expected) - fade
    np.testing.assert_allclose(heard[:length, :1], expected[:length, :1], atol=1e-4)
    np.testing.assert_allclose(heard[:length, 1:], expected[:length, -1:], atol=1e-4)
    assert np.abs(heard[-3:]).max() < 0.01  # faded out
    assert track.duration == 3
    feeder.join(5)
    assert not feeder.is_alive()


def test_a_region_keeps_its_attack_and_ends_on_time(tmp_path: Path) -> None:
    rate = 48000
    sound = noise(rate)
    track, _ = feed(write(tmp_path / "a.wav", sound, rate), rate, at=0.25, start=0.25, end=0.5)
    heard = hear(track, rate)
    fade = round(FADE_SECONDS * rate)
    expected = sound[rate // 4 - fade : rate // 2, 0]
    assert len(heard) == len(expected)
    np.testing.assert_array_equal(heard[fade:-fade, 0], expected[fade:-fade])
    assert np.abs(heard[[0, -1]]).max() < 0.001
    assert np.abs(heard[:fade, 0]).max() > 0.01
    assert track.second(fade) == pytest.approx(0.25)
    assert track.second(len(heard)) == pytest.approx(0.5)


@pytest.mark.parametrize("seconds", [0.1, 2.0, 6.0])  # the last is not kept in memory
def test_loop_is_seamless(tmp_path: Path, seconds: float) -> None:
    rate = 8000
    sound = noise(round(seconds * rate))
    track, feeder = feed(write(tmp_path / "a.wav", sound, rate), rate, loop=True)
    frames = round(2.5 * len(sound))
    heard = hear(track, frames)
    np.testing.assert_array_equal(heard[:, 0], np.tile(sound[:, 0], 3)[:frames])
    assert track.second(frames) == pytest.approx(seconds / 2)
    track.cancelled.set()
    feeder.join(5)
    assert not feeder.is_alive()


def test_loop_goes_back_to_the_start_of_the_region(tmp_path: Path) -> None:
    rate = 8000
    sound = noise(rate)
    path = write(tmp_path / "a.wav", sound, rate)
    track, _ = feed(path, rate, at=0.5, start=0.25, end=0.75, loop=True)
    lead = round(FADE_SECONDS * rate)
    heard = hear(track, lead + rate // 4 + rate)[lead:, 0]
    region = sound[rate // 4 : 3 * rate // 4, 0]
    np.testing.assert_array_equal(heard, np.concatenate([region[rate // 4 :], region, region]))
    track.cancelled.set()


def test_switching_the_loop_off_ends_with_the_round(tmp_path: Path) -> None:
    rate = 8000
    sound = noise(rate // 2)
    track, feeder = feed(write(tmp_path / "a.wav", sound, rate), rate, loop=True)
    first = hear(track, rate // 4 + rate // 2)  # in the second round
    track.loop = False
    feeder.join(5 if track.drained else 0.3)
    rest = hear(track, 10 * rate)
    assert len(first) + len(rest) == rate
    fade = round(FADE_SECONDS * rate)
    np.testing.assert_array_equal(rest[:-fade, 0], sound[rate // 4 : -fade, 0])
    assert np.abs(rest[-1]).max() < 0.01
    feeder.join(5)
    assert not feeder.is_alive()


def test_switching_the_loop_on_when_all_is_decoded(tmp_path: Path) -> None:
    rate = 8000
    sound = noise(rate)
    track, _ = feed(write(tmp_path / "a.wav", sound, rate), rate)
    while not track.finished:
        time.sleep(0.01)
    track.loop = True
    while track.finished:
        time.sleep(0.01)
    heard = hear(track, 4 * rate)
    assert len(heard) == 4 * rate
    np.testing.assert_array_equal(heard[rate : rate + 100, 0], sound[:100, 0])
    track.cancelled.set()


@pytest.mark.parametrize("frames", [1, 20, 500])
def test_sounds_too_short_to_loop_or_fade(tmp_path: Path, frames: int) -> None:
    path = write(tmp_path / "a.wav", noise(frames), 44100)
    track, feeder = feed(path, 48000, loop=True)
    if frames < 441:
        assert len(hear(track, 10**6)) in range(round(frames * 480 / 441) - 1, 600)
        feeder.join(5)
        assert not feeder.is_alive()
    else:
        assert len(hear(track, 48000)) == 48000
    track.cancelled.set()


def test_decoding_waits_for_the_ear(tmp_path: Path) -> None:
    rate = 8000
    track, feeder = feed(write(tmp_path / "a.wav", noise(60 * rate), rate), rate)
    time.sleep(0.3)
    assert track.written <= AHEAD_SECONDS * rate
    track.cancelled.set()
    feeder.join(5)
    assert not feeder.is_alive()


def test_behind_the_end_there_is_nothing(tmp_path: Path) -> None:
    track, _ = feed(write(tmp_path / "a.wav", noise(8000), 8000), 8000, at=5.0)
    assert track.finished
    assert (track.written, track.error) == (0, "")


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "gone"), (b"", "empty"), (b"no sound at all" * 100, "not an")]
)
def test_files_that_cannot_be_played(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    track, _ = feed(bytes(path), 48000)
    assert track.finished
    assert track.written == 0
    assert reason in track.error


def test_nothing_is_handed_over_above_the_ceiling(tmp_path: Path) -> None:
    sound = noise(8000, 6) * 5
    sound[:4000] *= 0.1
    track, _ = feed(write(tmp_path / "a.wav", sound, 8000), 8000)
    heard = hear(track, 8000)
    assert np.abs(heard).max() <= CEILING * 1.000001
    assert np.abs(heard).max() > 0.8 * CEILING


def test_fold() -> None:
    h = 0.5**0.5
    left, right, centre, low, *pairs = np.random.default_rng(0).normal(size=(8, 50))
    rear_left, rear_right, side_left, side_right = pairs
    front = [left, right, centre, low, rear_left, rear_right]

    def folded(channels: list[np.ndarray]) -> np.ndarray:
        return fold(np.stack(channels, axis=1).astype(np.float32))

    expected = np.stack(
        [left + h * (centre + rear_left), right + h * (centre + rear_right)], axis=1
    )
    np.testing.assert_allclose(folded(front), expected, atol=1e-4)
    expected += h * np.stack([side_left, side_right], axis=1)
    np.testing.assert_allclose(folded([*front, side_left, side_right]), expected, atol=1e-4)
    np.testing.assert_allclose(
        folded([left, right, centre, low]),
        ((left + right + centre + low) / 4)[:, None],
        atol=1e-5,
    )
    np.testing.assert_array_equal(folded([left, right])[:, 1], right.astype(np.float32))
