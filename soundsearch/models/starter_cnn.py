"""The starter's audio network: a small CNN over windows of 2.56 s, cheap enough for a laptop."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from soundsearch.models.mel import HOP, LogMel

WINDOW = 128  # frames of 20 ms that one window holds
FRAME = 2 * HOP  # samples; pairs of bands and of 10 ms frames are averaged
SHORTEST = 48  # frames that a short sound is padded to, with silence
LEVEL = 0.1  # RMS that every sound is brought to
_MOST_GAIN = 1000.0
_STRIDE = 16  # frames behind one column of the last feature map


@dataclass(frozen=True)
class StarterCnnConfig:
    """widths: channels of the four stages."""

    widths: tuple[int, ...] = (32, 64, 128, 256)


class StarterCnn(nn.Module):
    """Samples to features: float32 (B, samples) at 32 kHz → (B, 2 · widths[3]).

    Each sound is brought to one level. Long ones are cut into windows of 128 frames, each read as
    in training; the features are means over the windows, weighted by how much of each holds
    sound. Zeros at the end are padding and change nothing.
    """

    def __init__(self, config: StarterCnnConfig) -> None:
        super().__init__()
        first, second, third, last = config.widths
        self.dim = 2 * last
        self.stages = nn.Sequential(
            _convolution(1, first, 5, 2),
            _convolution(first, second, 3, 2),
            _convolution(second, second),
            nn.AvgPool2d(2),
            _convolution(second, third),
            _convolution(third, third),
            nn.AvgPool2d(2),
            _convolution(third, last),
            _convolution(last, last),
        )
        self.front = LogMel()

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        mel, frames = self.level_mel(samples)
        total = mel.new_zeros(len(mel), self.dim)
        weight = mel.new_zeros(len(mel), 1)
        for start in range(0, mel.shape[3], WINDOW):
            inside = (frames - start).clamp(0, WINDOW)
            rows = inside.nonzero()[:, 0]
            if len(rows):
                part = self.window(mel[rows, :, :, start : start + WINDOW], inside[rows])
                share = inside[rows, None].to(mel.dtype)
                total = total.index_add(0, rows, part * share)
                weight = weight.index_add(0, rows, share)
        return total / weight

    def level_mel(self, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, n) → mel (B, 1, 64, T) of sounds at one level, T a multiple of 16, and how
        many frames hold sound, int64 (B,), at least 1."""
        samples = samples.float()
        numbers = torch.arange(1, samples.shape[1] + 1, device=samples.device)
        lengths = ((samples != 0) * numbers).amax(1).clamp(min=1)
        rms = (samples.square().sum(1) / lengths).sqrt()
        samples = samples * torch.clamp(LEVEL / rms.clamp(min=1e-9), max=_MOST_GAIN)[:, None]
        width = max(SHORTEST, -(-samples.shape[1] // (FRAME * _STRIDE)) * _STRIDE)
        # A column of silence behind the sound, as in training, unless its window is full.
        width = min(width + _STRIDE, -(-width // WINDOW) * WINDOW)
        samples = F.pad(samples, (0, width * FRAME - samples.shape[1]))
        mel = F.avg_pool2d(self.front(samples)[:, :, :, : 2 * width], 2)
        return mel, (lengths + FRAME - 1).div(FRAME, rounding_mode="floor")

    def window(self, mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """mel (B, 1, 64, T), T ≤ 128, of which frames int (B,) hold sound → features (B, dim)."""
        x = self.stages(mel.contiguous(memory_format=torch.channels_last))
        x = x.mean(2)  # (B, C, T / 16)
        columns = (frames + _STRIDE - 1).div(_STRIDE, rounding_mode="floor").clamp(1, x.shape[2])
        inside = (torch.arange(x.shape[2], device=x.device)[None] < columns[:, None])[:, None]
        mean = (x * inside).sum(2) / columns[:, None]
        # After the ReLU nothing is below zero, so zero is as good as minus infinity.
        return torch.cat([mean, (x * inside).amax(2)], dim=1)


def _convolution(channels: int, out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
