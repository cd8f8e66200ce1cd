"""The starter's audio network: a small CNN over windows of 2.56 s, cheap enough for a laptop."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from soundsearch.models.starter import WindowedAudio

_BANDS = 4
_TELLING = (2, 5)  # the last layers of the second and the third stage


@dataclass(frozen=True)
class StarterCnnConfig:
    """widths: channels of the four stages; detail: whether the features hold more of the second and
    third one, which tell timbre: nothing further is learnt for that."""

    widths: tuple[int, ...] = (32, 64, 128, 256)
    detail: bool = False


class StarterCnn(WindowedAudio):
    """The features are means and maxima over time of the last map, (B, 2 · widths[3]), and with
    `detail` behind them those of the second and third stage's maps in four bands."""

    def __init__(self, config: StarterCnnConfig) -> None:
        super().__init__()
        first, second, third, last = config.widths
        self.config = config
        self.dim = 2 * last + (2 * _BANDS * (second + third) if config.detail else 0)
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
        x = mel.contiguous(memory_format=torch.channels_last)
        details = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if self.config.detail and number in _TELLING:
                in_bands = nn.functional.adaptive_avg_pool2d(x, (_BANDS, x.shape[3]))
                details.append(_means_and_maxima(in_bands.flatten(1, 2), mel.shape[3], frames))
        return torch.cat([_means_and_maxima(x.mean(2), mel.shape[3], frames), *details], dim=1)


def with_detail(audio: StarterCnn) -> StarterCnn:
    """The same network with more of its earlier stages in the features."""
    made = StarterCnn(replace(audio.config, detail=True))
    made.load_state_dict(audio.state_dict())
    return made.train(audio.training)


def _means_and_maxima(x: torch.Tensor, width: int, frames: torch.Tensor) -> torch.Tensor:
    """A map (B, C, T) of `width` frames, over those that hold sound → (B, 2 C)."""
    step = width // x.shape[2]
    columns = (frames + step - 1).div(step, rounding_mode="floor").clamp(1, x.shape[2])
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
