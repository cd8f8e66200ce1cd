"""Changes to a sound: what they keep, and that the same seed gives the same version."""

import numpy as np
import pytest

from soundsearch.training.augment import (
    LEVEL,
    change_speed,
    coloured_noise,
    crop,
    low_pass,
    mix,
    normalise,
    reverberate,
    vary,
)
from tests.training.sounds import RATE, render


def level(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(RATE * seconds)) / RATE).astype(np.float32)


def test_the_level_is_set_and_silence_stays() -> None:
    assert level(normalise(0.001 * tone(440))) == pytest.approx(LEVEL, rel=1e-3)
    assert not normalise(np.zeros(100, np.float32)).any()
    assert len(normalise(np.empty(0, np.float32))) == 0


def test_crop_is_a_part_of_the_sound() -> None:
    x = np.arange(1000, dtype=np.float32)
    part = crop(x, 100, np.random.default_rng(1))
    np.testing.assert_array_equal(part, x[int(part[0]) : int(part[0]) + 100])
    assert crop(x, 2000, np.random.default_rng(1)) is x


def test_faster_is_shorter_and_higher() -> None:
    faster = change_speed(tone(400), 1.25, RATE)
    assert len(faster) == pytest.approx(RATE / 1.25, abs=3)
    peak = np.abs(np.fft.rfft(faster)).argmax() * RATE / len(faster)
    assert peak == pytest.approx(500, abs=3)


def test_low_pass_takes_away_the_top_only() -> None:
    assert level(low_pass(tone(8000), 3000, RATE)) < 1e-3
    np.testing.assert_allclose(low_pass(tone(500), 3000, RATE), tone(500), atol=1e-3)


def test_a_room_leaves_the_sound_and_adds_a_tail() -> None:
    x = tone(440, 0.2)
    wet = reverberate(x, 0.4, 0.3, RATE, np.random.default_rng(2))
    assert len(wet) > len(x)
    assert level(wet[: len(x)] - x) < level(x)
    assert level(wet[len(x) :]) > 0


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_falls_with_its_slope(slope: float) -> None:
    noise = coloured_noise(1 << 16, slope, np.random.default_rng(3))
    assert level(noise) == pytest.approx(1.0, rel=0.02)
    power = np.abs(np.fft.rfft(noise)) ** 2
    ratio = power[200:400].mean() / power[6400:12800].mean()
    assert np.log2(ratio) / 5 == pytest.approx(slope, abs=0.3)


def test_the_second_sound_is_as_loud_as_asked() -> None:
    x, other = tone(440), tone(3000)
    mixed = mix(x, other, -12.0, np.random.default_rng(4))
    spectrum = np.abs(np.fft.rfft(mixed[:RATE]))
    assert 20 * np.log10(spectrum[3000] / spectrum[440]) == pytest.approx(-12, abs=0.5)


def test_a_version_is_given_by_its_seed() -> None:
    x, other = render("kick", 1, 3.0), render("rain", 2, 1.0)
    versions = [vary(x, other if s % 2 else None, -6.0, 2 * RATE, RATE, [1, s]) for s in range(20)]
    for seed, version in enumerate(versions):
        again = vary(x, other if seed % 2 else None, -6.0, 2 * RATE, RATE, [1, seed])
        np.testing.assert_array_equal(version, again)
        assert version.dtype == np.float32
        assert 0 < len(version) <= 2 * RATE
        assert np.isfinite(version).all()
        assert 0.3 * LEVEL < level(version) < 2.1 * LEVEL
    assert not np.array_equal(versions[0], versions[2])
