"""The log-mel front end against the published code's own values and against plain NumPy.

`mel_reference.npy`: float32 (128, 20), what hear21passt 0.0.26's AugmentMelSTFT (evaluation, fmin
0, fmax 15000) with torchaudio 2.11's Kaldi bands makes of `signal()`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from soundsearch.models.mel import LogMel

REFERENCE = Path(__file__).with_name("mel_reference.npy")
RATE = 32_000


def signal(samples: int = 6400) -> np.ndarray:
    """Tones, a sweep, noise, a click and silence at the end; the same bits on every machine."""
    t = np.arange(samples) / RATE
    tones = 0.4 * np.sin(2 * np.pi * 440 * t) + 0.01 * np.sin(2 * np.pi * 9000 * t)
    sweep = 0.2 * np.sin(2 * np.pi * (100 + 20_000 * t) * t)
    # Numerical Recipes' generator, so that no library's random numbers matter.
    state, noise = 12_345, np.empty(samples)
    for i in range(samples):
        state = (1_664_525 * state + 1_013_904_223) % 2**32
        noise[i] = state / 2**31 - 1
    sound = tones + sweep + 0.05 * noise
    sound[samples // 3] = 0.9
    sound[3 * samples // 4 :] = 0
    return sound.astype(np.float32)


def kaldi_bands(low: float, high: float) -> np.ndarray:
    """(128, 513), bin by bin as Kaldi's `mel-computations` describes it."""
    mel_low, mel_high = (1127 * np.log(1 + hz / 700) for hz in (low, high))
    step = (mel_high - mel_low) / 129
    bands = np.zeros((128, 513))
    for band in range(128):
        left = mel_low + band * step
        for k in range(512):
            mel = 1127 * np.log(1 + 31.25 * k / 700)
            if left < mel <= left + step:
                bands[band, k] = (mel - left) / step
            elif left + step < mel < left + 2 * step:
                bands[band, k] = (left + 2 * step - mel) / step
    return bands


def naive_log_mel(samples: np.ndarray) -> np.ndarray:
    """(128, frames) in float64, a frame at a time."""
    x = samples.astype(np.float64)
    y = x[1:] - 0.97 * x[:-1]
    y = np.concatenate((y[512:0:-1], y, y[-2:-514:-1]))  # reflected
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799)
    frames = 1 + (len(samples) - 1) // 320
    power = [np.abs(np.fft.rfft(y[i * 320 : i * 320 + 1024] * window)) ** 2 for i in range(frames)]
    return (np.log(kaldi_bands(0, 15_000) @ np.array(power).T + 1e-5) + 4.5) / 5


def log_mel(samples: np.ndarray) -> np.ndarray:
    return LogMel()(torch.from_numpy(samples)[None])[0, 0].numpy()


def test_equals_the_published_front_end() -> None:
    assert np.abs(log_mel(signal()) - np.load(REFERENCE)).max() < 2e-5


@pytest.mark.parametrize("samples", [514, 4801, 6400, 32_000])
def test_equals_plain_numpy(samples: int) -> None:
    found, naive = log_mel(signal(samples)), naive_log_mel(signal(samples))
    assert found.shape == naive.shape
    assert np.abs(found - naive).max() < 2e-4  # float32 beside float64, at the quietest values


def test_silence_and_length() -> None:
    mel = LogMel()(torch.zeros(2, 320_000))
    assert mel.shape == (2, 1, 128, 1000)
    assert mel.dtype == torch.float32
    assert torch.allclose(mel, torch.tensor(-1.4026), atol=1e-4)


def test_stays_in_float32_under_autocast() -> None:
    samples = torch.from_numpy(signal())[None]
    plain = LogMel()(samples)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = LogMel()(samples)
    assert narrow.dtype == torch.float32
    assert torch.equal(plain, narrow)


def test_every_band_holds_something() -> None:
    bands = kaldi_bands(0, 15_000)
    assert (bands > 0).any(1).all()
    assert np.abs(LogMel().bands.numpy() - bands).max() < 1e-5
