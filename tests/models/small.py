"""A model folder as small as it gets, for the tests of everything that needs vectors."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from soundsearch.models.encoder import build, save_model

WORDS = "kick snare drum hat bass noise siren wind rain dog cat bark bell glass step a the of and"


def small_tokenizer() -> str:
    """The JSON of a WordPiece tokenizer that knows WORDS and single letters."""
    letters = [f"{mark}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" for mark in ("", "##")]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(set(WORDS.split()) - {"a"})]
    vocabulary = {token: i for i, token in enumerate(sorted(tokens, key=_specials_first))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")],
    )
    return tokenizer.to_str()


def _specials_first(token: str) -> tuple[int, str]:
    specials = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    return (specials.index(token) if token in specials else len(specials), token)


def small_config(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "kind": "passt",
        "dim": 16,
        "rate": 32_000,
        "segment_seconds": 10.0,
        "padding": "bucket",
        "audio": {"embed_dim": 32, "depth": 2, "heads": 4},
        "text": {
            "architecture": "bert",
            "config": {
                "vocab_size": 128,
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
                "max_position_embeddings": 40,
                "pad_token_id": 0,
            },
            "pooling": "mean",
            "tokens": 32,
        },
        "licence": "CC0-1.0",
        **changes,
    }


def small_model(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Writes a random model (PaSST of width 32, tiny BERT) into `folder` and returns it.

    changes: replace entries of its model.json.
    """
    config = small_config(**changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(config)
    save_model(folder, module, config, small_tokenizer())
    return folder
