"""Which models are here. Torch-free: the window and the command line ask before anything loads.

A model is a folder with `model.json` and `weights.safetensors`: those that SoundSearch ships lie
in `resources/models`, those of the person in the data folder's `models`.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError
from soundsearch.paths import resources

PREFERRED = "starter"  # used when several are here and the person named none


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
    for place in (data / "models", resources() / "models"):
        for folder in sorted(place.iterdir()) if place.is_dir() else ():
            if (folder / "model.json").is_file() and (folder / "weights.safetensors").is_file():
                entry = read_entry(folder)
                found.setdefault(entry.name, entry)
    return list(found.values())


def find(data: Path, name: str | None) -> ModelEntry | None:
    """The model of that name; without a name the preferred one, None when none is installed.

    Raises UserError for a name that is not here, naming those that are.
    """
    entries = {entry.name: entry for entry in installed(data)}
    if name is None:
        return entries.get(PREFERRED) or next(iter(entries.values()), None)
    if name not in entries:
        here = ", ".join(entries) or "none"
        raise UserError(f"There is no model named {name}", f"Installed: {here}")
    return entries[name]


def read_entry(folder: Path) -> ModelEntry:
    """Raises UserError when `model.json` can't be used."""
    try:
        settings: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return ModelEntry(
            name=settings["name"],
            model_id=f"{settings['name']}-{settings['hash'][:10]}",
            folder=folder,
            kind=settings["kind"],
            dim=settings["dim"],
            rate=settings["rate"],
            segment_seconds=settings["segment_seconds"],
            bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
            licence=settings.get("licence", "no licence stated by its authors"),
            source=settings.get("source", ""),
            quality=settings.get("quality", ""),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The model in {folder} can't be used ({type(error).__name__}: {error})",
            "Remove that folder, or put a complete model there",
        ) from error


def content_hash(settings: dict[str, Any], weights: Path) -> str:
    """Hex digest of settings and weights, stored as "hash" in model.json when a model is saved."""
    digest = hashlib.blake2b(digest_size=16)
    kept = {key: value for key, value in settings.items() if key != "hash"}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    with weights.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
