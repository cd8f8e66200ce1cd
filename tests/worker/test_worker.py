"""The worker process: answers, progress, death and restart."""

import os
import queue
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soundsearch.library.catalog import Library
from soundsearch.models import catalog
from soundsearch.search.query import parse
from soundsearch.worker.client import Worker
from soundsearch.worker.messages import (
    AddFolder,
    Failed,
    Logged,
    Matches,
    ModelState,
    Pause,
    Ready,
    RemoveFolder,
    Resume,
    Scan,
    ScanProgress,
    Search,
    Stopped,
    SwitchModel,
)
from tests.models.small import small_model

QUICK: dict[str, Any] = {"kind": "cnn", "audio": {"widths": [4, 8, 8, 8], "dim": 24}}
SOUNDS = Path(__file__).parent.parent / "sounds"


class Session:
    """A worker and its reports."""

    def __init__(self, data: Path, model: str | None = None) -> None:
        self.reports: queue.Queue[Any] = queue.Queue()
        self.worker = Worker(data, model, "cpu", self.reports.put)

    def wait(self, kind: type, seconds: float = 600.0, **wanted: Any) -> Any:
        until = time.monotonic() + seconds
        while True:
            report = self.reports.get(timeout=max(until - time.monotonic(), 0.01))
            if isinstance(report, kind) and all(
                getattr(report, name) == value for name, value in wanted.items()
            ):
                return report


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    opened: list[Session] = []

    def start(model: str | None = None) -> Session:
        session = Session(tmp_path / "data", model)
        opened.append(session)
        session.wait(Ready)
        return session

    yield start
    for session in opened:
        session.worker.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "Sounds"
    root.mkdir()
    for name in ("bell 16bit.wav", "bell.flac", "bell.ogg"):
        shutil.copy2(SOUNDS / name, root / name)
    return root


def test_scan_search_die_and_go_on(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
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
        assert "The search process ended (exit code -9)" in caplog.text
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


def test_a_library_in_use_is_waited_for(tmp_path: Path, folder: Path) -> None:
    with Library.open(tmp_path / "data", write=True, doing="a long scan"):
        session = Session(tmp_path / "data")
        try:
            assert "in use by a long scan" in session.wait(Failed).message
            session.worker.send(AddFolder(str(folder)))
        except BaseException:
            session.worker.close()
            raise
    try:
        session.wait(Ready)
        assert session.wait(ScanProgress, running=False).report["new"] == 3
    finally:
        session.worker.close()


def test_three_deaths_within_a_minute_end_it(tmp_path: Path) -> None:
    session = Session(tmp_path / "data")
    for _ in range(3):
        session.wait(Ready)
        assert session.worker.process.pid is not None
        os.kill(session.worker.process.pid, signal.SIGKILL)
    assert "three times" in session.wait(Failed).message
    session.wait(Stopped)


def indexed(session: Session, folder: Path) -> dict[str, Any]:
    session.worker.send(AddFolder(str(folder)))
    return session.wait(ScanProgress, running=False).report


def cosine(session: Session, id: int) -> float:
    """Of one sound for one query, which tells which model answered."""
    session.worker.send(Search(id, parse("bell format:flac")))
    return session.wait(Matches, id=id).answer.matches[0].cosine


def test_switching_models(tmp_path: Path, folder: Path, open_session) -> None:
    data = tmp_path / "data"
    for name, dim in (("first", 16), ("second", 24), ("broken", 8)):
        small_model(data / "models" / name, name=name, dim=dim, **QUICK)
    (data / "models" / "broken" / "weights.safetensors").write_bytes(b"broken")
    session = open_session("gone")
    assert "no model named gone" in session.wait(Failed).message
    session.worker.close()

    session = open_session("first")
    assert indexed(session, folder)["embedded"] == 3
    first = cosine(session, 1)
    for name, words in (("broken", "can't be loaded"), ("gone", "no model named gone")):
        session.worker.send(SwitchModel(name))
        assert words in session.wait(Failed).message
    assert cosine(session, 2) == pytest.approx(first, abs=1e-6)
    session.worker.close()

    # The model in use knows no sound yet, and has a warning.
    catalog.use(data, "second")
    (data / "models" / "second" / catalog.CHECK).write_text('{"warning": "deaf"}')
    session = open_session()
    assert session.wait(ModelState, state="ready").name == "first"
    session.wait(ModelState, name="first", state="ready", coming="second")
    assert session.wait(ModelState, name="second", state="ready", coming="").warning == "deaf"
    second = cosine(session, 3)
    assert second != pytest.approx(first, abs=1e-4)
    session.worker.send(SwitchModel("first"))
    session.wait(ModelState, name="first", state="ready", coming="")
    assert cosine(session, 4) == pytest.approx(first, abs=1e-6)
    session.worker.send(SwitchModel("second"))  # both know all sounds now
    session.wait(ModelState, name="second", state="ready", coming="")
    assert cosine(session, 5) == pytest.approx(second, abs=1e-6)
    knowing = [rows.parent for rows in (data / "embeddings").glob("*/rows") if rows.stat().st_size]
    assert sorted(folder.name.partition("-")[0] for folder in knowing) == ["first", "second"]


def test_names_are_found_without_the_only_model(tmp_path: Path, folder: Path, open_session) -> None:
    small_model(tmp_path / "data" / "models" / "broken", name="broken", **QUICK)
    (tmp_path / "data" / "models" / "broken" / "weights.safetensors").write_bytes(b"broken")
    session = open_session("broken")
    session.wait(Logged)
    session.wait(ModelState, name="broken", state="failed")
    report = indexed(session, folder)
    assert (report["new"], report["embedded"]) == (3, 0)
    session.worker.send(Search(1, parse("bell")))
    assert session.wait(Matches, id=1).answer.matches[0].name.startswith("bell")


def test_what_stands_in_for_the_chosen_model_says_so(tmp_path: Path, open_session) -> None:
    small_model(tmp_path / "data" / "models" / "small", name="small", **QUICK)
    (tmp_path / "data" / "models" / "in use").write_text("gone")
    told = open_session(None).wait(Failed)
    assert "stands in for gone, which is not here any more" in told.message
    assert "page" in told.fix


def test_new_files_are_found_without_being_asked_for(folder: Path, open_session) -> None:
    session = open_session()
    indexed(session, folder)
    time.sleep(2)  # the watch begins after the scan
    shutil.copy2(SOUNDS / "bell.mp3", folder / "new.mp3")
    report = session.wait(ScanProgress, running=False).report
    assert (report["files"], report["new"]) == (4, 1)
    (folder / "new.mp3").unlink()
    assert session.wait(ScanProgress, running=False).report["missing"] == 1


def test_a_scan_of_one_folder_leaves_the_others(tmp_path: Path, folder: Path, open_session) -> None:
    other = tmp_path / "Other"
    other.mkdir()
    session = open_session()
    indexed(session, folder)
    indexed(session, other)
    shutil.copy2(SOUNDS / "bell 24bit stereo.wav", other / "a.wav")
    shutil.copy2(SOUNDS / "bell 8bit.wav", folder / "b.wav")
    session.worker.send(Scan((str(other),)))
    report = session.wait(ScanProgress, running=False).report
    assert (report["files"], report["new"], report["missing"]) == (1, 1, 0)


def test_a_removed_folder_comes_back_though_its_drive_is_away(
    tmp_path: Path, folder: Path, open_session
) -> None:
    def roots() -> list[tuple[str, int]]:
        with Library.open(tmp_path / "data") as library:
            count = library.counts()["files"]
            return [(root.state, count) for root in library.roots()]

    def wait_for(wanted: list[tuple[str, int]]) -> None:
        end = time.monotonic() + 300
        while roots() != wanted and time.monotonic() < end:
            time.sleep(0.05)
        assert roots() == wanted

    session = open_session()
    indexed(session, folder)
    session.worker.send(RemoveFolder(str(folder)))
    wait_for([])
    folder.rename(folder.parent / "unplugged")
    session.worker.send(AddFolder(str(folder)))
    wait_for([("offline", 3)])


def test_folders_come_and_go_while_a_scan_is_paused(
    tmp_path: Path, folder: Path, open_session
) -> None:
    other = tmp_path / "Other"
    other.mkdir()
    for number in range(40):
        shutil.copy2(SOUNDS / "bell.ogg", other / f"{number}.ogg")
    session = open_session()
    session.worker.send(AddFolder(str(folder)))
    session.wait(ScanProgress, running=True)
    session.worker.send(Pause())
    session.worker.send(AddFolder(str(other)))
    session.worker.send(RemoveFolder(str(folder)))
    end = time.monotonic() + 300
    names: list[str] = []
    while names != ["Other"] and time.monotonic() < end:
        time.sleep(0.05)
        with Library.open(tmp_path / "data") as library:
            names = [root.name for root in library.roots()]
    assert names == ["Other"]
    session.worker.send(Resume())
    while session.wait(ScanProgress, running=False).report["files"] != 40:
        pass
