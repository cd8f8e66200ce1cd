"""The window with its real worker and player, and the program as it is started."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from soundsearch.library.catalog import Library
from soundsearch.player.client import PlayerClient
from soundsearch.settings import Settings
from soundsearch.window.app import LateWorker, close_all, raise_other
from soundsearch.window.bridge import Reader, Wire
from soundsearch.window.main_window import MainWindow
from soundsearch.window.preferences import Parts
from soundsearch.worker.client import Worker
from tests.window.conftest import until

ROOT = Path(__file__).parent.parent.parent
SOUNDS = ROOT / "tests" / "sounds"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Some #1 Sounds"
    folder.mkdir()
    for file in sorted(SOUNDS.glob("bell*.wav"))[:3]:
        shutil.copy(file, folder)
    (folder / "broken.wav").write_bytes(b"RIFF and nothing more")
    return folder


def test_a_folder_is_added_indexed_searched_and_failures_are_told(
    qtbot, tmp_path: Path, folder: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    answered, heard = Wire(), Wire()
    worker = LateWorker(lambda: Worker(data, None, "cpu", answered.report))
    player = PlayerClient(heard.report)
    reader = Reader(data)
    window = MainWindow(Parts(data, Settings(), reader, worker, player))
    answered.reported.connect(window.take_worker_report)
    heard.reported.connect(window.take_player_report)
    window.show()
    try:
        until(lambda: window.welcome.isVisible())
        window.folders.add([str(folder)])  # the worker isn't there yet: it waits
        worker.start()
        until(lambda: window.model.rowCount() == 3, 60_000)
        until(lambda: window.status.failures.isVisible(), 20_000)
        assert window.status.failures.text() == "1 file failed"
        qtbot.keyClicks(window.bar.field, "stereo")
        until(lambda: window.model.rowCount() == 1, 20_000)
        match = window.model.match_at(0)
        assert match is not None
        assert Path(os.fsdecode(match.path)) == folder / "bell 24bit stereo.wav"
    finally:
        window.close()
        close_all(worker, player, reader)
        window.deleteLater()
    assert worker._worker is not None
    assert not worker._worker.process.is_alive()
    assert player.pid is None


def children(process: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux lists them")
def test_sigterm_during_a_scan_ends_everything_and_keeps_what_was_done(
    qtbot, tmp_path: Path, folder: Path
) -> None:
    data = tmp_path / "data"
    program = subprocess.Popen(
        [sys.executable, "-m", "soundsearch", "--data", str(data), "--device", "cpu"],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    try:
        until(lambda: raise_other(data, str(folder)), 30_000)

        def added() -> bool:
            try:
                with Library.open(data) as library:
                    return bool(library.roots())
            except Exception:
                return False

        until(added, 60_000)
        family = children(program.pid)
        assert len(family) >= 2
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    finally:
        program.kill()
        program.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family))
    assert (data / "settings.json").exists()
    with Library.open(data, write=True) as library:  # nobody holds the lock any more
        assert [root.path for root in library.roots()] == [os.fsencode(folder)]
