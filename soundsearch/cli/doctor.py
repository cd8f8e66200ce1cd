"""`soundsearch doctor`: what is installed, what is wrong, and how to mend it."""

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from soundsearch.errors import UserError

AGAIN = "Run packaging/run again, or the install lines of README in a new environment"


@dataclass(frozen=True)
class Check:
    """One line of the report. `ok` False means that something works less well, or not at all."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Check the installation, and say how to mend what is wrong."


def run(args: argparse.Namespace) -> int:
    from soundsearch.paths import data_folder

    checks = list(_checks(data_folder(args.data), args.model))
    if args.json:
        print(json.dumps({"checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'MEND'}  {check.name}: {check.detail}")
            if check.fix:
                print(f"      → {check.fix}")
    return 0


def _checks(data: Path, model: str | None) -> Iterator[Check]:
    """Every check is run whatever the others found; one that fails itself becomes a line."""
    parts: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("torch", _torch),
        ("PaSST", _passt),
        ("index", _index),
        ("sound output", _sound_output),
        ("window", _window),
        ("data folder", lambda: _data(data)),
        ("model", lambda: _model(data, model)),
    ]
    for name, part in parts:
        try:
            yield from part()
        except Exception as error:
            yield Check(name, False, f"{type(error).__name__}: {error}", AGAIN)


def _python() -> Iterator[Check]:
    detail = f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.platform()}"
    yield Check("python", sys.version_info >= (3, 11), detail)


def _packages() -> Iterator[Check]:
    found, missing = [], []
    names = ["numpy", "soundfile", "soxr", "av", "tinytag", "rapidfuzz", "rich"]
    for name in names:
        try:
            importlib.import_module(name)
            found.append(f"{name} {importlib.metadata.version(name)}")
        except (ImportError, OSError, importlib.metadata.PackageNotFoundError) as error:
            missing.append(f"{name} ({error})")
    if missing:
        yield Check("packages", False, "not usable: " + "; ".join(missing), AGAIN)
    yield Check("packages", True, ", ".join(found))


def broken_extensions() -> list[str]:
    """torchvision and torchaudio builds that fail to import beside this torch.

    They break transformers' own import, and hear21passt's declared dependencies pull them in.
    """
    broken = []
    for name in ("torchvision", "torchaudio"):
        if importlib.util.find_spec(name) is None:
            continue
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError):
            broken.append(name)
    return broken


def _torch() -> Iterator[Check]:
    import torch

    yield Check("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads")
    broken = broken_extensions()
    if broken:
        yield Check(
            "torch extensions",
            False,
            f"{' and '.join(broken)} can't be imported beside this torch and break transformers",
            f"Run: pip uninstall {' '.join(broken)}",
        )
    importlib.import_module("transformers")
    yield Check("transformers", True, importlib.metadata.version("transformers"))
    yield device_check()


def device_check() -> Check:
    """Which device the model will run on, and why not on a GPU that is there."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        return Check("device", True, f"CUDA, {torch.cuda.get_device_name(0)}")
    if torch.backends.mps.is_available():
        return Check("device", True, "MPS (Apple GPU)")
    told = " ".join(str(entry.message) for entry in caught)
    if "driver" in told.lower():
        return Check(
            "device",
            False,
            "CPU: the NVIDIA driver does not fit this torch" + f" ({told.splitlines()[0][:160]})",
            "Update the NVIDIA driver, or install a torch build for the older CUDA (pytorch.org)",
        )
    if Path("/proc/driver/nvidia").exists() and torch.version.cuda is None:
        return Check(
            "device",
            False,
            "CPU: there is an NVIDIA card, but this torch is a build without CUDA",
            "Install a torch build with CUDA (pytorch.org)",
        )
    return Check("device", True, "CPU (no usable GPU)")


def _passt() -> Iterator[Check]:
    from soundsearch.models import passt

    passt.passt_class()
    version = importlib.metadata.version("hear21passt")
    yield Check("PaSST", True, f"hear21passt {version}")


def _index() -> Iterator[Check]:
    try:
        importlib.import_module("hnswlib")
    except ImportError:
        yield Check(
            "index",
            False,
            "hnswlib is not installed: large libraries are searched exactly, which is slower",
            "Install a C++ compiler and Python's headers, then: pip install hnswlib",
        )
        return
    yield Check("index", True, f"hnswlib {importlib.metadata.version('hnswlib')}")


def _sound_output() -> Iterator[Check]:
    try:
        importlib.import_module("sounddevice")
    except OSError:
        yield Check(
            "sound output",
            False,
            "PortAudio is missing: sounds are found but not heard",
            "On Debian and Ubuntu: sudo apt-get install libportaudio2",
        )
        return
    # In a process of its own: PortAudio aborts on some broken ALSA configurations.
    code = (
        "import sounddevice as s; "
        "print('\\n'.join(d['name'] for d in s.query_devices() if d['max_output_channels'] > 0))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    outputs = asked.stdout.split("\n") if asked.returncode == 0 and asked.stdout.strip() else []
    if outputs:
        yield Check("sound output", True, f"{len(outputs)} devices, among them {outputs[0]}")
    else:
        yield Check("sound output", False, "no output device", "Plug one in, or check its driver")


def _window() -> Iterator[Check]:
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as error:
        yield Check(
            "window", False, f"Qt can't be loaded ({error})", "Install the libraries README names"
        )
        return
    version = importlib.metadata.version("PySide6-Essentials")
    shown = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if sys.platform.startswith("linux") and not shown:
        yield Check("window", True, f"PySide6 {version}; no display here: command line only")
    else:
        yield Check("window", True, f"PySide6 {version}")


def _data(data: Path) -> Iterator[Check]:
    from soundsearch.library.catalog import Library

    place = data
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Check(
            "data folder",
            False,
            f"{data} can't be written ({error.strerror})",
            "Choose another one with --data DIR or SOUNDSEARCH_DATA",
        )
        return
    if not (data / "library.db").exists():
        yield Check("data folder", True, f"{data} (no library yet: scan a folder)")
        return
    try:
        with Library.open(data, write=False) as library:
            yield Check("data folder", True, str(data))
            for root in library.roots():
                yield Check("folder", root.state == "ok", f"{os.fsdecode(root.path)}: {root.state}")
    except UserError as error:
        yield Check("data folder", False, error.message, error.fix)


def _model(data: Path, name: str | None) -> Iterator[Check]:
    from soundsearch.models import catalog

    if freed := catalog.tidy(data):
        yield Check("model", True, f"{freed / 1e6:,.0f} MB of a model cut short were deleted")
    for error in catalog.broken(data):
        yield Check("model", False, error.message, error.fix)
    entry = catalog.find(data, name)
    if entry is None:
        yield Check(
            "model",
            False,
            "no model is installed: sounds are found by name only",
            "Put a model's folder into " + str(data / "models"),
        )
    elif entry.warning:
        yield Check(
            "model",
            False,
            f"{entry.name}: {entry.warning}",
            "Use another: soundsearch models use NAME",
        )
    else:
        yield Check("model", True, f"{entry.name} ({entry.model_id})")
