"""A window on a real library, with twins that write down what worker and player were asked."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from soundsearch.library.catalog import Library
from soundsearch.library.rows import Record, State
from soundsearch.scan.naming import file_words
from soundsearch.search.ranking import Match
from soundsearch.settings import Settings
from soundsearch.window.bridge import Reader
from soundsearch.window.main_window import MainWindow
from soundsearch.window.preferences import Parts

ODD_NAMES = (
    "kick #1 100%.wav",
    "türe größer.wav",
    "snare 🥁 take.wav",
    "line\nbreak.wav",
    "Metallic_Hit_07.wav",
    "rain on tin roof.wav",
)


@dataclasses.dataclass(frozen=True)
class Facts:
    frames: int
    samplerate: int = 44100
    channels: int = 2
    sample_format: str = "pcm_24"
    container: str = "wav"
    loudness: float | None = -20.0
    peak: float = 0.5
    envelope: bytes = bytes(300)
    silent: bool = False
    onset: float = 0.01


class FakeWorker:
    def __init__(self) -> None:
        self.sent: list = []

    def send(self, request: object) -> None:
        self.sent.append(request)

    def of(self, kind: type) -> list:
        return [request for request in self.sent if isinstance(request, kind)]


class FakePlayer:
    """Notes calls by name; play gives growing ids."""

    def __init__(self) -> None:
        self.played: list[tuple[bytes, float]] = []
        self.calls: list[tuple] = []

    def play(
        self, path: bytes, start: float = 0.0, end: float | None = None, **more: object
    ) -> int:
        self.played.append((path, start))
        self.calls.append(("play", more))
        return len(self.played)

    def of(self, name: str) -> list[tuple]:
        """The values of all calls of this name."""
        return [values for called, *values in self.calls if called == name]

    def __getattr__(self, name: str) -> Callable:
        """Every other call is noted, too; its number stands for the player's id."""

        def note(*values: object) -> int:
            self.calls.append((name, *values))
            return len(self.calls)

        return note


def make_match(number: int, name: str = "", **changes: object) -> Match:
    """A match that stands for sound `number`."""
    values: dict = {
        "path": f"/sounds/{name or number}.wav".encode(),
        "name": name or f"sound {number}",
        "folder": "Sounds/Loops",
        "sound_id": number,
        "file_id": number,
        "identity": number.to_bytes(16, "big"),
        "strength": 0.5,
        "sound": 0.5,
        "name_score": None,
        "cosine": 0.2,
        "why": "sound 50%",
        "start": 0.0,
        "duration": 2.0,
        "samplerate": 48000,
        "channels": 2,
        "format": "wav",
        "sample_format": "pcm_24",
        "loudness": -20.0,
        "peak": 0.5,
        "onset": 0.0,
        "state": "ok",
    }
    return Match(**{**values, **changes})


def make_model_folder(data: Path, name: str) -> None:
    """A model that can be listed and chosen, but not loaded."""
    folder = data / "models" / name
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"")
    settings = {"name": name, "kind": "cnn", "dim": 8, "rate": 32000, "segment_seconds": 10}
    (folder / "model.json").write_text(json.dumps({**settings, "hash": name}))


def fill_library(data: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Files with these names, each a sound of its own, in the library of a data folder."""
    rng = np.random.default_rng(7)
    with Library.open(data, write=True) as library:
        root = library.add_root(os.fsencode(folder))
        entries = []
        for number, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"RIFF")
            entries.append(
                Record(
                    root.id,
                    os.fsencode(name),
                    4,
                    path.stat().st_mtime_ns,
                    None,
                    State.OK,
                    identity=(number + 1).to_bytes(16, "big"),
                    facts=Facts(frames=44100 * (number + 1), envelope=rng.bytes(300)),
                    tags={},
                )
            )
        library.record(entries)
        library.name_files(file_words)


@dataclasses.dataclass
class Open:
    """A window and what it talks to."""

    window: MainWindow
    worker: FakeWorker
    player: FakePlayer
    data: Path
    sounds: Path

    def wait_for_rows(self, count: int) -> None:
        until(lambda: self.window.model.rowCount() == count)

    def names(self) -> list[str]:
        model = self.window.model
        return [match.name for row in range(model.rowCount()) if (match := model.match_at(row))]


def until(true: Callable[[], bool], milliseconds: int = 5000) -> None:
    """Lets the loop run until something is so."""
    for _ in range(milliseconds // 5):
        if true():
            return
        QTest.qWait(5)
    raise AssertionError("it did not happen")


@pytest.fixture
def open_window(qapp, tmp_path: Path) -> Iterator[Callable[..., Open]]:
    """Opens windows; with names=() on a data folder without a library."""
    opened: list[Open] = []

    def start(names: tuple[str, ...] = ODD_NAMES, **settings: object) -> Open:
        data, sounds = tmp_path / "data", tmp_path / "My Sounds"
        data.mkdir(exist_ok=True)
        sounds.mkdir(exist_ok=True)
        if names and not opened:
            fill_library(data, sounds, names)
        worker, player = FakeWorker(), FakePlayer()
        chosen = Settings(**{"theme": "dark", "last_search": "", **settings})
        window = MainWindow(Parts(data, chosen, Reader(data), worker, player))  # type: ignore[arg-type]
        window.resize(1000, 640)
        window.show()
        found = Open(window, worker, player, data, sounds)
        opened.append(found)
        if names:
            until(lambda: window.count.text().startswith(f"{len(names)} sound"))
            until(lambda: window.model.match_at(0) is not None)
            until(lambda: window.sidebar.has_folders)
        return found

    yield start
    for one in opened:
        one.window.close()
        one.window.parts.reader.close()
        one.window.deleteLater()
    # The offscreen platform deletes what is copied after Python has ended, which crashes PySide.
    QGuiApplication.clipboard().clear()
