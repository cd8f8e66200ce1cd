"""Other people's models → model folders.

Three layouts of checkpoints with a PaSST and a RoBERTa or BERT: that of the paper's code (2023), of
salsa (2024) and of the DCASE 2025 baseline; transformers' CLAP folders; and model folders of
SoundSearch, brought from another machine.
"""

import gc
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from soundsearch.errors import UserError
from soundsearch.models.catalog import IMPORTING, bringing, own_name_is_free, tidy
from soundsearch.models.checkpoint import join, read_tensors
from soundsearch.models.clap import clap_config, clap_keys
from soundsearch.models.encoder import build, save_model
from soundsearch.models.known import UNSTATED, known
from soundsearch.models.passt import VARIANTS, PasstConfig
from soundsearch.models.tokenizer import fitting_tokenizer

HEAD_DIM = 64  # of all published transformers here
LARGEST_HALF = 65_504.0  # of float16
# Patches of the published PaSSTs in frequency and time → image size, stride, seconds of a segment.
_GRIDS = {
    (8, 62): ((128, 1000), (16, 16), 10.0),
    (12, 99): ((128, 998), (10, 10), 10.0),
    (12, 200): ((128, 2000), (10, 10), 20.0),
}
_ODD_NAME = re.compile(r"[^\w.-]|^[^A-Za-z0-9]")


@dataclass(frozen=True)
class Layout:
    """Where a published checkpoint keeps its parts: the starts of their keys.

    keep_end: whether its captions keep the end token when they are cut.
    """

    name: str
    audio: str
    text: str
    audio_projection: str
    text_projection: str
    keep_end: bool = True


LAYOUTS = (
    Layout(
        "2025",
        "audio_embedding_model.model.model.",
        "text_embedding_model.",
        "audio_projection.",
        "text_projection.",
    ),
    Layout(
        "salsa",
        "audio_embedding_model.model.model.",
        "sentence_embedding_model.",
        "project_audio.0.",
        "project_sentence.0.",
    ),
    Layout(
        "2023",
        "audio_embedding_model.model.",
        "sentence_embedding_model.",
        "project_audio.0.",
        "project_sentence.0.",
        keep_end=False,
    ),
)


@dataclass(frozen=True)
class Report:
    """What an import did. used: tensors taken; left_out: keys of the file that have no place."""

    folder: Path
    layout: str
    used: int
    parameters: int
    left_out: list[str]
    seconds: float


def import_model(
    data: Path,
    name: str,
    files: Sequence[Path],
    tokenizer: Path | None = None,
    fetch_tokenizer: Callable[[str, Path], Path] | None = None,
    check: Callable[[Report], object] = lambda report: None,
) -> Report:
    """Makes the model `name` of the data folder from a file, its parts in order, or a folder.

    tokenizer: tokenizer.json, or vocab.json with merges.txt beside it, or their folder; else it is
    looked for beside the checkpoint, else fetched: fetch_tokenizer(repository, into a folder)
    gives the file. check sees the finished folder before it takes its place, so that no model is
    there that was not checked. Raises UserError; what was there before stays as it was.
    """
    began = time.perf_counter()
    if _ODD_NAME.search(name) or not name:
        raise UserError(f"{name!r} can't be a model's name", "Use letters, digits, - _ and .")
    own_name_is_free(data, name)
    for file in files:
        if not file.exists():
            raise UserError(f"{file} is not there")
    tidy(data)
    place = data / "models"
    try:
        with (
            bringing(data),
            tempfile.TemporaryDirectory(prefix=IMPORTING, dir=place) as scratch,
        ):
            made = Path(scratch) / name
            report = _make(made, name, files, tokenizer, fetch_tokenizer)
            seconds = time.perf_counter() - began
            check(replace(report, seconds=seconds))
            gc.collect()  # Windows moves no folder whose weights are still mapped
            os.replace(made, place / name)
    except OSError as error:
        raise UserError(
            f"The model can't be written below {place} ({error.strerror or error})",
            "Free some space there, or choose another data folder with --data DIR",
        ) from error
    return replace(report, folder=place / name, seconds=seconds)


def _make(
    made: Path,
    name: str,
    files: Sequence[Path],
    tokenizer: Path | None,
    fetch: Callable[[str, Path], Path] | None,
) -> Report:
    file = files[0]
    if (file / "model.json").is_file():
        return _copied(made, name, file)
    if file.is_dir() or (file.parent / "config.json").is_file():
        source, layout, config, tensors, left_out = _from_clap(file)
    else:
        source = file if len(files) == 1 else join(files, made.with_suffix(".joined"))
        layout, config, tensors, left_out = _from_checkpoint(read_tensors(source), file)
    config = {"name": name, **config, **_facts(name, layout, files)}
    return _write(made, config, layout, tensors, left_out, (tokenizer, file, fetch))


def _copied(made: Path, name: str, folder: Path) -> Report:
    """A model folder of SoundSearch's own, under its new name."""
    made.mkdir()
    for part in folder.iterdir():
        if part.is_file():
            shutil.copyfile(part, made / part.name)
    settings = json.loads((made / "model.json").read_text(encoding="utf-8"))
    settings["name"] = name
    (made / "model.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    tensors = read_tensors(made / "weights.safetensors")
    return Report(made, "soundsearch", len(tensors), _parameters(tensors), [], 0.0)


def _facts(name: str, layout: str, files: Sequence[Path]) -> dict[str, str]:
    """Licence, source and quality: of the known model of that name, else that nothing is known.

    Raises UserError for a file that can't be the model it is said to be.
    """
    model = known(name)
    if model is None:
        return {"licence": UNSTATED, "source": files[0].name, "quality": "", "layout": layout}
    if model.layout and model.layout != layout:
        raise UserError(
            f"{files[0]} is a checkpoint of the {layout} layout, so it can't be {name}",
            "Give it another name",
        )
    return {
        "licence": model.licence,
        "source": model.source,
        "quality": model.quality,
        "layout": layout,
    }


def _from_checkpoint(
    stored: dict[str, torch.Tensor], file: Path
) -> tuple[str, dict[str, Any], dict[str, torch.Tensor], list[str]]:
    """(layout, model.json's settings, tensors by our keys, keys left out) of a checkpoint."""
    plain = {_without_compile(key): value for key, value in stored.items()}
    layout = next((layout for layout in LAYOUTS if _is_of(layout, plain)), None)
    if layout is None:
        starts = sorted({key.split(".")[0] for key in plain})[:4]
        raise UserError(
            f"{file} has none of the known layouts (its keys begin with {', '.join(starts)})",
            "The layouts of 2023, salsa and 2025 can be imported, and transformers' CLAP folders",
        )
    places = (
        (layout.audio, "audio."),
        (layout.text, "text.network."),
        (layout.audio_projection, "audio_projection."),
        (layout.text_projection, "text_projection."),
    )
    tensors, left_out = {}, []
    for key, value in plain.items():
        place = next(((old, new) for old, new in places if key.startswith(old)), None)
        ours = place[1] + key.removeprefix(place[0]) if place else ""
        if not ours or ours.endswith(".position_ids") or ".pooler." in ours:
            left_out.append(key)
        else:
            tensors[ours] = value
    passt, seconds = _passt_config(tensors, file)
    text = _text_config(tensors)
    config = {
        "kind": "passt",
        "dim": _size(tensors, "audio_projection.weight", 0, file),
        "rate": 32_000,
        "segment_seconds": seconds,
        "padding": "segment",
        "audio": _audio_settings(passt),
        "text": {**text, "pooling": "cls", "tokens": 32, "keep_end": layout.keep_end},
    }
    # The AudioSet heads belong to the network, but nothing here uses them: some files lack them.
    fresh = _expected(config)
    for key, value in fresh.items():
        if key.startswith(("audio.head.", "audio.head_dist.")) and key not in tensors:
            tensors[key] = torch.zeros(value.shape)
    return layout.name, config, tensors, left_out


def _without_compile(key: str) -> str:
    """The key that a network has before torch.compile wraps it."""
    return ".".join(part for part in key.split(".") if part != "_orig_mod")


def _is_of(layout: Layout, keys: dict[str, torch.Tensor]) -> bool:
    return (
        f"{layout.audio}cls_token" in keys
        and f"{layout.text}embeddings.word_embeddings.weight" in keys
        and f"{layout.audio_projection}weight" in keys
    )


def _passt_config(tensors: dict[str, torch.Tensor], file: Path) -> tuple[PasstConfig, float]:
    """The network's sizes, from its tensors, and the seconds of a segment."""
    dim = _size(tensors, "audio.cls_token", -1, file)
    rows = _size(tensors, "audio.freq_new_pos_embed", 2, file)
    columns = _size(tensors, "audio.time_new_pos_embed", 3, file)
    if (rows, columns) not in _GRIDS:
        raise UserError(f"{file} holds a PaSST of {rows} × {columns} patches, which is not known")
    img_size, stride, seconds = _GRIDS[rows, columns]
    head = tensors.get("audio.head.1.weight")
    config = PasstConfig(
        embed_dim=dim,
        depth=1 + max(_numbers(tensors, "audio.blocks."), default=-1),
        heads=max(1, dim // HEAD_DIM),
        img_size=img_size,
        stride=stride,
        classes=len(head) if head is not None else 0,
    )
    return config, seconds


def _audio_settings(config: PasstConfig) -> dict[str, Any]:
    """As model.json holds them: the published name where it is one."""
    for name, variant in VARIANTS.items():
        if replace(variant, patchout_time=0, patchout_frequency=0) == config:
            return {"network": name}
    return asdict(config)


def _text_config(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Architecture and settings of the text encoder. RoBERTa has one type of tokens, BERT two."""
    start = "text.network.embeddings."
    words = tensors[f"{start}word_embeddings.weight"]
    positions = tensors.get(f"{start}position_embeddings.weight", words)
    types = tensors.get(f"{start}token_type_embeddings.weight", words)
    middle = tensors.get("text.network.encoder.layer.0.intermediate.dense.weight", words)
    roberta = len(types) == 1
    config = {
        "vocab_size": len(words),
        "hidden_size": words.shape[1],
        "num_hidden_layers": 1 + max(_numbers(tensors, "text.network.encoder.layer."), default=-1),
        "num_attention_heads": max(1, words.shape[1] // HEAD_DIM),
        "intermediate_size": len(middle),
        "max_position_embeddings": len(positions),
        "type_vocab_size": len(types),
        "layer_norm_eps": 1e-5 if roberta else 1e-12,
        "pad_token_id": 1 if roberta else 0,
    }
    return {"architecture": "roberta" if roberta else "bert", "config": config}


def _numbers(tensors: dict[str, torch.Tensor], start: str) -> set[int]:
    """The numbers that follow `start` in keys."""
    following = (key.removeprefix(start).split(".")[0] for key in tensors if key.startswith(start))
    return {int(number) for number in following if number.isdecimal()}


def _size(tensors: dict[str, torch.Tensor], key: str, axis: int, file: Path) -> int:
    if key not in tensors or tensors[key].dim() <= max(axis, 0):
        raise UserError(f"{file} lacks {key} in its full shape")
    return int(tensors[key].shape[axis])


def _from_clap(
    file: Path,
) -> tuple[Path, str, dict[str, Any], dict[str, torch.Tensor], list[str]]:
    """A folder as transformers saves a CLAP, or the weights in one."""
    folder = file if file.is_dir() else file.parent
    names = ("model.safetensors", "pytorch_model.bin")
    weights = next((folder / name for name in names if (folder / name).is_file()), None)
    if weights is None or not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} is no model: it holds no model.json, and no config.json with weights"
        )
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        extractor = folder / "preprocessor_config.json"
        features = json.loads(extractor.read_text(encoding="utf-8")) if extractor.exists() else {}
    except ValueError as error:
        raise UserError(f"A settings file in {folder} is damaged ({error})") from error
    config = clap_config(settings, features, str(folder))
    tensors, left_out = clap_keys(read_tensors(weights))
    return weights, "clap", config, tensors, left_out


def _expected(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Keys and shapes of the model that the settings describe, without values."""
    with torch.device("meta"):
        return build(config).state_dict()


def _write(
    made: Path,
    config: dict[str, Any],
    layout: str,
    tensors: dict[str, torch.Tensor],
    left_out: list[str],
    tokenizer: tuple[Path | None, Path, Callable[[str, Path], Path] | None],
) -> Report:
    with torch.device("meta"):
        module = build(config)
    expected = module.state_dict()
    missing = sorted(set(expected) - set(tensors))
    odd = sorted(set(tensors) - set(expected))
    wrong = [
        f"{key} is {tuple(tensors[key].shape)} instead of {tuple(value.shape)}"
        for key, value in sorted(expected.items())
        if key in tensors and tensors[key].shape != value.shape
    ]
    if missing:
        raise UserError(_some(f"{len(missing)} tensors are missing", missing))
    if wrong:
        raise UserError(_some(f"{len(wrong)} tensors have another shape", wrong))
    used = {key: tensors[key] for key in expected}
    dtype = _narrowest(used)
    tokenizer_json = fitting_tokenizer(config["text"], *tokenizer, made.parent)
    module.load_state_dict(used, assign=True)
    save_model(made, module, config, tokenizer_json, dtype)
    return Report(made, layout, len(used), _parameters(used), left_out + odd, 0.0)


def _some(what: str, examples: list[str]) -> str:
    return f"The file does not fit: {what}, such as {'; '.join(examples[:3])}"


def _parameters(tensors: dict[str, torch.Tensor]) -> int:
    return sum(value.numel() for value in tensors.values() if value.is_floating_point())


def _narrowest(tensors: dict[str, torch.Tensor]) -> torch.dtype:
    """float16 when every value fits. Raises UserError for values that are no numbers."""
    largest = 0.0
    for key, value in tensors.items():
        if value.is_floating_point() and value.numel():
            most = value.abs().max().item()
            if not most < float("inf"):  # NaN too
                raise UserError(f"The weights are damaged: {key} holds values that are no numbers")
            largest = max(largest, most)
    return torch.float16 if largest < LARGEST_HALF else torch.float32
