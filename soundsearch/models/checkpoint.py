"""Reads other people's checkpoints. Nothing in them is run, whatever they hold.

A checkpoint is a pickle, which may name any function to be called. torch's restricted unpickler
calls none but those that build tensors. Settings that some checkpoints carry beside the tensors
need a few classes more: plain containers stand in for some of them, for the rest an object that
keeps nothing. A file that names anything else is refused.
"""

import pickle
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from soundsearch.errors import UserError

# Containers of sacred, which wrote the settings of two published layouts, and their plain kin.
_CONTAINERS: dict[str, Any] = {
    "sacred.config.custom_containers.ReadOnlyDict": dict,
    "sacred.config.custom_containers.ReadOnlyList": list,
    "collections.defaultdict": lambda *_: {},
}
# What else Lightning checkpoints name. It is not imported: a stand-in takes its place.
_HARMLESS = (
    "sacred.", "numpy.", "pathlib.", "argparse.Namespace", "omegaconf.", "lightning.",
    "lightning_fabric.", "pytorch_lightning.", "torch.optim.", "torch.torch_version.",
    "builtins.int", "builtins.float", "builtins.dict", "builtins.list",
)  # fmt: skip
_PIECE = 1 << 22


class _Nothing:
    """Stands for an object of a class that is not loaded: takes what it is given, keeps nothing."""

    def __new__(cls, *_: object, **__: object) -> "_Nothing":
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint's state dict: Lightning's, one under "model", or a bare one;
    also those of a .safetensors file.

    Large ones stay in the file until they are used, which must remain where it is so long.
    Raises UserError for what is no checkpoint, is damaged, or would run something.
    """
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except (SafetensorError, OSError) as error:
            raise _unreadable(file, error) from error
    stored = _load(file)
    for key in ("state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(key), dict):
            stored = stored[key]
            break
    tensors = (
        {str(key): value for key, value in stored.items() if isinstance(value, torch.Tensor)}
        if isinstance(stored, dict)
        else {}
    )
    if not tensors:
        raise UserError(f"{file} holds no weights", "A checkpoint (.ckpt, .pt) is needed")
    return {key: value.detach() for key, value in tensors.items()}


def _load(file: Path) -> Any:
    try:
        archive = zipfile.is_zipfile(file)
        named = torch.serialization.get_unsafe_globals_in_checkpoint(file) if archive else []
        stand_ins: list[Any] = [(_stand_in(name, file), name) for name in named]
        if not archive:
            stand_ins += [(value, name) for name, value in _CONTAINERS.items()]
        with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old or odd pickles, for programmers
            return torch.load(file, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        # torch's own refusal names the function; the rest of its text is for programmers.
        raise _refused(file, _named_in(str(error))) from error
    except MemoryError as error:
        raise UserError(f"There is too little memory to read {file}") from error
    except Exception as error:  # torch raises whatever the broken file makes it stumble over
        if isinstance(error, UserError):
            raise
        raise _unreadable(file, error) from error


def _stand_in(name: str, file: Path) -> Any:
    if name in _CONTAINERS:
        return _CONTAINERS[name]
    if not name.startswith(_HARMLESS):
        raise _refused(file, name)
    return _Nothing


def _named_in(text: str) -> str:
    words = [word.strip("`'\".,") for word in text.split()]
    for at, word in enumerate(words):
        if word == "GLOBAL" and at + 1 < len(words):
            return words[at + 1]
    return ""


def _refused(file: Path, name: str) -> UserError:
    what = f"It would call {name} when it is read" if name else "It holds more than weights"
    return UserError(
        f"{file} is refused, and nothing of it was run. {what}",
        "Get the file from its authors' own page",
    )


def _unreadable(file: Path, error: BaseException) -> UserError:
    reason = (str(error).strip().split("\n")[0] or type(error).__name__)[:160]
    return UserError(
        f"{file} can't be read as a checkpoint ({reason})",
        "If it came in parts, name all of them in order",
    )


def join(parts: Sequence[Path], target: Path) -> Path:
    """Writes the parts one after the other into one file. Raises OSError."""
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file:
                while piece := file.read(_PIECE):
                    joined.write(piece)
    return target
