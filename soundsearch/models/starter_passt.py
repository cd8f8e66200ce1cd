"""A small PaSST over the starter's windows of 2.56 s."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from soundsearch.models.passt import Passt, PasstConfig
from soundsearch.models.starter import BANDS, SILENCE, WINDOW, WindowedAudio


@dataclass(frozen=True)
class StarterPasstConfig:
    """Sizes as in PasstConfig; stride in bands and frames of 20 ms; patches that training leaves
    out (structured patchout of the paper's section 3) halve its time."""

    embed_dim: int = 192
    depth: int = 6
    heads: int = 6
    stride: tuple[int, int] = (16, 8)
    patchout_time: int = 5
    patchout_frequency: int = 1


class StarterPasst(WindowedAudio):
    """The features, (B, embed_dim), are (cls + dist) / 2; short windows are filled with silence."""

    def __init__(self, config: StarterPasstConfig) -> None:
        super().__init__()
        self.dim = config.embed_dim
        self.network = Passt(
            PasstConfig(
                config.embed_dim,
                config.depth,
                config.heads,
                (BANDS, WINDOW),
                config.stride,
                patchout_time=config.patchout_time,
                patchout_frequency=config.patchout_frequency,
            )
        )

    def window(self, mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        return self.network(F.pad(mel, (0, WINDOW - mel.shape[3]), value=SILENCE))
