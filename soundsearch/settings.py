"""What the person set in the window: a JSON file that is replaced atomically."""

import contextlib
import json
import os
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE_NAME = "settings.json"


@dataclass
class Settings:
    """Every setting with its default. geometry: base64 of Qt's saveGeometry, or empty."""

    geometry: str = ""
    theme: str = "system"  # system, dark or light
    compact: bool = False
    always_on_top: bool = False
    sidebar_shown: bool = True
    sidebar_width: int = 212
    player_height: int = 128
    sort: str = "match"
    filters: str = ""
    last_search: str = ""
    volume: float = 0.8  # 0 to 1
    loop: bool = False
    auto_play: bool = True
    match_loudness: bool = True
    spectrogram: bool = False
    output_device: str = ""  # empty: the system's own choice
    buffer: str = "safe"  # safe or short
    device: str = "auto"  # auto, cpu, cuda or mps; from the next start on
    free_model_after: float = 10.0  # idle minutes, after which its memory is freed; 0: never
    cores: int = 0  # for reading files while indexing; 0: all but one
    pause_on_battery: bool = True
    exclude: str = ""  # patterns of files and folders that aren't indexed, one a line
    model: str = ""  # read from earlier versions, never saved: models.catalog knows the one in use
    notice: str = ""  # for the person, never read or saved: what happened to the file


_READ = tuple(item.name for item in fields(Settings) if item.name != "notice")
_SAVED = tuple(name for name in _READ if name != "model")


def load_settings(data: Path) -> Settings:
    """The settings of a data folder. A broken file is set aside and `notice` says so; a value of
    the wrong type is replaced by its default; names that this version doesn't know are ignored."""
    path = data / FILE_NAME
    try:
        return _read(path)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        return Settings(notice=f"The settings can't be read ({error.strerror})")
    except ValueError:
        aside = path.with_name(f"{FILE_NAME}.broken-{int(time.time())}")
        with contextlib.suppress(OSError):
            path.replace(aside)
        return Settings(
            notice=f"The settings were damaged and begin anew. The damaged file is {aside.name}."
        )


def peek_settings(data: Path) -> Settings:
    """The settings for another process than the window's: a broken file stays as it is."""
    try:
        return _read(data / FILE_NAME)
    except (OSError, ValueError):
        return Settings()


def _read(path: Path) -> Settings:
    read = json.loads(path.read_text("utf-8"))
    if not isinstance(read, dict):
        raise ValueError("not an object")
    settings = Settings()
    for item in _READ:
        value = _fitting(read.get(item), getattr(settings, item))
        if value is not None:
            setattr(settings, item, value)
    settings.volume = min(1.0, max(0.0, settings.volume))
    return settings


def save_settings(settings: Settings, data: Path) -> None:
    """Replaces the file in one step: after a crash the old or the new one is there, whole."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / FILE_NAME
    # A name of its own for each writer: threads and windows may save at the same time.
    handle, name = tempfile.mkstemp(".new", f"{FILE_NAME}.", data)
    beside = Path(name)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            values = {name: getattr(settings, name) for name in _SAVED}
            json.dump(values, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _fitting(value: Any, default: Any) -> Any:
    """`value` if it is of the default's type, else None."""
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(default, bool) and isinstance(value, bool) else None
    if isinstance(default, float):
        # NaN and infinity are valid for Python's JSON, but not for us.
        fits = isinstance(value, (int, float)) and abs(value) < 1e9
        return float(value) if fits else None
    return value if isinstance(value, type(default)) else None
