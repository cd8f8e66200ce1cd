"""Convolutional audio encoders: PANNs' CNN10 and CNN14, and a small one.

Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition",
2020. Keys and shapes of `Panns` are those of the published weights.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

N_FFT = 1024
HOP = 320
PANNS_WIDTHS = {"cnn10": (64, 128, 256, 512), "cnn14": (64, 128, 256, 512, 1024, 2048)}


@dataclass(frozen=True)
class CnnConfig:
    """widths: channels of each stage; stride: of the first convolution; dim: features;
    dropout: before the last layer.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 320)
    stride: int = 2
    dim: int = 384
    dropout: float = 0.2


class SmallCnn(nn.Module):
    """Log-mel to features: float32 (B, 1, bands, frames) → (B, dim).

    Frequency and time are halved by 2×2 averages between the stages, and by the first convolution
    if its stride is 2. At the end mean over frequency, mean + max over time, linear.
    """

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.dim = config.dim
        stages: list[nn.Module] = []
        before = 1
        for i, width in enumerate(config.widths):
            stages += [nn.AvgPool2d(2)] if i else []
            stages += [_layer(before, width, 1 if i else config.stride), _layer(width, width)]
            before = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(before, config.dim)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return self.linear(self.dropout(_over_time(self.stages(mel))))


def _layer(before: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def _over_time(x: torch.Tensor) -> torch.Tensor:
    """(B, C, frequency, time) → (B, C)."""
    x = x.mean(dim=2)
    return x.mean(dim=2) + x.amax(dim=2)


class Panns(nn.Module):
    """Samples to features: float32 (B, samples) at 32 kHz → (B, 512) or (B, 2048).

    network: "cnn10" or "cnn14". The front end (64 bands, 50 to 14,000 Hz) belongs to the network:
    its values are stored with the weights.
    """

    def __init__(self, network: str) -> None:
        super().__init__()
        widths = PANNS_WIDTHS[network]
        self.dim = widths[-1]
        self.spectrogram_extractor = _Spectrogram()
        self.logmel_extractor = _Decibel()
        self.bn0 = nn.BatchNorm2d(64)
        self.blocks: list[str] = []
        before = 1
        for number, width in enumerate(widths, start=1):
            pool = 1 if network == "cnn14" and number == len(widths) else 2
            self.blocks.append(f"conv_block{number}")
            self.add_module(self.blocks[-1], _PannsBlock(before, width, pool))
            before = width
        self.fc1 = nn.Linear(self.dim, self.dim)
        self.fc_audioset = nn.Linear(self.dim, 527)  # stored with the weights, not used

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        with torch.autocast(samples.device.type, enabled=False):
            mel = self.logmel_extractor(self.spectrogram_extractor(samples.float()))
        x = self.bn0(mel[:, :, None])  # (B, 64, 1, frames)
        x = x.transpose(1, 2)  # (B, 1, 64, frames)
        # The published kernels are (time, frequency).
        x = x.transpose(2, 3)  # (B, 1, frames, 64)
        for name in self.blocks:
            x = functional.dropout(self.get_submodule(name)(x), 0.2, self.training)
        x = functional.dropout(_over_time(x.transpose(2, 3)), 0.5, self.training)
        return functional.dropout(functional.relu(self.fc1(x)), 0.5, self.training)


class _PannsBlock(nn.Module):
    def __init__(self, before: int, width: int, pool: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.bn2 = nn.BatchNorm2d(width)
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.avg_pool2d(x, self.pool) if self.pool > 1 else x


class _Spectrogram(nn.Module):
    """Power spectrogram by convolution: (B, samples) → (B, 513, frames)."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = nn.Module()
        bins = torch.arange(N_FFT // 2 + 1, dtype=torch.float64)[:, None]
        angle = 2 * math.pi / N_FFT * bins * torch.arange(N_FFT, dtype=torch.float64)
        window = torch.hann_window(N_FFT, dtype=torch.float64)
        for name, wave in (("conv_real", angle.cos()), ("conv_imag", -angle.sin())):
            conv = nn.Conv1d(1, len(bins), N_FFT, HOP, bias=False)
            conv.weight = nn.Parameter((wave * window).float()[:, None], requires_grad=False)
            self.stft.add_module(name, conv)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        x = functional.pad(samples[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        real = self.stft.get_submodule("conv_real")(x)
        imaginary = self.stft.get_submodule("conv_imag")(x)
        return real.square() + imaginary.square()


class _Decibel(nn.Module):
    """Mel bands in dB: (B, 513, frames) → (B, 64, frames)."""

    def __init__(self) -> None:
        super().__init__()
        self.melW = nn.Parameter(slaney_bands(64, 50.0, 14_000.0, 32_000), requires_grad=False)

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        return 10.0 * (self.melW.T @ power).clamp(min=1e-10).log10()


def slaney_bands(bands: int, low: float, high: float, rate: int) -> torch.Tensor:
    """Triangles of area 1 on Slaney's mel scale (linear below 1 kHz): float32 (513, bands)."""
    step = math.log(6.4) / 27

    def mel(hz: float) -> float:
        return hz / (200 / 3) if hz < 1000 else 15 + math.log(hz / 1000) / step

    mels = torch.linspace(mel(low), mel(high), bands + 2, dtype=torch.float64)
    edges = torch.where(mels < 15, mels * (200 / 3), 1000 * torch.exp(step * (mels - 15)))
    hz = torch.linspace(0, rate / 2, N_FFT // 2 + 1, dtype=torch.float64)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (hz - left) / (centre - left), (right - hz) / (right - centre)
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (right - left)).float()
