"""BERT for use without training, in plain torch.

It has the parameters and gives the values of transformers' BertModel without a pooling layer, which
models are trained with; but importing that takes longer than all else that a search must wait for.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class BertSettings:
    """As in transformers' BertConfig, with its names and defaults."""

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0


class Bert(nn.Module):
    """Token ids to hidden states: int64 ids and mask (B, T) → (B, T, hidden size)."""

    def __init__(self, config: BertSettings) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))}
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.embeddings(ids)
        seen = mask[:, None, None].bool()  # (B, 1, 1, T): every token sees those that count
        for layer in self.encoder["layer"]:  # type: ignore[attr-defined]
            x = layer(x, seen)
        return x


class _Embeddings(nn.Module):
    def __init__(self, config: BertSettings) -> None:
        super().__init__()
        size = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, size)
        self.LayerNorm = nn.LayerNorm(size, eps=config.layer_norm_eps)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x + self.position_embeddings.weight[: ids.shape[1]])


class _Layer(nn.Module):
    def __init__(self, config: BertSettings) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        parts = {name: nn.Linear(size, size) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(parts), "output": _added(size, size, config.layer_norm_eps)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(size, config.intermediate_size)})
        self.output = _added(config.intermediate_size, size, config.layer_norm_eps)

    def forward(self, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        batch, tokens, size = x.shape
        own = self.attention["self"]
        q, k, v = (
            own[name](x).view(batch, tokens, self.heads, size // self.heads).transpose(1, 2)  # type: ignore[index]
            for name in ("query", "key", "value")
        )
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = _add(self.attention["output"], attended.transpose(1, 2).reshape(x.shape), x)
        return _add(self.output, functional.gelu(self.intermediate["dense"](x)), x)


def _added(size: int, out: int, eps: float) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(size, out), "LayerNorm": nn.LayerNorm(out, eps=eps)})


def _add(part: nn.Module, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return part["LayerNorm"](part["dense"](y) + x)  # type: ignore[index]
