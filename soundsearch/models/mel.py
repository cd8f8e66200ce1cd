"""PaSST's log-mel front end in plain torch, always in float32.

The recipe of the published models (pre-emphasis, 25 ms symmetric Hann window in a 1024-point FFT,
10 ms hop, 128 Kaldi-style bands up to 15 kHz, natural logarithm, shift and scale).
"""

import math

import torch
from torch import nn

RATE = 32_000  # samples/s
N_FFT = 1024
WINDOW = 800
HOP = 320
BANDS = 128
SHORTEST = 514  # samples; reflection needs half an FFT on each side


def mel_matrix(
    low: float = 0.0, high: float = 15_000.0, bands: int = BANDS, rate: int = RATE
) -> torch.Tensor:
    """Triangles of peak 1, equally spaced and linear in mel: float32 (bands, 513).

    mel(f) = 1127 ln(1 + f / 700); the Nyquist column is zero.
    """

    def mel(hz: float) -> float:
        return 1127.0 * math.log1p(hz / 700.0)

    edges = torch.linspace(mel(low), mel(high), bands + 2, dtype=torch.float64)
    hz = torch.arange(N_FFT // 2, dtype=torch.float64) * rate / N_FFT
    bins = 1127.0 * torch.log1p(hz / 700.0)[None]  # (1, 512)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    weights = torch.minimum(rising, falling).clamp(min=0.0)
    return nn.functional.pad(weights, (0, 1)).float()


class LogMel(nn.Module):
    """Samples to log-mel: float32 (B, samples) at 32 kHz, ±1 → float32 (B, 1, 128, frames).

    frames = 1 + (samples - 1) // 320, 10 ms each. At least 514 samples.
    """

    def __init__(self) -> None:
        super().__init__()
        self.window: torch.Tensor
        self.bands: torch.Tensor
        self.reset()

    def reset(self) -> None:
        """(Re)computes the constants, on the CPU whatever the default device is."""
        with torch.device("cpu"):
            window, bands = torch.hann_window(WINDOW, periodic=False), mel_matrix()
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        # bfloat16 is off by more than 1 here for pure tones: the front end never runs in it.
        with torch.autocast(samples.device.type, enabled=False):
            x = samples.float()
            x = x[:, 1:] - 0.97 * x[:, :-1]
            spectrum = torch.stft(x, N_FFT, HOP, WINDOW, self.window, return_complex=True)
            # Not a sum over pairs: that takes three times as long.
            power = spectrum.real**2 + spectrum.imag**2  # (B, 513, frames)
            mel = (self.bands @ power + 1e-5).log()
            return ((mel + 4.5) / 5.0)[:, None]
