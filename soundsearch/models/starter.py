"""What both starter networks share: sounds at one level, read in windows of 2.56 s."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from soundsearch.models.mel import HOP, LogMel

WINDOW = 128  # frames of 20 ms that one window holds
FRAME = 2 * HOP  # samples; pairs of bands and of 10 ms frames are averaged
BANDS = 64
MARGIN = 48  # frames of silence behind a sound, about as far as a network looks ahead
LEVEL = 0.1  # RMS that every sound is brought to
SILENCE = -1.4  # log-mel of zeros
STRIDE = 16  # windows are padded to whole steps of so many frames
_MOST_GAIN = 1000.0


class WindowedAudio(nn.Module, ABC):
    """Samples to features: float32 (B, samples) at 32 kHz → (B, dim).

    Each sound is brought to one level. Long ones are cut into windows of 128 frames, each read as
    in training; the features are means over the windows, weighted by how much of each holds
    sound. Zeros at the end are padding and change nothing.
    """

    dim: int

    def __init__(self) -> None:
        super().__init__()
        self.front = LogMel()

    @abstractmethod
    def window(self, mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """mel (B, 1, 64, T), T ≤ 128, of which frames int (B,) hold sound → features (B, dim)."""

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
        held = -(-samples.shape[1] // FRAME)
        # Silence behind the sound, as in training, but none behind a full window.
        width = min(-(-(held + MARGIN) // STRIDE) * STRIDE, -(-held // WINDOW) * WINDOW)
        samples = F.pad(samples, (0, width * FRAME - samples.shape[1]))
        mel = F.avg_pool2d(self.front(samples)[:, :, :, : 2 * width], 2)
        return mel, (lengths + FRAME - 1).div(FRAME, rounding_mode="floor")
