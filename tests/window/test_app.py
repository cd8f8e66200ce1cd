import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soundsearch.window.app import SingleWindow, raise_other, socket_name
from tests.cli.test_data_folder import read_only
from tests.window.conftest import until

HEAVY = {"torch", "transformers", "hnswlib", "soundfile", "sounddevice"}


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_window_loads_nothing_heavy() -> None:
    done = python("import sys, soundsearch.window.app; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not HEAVY & {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there is always a display")
@pytest.mark.parametrize("display", ["", ":987", "localhost:987.0"])
def test_without_a_display_there_is_one_sentence_and_the_help(tmp_path: Path, display: str) -> None:
    done = python(
        "from soundsearch.cli.main import main; main([])",
        DISPLAY=display,
        WAYLAND_DISPLAY="",
        QT_QPA_PLATFORM="",
        SOUNDSEARCH_DATA=str(tmp_path / "data"),
    )
    assert done.returncode == 1
    sentence, _, usage = done.stderr.splitlines()[:3]
    assert "display" in sentence
    assert usage.startswith("usage: soundsearch")
    assert "add folders and scan them" in done.stderr
    assert "qt.qpa" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
def test_a_read_only_data_folder_opens_without_tracebacks(qtbot, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with read_only(data):
        program = subprocess.Popen(
            [sys.executable, "-m", "soundsearch", "--data", str(data), "--device", "cpu"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "SOUNDSEARCH_OUTPUT": "silent"},
        )
        try:
            until(lambda: raise_other(data), 60_000)
            time.sleep(1)
            program.send_signal(signal.SIGTERM)
            _, told = program.communicate(timeout=30)
        finally:
            program.kill()
    assert program.returncode == 0
    assert "The settings can't be saved" in told
    for trace in ("Traceback", "Logging error"):
        assert trace not in told, told


def test_a_second_start_raises_the_first_window(qtbot, tmp_path: Path) -> None:
    assert not raise_other(tmp_path)
    first = SingleWindow(tmp_path)
    asked: list[str] = []
    first.asked.connect(asked.append)
    second = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom pathlib import Path\n"
            "from soundsearch.window.app import raise_other\n"
            "sys.exit(not raise_other(Path(sys.argv[1]), sys.argv[2]))",
            str(tmp_path),
            "/new/Töne #1",
        ]
    )
    until(lambda: asked == ["/new/Töne #1"], 20000)
    assert second.wait(10) == 0
    first.close()
    assert not raise_other(tmp_path)


def test_a_window_that_closes_is_not_asked_any_more(qtbot, tmp_path: Path) -> None:
    window = SingleWindow(tmp_path)
    asked: list[str] = []
    window.asked.connect(asked.append)
    assert raise_other(tmp_path)  # connected and written, but not read yet
    window.close()
    qtbot.wait(100)
    assert asked == []
    assert not raise_other(tmp_path)


def test_a_socket_left_by_a_crash_is_taken_over(qtbot, tmp_path: Path) -> None:
    crashed = python(
        "import os, sys\nfrom pathlib import Path\n"
        "from PySide6.QtCore import QCoreApplication\n"
        "from soundsearch.window.app import SingleWindow\n"
        "app = QCoreApplication([])\n"
        f"window = SingleWindow(Path({str(tmp_path)!r}))\n"
        "os._exit(9)"
    )
    assert crashed.returncode == 9
    assert not raise_other(tmp_path)
    window = SingleWindow(tmp_path)
    asked: list[str] = []
    window.asked.connect(asked.append)
    assert raise_other(tmp_path)
    until(lambda: asked == [""])
    window.close()


def test_each_data_folder_has_a_window_of_its_own(tmp_path: Path) -> None:
    assert socket_name(tmp_path / "a") != socket_name(tmp_path / "b")
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert socket_name(tmp_path / "a") == socket_name(tmp_path / "link")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_the_window_while_the_loop_sleeps(number: int) -> None:
    code = (
        "import sys\nfrom PySide6.QtWidgets import QApplication\n"
        "from soundsearch.window.app import SignalEnder\n"
        "app = QApplication([])\nender = SignalEnder()\nender.asked.connect(app.quit)\n"
        "print('up', flush=True)\napp.exec()\nender.close()\nprint('clean')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(0.2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert (out, process.returncode) == ("clean\n", 0)


ERRORS = """
import logging, sys, threading
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from soundsearch.window.app import ErrorCatcher
logging.basicConfig(stream=sys.stdout, format="logged %(message)s")
app = QApplication([])
errors = ErrorCatcher()
errors.install()

def fail():
    raise ZeroDivisionError("nobody expected this")

def look():
    if errors.dialog is not None:
        text = errors.dialog.body.toPlainText()
        print("shown", "ZeroDivisionError: nobody expected this" in text, "Qt" in text)
        errors.dialog.accept()
        QTimer.singleShot(200, lambda: app.exit(errors.dialog is not None))

for _ in range(3):
    QTimer.singleShot(0, fail)
    threading.Thread(target=fail).start()
looking = QTimer()
looking.timeout.connect(look)
looking.start(20)
sys.exit(app.exec())
"""


def test_an_unexpected_error_is_shown_and_logged_once() -> None:
    done = python(ERRORS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("shown True True") == 1
    assert done.stdout.count("logged Unexpected error") == 1
