"""Loudness against pyloudnorm, an implementation that shares nothing with ours."""

import math

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import lfilter

from soundsearch.audio.loudness import LoudnessMeter


def ours(x: np.ndarray, rate: int, block: int = 65536) -> float | None:
    x = x.astype(np.float32)
    meter = LoudnessMeter(rate, x.shape[1])
    for start in range(0, len(x), block):
        meter.add(x[start : start + block])
    return meter.integrated()


def reference(x: np.ndarray, rate: int, filters: str = "DeMan") -> float:
    # pyloudnorm refuses blocks as long as the sound itself.
    block = min(0.4, (len(x) - 0.5) / rate)
    meter = pyloudnorm.Meter(rate, filter_class=filters, block_size=block)
    return float(meter.integrated_loudness(x.astype(np.float64)))


def programme(rate: int, seconds: float, channels: int, seed: int = 0) -> np.ndarray:
    """Noise with bass, silences and loud moments, float64 (n, channels)."""
    rng = np.random.default_rng(seed)
    n = max(1, round(rate * seconds))
    x = lfilter([0.2], [1, -0.8], rng.standard_normal((n, channels)), axis=0)
    level = np.repeat(rng.choice((0.0, 0.003, 0.05, 0.3), 40), math.ceil(n / 40))[:n]
    level[: n // 8] = 0.2
    return x * level[:, None] + 0.02


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_like_pyloudnorm(rate: int, channels: int) -> None:
    x = programme(rate, 3.3, channels)
    assert ours(x, rate) == pytest.approx(reference(x, rate), abs=0.02)


@pytest.mark.parametrize("seconds", [0.004, 0.05, 0.2, 0.39, 0.41, 0.46, 0.62, 1.0, 7.77])
def test_short_sounds_like_pyloudnorm(seconds: float) -> None:
    x = programme(44100, seconds, 2, seed=1)
    assert ours(x, 44100) == pytest.approx(reference(x, 44100), abs=0.05)


def test_close_to_pyloudnorms_default_filters() -> None:
    x = programme(44100, 5, 2)
    assert ours(x, 44100) == pytest.approx(reference(x, 44100, "K-weighting"), abs=0.2)


def test_a_full_scale_sine_has_the_loudness_of_the_standard() -> None:
    """BS.1770: 997 Hz at 0 dBFS in one channel reads -3.01 LUFS."""
    t = np.arange(48000 * 5) / 48000
    x = np.sin(2 * np.pi * 997 * t)[:, None]
    assert ours(x, 48000) == pytest.approx(-3.01, abs=0.02)


@pytest.mark.parametrize("block", [1000, 2048, 44100, 65536])
def test_block_size_does_not_matter(block: int) -> None:
    x = programme(44100, 2.5, 2)
    assert ours(x, 44100, block) == pytest.approx(ours(x, 44100, len(x)), abs=1e-9)


def test_silence_has_none() -> None:
    assert ours(np.zeros((44100, 2)), 44100) is None
    assert ours(np.full((44100, 1), 1e-6), 44100) is None


def test_the_low_frequency_channel_does_not_count() -> None:
    x = programme(16000, 2, 6)
    quiet = x.copy()
    quiet[:, 3] = 0
    assert ours(x, 16000) == pytest.approx(ours(quiet, 16000))


def test_a_very_low_rate_is_measured() -> None:
    assert ours(programme(1000, 2, 1), 1000) is not None
