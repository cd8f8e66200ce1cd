"""Which models are here. Torch-free: the window and the command line ask before anything loads.

A model is a folder with `model.json` and `weights.safetensors`: those that SoundSearch ships lie
in `resources/models`, those of the person in the data folder's `models`.
"""

import contextlib
import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError
from soundsearch.paths import resources

PREFERRED = "starter"  # used when several are here and the person named none
# Settings that a sound's vector depends on. Others may be reworded without embedding all anew.
ENCODING = ("kind", "dim", "rate", "segment_seconds", "padding", "mel_pooling", "audio")


@dataclass(frozen=True)
class ModelEntry:
    """A model on disk.

    model_id: name and a short hash of settings and weights: vectors of one id are comparable.
    dim: of its vectors; rate: samples/s; bytes: on disk; quality: as stated by its source.
    """

    name: str
    model_id: str
    folder: Path
    kind: str
    dim: int
    rate: int
    segment_seconds: float
    bytes: int
    licence: str
    source: str
    quality: str


def installed(data: Path) -> list[ModelEntry]:
    """All usable models, the person's first; folders that are no models are passed over."""
    found: dict[str, ModelEntry] = {}
    for folder in _folders(data):
        with contextlib.suppress(UserError):
            entry = read_entry(folder)
            found.setdefault(entry.name, entry)
    return list(found.values())


def broken(data: Path) -> list[UserError]:
    """What is wrong with the folders that `installed` passes over."""
    errors = []
    for folder in _folders(data):
        try:
            read_entry(folder)
        except UserError as error:
            errors.append(error)
    return errors


def find(data: Path, name: str | None) -> ModelEntry | None:
    """The model of that name; without a name the preferred one, None when none is installed.

    Raises UserError for a name that is not here, naming those that are, and for a broken model.
    """
    entries = {entry.name: entry for entry in installed(data)}
    if name is None:
        return entries.get(PREFERRED) or next(iter(entries.values()), None)
    if name not in entries:
        for folder in _folders(data):
            if folder.name == name:
                return read_entry(folder)  # says what is wrong with it
        here = ", ".join(entries) or "none"
        raise UserError(f"There is no model named {name}", f"Installed: {here}")
    return entries[name]


def _folders(data: Path) -> Iterator[Path]:
    for place in (data / "models", resources() / "models"):
        for folder in sorted(place.iterdir()) if place.is_dir() else ():
            if (folder / "model.json").is_file():
                yield folder


def read_entry(folder: Path) -> ModelEntry:
    """Raises UserError when `model.json` can't be used or the weights are missing."""
    try:
        settings: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        weights = folder / "weights.safetensors"
        status = weights.stat()
        digest = settings.get("hash") or _hash_of(
            weights, status.st_size, status.st_mtime_ns, json.dumps(settings)
        )
        return ModelEntry(
            name=str(settings["name"]),
            model_id=f"{settings['name']}-{digest[:10]}",
            folder=folder,
            kind=str(settings["kind"]),
            dim=int(settings["dim"]),
            rate=int(settings["rate"]),
            segment_seconds=float(settings["segment_seconds"]),
            bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
            licence=settings.get("licence", "no licence stated by its authors"),
            source=settings.get("source", ""),
            quality=settings.get("quality", ""),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The model in {folder} can't be used ({type(error).__name__}: {error})",
            "Remove that folder, or put a complete model there",
        ) from error


def content_hash(settings: dict[str, Any], weights: Path) -> str:
    """Hex digest of settings and weights, stored as "hash" in model.json when a model is saved."""
    digest = hashlib.blake2b(digest_size=16)
    kept = {key: settings[key] for key in ENCODING if key in settings}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    with weights.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@functools.lru_cache(maxsize=64)
def _hash_of(weights: Path, size: int, mtime_ns: int, settings: str) -> str:
    """The hash of a folder that stores none, reading the weights once in a process."""
    return content_hash(json.loads(settings), weights)
