"""What `bench window` puts into the window's process: a script at its keyboard, and a clock.

The process is started as `soundsearch` starts it; the window's class is exchanged for one that
tells when it was painted and what its worker and player said. Nothing of the window knows of this.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

TICK = 10  # milliseconds between two looks at the event loop
PATIENCE = 60.0  # seconds for anything but a scan
SCAN_PATIENCE = 600.0
KEY_GAP = 60  # milliseconds between an answer and the next key


def main(arguments: list[str]) -> int:
    """arguments: a file with the task as JSON (see bench_window), then those of `soundsearch`."""
    task = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    from soundsearch.cli.main import run
    from soundsearch.window import app, results_view

    probe = _Probe(task)
    painted = results_view.ResultsView.paintEvent

    def paint(view: Any, event: Any) -> None:
        painted(view, event)
        probe.rows_painted()

    results_view.ResultsView.paintEvent = paint  # type: ignore[method-assign, assignment]
    app.MainWindow = _watched(app.MainWindow, probe)  # type: ignore[misc]
    return run(arguments[1:])


def _watched(window_class: type, probe: "_Probe") -> Any:
    """The window's class, telling the probe what happens."""
    from soundsearch.player import messages as player_messages
    from soundsearch.worker import messages

    class Watched(window_class):
        def __init__(self, parts: Any) -> None:
            super().__init__(parts)
            self._first = True
            self.searching.answered.connect(probe.answered)

        def paintEvent(self, event: Any) -> None:
            super().paintEvent(event)
            if self._first:
                self._first = False
                probe.begin(self)

        def take_worker_report(self, report: Any) -> None:
            probe.by_sound = isinstance(report, messages.Matches)
            super().take_worker_report(report)
            probe.by_sound = False
            if isinstance(report, messages.ModelState) and report.state in ("none", "failed"):
                probe.note("no model")
            if isinstance(report, messages.ScanProgress):
                probe.indexing = report.running and report.files > 0
                probe.note("indexing" if report.running else "indexed")

        def take_player_report(self, report: Any) -> None:
            super().take_player_report(report)
            if isinstance(report, player_messages.Playing):
                probe.note("handed", report.handed)
            elif isinstance(report, player_messages.Failed):
                probe.note("not played")
            elif isinstance(report, player_messages.Measured):
                probe.blocks = report.callbacks, report.late, report.starved
                probe.note("counted")

    return Watched


class _Probe:
    """Times by time.monotonic, which all processes of a machine share."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.by_sound = False  # the answer that comes now is the worker's
        self.indexing = False
        self.blocks = (0, 0, 0)
        self._task = task
        self._figures: dict[str, Any] = {}
        self._times: dict[str, float] = {}
        self._unpainted: list[str] = []
        self._wanted: tuple[str, ...] = ()
        self._loop: Any = None
        self._window: Any = None
        self._delays: list[float] | None = None

    # What the window tells.

    def begin(self, window: Any) -> None:
        from PySide6.QtCore import QTimer

        self._window = window
        # The next turn of the loop comes when all of the window was painted.
        QTimer.singleShot(0, self._work)

    def answered(self, shown: object) -> None:
        self._unpainted.append("sounds" if self.by_sound else "names")

    def rows_painted(self) -> None:
        for what in self._unpainted:
            self.note(what)
        self._unpainted.clear()

    def note(self, what: str, when: float | None = None) -> None:
        self._times[what] = time.monotonic() if when is None else when
        if what in self._wanted and self._loop is not None:
            self._loop.quit()

    # The script.

    def _work(self) -> None:
        self._figures["up"] = time.monotonic() - self._task["started"]
        try:
            self._measure()
        except Exception as error:
            self._figures["error"] = f"{type(error).__name__}: {error}"
        self._figures["torch"] = "torch" in sys.modules
        self._figures["memory"] = _memory()
        Path(self._task["answer"]).write_text(json.dumps(self._figures), encoding="utf-8")
        self._window.close()

    def _measure(self) -> None:
        from PySide6.QtGui import QGuiApplication

        self._figures["platform"] = QGuiApplication.platformName()
        self._await("sounds", "no model")
        has_model = "sounds" in self._times
        if has_model:
            self._figures["ready"] = self._times["sounds"] - self._task["started"]
        if self._task["only_start"]:
            return
        if "indexed" not in self._times:
            self._await("indexed", seconds=SCAN_PATIENCE)
        self._rest(1000)
        self._figures["idle"] = self._use(has_model)
        self._times.clear()
        self._window.folders.add([self._task["folder"]])
        while not self.indexing and "indexed" not in self._times:
            self._await("indexing", "indexed")
        self._delays = []
        self._tick()
        self._figures["scan"] = self._use(has_model, while_indexing=True)
        self._figures["delays"], self._delays = self._delays, None

    def _use(self, has_model: bool, while_indexing: bool = False) -> dict[str, Any]:
        """Goes through the last answer's results by arrow keys and types the queries."""
        keys, blocks = self._listen(while_indexing)
        names: list[float] = []
        sounds: list[float] = []
        for query in self._task["queries"]:
            if while_indexing and not self.indexing:
                break
            self._clear()
            for count, letter in enumerate(query, 1):
                began = self._press(letter)
                self._await("names", "sounds")
                names.append(max(self._times.get(w, 0.0) for w in ("names", "sounds")) - began)
                if has_model and count in (len(query) // 2, len(query)):
                    if self._times.get("sounds", 0.0) < began:
                        self._await("sounds")
                    sounds.append(self._times["sounds"] - began - self._task["pause"] / 1000)
                self._rest(KEY_GAP)
        return {"names": names, "sounds": sounds, "keys": keys, "blocks": blocks}

    def _clear(self) -> None:
        """An empty field shows all sounds, and waits until they are there."""
        from PySide6.QtCore import Qt

        self._window.bar.field.selectAll()
        self._press(Qt.Key.Key_Delete)
        self._await("names")
        self._rest(2 * self._task["pause"])

    def _listen(self, while_indexing: bool) -> tuple[list[float], tuple[int, int, int]]:
        """Seconds from arrow key to first sample; callbacks, late and starved ones meanwhile."""
        from PySide6.QtCore import Qt

        self._press(Qt.Key.Key_Down)  # opens the stream
        self._await("handed", "not played")
        self._window.parts.player.measure()
        self._await("counted")
        before = self.blocks
        keys = []
        for number in range(self._task["keys"]):
            if while_indexing and not self.indexing:
                break
            began = self._press(Qt.Key.Key_Down)
            self._await("handed", "not played")
            if self._times.get("handed", 0.0) > began:
                keys.append(self._times["handed"] - began)
            self._rest(80 + 7 * (number % 11))
        self._window.parts.player.measure()
        self._await("counted")
        self._window.audition.stop()
        blocks = tuple(now - then for now, then in zip(self.blocks, before, strict=True))
        return keys, blocks  # type: ignore[return-value]

    # Keys and waiting.

    def _press(self, what: Any) -> float:
        """Posts a letter or another key to the search field; the time of that."""
        from PySide6.QtCore import QCoreApplication, QEvent, Qt
        from PySide6.QtGui import QKeyEvent

        text = what if isinstance(what, str) else ""
        key = Qt.Key(ord(text.upper())) if text else what
        self._times.clear()
        self._unpainted.clear()
        now = time.monotonic()
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, text)
            QCoreApplication.postEvent(self._window.bar.field, event)
        return now

    def _await(self, *whats: str, seconds: float = PATIENCE) -> None:
        """Lets the window work until one of these is noted (again)."""
        for what in whats:
            self._times.pop(what, None)
        self._wanted = whats
        self._turn(seconds)
        self._wanted = ()
        if not any(what in self._times for what in whats):
            raise TimeoutError(f"no {' or '.join(whats)} within {seconds:.0f} s")

    def _rest(self, milliseconds: int) -> None:
        self._turn(milliseconds / 1000)

    def _turn(self, seconds: float) -> None:
        from PySide6.QtCore import QEventLoop, QTimer

        self._loop = QEventLoop()
        timer = QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(self._loop.quit)
        timer.start(round(seconds * 1000))
        self._loop.exec()
        timer.stop()
        self._loop = None

    def _tick(self) -> None:
        """Looks every 10 ms how late the loop is. What keeps it for longer would have kept
        everything else that came meanwhile: each of the ticks that were left out counts."""
        from PySide6.QtCore import Qt, QTimer

        step = TICK / 1000
        due = time.monotonic() + step
        timer = QTimer(self._window)
        timer.setTimerType(Qt.TimerType.PreciseTimer)

        def tick() -> None:
            nonlocal due
            if self._delays is None:
                timer.stop()
                return
            late = max(0.0, time.monotonic() - due)
            self._delays.append(late)
            while (late := late - step) > 0:
                self._delays.append(late)
            due = time.monotonic() + step

        timer.timeout.connect(tick)
        timer.start(TICK)


def _memory() -> dict[str, float]:
    """MB of this process: the largest it was, and, where the system tells, now."""
    from soundsearch.cli.bench import peak_memory

    peak = peak_memory()
    found = {} if peak is None else {"peak": peak}
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found["now"] = round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
