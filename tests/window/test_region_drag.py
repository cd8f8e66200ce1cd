"""The selected part of a sound dragged into another program: a finished file with the source's
samples, made by a real player process, on an X server of the test's own."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.window.test_drag_out import ROOT, TARGET, display

__all__ = ["display"]
pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool"
)
RATE = 48000
REGION = (0.25, 0.75)

SOURCE = """
import json, sys
from pathlib import Path
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication
app = QApplication([])
from soundsearch.player.client import PlayerClient
from soundsearch.settings import Settings
from soundsearch.window.bridge import Reader, Wire
from soundsearch.window.main_window import MainWindow
from soundsearch.window.preferences import Parts
from tests.window.conftest import ODD_NAMES, FakeWorker, fill_library, make_match, until
data, sound = Path(sys.argv[1]), sys.argv[2].encode("utf-8", "surrogateescape")
heard = Wire()
with PlayerClient(heard.report) as player:
    others = data.parent / "Others"
    others.mkdir()
    fill_library(data, others, ODD_NAMES)  # an empty library shows no player
    settings = Settings(theme="dark", auto_play=False)
    window = MainWindow(Parts(data, settings, Reader(data), FakeWorker(), player))
    heard.reported.connect(window.take_player_report)
    window.setGeometry(0, 0, 900, 700)
    window.show()
    until(lambda: window.model.rowCount() == len(ODD_NAMES), 30_000)
    window.audition.show(make_match(1, path=sound, duration=1.0), play=False)
    import numpy as np
    window.panel.show_envelope(np.full((300, 3), 60, np.int8))
    view = window.panel.waveform
    until(lambda: view.width() > 200)
    view.choose((0.25, 0.75))
    place = view.mapToGlobal(QPoint(round(view.x_of(0.5)), view.height() // 2))
    print(json.dumps((place.x(), place.y())), flush=True)
    app.exec()
"""

# Reads the file the moment it gets it.
READING = TARGET.replace(
    'print(json.dumps({"paths"',
    "import hashlib, pathlib\n"
    "        content = pathlib.Path(data.urls()[0].toLocalFile()).read_bytes()\n"
    '        print(json.dumps({"hash": hashlib.sha1(content).hexdigest(), "paths"',
)


def test_a_region_arrives_as_a_finished_file(display: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": str(ROOT),
        "SOUNDSEARCH_OUTPUT": "silent",
    }
    data = tmp_path / "data"
    sound = tmp_path / "My #1 Söunds" / "line\nbreak 100% 🥁.wav"
    sound.parent.mkdir()
    numbers = np.random.default_rng(3).integers(-(2**31), 2**31, (RATE, 2)).astype(np.int32)
    soundfile.write(sound, numbers, RATE, subtype="PCM_24")
    # A script of its own: spawned children import the main module again.
    script = tmp_path / "source.py"
    body = "\n".join(f"    {line}" for line in SOURCE.splitlines())
    script.write_text(f"def main():\n{body}\n\nif __name__ == '__main__':\n    main()\n")
    source = subprocess.Popen(
        [sys.executable, str(script), str(data), str(sound)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    target = subprocess.Popen(
        [sys.executable, "-c", READING], stdout=subprocess.PIPE, text=True, env=environment
    )

    def pointer(*words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=environment, check=True, timeout=20)
        time.sleep(0.05)

    try:
        assert source.stdout is not None
        assert target.stdout is not None
        x, y = json.loads(source.stdout.readline())
        assert target.stdout.readline() == "up\n"
        time.sleep(0.5)  # until the X server has mapped both
        pointer("mousemove", x, y)
        pointer("mousedown", 1)
        for step in range(1, 8):
            pointer("mousemove", x + 3 * step, y)
        limit = time.monotonic() + 60  # the drag begins when the file is there
        while not list(data.glob("exports/*.wav")) and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(1.0)
        for place in (x + 30, 700, 950, 1100, 1150, 1160, 1161):
            pointer("mousemove", place, 200)
        pointer("mouseup", 1)
        dropped = json.loads(target.stdout.readline())
    finally:
        source.terminate()
        for process in (source, target):
            process.kill()
            process.wait()
    (file,) = (data / "exports").iterdir()
    assert dropped["paths"] == [str(file)]
    assert dropped["action"] == "CopyAction"
    # What was read at the drop is what lies there: it was finished.
    assert dropped["hash"] == hashlib.sha1(file.read_bytes()).hexdigest()
    there = soundfile.read(sound, dtype="int32")[0]
    first, last = (round(second * RATE) for second in REGION)
    np.testing.assert_array_equal(soundfile.read(file, dtype="int32")[0], there[first:last])
    assert soundfile.info(file).subtype == "PCM_24"
    assert [path.name for path in sound.parent.iterdir()] == [sound.name]
