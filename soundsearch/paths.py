"""Where SoundSearch keeps its own data, and where its shipped files lie."""

import os
from pathlib import Path

import platformdirs


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: `given` (--data), else SOUNDSEARCH_DATA, else the platform's own place.

    The folder is not created here: reading commands leave nothing behind.
    """
    chosen = given or os.environ.get("SOUNDSEARCH_DATA")
    own = platformdirs.user_data_dir("SoundSearch", False)
    return Path(chosen).absolute() if chosen else Path(own)


def resources() -> Path:
    """The folder of shipped files: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "resources"
    return installed if installed.is_dir() else package.parent / "resources"
