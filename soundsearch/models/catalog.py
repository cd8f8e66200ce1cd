"""Which models are here. Torch-free: the window and the command line ask before anything loads.

A model is a folder with `model.json` and `weights.safetensors`: those that SoundSearch ships lie
in `resources/models`, those of the person in the data folder's `models`.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from soundsearch.errors import UserError
from soundsearch.paths import resources

PREFERRED = "starter"  # used when several are here and the person chose none
IN_USE = "in use"  # the file beside the models that names the one the person chose
LOCK = "lock.models"  # in the data folder, see bringing
IMPORTING = ".import-"  # begins the name of a folder that an import makes a model in
FETCHING = ".download-"  # and of one that a model's files arrive in; the model's name follows
REMOVED = ".removed-"  # and of what is being deleted
CHECK = "check.json"  # in a model's folder: whether it was seen to work, {"warning": …}
# Settings that a sound's vector depends on. Others may be reworded without embedding all anew.
ENCODING = ("kind", "dim", "rate", "segment_seconds", "padding", "mel_pooling", "audio")


@dataclass(frozen=True)
class ModelEntry:
    """A model on disk.

    model_id: name and a short hash of settings and weights: vectors of one id are comparable.
    dim: of its vectors; rate: samples/s; bytes: on disk; quality: as stated by its source;
    warning: what the person should know before they trust it, or "".
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
    warning: str = ""


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
    return list(unusable(data).values())


def unusable(data: Path) -> dict[Path, UserError]:
    """The folders that `installed` passes over, and what is wrong with each."""
    errors = {}
    for folder in _folders(data):
        try:
            read_entry(folder)
        except UserError as error:
            errors[folder] = error
    return errors


def find(data: Path, name: str | None) -> ModelEntry | None:
    """The model of that name; without a name the one the person chose, else the preferred one,
    else any; None when none is installed. What takes the place of the chosen one warns of it.

    Raises UserError for a name that is not here, naming those that are, and for a broken model.
    """
    entries = {entry.name: entry for entry in installed(data)}
    if name is None:
        wish = in_use(data)
        if wish in entries:
            return entries[wish]
        other = entries.get(PREFERRED) or next(iter(entries.values()), None)
        if wish is None or other is None:
            return other
        return replace(other, warning=f"it stands in for {_why_not(data, wish)}")
    if name not in entries:
        for folder in unusable(data):
            if name in (folder.name, name_of(folder)):
                return read_entry(folder)  # says what is wrong with it
        here = ", ".join(entries) or "none"
        raise UserError(f"There is no model named {name}", f"Installed: {here}")
    return entries[name]


def _why_not(data: Path, wish: str) -> str:
    for folder, error in unusable(data).items():
        if name_of(folder) == wish:
            return f"{wish}: {error.message}"
    return f"{wish}, which is not here any more"


def in_use(data: Path) -> str | None:
    """The name that the person chose, whether or not it is still here."""
    try:
        return (data / "models" / IN_USE).read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None


def use(data: Path, name: str) -> ModelEntry:
    """Makes this the model of the data folder. Raises UserError: see find."""
    entry = find(data, name)
    assert entry is not None
    place = data / "models"
    try:
        place.mkdir(parents=True, exist_ok=True)
        part = place / f"{IN_USE}.part"
        part.write_text(f"{name}\n", encoding="utf-8")
        os.replace(part, place / IN_USE)
    except OSError as error:
        raise UserError(f"{place} can't be written ({error.strerror})") from error
    return entry


def own_folder(data: Path, name: str) -> Path:
    """Where a model of the person's lies, broken or not. Raises UserError for any other."""
    own = {name_of(folder): folder for folder in _folders_in(data / "models")}
    if name not in own:
        find(data, name)  # raises where there is none at all
        raise UserError(f"{name} ships with SoundSearch and can't be removed")
    return own[name]


def own_name_is_free(data: Path, name: str) -> None:
    """Raises UserError when a model of the person's has that name."""
    taken = {name_of(folder) for folder in _folders_in(data / "models")}
    if name in taken or (data / "models" / name).exists():
        raise UserError(
            f"There is a model named {name} already",
            f"Choose another name, or: soundsearch models remove {name}",
        )


def remove(data: Path, name: str) -> None:
    """Deletes a model of the person's; vectors made with it stay. Raises UserError.

    It is out of sight at once, also when deleting it is cut short; `tidy` takes the rest.
    """
    folder = own_folder(data, name)
    place = data / "models"
    try:
        os.replace(folder, place / f"{REMOVED}{os.getpid()}-{folder.name}")
        if in_use(data) == name:
            (place / IN_USE).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder} can't be removed ({error.strerror})", "Close SoundSearch and try again"
        ) from error
    tidy(data)


def vectors_of(data: Path, name: str) -> list[Path]:
    """The folders with what a model of that name, here or not, knows of the library's sounds."""
    place = data / "embeddings"
    return [
        folder
        for folder in (sorted(place.iterdir()) if place.is_dir() else ())
        if folder.is_dir() and _model_of(folder) == name
    ]


def kept_vectors(data: Path) -> dict[str, int]:
    """Name → bytes of what is known of the library's sounds, by models that are here or not."""
    place, kept = data / "embeddings", dict[str, int]()
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        name = _model_of(folder)
        if folder.is_dir() and name:
            kept[name] = kept.get(name, 0) + bytes_of(folder)
    return kept


def forget(data: Path, name: str) -> None:
    """Deletes what a model knows of the library's sounds, out of sight at once. To know it again,
    it must hear them all again. The caller holds the library, or knows that nobody writes there.
    Raises UserError."""
    for folder in vectors_of(data, name):
        try:
            os.replace(folder, folder.with_name(f"{REMOVED}{os.getpid()}-{folder.name}"))
        except OSError as error:
            raise UserError(
                f"{folder} can't be removed ({error.strerror})", "Close SoundSearch and try again"
            ) from error
    tidy(data)


def _model_of(folder: Path) -> str:
    """The name in a model id; "" for other folders."""
    return "" if folder.name.startswith(".") else folder.name.rpartition("-")[0]


@contextlib.contextmanager
def bringing(data: Path) -> Iterator[Path]:
    """Held while a model is fetched or imported: one at a time. Gives the folder of models.

    Raises UserError while another one runs, and for a data folder that can't be written.
    """
    place = data / "models"
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise UserError(
            "Another model is being fetched or imported", "Wait for it to end, or stop it"
        ) from None
    except OSError as error:
        raise UserError(
            f"The model can't be written below {place} ({error.strerror or error})",
            "Choose another data folder with --data DIR",
        ) from error
    try:
        yield place
    finally:
        lock.release()


def tidy(data: Path) -> int:
    """Deletes what is left of removed models, of imports that were killed, and of downloads whose
    models are here. Returns how many bytes that was."""
    place = data / "models"
    freed = _delete(place.glob(f"{REMOVED}*")) + _delete((data / "embeddings").glob(f"{REMOVED}*"))
    if any(place.glob(f"{IMPORTING}*")) or any(place.glob(f"{FETCHING}*")):
        with contextlib.suppress(UserError), bringing(data):  # unless one is under way
            freed += _delete(place.glob(f"{IMPORTING}*"))
            for folder in place.glob(f"{FETCHING}*"):
                if (place / folder.name.removeprefix(FETCHING) / "model.json").is_file():
                    freed += _delete([folder])
    return freed


def fetched(data: Path, name: str) -> int:
    """Bytes of a download of that model that was begun."""
    return bytes_of(data / "models" / f"{FETCHING}{name}")


def _delete(folders: Iterable[Path]) -> int:
    freed = 0
    for folder in folders:
        held = bytes_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
        freed += held - bytes_of(folder)
    return freed


def bytes_of(folder: Path) -> int:
    """Of all files in a folder; 0 when it is not there."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone in between
            total += file.lstat().st_size if file.is_file() else 0
    return total


def name_of(folder: Path) -> str:
    """The name in a model's `model.json`, or its folder's when that can't be read."""
    try:
        return str(json.loads((folder / "model.json").read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.name


def _folders(data: Path) -> Iterator[Path]:
    for place in (data / "models", resources() / "models"):
        yield from _folders_in(place)


def _folders_in(place: Path) -> Iterator[Path]:
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        if not folder.name.startswith(".") and folder.is_dir():
            yield folder


def read_entry(folder: Path) -> ModelEntry:
    """Raises UserError when `model.json` can't be used or the weights are missing."""
    for needed in ("model.json", "weights.safetensors"):
        if not (folder / needed).is_file():
            raise _useless(folder, f"{needed} is missing")
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
            warning=_warning(folder),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _useless(folder, f"{type(error).__name__}: {error}") from error


def _useless(folder: Path, why: str) -> UserError:
    return UserError(
        f"The model in {folder} can't be used ({why})",
        "Remove that folder, or put a complete model there",
    )


def _warning(folder: Path) -> str:
    try:
        return str(json.loads((folder / CHECK).read_text(encoding="utf-8"))["warning"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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
