"""Drag and drop between two programs, on an X server of the test's own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.window.conftest import ODD_NAMES

pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool"
)
ROOT = Path(__file__).parent.parent.parent

# A window on a library, at the left of the screen; tells where its rows are.
SOURCE = """
import json, sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
app = QApplication([])
from soundsearch.settings import Settings
from soundsearch.window.bridge import Reader
from soundsearch.window.main_window import MainWindow
from soundsearch.window.preferences import Parts
from tests.window.conftest import ODD_NAMES, FakePlayer, FakeWorker, fill_library, until
data, sounds = Path(sys.argv[1]), Path(sys.argv[2])
fill_library(data, sounds, ODD_NAMES)
window = MainWindow(Parts(data, Settings(theme="dark"), Reader(data), FakeWorker(), FakePlayer()))
window.setGeometry(0, 0, 900, 700)
window.show()
view, model = window.view, window.model
until(lambda: model.rowCount() == len(ODD_NAMES))
until(lambda: all(model.match_at(row) for row in range(len(ODD_NAMES))))
if "several" in sys.argv:
    view.go_to(0)
    view.go_to(2, extend=True)
places = [view.viewport().mapToGlobal(view.visualRect(model.index(row, 0)).center())
          for row in range(model.rowCount())]
print(json.dumps([(place.x(), place.y()) for place in places]), flush=True)
app.exec()
"""

# Another program, at the right; tells what was dropped.
TARGET = """
import json, sys
from PySide6.QtWidgets import QApplication, QWidget
class Target(QWidget):
    def dragEnterEvent(self, event):
        event.acceptProposedAction()
    def dragMoveEvent(self, event):
        event.acceptProposedAction()
    def dropEvent(self, event):
        event.acceptProposedAction()
        data = event.mimeData()
        print(json.dumps({"paths": [url.toLocalFile() for url in data.urls()],
                          "formats": data.formats(),
                          "action": event.dropAction().name,
                          "possible": event.possibleActions().value}), flush=True)
app = QApplication([])
window = Target()
window.setAcceptDrops(True)
window.setGeometry(1000, 0, 400, 400)
window.show()
print("up", flush=True)
app.exec()
"""


@pytest.fixture
def display() -> Iterator[str]:
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1500x800x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.mark.parametrize("several", [False, True])
def test_rows_are_dropped_into_another_program(display: str, tmp_path: Path, several: bool) -> None:
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": str(ROOT),
    }
    data, sounds = tmp_path / "data", tmp_path / "My #1 Söunds"
    sounds.mkdir()
    words = [str(data), str(sounds), *(["several"] if several else [])]
    source = subprocess.Popen(
        [sys.executable, "-c", SOURCE, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    target = subprocess.Popen(
        [sys.executable, "-c", TARGET], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert source.stdout is not None
        assert target.stdout is not None
        places = json.loads(source.stdout.readline())
        assert target.stdout.readline() == "up\n"
        time.sleep(0.5)  # until the X server has mapped both
        x, y = places[1]

        def pointer(*words: object) -> None:
            subprocess.run(["xdotool", *map(str, words)], env=environment, check=True, timeout=20)
            time.sleep(0.05)

        pointer("mousemove", x, y)
        pointer("mousedown", 1)
        for step in range(1, 8):
            pointer("mousemove", x + 3 * step, y)
        for place in (700, 950, 1100, 1150, 1160, 1161):
            pointer("mousemove", place, 200)
        pointer("mouseup", 1)
        dropped = json.loads(target.stdout.readline())
    finally:
        for process in (source, target):
            process.kill()
            process.wait()
    expected = {str(sounds / name) for name in ODD_NAMES}
    assert len(dropped["paths"]) == (3 if several else 1)
    assert set(dropped["paths"]) <= expected
    assert "text/uri-list" in dropped["formats"]
    assert dropped["action"] == "CopyAction"
    assert dropped["possible"] == 1  # copying is all that is offered
    assert sorted(path.name for path in sounds.iterdir()) == sorted(ODD_NAMES)
