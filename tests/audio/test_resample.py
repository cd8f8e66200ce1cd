"""Rate conversion keeps frequencies and doesn't depend on how a stream is cut."""

import numpy as np
import pytest

from soundsearch.audio.resample import Resampler, resample


@pytest.mark.parametrize(("source", "target"), [(44100, 32000), (8000, 32000), (192000, 32000)])
def test_a_tone_stays_the_same_tone(source: int, target: int) -> None:
    t = np.arange(source) / source
    x = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    y = resample(x, source, target)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(y)) / target)
    assert y.dtype == np.float32
    assert abs(len(y) - target) <= 2
    middle = slice(target // 10, -target // 10)
    np.testing.assert_allclose(y[middle], expected[middle], atol=1e-3)


def test_what_lies_above_the_new_range_vanishes() -> None:
    t = np.arange(96000) / 96000
    x = np.sin(2 * np.pi * 20000 * t).astype(np.float32)
    assert np.abs(resample(x, 96000, 32000)[1000:-1000]).max() < 1e-3


def test_blocks_give_the_same_as_the_whole() -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 30000).astype(np.float32)
    whole = resample(x, 44100, 32000)
    for size in (1, 999, 4096):
        if size == 1:
            x_cut, expected = x[:2000], resample(x[:2000], 44100, 32000)
        else:
            x_cut, expected = x, whole
        stream = Resampler(44100, 32000)
        parts = [stream.process(x_cut[i : i + size]) for i in range(0, len(x_cut), size)]
        parts.append(stream.process(np.empty(0, np.float32), last=True))
        np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)


def test_equal_rates_change_nothing() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    np.testing.assert_array_equal(resample(x, 32000, 32000), x)


def test_very_short_sounds_survive() -> None:
    assert len(resample(np.ones(1, np.float32), 44100, 32000)) <= 1
    assert abs(len(resample(np.ones(176, np.float32), 44100, 32000)) - 128) <= 1
