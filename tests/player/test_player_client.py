"""A real player process: its life, its death, what it imports, and odd names."""

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile

from soundsearch.player import client as client_module
from soundsearch.player.client import PlayerClient
from soundsearch.player.messages import (
    Devices,
    Ended,
    Failed,
    Measured,
    Output,
    Playing,
    Position,
    Ready,
    Report,
)

R = TypeVar("R", bound=Report)
RATE = 44100


class Listener:
    def __init__(self) -> None:
        self.reports: queue.Queue[Report] = queue.Queue()
        self.client = PlayerClient(self.reports.put)

    def until(self, kind: type[R], seconds: float = 20.0) -> R:
        limit = time.monotonic() + seconds
        seen = []
        while True:
            try:
                report = self.reports.get(timeout=max(0.0, limit - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind.__name__}: {seen}") from None
            seen.append(report)
            if isinstance(report, kind):
                return report


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("SOUNDSEARCH_OUTPUT", "silent")
    listener = Listener()
    with listener.client:
        yield listener
    assert listener.client.pid is None


def write(path: Path, seconds: float) -> bytes:
    samples = 0.1 * np.sin(np.arange(round(seconds * RATE)) / 20)
    with open(path, "wb") as file:  # libsndfile would not take every name
        soundfile.write(file, samples, RATE, format="WAV")
    return os.fsencode(path)


def kill(client: PlayerClient) -> None:
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def gone(pid: int) -> bool:
    """No such process, or one that only waits to be buried."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except ProcessLookupError:
        return True


def test_plays_without_being_started(listener: Listener, tmp_path: Path) -> None:
    id = listener.client.play(write(tmp_path / "a.wav", 0.3))
    listener.until(Ready)
    assert listener.until(Output) == Output("silent", "open")
    playing = listener.until(Playing)
    assert (playing.id, playing.duration) == (id, pytest.approx(0.3))
    assert listener.until(Position).id == id
    assert listener.until(Ended) == Ended(id)
    listener.client.measure()
    assert listener.until(Measured).callbacks > 0
    listener.client.list_devices()
    assert listener.until(Devices) == Devices(("silent",), "silent")


@pytest.mark.parametrize(
    "name",
    ["a#b.wav", "100%25 é ü.wav", "new\nline.wav", "\U0001f941.wav", "-n.wav", b"\xff\xfe.wav"],
)
def test_names_that_break_things(listener: Listener, tmp_path: Path, name: str | bytes) -> None:
    id = listener.client.play(write(tmp_path / os.fsdecode(name), 0.05))
    assert listener.until(Ended) == Ended(id)


def test_the_file_is_not_held(listener: Listener, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    id = listener.client.play(path)
    listener.until(Position)
    open_files = Path(f"/proc/{listener.client.pid}/fd")

    def held() -> bool:
        return path in [os.fsencode(os.path.realpath(link)) for link in open_files.iterdir()]

    limit = time.monotonic() + 5  # decoded long before it is heard, but not at once
    while open_files.exists() and held():
        assert time.monotonic() < limit
        time.sleep(0.01)
    os.unlink(path)
    assert listener.until(Ended) == Ended(id)


def test_a_death_is_noticed_and_the_next_sound_plays(
    listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.wav", 30.0)
    listener.client.set_volume(0.5)
    id = listener.client.play(path)
    listener.until(Position)
    kill(listener.client)
    began = time.monotonic()
    failed = listener.until(Failed)
    assert time.monotonic() - began < 1
    assert (failed.id, failed.cause) == (id, "player")
    listener.until(Ready)
    [line] = [record.getMessage() for record in caplog.records if "player" in record.name]
    assert "exit code -9" in line  # the reason, for whoever reads the log
    assert "is started again" in line
    again = listener.client.play(path, start=29.8)
    assert again > id
    assert listener.until(Ended) == Ended(again)


def test_three_deaths_within_a_minute_are_enough(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener.client.start()
    for _ in range(3):
        listener.until(Ready)
        kill(listener.client)
    assert listener.until(Output).state == "stopped"
    id = listener.client.play(write(tmp_path / "a.wav", 0.05))
    failed = listener.until(Failed)
    assert (failed.id, failed.cause) == (id, "player")
    assert listener.client.pid is None
    monkeypatch.setattr(client_module, "WITHIN_SECONDS", 0.0)  # a minute later
    id = listener.client.play(write(tmp_path / "a.wav", 0.05))
    assert listener.until(Ended) == Ended(id)


def test_close_is_quick_and_quiet(listener: Listener, tmp_path: Path) -> None:
    listener.client.play(write(tmp_path / "a.wav", 30.0))
    listener.until(Position)
    pid = listener.client.pid
    assert pid is not None
    listener.client.close()
    assert gone(pid)
    while not listener.reports.empty():
        listener.reports.get()
    assert isinstance(listener.client.play(b"/x.wav"), int)
    assert listener.until(Failed).cause == "player"


PARENT = """
import sys, time
from soundsearch.player.client import PlayerClient
from soundsearch.player.messages import Position
if __name__ == "__main__":
    def report(report):
        if isinstance(report, Position) and not told:
            told.append(1)
            print(client.pid, flush=True)
    told = []
    client = PlayerClient(report)
    client.play(sys.argv[1].encode())
    time.sleep(60)
"""


def test_the_player_ends_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    sound = os.fsdecode(write(tmp_path / "a.wav", 30.0))
    parent = subprocess.Popen(
        [sys.executable, str(script), sound],
        stdout=subprocess.PIPE,
        env={**os.environ, "SOUNDSEARCH_OUTPUT": "silent", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    limit = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert gone(pid)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return set(result.stdout.decode().split())


def test_what_the_two_sides_import() -> None:
    client = loaded_by("import soundsearch.player.client")
    assert {name for name in client if name.startswith("soundsearch")} == {
        "soundsearch",
        "soundsearch.player",
        "soundsearch.player.client",
        "soundsearch.player.messages",
    }
    assert not client & {"numpy", "soundfile", "av", "soxr", "sounddevice"}
    server = loaded_by("import soundsearch.player.server")
    assert "soundsearch.audio.decode" in server
    assert not server & {"torch", "transformers", "PySide6", "sqlite3", "sounddevice"}
