"""Text encoders: BERT, RoBERTa and MPNet of transformers, with a tokenizer.json.

Captions are lower-cased, ASCII punctuation is deleted with nothing in its place, and 32 tokens are
kept, the end token among them, unless a model was trained otherwise.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import nn

from soundsearch.models.bert import Bert, BertSettings

NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class TextConfig:
    """architecture: of transformers; config: its settings; pooling: "cls" takes the first token's
    vector, "mean" the mean over the tokens; tokens: the most that are kept, the end token among
    them if keep_end; clean: without capitals and punctuation. "clap" is built by `clap.ClapText`.
    """

    architecture: Literal["bert", "roberta", "mpnet", "clap"] = "bert"
    config: dict[str, Any] = field(default_factory=dict)
    pooling: Literal["cls", "mean"] = "cls"
    tokens: int = 32
    keep_end: bool = True
    clean: bool = True


class TextEncoder(nn.Module):
    """Tokens to features: int64 ids and mask (B, T) → (B, hidden size).

    plain: for use alone, without transformers where that is possible.
    """

    def __init__(self, config: TextConfig, plain: bool = False) -> None:
        super().__init__()
        self.config = config
        self._plain = plain and config.architecture == "bert" and _is_plain(config.config)
        self.network = Bert(BertSettings(**config.config)) if self._plain else _network(config)
        self.dim = int(self.network.config.hidden_size)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self._plain:
            x = self.network(ids, mask)  # (B, T, H)
        else:
            x = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.config.pooling == "cls":
            return x[:, 0]
        weights = mask[..., None].to(x.dtype)
        return (x * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def _is_plain(settings: dict[str, Any]) -> bool:
    return settings.keys() <= {field.name for field in fields(BertSettings)}


def _network(config: TextConfig) -> Any:
    if config.architecture == "bert":
        from transformers import BertConfig, BertModel

        network: Any = BertModel(BertConfig(**config.config), add_pooling_layer=False)
    elif config.architecture == "roberta":
        from transformers import RobertaConfig, RobertaModel

        network = RobertaModel(RobertaConfig(**config.config), add_pooling_layer=False)
    elif config.architecture == "mpnet":
        from transformers import MPNetConfig, MPNetModel

        network = MPNetModel(MPNetConfig(**config.config), add_pooling_layer=False)
    else:
        raise ValueError(f"unknown text encoder {config.architecture!r}")
    # Buffers that no state dict holds: built anew, since a network made on "meta" lacks them.
    embeddings = network.embeddings
    length = embeddings.position_embeddings.num_embeddings
    with torch.device("cpu"):
        embeddings.register_buffer("position_ids", torch.arange(length)[None], persistent=False)
        if config.architecture != "mpnet":
            types = torch.zeros(1, length, dtype=torch.int64)
            embeddings.register_buffer("token_type_ids", types, persistent=False)
    return network


def clean_caption(text: str) -> str:
    """Lower case without ASCII punctuation: "A dog's bark!" → "a dogs bark"."""
    return text.lower().translate(NO_PUNCTUATION)


class CaptionTokenizer:
    """Captions to token ids. tokenizer_json: the text of a tokenizer.json.

    The tokenizer puts the start and end token itself; pad: the id behind the end; the rest as in
    TextConfig.
    """

    def __init__(
        self,
        tokenizer_json: str,
        tokens: int = 32,
        pad: int = 0,
        keep_end: bool = True,
        clean: bool = True,
    ) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        if keep_end:
            self._tokenizer.enable_truncation(tokens)
        else:
            self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokens = tokens
        self._pad = pad
        self._clean = clean

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """int64 ids and mask (B, T), T that of the longest of these texts."""
        captions = [clean_caption(text) if self._clean else text for text in texts]
        rows = [e.ids[: self._tokens] for e in self._tokenizer.encode_batch(captions)]
        longest = max(map(len, rows), default=0)
        ids = torch.full((len(rows), longest), self._pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        return ids, mask
