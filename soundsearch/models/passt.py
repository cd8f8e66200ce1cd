"""PaSST, the audio transformer of the paper: hear21passt's network under a small, quiet wrapper.

Koutini et al., "Efficient Training of Audio Transformers with Patchout", 2022. The weights are
those of hear21passt by name; only attention is computed by torch's fused kernel.
"""

import functools
import importlib
import sys
import threading
import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from soundsearch.errors import UserError

_NETWORK = "hear21passt.models.passt"
_importing = threading.Lock()


@dataclass(frozen=True)
class PasstConfig:
    """Sizes of a PaSST. image, patch, stride and patchout are (bands, frames) or in that order.

    image: largest log-mel image; patchout: (rows, columns) of the whole patch grid that are
    dropped while training, columns in proportion when the sound is shorter; classes: AudioSet
    heads kept with published weights, 0 for none; dropout and drop_path act while training.
    Raises UserError for sizes that don't fit together.
    """

    embed_dim: int = 768
    depth: int = 12
    heads: int = 12
    image: tuple[int, int] = (128, 1000)
    patch: tuple[int, int] = (16, 16)
    stride: tuple[int, int] = (16, 16)
    patchout: tuple[int, int] = (0, 0)
    classes: int = 0
    dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        for pair in ("image", "patch", "stride", "patchout"):
            object.__setattr__(self, pair, tuple(getattr(self, pair)))  # JSON and TOML give lists
        if self.embed_dim % self.heads:
            raise UserError(
                f"A PaSST of width {self.embed_dim} can't have {self.heads} heads",
                "The width must be a multiple of the number of heads",
            )
        if self.image[0] < self.patch[0] or self.image[1] < self.patch[1]:
            raise UserError(f"A PaSST image of {self.image} holds no patch of {self.patch}")

    @property
    def features(self) -> int:
        return self.embed_dim


# The published networks, with the paper's patchout.
VARIANTS = {
    "passt-n": PasstConfig(patchout=(2, 15)),
    "passt-s": PasstConfig(image=(128, 998), stride=(10, 10), patchout=(4, 50)),
    "passt-l": PasstConfig(depth=7, image=(128, 998), stride=(10, 10), patchout=(4, 50)),
    "passt-s20": PasstConfig(image=(128, 2000), stride=(10, 10), patchout=(4, 80)),
}


def network_module() -> types.ModuleType:
    """hear21passt's `models.passt`, imported without timm.

    It asks timm for one function, used only to download weights, and timm asks for torchvision,
    whose builds often don't fit the torch beside them. So stand-ins for three timm modules are
    put into sys.modules while hear21passt is imported for the first time, and taken out again;
    nothing is touched when timm is loaded already. Raises UserError when hear21passt is missing.
    """
    with _importing:
        if _NETWORK in sys.modules:
            return sys.modules[_NETWORK]
        stand_ins = {} if "timm" in sys.modules else _timm_stand_ins()
        sys.modules.update(stand_ins)
        try:
            module = importlib.import_module(_NETWORK)
        except ImportError as error:
            raise UserError(
                f"The network of PaSST can't be imported ({error})",
                "Run: pip install --no-deps hear21passt",
            ) from error
        finally:
            for name in stand_ins:
                sys.modules.pop(name, None)
        module.first_RUN = False  # type: ignore[attr-defined]  # else the first forward prints
        return module


def passt_class() -> Any:
    """hear21passt's own `PaSST` class. Raises UserError when it can't be imported."""
    return network_module().PaSST


def _timm_stand_ins() -> dict[str, types.ModuleType]:
    def download_cached_file(*_: object, **__: object) -> None:
        raise RuntimeError("SoundSearch lets hear21passt download nothing")

    names = ("timm", "timm.models", "timm.models._hub")
    modules = {name: types.ModuleType(name) for name in names}
    modules["timm"].models = modules["timm.models"]  # type: ignore[attr-defined]
    modules["timm.models"]._hub = modules["timm.models._hub"]  # type: ignore[attr-defined]
    modules["timm.models._hub"].download_cached_file = (  # type: ignore[attr-defined]
        download_cached_file
    )
    return modules


class _Attention(nn.Module):
    """Self-attention with the weights of hear21passt's, by the fused kernel."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.heads = source.num_heads
        self.qkv, self.proj, self.proj_drop = source.qkv, source.proj, source.proj_drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, tokens, width / heads)
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x.transpose(1, 2).reshape(batch, tokens, width)
        return self.proj_drop(self.proj(x))


class _Patches(nn.Module):
    """The patch convolution without hear21passt's warning about images of another length."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.proj = source.proj

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return self.proj(mel)  # (B, 1, bands, frames) → (B, width, rows, columns)


class Passt(nn.Module):
    """Log-mel (B, 1, bands, frames) to features (B, embed_dim): (cls + dist) / 2 after the norm.

    `net` is hear21passt's network, its state dict has hear21passt's keys. frames: from one patch
    to config.image[1]; bands: config.image[0]. Builds on the meta device too.
    """

    def __init__(self, config: PasstConfig) -> None:
        super().__init__()
        self.config = config
        source = network_module()
        # Its blocks are made here: the constructor reads drop path rates back from a tensor,
        # which the meta device can't.
        net = source.PaSST(
            img_size=config.image,
            patch_size=config.patch,
            stride=config.stride,
            num_classes=config.classes,
            embed_dim=config.embed_dim,
            depth=0,
            num_heads=config.heads,
            distilled=True,
            drop_rate=config.dropout,
        )
        net.patch_embed = _Patches(net.patch_embed)
        net.blocks = nn.Sequential(*(self._block(source, i) for i in range(config.depth)))
        self.net = net

    def _block(self, source: Any, number: int) -> nn.Module:
        config = self.config
        block = source.Block(
            config.embed_dim,
            config.heads,
            qkv_bias=True,
            drop=config.dropout,
            drop_path=config.drop_path * number / max(config.depth - 1, 1),
            norm_layer=functools.partial(nn.LayerNorm, eps=1e-6),
        )
        block.apply(source._init_vit_weights)
        block.attn = _Attention(block.attn)
        return block

    def forward(self, mel: torch.Tensor, patchout: tuple[int, int] | None = None) -> torch.Tensor:
        """patchout: (rows, columns) instead of the configuration's; only while training."""
        if self.training:
            rows, columns = self.config.patchout if patchout is None else patchout
            here, whole = self._columns(mel.shape[-1]), self._columns(self.config.image[1])
            # In proportion, and one column stays: a negative number would keep a few at random.
            self.net.s_patchout_f = rows
            self.net.s_patchout_t = min(round(columns * here / whole), here - 1)
        cls, dist = self.net.forward_features(mel)
        return (cls + dist) / 2

    def _columns(self, frames: int) -> int:
        return (frames - self.config.patch[1]) // self.config.stride[1] + 1
