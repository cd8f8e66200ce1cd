"""Who may import whom: read from the source, and seen in fresh interpreters."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "soundsearch"
TOP = {"paths", "settings", "errors"}

# Folder → the folders of ours that it may import anywhere, functions included.
MAY_IMPORT = {
    "audio": set(),
    "demo": {"audio"},
    "library": set(),
    "index": set(),
    "models": {"audio", "demo"},
    "search": {"library", "index", "audio"},
    "scan": {"audio", "library", "index", "models"},
    "training": {"audio", "demo", "library", "index", "models", "search", "scan"},
    "player": {"audio"},
    "worker": {"audio", "library", "index", "models", "search", "scan"},
    "cli": {
        *("audio", "demo", "library", "index", "models", "search", "scan", "training"),
        *("worker", "player", "window"),
    },
    "window": {"worker", "player", "search", "library", "models", "audio"},
}
# Modules of other folders that the window may see.
WINDOW_SEES = {
    "worker.client",
    "worker.messages",
    "player.client",
    "player.messages",
    "models.catalog",
    "models.shelf",
    "models.speed",
}
FORBIDDEN = {
    "audio": {"torch", "transformers", "PySide6", "sqlite3", "sounddevice", "hnswlib"},
    "demo": {"torch", "PySide6", "sqlite3"},
    "library": {"torch", "PySide6", "numpy", "soundfile"},
    "index": {"torch", "PySide6", "sqlite3"},
    "models": {"PySide6", "sqlite3", "sounddevice"},
    "search": {"torch", "PySide6", "transformers"},
    "scan": {"PySide6", "sounddevice"},
    "training": {"PySide6", "sounddevice"},
    "player": {"torch", "PySide6", "sqlite3"},
    "worker": {"PySide6", "sounddevice"},
    "window": {"torch", "transformers", "hnswlib", "soundfile", "sounddevice"},
}


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            module = node.module or ""
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_imports_point_down_the_table(folder: str) -> None:
    for file in (PACKAGE / folder).rglob("*.py"):
        for name in imports(file):
            top, *rest = name.split(".")
            assert top not in FORBIDDEN.get(folder, set()), f"{file} imports {name}"
            if top != "soundsearch" or not rest or rest[0] in TOP or rest[0] == "__version__":
                continue
            assert rest[0] in MAY_IMPORT[folder] | {folder}, f"{file} imports {name}"
            if folder == "window" and rest[0] in {"worker", "player", "models"} and rest[1:]:
                assert ".".join(rest[:2]) in WINDOW_SEES, f"{file} imports {name}"


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in result.stdout.split()}


def test_the_entry_imports_nothing_heavy() -> None:
    # Spawned children import the main module again.
    loaded = loaded_by("import soundsearch.cli.main; soundsearch.cli.main.build_parser()")
    assert not loaded & {"torch", "numpy", "PySide6", "rich", "sqlite3", "soundfile"}


def test_decoders_import_audio_only() -> None:
    loaded = loaded_by(
        "import soundsearch.scan.decoders, soundsearch.audio.facts, soundsearch.audio.tags"
    )
    assert not loaded & {"torch", "PySide6", "sqlite3", "transformers", "sounddevice"}


def test_the_worker_side_imports_no_qt() -> None:
    loaded = loaded_by("import soundsearch.worker.engine")
    assert not loaded & {"PySide6", "sounddevice"}


@pytest.mark.parametrize("module", ["models.encoder", "training.loop", "worker.server"])
def test_threads_that_wait_sleep_before_torch_is_loaded(module: str) -> None:
    """OpenMP reads this when torch is loaded: it must stand there by then."""
    code = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name != 'torch' or os.environ['OMP_WAIT_POLICY'] == 'PASSIVE'\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"import soundsearch.{module}\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
