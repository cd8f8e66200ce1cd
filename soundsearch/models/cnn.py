"""Convolutional audio encoders: PANNs' CNN10 and CNN14, and a small one of the same build.

Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks", 2020; parameters have the names
of the published weights, so that those fit.
"""

from dataclasses import dataclass

import torch
from torch import nn

BANDS = 64


@dataclass(frozen=True)
class CnnConfig:
    """channels: of each block of two convolutions; features: width of the output.

    pools: each block's average pooling in both directions; dropout: (after each block, around
    the last layer), while training.
    """

    channels: tuple[int, ...] = (40, 80, 160, 320)
    features: int = 512
    bands: int = BANDS
    pools: tuple[int, ...] = (2, 2, 2, 2)
    dropout: tuple[float, float] = (0.1, 0.3)

    def __post_init__(self) -> None:
        for name in ("channels", "pools", "dropout"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON and TOML give lists


VARIANTS = {
    "small": CnnConfig(),
    "cnn10": CnnConfig((64, 128, 256, 512), 512, dropout=(0.2, 0.5)),
    "cnn14": CnnConfig(
        (64, 128, 256, 512, 1024, 2048), 2048, pools=(2, 2, 2, 2, 2, 1), dropout=(0.2, 0.5)
    ),
}


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, pool: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.pool = pool
        for layer in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        return nn.functional.avg_pool2d(x, self.pool) if self.pool > 1 else x


class Cnn(nn.Module):
    """Log-mel (B, 1, bands, frames) to features (B, config.features).

    Mean over frequency, then maximum plus mean over time. At least product(pools) frames.
    """

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = len(config.channels)
        self.bn0 = nn.BatchNorm2d(config.bands)
        inputs = (1, *config.channels)
        for number in range(self.blocks):
            block = _Block(inputs[number], inputs[number + 1], config.pools[number])
            self.add_module(f"conv_block{number + 1}", block)
        self.fc1 = nn.Linear(config.channels[-1], config.features)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        between, around = self.config.dropout
        x = mel.transpose(2, 3)  # (B, 1, frames, bands), as the published weights want it
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)  # one mean and spread a band
        for number in range(self.blocks):
            x = self.get_submodule(f"conv_block{number + 1}")(x)
            x = nn.functional.dropout(x, between, self.training)
        x = x.mean(3)  # (B, channels, frames)
        x = x.amax(2) + x.mean(2)
        x = nn.functional.dropout(x, around, self.training)
        x = self.fc1(x).relu()
        return nn.functional.dropout(x, around, self.training)
