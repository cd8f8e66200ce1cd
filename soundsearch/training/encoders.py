"""The paper's encoders by name, and their published weights as starting points.

Audio: PaSST and PANNs trained on AudioSet, their published files. Text: folders as the Hugging
Face hub has them, with config-free names below, weights and tokenizer files.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import BertWordPieceTokenizer
from torch import nn

from soundsearch.errors import UserError
from soundsearch.models.checkpoint import read_tensors
from soundsearch.models.cnn import PANNS_WIDTHS
from soundsearch.models.passt import VARIANTS
from soundsearch.models.tokenizer import roberta_tokenizer


def _bert(layers: int, width: int) -> dict[str, Any]:
    return {
        "vocab_size": 30522,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
    }


def _roberta(layers: int, width: int) -> dict[str, Any]:
    return {
        **_bert(layers, width),
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }


_MPNET = {
    **_roberta(12, 768),
    "vocab_size": 30527,
    "relative_attention_num_buckets": 32,
}
del _MPNET["type_vocab_size"]

# Name → architecture, settings, pooling; as published on the Hugging Face hub.
TEXTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "bert-small": ("bert", _bert(4, 512), "cls"),  # prajjwal1/bert-small
    "bert-base": ("bert", _bert(12, 768), "cls"),  # bert-base-uncased
    "bert-large": ("bert", _bert(24, 1024), "cls"),  # bert-large-uncased
    "roberta-base": ("roberta", _roberta(12, 768), "cls"),
    "roberta-large": ("roberta", _roberta(24, 1024), "cls"),
    "all-mpnet-base-v2": ("mpnet", _MPNET, "mean"),  # sentence-transformers
}


def text_settings(
    name: str, changes: dict[str, Any], dropout: float, tokens: int, keep_end: bool
) -> dict[str, Any]:
    """The `text` part of a model's settings. changes: of the network's own. Raises UserError."""
    if name not in TEXTS:
        raise UserError(f"There is no text encoder {name}", f"There are {', '.join(TEXTS)}")
    architecture, config, pooling = TEXTS[name]
    dropouts = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return {
        "architecture": architecture,
        "config": {**config, **dropouts, **changes},
        "pooling": pooling,
        "tokens": tokens,
        "keep_end": keep_end,
    }


def audio_settings(name: str, changes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(kind, the `audio` part of a model's settings). changes: of PasstConfig. Raises UserError."""
    if name in PANNS_WIDTHS:
        if changes:
            raise UserError(f"{name} has no settings of its own", "Leave [audio.config] out")
        return "cnn", {"network": name}
    if name not in VARIANTS:
        known = ", ".join([*PANNS_WIDTHS, *VARIANTS])
        raise UserError(f"There is no audio encoder {name}", f"There are {known}")
    lists: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in changes.items()
    }
    try:
        return "passt", asdict(replace(VARIANTS[name], **lists))
    except TypeError as error:
        raise UserError(f"PaSST has no such setting ({error})") from None


def load_audio(audio: nn.Module, file: Path) -> None:
    """AudioSet weights of PaSST (bare or under `model`) or PANNs into an audio encoder.

    Keys are those of the published files; the front end of a PaSST holds none. Raises UserError
    for a file of another network.
    """
    _load(audio, read_tensors(file), file)


def load_text(network: nn.Module, folder: Path) -> None:
    """A published text encoder into a network of transformers; heads and poolers are left out.

    folder: with model.safetensors or pytorch_model.bin. Raises UserError.
    """
    files = [folder / name for name in ("model.safetensors", "pytorch_model.bin")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise UserError(f"There are no weights of a text encoder in {folder}", _FILES)
    _load(network, {_plain(key): value for key, value in read_tensors(file).items()}, file)


_FILES = "It needs model.safetensors or pytorch_model.bin, and tokenizer.json or what it is made of"


def _plain(key: str) -> str:
    for start in ("bert.", "roberta.", "mpnet."):
        key = key.removeprefix(start)
    # Older files name a layer norm's parts as TensorFlow did.
    return key.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _load(network: nn.Module, tensors: dict[str, torch.Tensor], file: Path) -> None:
    own = network.state_dict()
    lacking = [key for key in own if key not in tensors]
    odd = [key for key in own if key in tensors and own[key].shape != tensors[key].shape]
    if lacking or odd:
        one = lacking[0] if lacking else f"{odd[0]} {tuple(tensors[odd[0]].shape)}"
        raise UserError(f"{file} holds weights of another network ({one})")
    network.load_state_dict({key: tensors[key] for key in own})


def tokenizer_of(folder: Path) -> str:
    """The text of a tokenizer.json, read or made of vocab.txt (BERT) or vocab.json and merges.txt
    (RoBERTa). Raises UserError."""
    try:
        if (folder / "tokenizer.json").is_file():
            text = (folder / "tokenizer.json").read_text(encoding="utf-8")
            json.loads(text)
            return text
        if (folder / "merges.txt").is_file():
            return roberta_tokenizer(folder / "vocab.json", folder / "merges.txt")
        if (folder / "vocab.txt").is_file():
            made = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
            return str(made.to_str())
    except Exception as error:  # tokenizers raises plain Exceptions
        raise UserError(f"The tokenizer in {folder} can't be used ({error})") from None
    raise UserError(f"There is no tokenizer in {folder}", _FILES)
