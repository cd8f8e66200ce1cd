"""A person who does anything at any time: the whole program, used at random for a while.

test_soak starts it; by hand: `--long --soak SECONDS`. What is done follows from the seed alone,
when it is done from the machine.
"""

import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from soundsearch.library.catalog import Library

WORDS = (
    "bell",
    "noise",
    "step",
    "kick #1",
    "rain",
    "stereo dur:<1",
    "-bell",
    '"one frame"',
    "is:fav",
)
PATIENCE = 120_000  # milliseconds for the last scan
PAUSES = (5, 20, 60, 200)  # milliseconds between two actions
NONE, CTRL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


def main(arguments: list[str]) -> int:
    """arguments: a file with the task as JSON, then those of `soundsearch`."""
    task = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    from soundsearch.cli.main import run
    from soundsearch.window import app, region, results_view

    for module in (region, results_view):
        module.QDrag = _ShortDrag  # type: ignore[attr-defined]
    window_class = app.MainWindow

    class Used(window_class):  # type: ignore[misc, valid-type]
        def __init__(self, parts: Any) -> None:
            super().__init__(parts)
            self.person = Person(self, task)

        def take_worker_report(self, report: Any) -> None:
            super().take_worker_report(report)
            self.person.take_worker_report(report)

    app.MainWindow = Used  # type: ignore[misc]
    return run(arguments[1:])


class _ShortDrag(QDrag):
    """Nothing takes what is dragged: without a desktop a drag would last for ever."""

    def exec(self, *actions: Qt.DropAction) -> Qt.DropAction:  # type: ignore[override]
        assert self.mimeData().hasUrls()
        self.deleteLater()
        return Qt.DropAction.IgnoreAction


class Person(QObject):
    """task: seconds, seed, folder (of sounds), answer (a file for what was seen)."""

    def __init__(self, window: Any, task: dict[str, Any]) -> None:
        super().__init__(window)
        self._window = window
        self._task = task
        self._chance = random.Random(task["seed"])
        self._folder = Path(task["folder"])
        self._added: list[Path] = []
        self._number = 0
        self._done: dict[str, int] = {}
        self._memory: list[dict[str, float]] = []
        self._began = self._measured = time.monotonic()
        self._scans = 0
        self._ending = False
        QTimer.singleShot(500, self._begin)

    def _begin(self) -> None:
        self._window.folders.add([str(self._folder)])
        self._next()

    def _next(self) -> None:
        now = time.monotonic()
        if now - self._began > self._task["seconds"]:
            self._end()
            return
        if now - self._measured >= 0.5:
            self._measured = now
            self._memory.append({"at": now - self._began, **self._megabytes()})
        name, action = self._chance.choice(self._actions())
        self._done[name] = self._done.get(name, 0) + 1
        try:
            action()
        finally:
            QTimer.singleShot(self._chance.choice(PAUSES), self._next)

    def _end(self) -> None:
        """Closes when a last scan has brought all of the folder: what was done may have cut the
        others."""
        from soundsearch.worker import messages

        for path in self._added:
            path.unlink(missing_ok=True)
        self._ending = True
        self._window.parts.worker.send(messages.Resume())
        self._window.parts.worker.send(messages.Scan())
        QTimer.singleShot(PATIENCE, self._close)

    def take_worker_report(self, report: Any) -> None:
        from soundsearch.worker import messages

        if self._ending and isinstance(report, messages.ScanProgress) and not report.running:
            with Library.open(Path(self._task["data"])) as library:
                states = library.counts()["states"]
            there = sum(count for state, count in states.items() if state != "missing")
            if there >= len(list(self._folder.iterdir())):
                self._close()

    def _close(self) -> None:
        if not self._ending:
            return
        self._ending = False
        answer = {"done": self._done, "memory": self._memory, "rows": self._window.model.rowCount()}
        Path(self._task["answer"]).write_text(json.dumps(answer), encoding="utf-8")
        for dialog in _dialogs():
            dialog.close()
        self._window.close()

    def _megabytes(self) -> dict[str, float]:
        """What each process has in memory of its own."""
        parts = self._window.parts
        worker = parts.worker._worker
        pids = {
            "window": "self",
            "worker": worker.process.pid if worker else None,
            "player": parts.player.pid,
        }
        return {name: _resident(pid) for name, pid in pids.items() if pid}

    # What can be done. Each stands in the list as often as it is done.

    def _actions(self) -> list[tuple[str, Callable[[], object]]]:
        return [
            *[("type", self._type)] * 6,
            *[("arrow", self._arrow)] * 8,
            *[("drag", self._drag_row)] * 3,
            *[("region", self._drag_region)] * 3,
            *[("mark", self._mark)] * 3,
            ("clear", lambda: self._key(self._window.bar.field, Qt.Key.Key_Escape)),
            ("play", lambda: self._key(self._window, Qt.Key.Key_Space, SHIFT)),
            ("again", lambda: self._key(self._window.view, Qt.Key.Key_Return)),
            ("example", self._example),
            ("back", self._window.bar.go_back),
            ("forward", self._window.bar.go_forward),
            ("scan", self._scan),
            ("files", self._change_files),
            ("theme", lambda: self._set("theme", "dark", "light", "system")),
            ("model", lambda: self._set("model", *self._task["models"])),
            ("compact", self._window.preferences.toggle_compact),
            ("loop", lambda: self._window.panel.loop.click()),
            ("spectrogram", lambda: self._window.panel.spectrogram.click()),
            ("sort", lambda: self._window._sort_changed(self._one("match", "name", "date"))),
            ("sidebar", self._window.face.toggle_sidebar),
            ("size", self._resize),
            ("menu", lambda: self._window.rows.menu().deleteLater()),
            ("page", self._page),
            ("undo", self._undo),
        ]

    def _one(self, *choices: Any) -> Any:
        return self._chance.choice(choices)

    def _key(self, widget: QWidget, key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
        QTest.keyClick(widget, key, modifier)

    def _type(self) -> None:
        field = self._window.bar.field
        if self._chance.random() < 0.4:
            self._key(field, Qt.Key.Key_Backspace)
        else:
            QTest.keyClicks(field, self._one(*WORDS)[: self._chance.randint(1, 12)])
        if len(field.text()) > 40:
            field.clear()

    def _arrow(self) -> None:
        keys = (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_Home)
        key = self._one(*keys, Qt.Key.Key_Right, Qt.Key.Key_Left)
        self._key(self._one(self._window.view, self._window.bar.field), key, self._one(NONE, SHIFT))

    def _drag_row(self) -> None:
        pane = self._window.view.viewport()
        start = QPoint(self._chance.randrange(max(1, pane.width())), self._chance.randrange(200))
        self._pull(pane, start, start + QPoint(self._chance.randint(-80, 80), 40))

    def _drag_region(self) -> None:
        wave = self._window.panel.waveform
        wide = max(2, wave.width())
        y = max(1, wave.height() // 2)
        ends = QPoint(self._chance.randrange(wide), y), QPoint(self._chance.randrange(wide), y)
        self._pull(wave, *ends)

    def _pull(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        left, no = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = QEvent.Type
        for kind, place, button, held in (
            (kinds.MouseButtonPress, start, left, left),
            (kinds.MouseMove, (start + end) / 2, no, left),
            (kinds.MouseMove, end, no, left),
            (kinds.MouseButtonRelease, end, left, no),
        ):
            whole = QPointF(widget.mapToGlobal(place))
            QApplication.sendEvent(
                widget, QMouseEvent(kind, QPointF(place), whole, button, held, NONE)
            )

    def _mark(self) -> None:
        keys = (Qt.Key.Key_D, Qt.Key.Key_0, Qt.Key.Key_3, Qt.Key.Key_5, Qt.Key.Key_A, Qt.Key.Key_C)
        key = self._one(*keys)
        self._key(self._window.view if key == Qt.Key.Key_A else self._window, key, CTRL)

    def _example(self) -> None:
        self._window.rows.add_examples(self._one(1.0, -1.0))
        if len(self._window.bar.asked().chips) > 3:
            self._window.bar.clear()

    def _scan(self) -> None:
        from soundsearch.worker import messages

        self._scans += 1
        request = (messages.Scan(), messages.Retry(), messages.Cancel(), messages.Pause())
        self._window.parts.worker.send(request[self._scans % 4])
        self._window.parts.worker.send(messages.Resume())

    def _change_files(self) -> None:
        """Another program puts sounds into the folder, and takes them away."""
        if len(self._added) > 30 or (self._added and self._chance.random() < 0.3):
            self._added.pop(0).unlink()
            return
        source = self._one(*self._task["sources"])
        self._number += 1
        path = self._folder / f"new take {self._number:03} 100% #1{Path(source).suffix}"
        shutil.copyfile(source, path)
        self._added.append(path)

    def _set(self, name: str, *values: str) -> None:
        self._window.preferences.set(name, self._one(*values))

    def _resize(self) -> None:
        self._window.resize(self._chance.randint(360, 1600), self._chance.randint(280, 1000))

    def _page(self) -> None:
        if dialogs := _dialogs():
            dialogs[0].close()
        else:
            self._one(
                self._window.show_settings_page,
                self._window.show_sheet,
                self._window.folders.show_failures,
            )()

    def _undo(self) -> None:
        notice = self._window.notice
        if notice.isVisible() and notice.action.isVisible():
            notice.action.click()


def _dialogs() -> list[QDialog]:
    found = QApplication.topLevelWidgets()
    return [one for one in found if isinstance(one, QDialog) and one.isVisible()]


def _resident(pid: int | str) -> float:
    """Megabytes; 0 for a process that is gone, or where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1000


if __name__ == "__main__":
    sys.exit("Run tests/window/test_soak.py: children must not import this module again.")
