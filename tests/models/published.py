"""Checkpoints in the layouts that others published, small: their own networks, random weights."""

import json
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from torch import nn
from transformers import RobertaConfig, RobertaModel

from soundsearch.models.passt import passt_class

DIM = 48  # of the joint space
WIDTH = 128  # of both encoders
MERGES = ["d o", "do g", "r a", "i n", "ra in"]


def tokenizer_files(folder: Path) -> Path:
    """vocab.json and merges.txt of a byte-level BPE as RoBERTa has it, with a small vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [merge.replace(" ", "") for merge in MERGES]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, *words, "<mask>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    return folder


class Published(nn.Module):
    """The authors' parts, under whatever names a layout gives them. full: PaSST-N and
    RoBERTa-large as they were published, 442 million parameters."""

    def __init__(self, seed: int = 0, full: bool = False) -> None:
        super().__init__()
        self.width, joint = (768, 1024) if full else (WIDTH, DIM)
        text_width = 1024 if full else WIDTH
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.passt: Any = passt_class()(
                embed_dim=self.width,
                depth=12 if full else 2,
                num_heads=self.width // 64,
                img_size=(128, 1000),
                stride=16,
                num_classes=527,
                distilled=True,
            )
            config = RobertaConfig(
                vocab_size=50_265 if full else 266,
                hidden_size=text_width,
                num_hidden_layers=24 if full else 2,
                num_attention_heads=text_width // 64,
                intermediate_size=4096 if full else 96,
                max_position_embeddings=514,
                type_vocab_size=1,
                layer_norm_eps=1e-5,
            )
            self.roberta = RobertaModel(config, add_pooling_layer=False)
            self.project_audio = nn.Linear(self.width, joint)
            self.project_text = nn.Linear(text_width, joint)
        self.eval()


def state_dict(model: Published, layout: str) -> dict[str, torch.Tensor]:
    """Keys as that layout has them, with the tensors that nothing here needs."""
    audio, text, audio_projection, text_projection = {
        "2023": (
            "audio_embedding_model.model.",
            "sentence_embedding_model.",
            "project_audio.0.",
            "project_sentence.0.",
        ),
        "salsa": (
            "audio_embedding_model.model.model.",
            "sentence_embedding_model.",
            "project_audio.0.",
            "project_sentence.0.",
        ),
        "2025": (
            "audio_embedding_model.model.model._orig_mod.",
            "text_embedding_model._orig_mod.",
            "audio_projection.",
            "text_projection.",
        ),
    }[layout]
    parts = (
        (audio, model.passt),
        (text, model.roberta),
        (audio_projection, model.project_audio),
        (text_projection, model.project_text),
    )
    state = {
        start + key: value for start, part in parts for key, value in part.state_dict().items()
    }
    state["tau"] = torch.tensor([0.05])
    if layout == "2023":
        state[f"{text}embeddings.position_ids"] = torch.arange(514)[None]
    if layout == "salsa":
        state["timing_tau"] = torch.tensor([0.05])
        state["audio_token"] = torch.zeros(1, 1, model.width)
        state["posencode.w"] = torch.zeros(1)
        state["posencode.pe"] = torch.zeros(1, 192, model.width)
    return state


def write_checkpoint(file: Path, model: Published, layout: str) -> Path:
    """A Lightning checkpoint as that code writes it, optimizer and settings included."""
    state = state_dict(model, layout)
    settings: Any = {"s_patchout_t": 15, "roberta_base": False, "initial_tau": 0.05}
    with sacred() as (read_only_dict, read_only_list):
        if layout != "2025":
            settings = {
                "audio_features": read_only_dict({"model": "passt", "sizes": read_only_list([1])}),
                "sentence_features": read_only_dict({"model": "roberta-large"}),
                "normalize": True,
            }
        torch.save(
            {
                "epoch": 19,
                "global_step": 100,
                "pytorch-lightning_version": "2.0.0",
                "state_dict": state,
                "loops": {},
                "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.4)}},
                "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(1000)}}}],
                "lr_schedulers": [],
                "hparams_name": "kwargs",
                "hyper_parameters": settings,
            },
            file,
        )
    return file


@contextmanager
def sacred() -> Iterator[tuple[type, type]]:
    """sacred's read-only containers, importable under their own names for a while."""
    name = "sacred.config.custom_containers"
    module = types.ModuleType(name)

    class ReadOnlyDict(dict):  # type: ignore[type-arg]
        def __reduce__(self) -> Any:
            return type(self), (dict(self),)

    class ReadOnlyList(list):  # type: ignore[type-arg]
        def __reduce__(self) -> Any:
            return type(self), (list(self),)

    for kind in (ReadOnlyDict, ReadOnlyList):
        kind.__module__, kind.__qualname__ = name, kind.__name__
        setattr(module, kind.__name__, kind)
    parents = ("sacred", "sacred.config")
    sys.modules.update({parent: types.ModuleType(parent) for parent in parents}, **{name: module})
    try:
        yield ReadOnlyDict, ReadOnlyList
    finally:
        for placed in (*parents, name):
            del sys.modules[placed]
