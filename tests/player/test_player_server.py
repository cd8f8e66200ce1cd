"""The player's side of the pipe, with the silent twin: what it reports and what it hands over."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile

from soundsearch.player.messages import (
    Devices,
    Ended,
    Failed,
    ListDevices,
    Measure,
    Measured,
    Output,
    Play,
    Playing,
    Position,
    Ready,
    Report,
    Request,
    Seek,
    SetDevice,
    SetLoop,
    SetVolume,
    Shutdown,
    Stop,
)
from soundsearch.player.server import serve
from soundsearch.player.stream import OutputError, Outputs, SilentStream, Stream
from soundsearch.player.track import FADE_SECONDS

RATE = 16000
R = TypeVar("R", bound=Report)


class SilentOutputs(Outputs):
    """Opens silent streams that keep everything; `missing` is what an absent device says."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[SilentStream] = []
        self.missing = ""

    def open(self) -> tuple[Stream, str]:
        if self.missing:
            raise OutputError(self.missing)
        assert not any(stream.alive() for stream in self.opened)
        self.opened.append(SilentStream(RATE, 160, keep=True))
        return self.opened[-1], ""

    def names(self, renew: bool) -> tuple[tuple[str, ...], str | None]:
        if self.missing:
            raise OutputError(self.missing)
        return ("silent",), "silent"


class Desk:
    """The window's end of the pipe."""

    def __init__(self, idle_seconds: float = 10.0) -> None:
        self.outputs = SilentOutputs()
        self.pipe, theirs = multiprocessing.Pipe()
        self.reports: list[Report] = []
        self.thread = threading.Thread(
            target=serve, args=(theirs, self.outputs, idle_seconds), daemon=True
        )
        self.thread.start()

    def send(self, *requests: Request) -> None:
        for request in requests:
            self.pipe.send(request)

    def until(self, kind: type[R], seconds: float = 10.0) -> R:
        """Reads reports up to one of this kind."""
        limit = time.monotonic() + seconds
        while self.pipe.poll(max(0.0, limit - time.monotonic())):
            report = self.pipe.recv()
            self.reports.append(report)
            if isinstance(report, kind):
                return report
        raise AssertionError(f"no {kind.__name__}: {self.reports}")

    def quiet(self, seconds: float) -> list[Report]:
        """All reports of the next moments."""
        limit = time.monotonic() + seconds
        got = []
        while self.pipe.poll(max(0.0, limit - time.monotonic())):
            got.append(self.pipe.recv())
        return got

    def handed(self) -> np.ndarray:
        """What the last stream got, from the first to the last frame that isn't silent."""
        sound = self.outputs.opened[-1].handed[:, 0]
        heard = np.flatnonzero(sound)
        return sound[heard[0] : heard[-1] + 1] if len(heard) else sound[:0]


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    assert isinstance(desk.until(Ready), Ready)
    yield desk
    desk.send(Shutdown())
    desk.thread.join(5)
    assert not desk.thread.is_alive()
    assert not any(stream.alive() for stream in desk.outputs.opened)


@pytest.fixture
def sound(tmp_path: Path) -> np.ndarray:
    return tone(tmp_path / "tone.wav", 1.0)


def tone(path: Path, seconds: float) -> np.ndarray:
    """A steady tone without jumps: cuts and seams show as large steps."""
    time_ = np.arange(round(seconds * RATE)) / RATE
    sound = (0.5 * np.sin(2 * np.pi * 100 * time_)).astype(np.float32)
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return sound


def play(tmp_path: Path, id: int = 1, name: str = "tone.wav", **settings: float) -> Play:
    return Play(id, os.fsencode(tmp_path / name), **settings)  # type: ignore[arg-type]


def steps(sound: np.ndarray) -> float:
    return float(np.abs(np.diff(sound)).max())


def test_a_sound_from_start_to_end(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(play(tmp_path, 7, gain=0.5))
    assert desk.until(Output) == Output("silent", "open")
    playing = desk.until(Playing)
    assert (playing.id, playing.duration) == (7, 1.0)
    assert desk.until(Ended) == Ended(7)
    heard = desk.handed()
    fade = round(FADE_SECONDS * RATE)
    length = min(len(sound) - fade, len(heard))
    assert abs(len(heard) - len(sound)) < 5
    np.testing.assert_allclose(heard[: length - 5], 0.5 * sound[1 : length - 4], atol=1e-6)
    positions = [r for r in desk.reports if isinstance(r, Position)]
    seconds = [p.seconds for p in positions]
    assert {p.id for p in positions} == {7}
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(1.0, abs=0.001)
    assert 3 < len(seconds) < 60


def test_stop_fades_and_ends(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(play(tmp_path))
    desk.until(Position)
    desk.send(Stop())
    assert desk.until(Ended) == Ended(1)
    assert not desk.quiet(0.15)
    assert len(desk.handed()) < len(sound)
    assert steps(desk.handed()) < 0.05
    desk.send(Stop())  # nothing plays
    assert not desk.quiet(0.1)


def test_another_sound_takes_over(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(play(tmp_path))
    desk.until(Playing)
    desk.send(play(tmp_path, 2, start=0.5))
    assert desk.until(Ended) == Ended(1)
    assert desk.until(Playing).id == 2
    assert 0.4 < desk.until(Position).seconds < 0.7
    assert desk.until(Ended) == Ended(2)
    assert steps(desk.handed()) < 0.05
    assert len(desk.outputs.opened) == 1


def test_only_the_last_of_many_is_begun(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(*(play(tmp_path, id, start=0.5) for id in range(1, 30)))
    while desk.until(Ended).id != 29:
        pass
    ends = [r.id for r in desk.reports if isinstance(r, Ended)]
    assert ends == list(range(1, 30))
    assert [r.id for r in desk.reports if isinstance(r, Playing)][-1] == 29


def test_seek(desk: Desk, tmp_path: Path) -> None:
    tone(tmp_path / "tone.wav", 60.0)
    desk.send(play(tmp_path), Seek(3.0))
    desk.until(Playing)
    assert desk.until(Position).seconds == pytest.approx(3.0, abs=0.5)
    desk.send(Seek(59.6))
    while desk.until(Position).seconds < 59.5:
        pass
    assert desk.until(Ended) == Ended(1)
    assert steps(desk.handed()) < 0.05
    assert sum(isinstance(r, Playing) for r in desk.reports) == 1
    desk.send(Seek(1.0))
    assert not desk.quiet(0.1)


def test_seek_behind_the_end_ends(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(play(tmp_path))
    desk.until(Playing)
    desk.send(Seek(30.0))
    assert desk.until(Ended, 0.7) == Ended(1)


def test_loop_on_and_off(desk: Desk, tmp_path: Path) -> None:
    tone(tmp_path / "tone.wav", 0.3)
    desk.send(play(tmp_path, loop=True))
    seconds = [desk.until(Position).seconds for _ in range(24)]
    assert max(seconds) <= 0.301
    assert sum(later < earlier for earlier, later in zip(seconds, seconds[1:], strict=False)) >= 1
    assert not any(isinstance(r, Ended) for r in desk.reports)
    desk.send(SetLoop(False))
    assert desk.until(Ended, 1.5) == Ended(1)
    rounds = len(desk.handed()) / (0.3 * RATE)
    assert rounds == pytest.approx(round(rounds), abs=0.01)
    assert rounds >= 2
    assert steps(desk.handed()) < 0.05


def test_volume(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(SetVolume(0.5), play(tmp_path))
    desk.until(Ended)
    assert np.abs(desk.handed()[1000:]).max() == pytest.approx(0.25, abs=0.001)
    desk.send(SetVolume(7.0), play(tmp_path, 2))
    desk.until(Ended)
    assert np.abs(desk.handed()).max() == pytest.approx(0.5, abs=0.001)


def test_files_that_fail(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF no sound")
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    names = ("bad.wav", "folder.wav", "pipe.wav", "none.wav")
    for id, name in enumerate(names):
        desk.send(play(tmp_path, id, name))
        failed = desk.until(Failed)
        assert (failed.id, failed.cause) == (id, "file")
        assert failed.message
    desk.send(play(tmp_path, 9))
    assert desk.until(Ended) == Ended(9)


def test_no_device_is_a_report(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.outputs.missing = "No audio output was found"
    desk.send(play(tmp_path))
    assert desk.until(Output) == Output(None, "none", "No audio output was found")
    assert desk.until(Failed) == Failed(1, "No audio output was found", "output")
    desk.send(ListDevices())
    assert desk.until(Devices) == Devices((), None)
    desk.send(Measure(), Seek(1), SetLoop(True), Stop())
    assert desk.until(Measured) == Measured(0, 0, 0)
    desk.outputs.missing = ""
    desk.send(play(tmp_path, 2))
    assert desk.until(Ended) == Ended(2)
    desk.send(ListDevices())
    assert desk.until(Devices) == Devices(("silent",), "silent")


def test_a_lost_device_is_replaced_where_the_ear_was(
    desk: Desk, tmp_path: Path, sound: np.ndarray
) -> None:
    desk.send(play(tmp_path))
    while desk.until(Position).seconds < 0.4:
        pass
    desk.outputs.opened[0].close()  # as if unplugged: nobody asks for samples any more
    assert desk.until(Output).state == "lost"
    assert desk.until(Output).state == "open"
    assert 0.35 < desk.until(Position).seconds < 0.7
    assert desk.until(Ended) == Ended(1)


def test_a_lost_device_without_another(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(play(tmp_path))
    desk.until(Position)
    desk.outputs.missing = "No audio output was found"
    desk.outputs.opened[0].close()
    assert desk.until(Failed) == Failed(1, "No audio output was found", "output")


def test_the_device_changes_while_a_sound_plays(
    desk: Desk, tmp_path: Path, sound: np.ndarray
) -> None:
    desk.send(play(tmp_path))
    while desk.until(Position).seconds < 0.4:
        pass
    desk.send(SetDevice("Interface, Fake API"))
    assert desk.until(Output).state == "closed"
    assert desk.until(Output).state == "open"
    assert 0.3 < desk.until(Position).seconds < 0.8
    assert desk.until(Ended) == Ended(1)
    assert desk.outputs.wanted == "Interface, Fake API"


def test_the_device_is_given_back_after_silence(tmp_path: Path, sound: np.ndarray) -> None:
    desk = Desk(idle_seconds=0.3)
    desk.send(play(tmp_path, start=0.8))
    desk.until(Ended)
    assert desk.until(Output) == Output("silent", "closed")
    assert not desk.outputs.opened[0].alive()
    desk.send(play(tmp_path, 2, start=0.8))
    assert desk.until(Output).state == "open"
    assert desk.until(Ended) == Ended(2)
    desk.pipe.close()  # the parent is gone
    desk.thread.join(5)
    assert not desk.thread.is_alive()
    assert not desk.outputs.opened[1].alive()


def test_counts(desk: Desk, tmp_path: Path, sound: np.ndarray) -> None:
    desk.send(play(tmp_path))
    desk.until(Ended)
    desk.send(Measure())
    measured = desk.until(Measured)
    assert measured.callbacks > 20
    assert measured.starved == 0
