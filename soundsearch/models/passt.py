"""PaSST: hear21passt's network with faster attention and patchout that fits short sounds.

Koutini et al., "Efficient Training of Audio Transformers with Patchout", 2022. The state dict has
the keys of hear21passt's own class, so that published weights fit.
"""

import functools
import importlib
import sys
import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

PATCH = 16  # bands and frames
TIMM = ("timm", "timm.models", "timm.models._hub")


@dataclass(frozen=True)
class PasstConfig:
    """Sizes of a PaSST.

    img_size: mel bands and the most frames it has time embeddings for; stride: of the patches in
    frequency and time; classes: AudioSet heads that published weights carry (0: none), not used
    here; patchout_*: rows and columns of patches left out in training, columns for a full-length
    input; drop_path: share of blocks skipped in training, rising with depth.
    """

    embed_dim: int = 768
    depth: int = 12
    heads: int = 12
    img_size: tuple[int, int] = (128, 1000)
    stride: tuple[int, int] = (16, 16)
    classes: int = 0
    patchout_time: int = 0
    patchout_frequency: int = 0
    drop_path: float = 0.0


# As published and trained on AudioSet; patchout as in table 2 of the paper of the dual encoder.
VARIANTS = {
    "N": PasstConfig(classes=527, patchout_time=15, patchout_frequency=2),
    "S": PasstConfig(
        img_size=(128, 998), stride=(10, 10), classes=527, patchout_time=50, patchout_frequency=4
    ),
    "L": PasstConfig(
        img_size=(128, 998),
        stride=(10, 10),
        depth=7,
        classes=527,
        patchout_time=50,
        patchout_frequency=4,
    ),
    "S20": PasstConfig(
        img_size=(128, 2000), stride=(10, 10), classes=527, patchout_time=80, patchout_frequency=4
    ),
}


@functools.cache
def passt_class() -> type[nn.Module]:
    """hear21passt's PaSST class, imported with torch alone. Raises ImportError without it."""
    with _TimmPlaceholder():
        return importlib.import_module("hear21passt.models.passt").PaSST


class _TimmPlaceholder:
    """Stands in for timm while hear21passt is imported.

    hear21passt 0.0.26 takes one name from timm, a downloader that is never called here; timm
    itself needs torchvision, whose builds break a CPU-only set of packages. Only where timm was
    not imported already, and removed again, so that others see no placeholder.
    """

    def __init__(self) -> None:
        self._placed: list[str] = []

    def __enter__(self) -> None:
        if TIMM[0] in sys.modules:
            return
        for name in TIMM:
            sys.modules[name] = types.ModuleType(name)
            self._placed.append(name)
        sys.modules[TIMM[-1]].download_cached_file = _no_download  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        for name in self._placed:
            del sys.modules[name]


def _no_download(*_: object, **__: object) -> None:
    raise RuntimeError("hear21passt downloads no weights here")


class Passt(nn.Module):
    """Log-mel to features: float32 (B, 1, bands, frames) → (B, embed_dim).

    The features are (cls + dist) / 2 after the last norm; the parts and their first values are
    hear21passt's. Its forward is not used: it prints, warns at every other length, computes
    attention in full and leaves nothing of short inputs in training.
    Raises ValueError for fewer than 16 frames and for more than the embeddings reach.
    """

    def __init__(self, config: PasstConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = config.embed_dim
        published = passt_class()
        network: Any = published(
            img_size=config.img_size,
            stride=config.stride,
            num_classes=config.classes,
            embed_dim=config.embed_dim,
            depth=0,  # the blocks follow: this way it can be built on the meta device too
            num_heads=config.heads,
            distilled=True,
        )
        block = sys.modules[published.__module__].Block
        norm = functools.partial(nn.LayerNorm, eps=1e-6)
        for i in range(config.depth):
            skipped = config.drop_path * i / max(1, config.depth - 1)
            built = block(
                config.embed_dim, config.heads, qkv_bias=True, norm_layer=norm, drop_path=skipped
            )
            built.attn = Attention(config.embed_dim, config.heads)
            network.blocks.append(built)
        network.init_weights()
        self.cls_token = network.cls_token
        self.dist_token = network.dist_token
        self.new_pos_embed = network.new_pos_embed
        self.freq_new_pos_embed = network.freq_new_pos_embed
        self.time_new_pos_embed = network.time_new_pos_embed
        self.patch_embed = network.patch_embed
        self.blocks = network.blocks
        self.norm = network.norm
        self.head = network.head
        self.head_dist = network.head_dist

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        if mel.shape[-1] < PATCH:
            raise ValueError(f"PaSST needs {PATCH} frames, not {mel.shape[-1]}")
        x = self.patch_embed.proj(mel)  # (B, D, rows, columns)
        rows, columns = x.shape[-2:]
        if columns > self.time_new_pos_embed.shape[-1]:
            raise ValueError(f"PaSST has no time embeddings for {mel.shape[-1]} frames")
        x = x + self.time_new_pos_embed[..., :columns]
        x = x + self.freq_new_pos_embed[..., :rows, :]
        if self.training:
            x = self._patchout(x)
        x = x.flatten(2).transpose(1, 2)  # (B, rows * columns, D)
        tokens = torch.cat((self.cls_token, self.dist_token), dim=1) + self.new_pos_embed
        x = torch.cat((tokens.expand(len(x), -1, -1), x), dim=1)
        x = self.norm(self.blocks(x))
        return (x[:, 0] + x[:, 1]) / 2

    def _patchout(self, x: torch.Tensor) -> torch.Tensor:
        """Leaves out random columns and rows, the same for the whole batch."""
        rows, columns = x.shape[-2:]
        full = self.time_new_pos_embed.shape[-1]
        columns_out = round(self.config.patchout_time * columns / full)
        if columns_out:
            x = x[..., _kept(columns, columns_out, x.device)]
        if self.config.patchout_frequency:
            x = x[..., _kept(rows, self.config.patchout_frequency, x.device), :]
        return x


class Attention(nn.Module):
    """Multi-head self-attention with hear21passt's parameters: (B, N, D) → (B, N, D)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{dim} dimensions can't be shared by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, D / heads)
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, dim))


def _kept(count: int, left_out: int, device: torch.device) -> torch.Tensor:
    kept = max(1, count - left_out)
    return torch.randperm(count)[:kept].sort().values.to(device)
