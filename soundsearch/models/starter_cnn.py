"""The starter's audio network: a small CNN over windows of 2.56 s, cheap enough for a laptop."""

from dataclasses import dataclass

import torch
from torch import nn

from soundsearch.models.starter import STRIDE, WindowedAudio


@dataclass(frozen=True)
class StarterCnnConfig:
    """widths: channels of the four stages."""

    widths: tuple[int, ...] = (32, 64, 128, 256)


class StarterCnn(WindowedAudio):
    """The features, (B, 2 · widths[3]), are means and maxima over time of the last map."""

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

    def window(self, mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """mel (B, 1, 64, T), T ≤ 128, of which frames int (B,) hold sound → features (B, dim)."""
        x = self.stages(mel.contiguous(memory_format=torch.channels_last))
        x = x.mean(2)  # (B, C, T / 16)
        columns = (frames + STRIDE - 1).div(STRIDE, rounding_mode="floor").clamp(1, x.shape[2])
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
