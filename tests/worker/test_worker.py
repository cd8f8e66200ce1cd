"""The worker process: answers, progress, death and restart."""

import os
import queue
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from soundsearch.search.query import parse
from soundsearch.worker.client import Worker
from soundsearch.worker.messages import (
    AddFolder,
    Failed,
    Matches,
    ModelState,
    Ready,
    ScanProgress,
    Search,
    Stopped,
)

SOUNDS = Path(__file__).parent.parent / "sounds"


class Session:
    """A worker and its reports."""

    def __init__(self, data: Path) -> None:
        self.reports: queue.Queue[Any] = queue.Queue()
        self.worker = Worker(data, None, "cpu", self.reports.put)

    def wait(self, kind: type, seconds: float = 60.0, **wanted: Any) -> Any:
        until = time.monotonic() + seconds
        while True:
            report = self.reports.get(timeout=max(until - time.monotonic(), 0.01))
            if isinstance(report, kind) and all(
                getattr(report, name) == value for name, value in wanted.items()
            ):
                return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "Sounds"
    root.mkdir()
    for name in ("bell 16bit.wav", "bell.flac", "bell.ogg"):
        shutil.copy2(SOUNDS / name, root / name)
    return root


def test_scan_search_die_and_go_on(tmp_path: Path, folder: Path) -> None:
    session = Session(tmp_path / "data")
    try:
        session.wait(Ready)
        session.wait(ModelState)
        session.worker.send(AddFolder(str(folder)))
        finished = session.wait(ScanProgress, running=False)
        assert finished.report["new"] == 3
        session.worker.send(Search(7, parse("bell format:flac")))
        answer = session.wait(Matches, id=7).answer
        assert answer.matches[0].name == "bell.flac"

        old = session.worker.process.pid
        assert old is not None
        os.kill(old, signal.SIGKILL)
        session.wait(Ready)
        assert session.worker.process.pid != old
        session.worker.send(Search(8, parse("bell format:ogg")))
        assert session.wait(Matches, id=8).answer.matches[0].name == "bell.ogg"

        session.worker.send(AddFolder(str(tmp_path / "nowhere")))
        assert "nowhere" in session.wait(Failed).message
    finally:
        began = time.monotonic()
        session.worker.close()
    session.wait(Stopped)
    assert time.monotonic() - began < 10
    assert not session.worker.process.is_alive()


def test_three_deaths_within_a_minute_end_it(tmp_path: Path) -> None:
    session = Session(tmp_path / "data")
    for _ in range(3):
        session.wait(Ready)
        assert session.worker.process.pid is not None
        os.kill(session.worker.process.pid, signal.SIGKILL)
    assert "three times" in session.wait(Failed).message
    session.wait(Stopped)
