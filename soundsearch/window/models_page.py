"""The models to choose from: what each would take here; fetch, import, use and remove them.

What takes long runs as the command line does it, in a process of its own whose lines are shown.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QProcess, QProcessEnvironment, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from soundsearch.models import catalog
from soundsearch.models.shelf import Choice, choices, told_bytes, told_time
from soundsearch.models.speed import measured_machine
from soundsearch.window.bridge import Desk, Reader

TOPIC = "models to choose from"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt")  # may be chosen beside weights
STATES = {
    "in use": "In use",
    "installed": "Installed",
    "broken": "Can't be used",
    "gone": "Not here any more",
}


class ModelsPage(QDialog):
    """`use_wanted` carries a model's name; `changed` says that one came or went."""

    use_wanted = Signal(str)
    changed = Signal()

    def __init__(self, data: Path, reader: Reader, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setWindowTitle("Models")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._data = data
        self._reader = reader
        self._closed = False
        self.command = Command(data, self)
        self.command.said.connect(self._show_line)
        self.command.ended.connect(self._show_end)
        inside = _List()
        inside.setObjectName("page")
        self._rows = QVBoxLayout(inside)
        self._rows.setContentsMargins(24, 12, 24, 12)
        self._rows.setSpacing(0)
        self._rows.addStretch()
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(area, 1)
        whole.addWidget(_line())
        whole.addWidget(self._foot())
        self.resize(780, min(720, parent.screen().availableSize().height() - 80))
        self.reload()
        if measured_machine(data) is None:
            self._run(["list"], "Measuring this computer…")

    def _foot(self) -> QWidget:
        foot = QWidget()
        foot.setObjectName("page")
        self.line = QLabel()
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setWordWrap(True)
        self.cancel = _button("Cancel", self.command.stop)
        self.cancel.hide()
        self.other = _button("Import another…", lambda: self._choose_files(None))
        row = QHBoxLayout(foot)
        row.setContentsMargins(24, 10, 34, 12)  # the bar of the list takes 10
        row.addWidget(self.line, 1)
        row.addWidget(self.cancel)
        row.addWidget(self.other)
        return foot

    def reload(self) -> None:
        """Reads what is here, and how much the library would take with each."""

        def read(desk: Desk) -> tuple[list[Choice], int]:
            catalog.tidy(self._data)  # an import that was cancelled leaves gigabytes
            lengths = desk.library.sound_lengths() if desk.library is not None else {}
            return choices(self._data, lengths.values()), len(lengths)

        self._reader.ask(TOPIC, read, lambda result: self.show_choices(*result))

    def show_choices(self, found: Sequence[Choice], sounds: int) -> None:
        while (item := self._rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for number, choice in enumerate(found):
            if number:
                self._rows.addWidget(_line())
            self._rows.addWidget(_Row(choice, sounds, self._actions(choice)))
        self._rows.addStretch()
        self._enable()

    def _actions(self, choice: Choice) -> list[QPushButton]:
        name, buttons = choice.name, []
        if choice.state == "installed":
            buttons.append(_button("Use", lambda: self._use(name)))
        if choice.state == "to download":
            buttons.append(
                _button("Download", lambda: self._run(["download", name], f"Fetching {name}…"))
            )
        if choice.state in ("to download", "to import"):
            buttons.append(_button("From files…", lambda: self._choose_files(name)))
        if choice.own and choice.state != "in use":
            buttons.append(_button("Remove…", lambda: self._ask_to_remove(choice)))
        elif choice.vectors and choice.state != "in use":
            buttons.append(_button("Forget…", lambda: self._ask_to_forget(choice)))
        for button in buttons:
            button.setAccessibleName(f"{button.text()} {name}")
        return buttons

    def _use(self, name: str) -> None:
        self.use_wanted.emit(name)
        self.line.setText(f"{name} answers as soon as it has heard your sounds.")
        self.reload()

    def _choose_files(self, name: str | None) -> None:
        dialog = QFileDialog(self, f"The files of {name or 'a model'}")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(lambda files: self.import_files(files, name))
        dialog.open()

    def import_files(self, files: Sequence[str], name: str | None = None) -> None:
        """name: None takes it from the file's."""
        words = [file for file in files if Path(file).name in TOKENIZER_FILES]
        paths = sorted(set(files) - set(words)) or sorted(files)
        if len(paths) == 1 and Path(paths[0]).name in ("config.json", "model.json"):
            paths = [str(Path(paths[0]).parent)]  # of a model that is a folder
        chosen = name or re.sub(r"[^A-Za-z0-9._-]+", "-", Path(paths[0]).stem).strip("-.") or "own"
        given = ["--tokenizer", words[0]] if words and paths != sorted(files) else []
        self._run(["import", chosen, *paths, *given], f"Importing {chosen}…")

    def _ask_to_remove(self, choice: Choice) -> None:
        question = self._question(f"Remove the model {choice.name} ({told_bytes(choice.bytes)})?")
        too = QCheckBox(f"What it knows of your sounds, too ({told_bytes(choice.vectors)})")
        if choice.vectors:
            question.setInformativeText("Kept, it answers at once if the model ever comes back.")
            question.setCheckBox(too)
        remove = question.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        remove.clicked.connect(lambda: self._remove(choice.name, True, too.isChecked()))
        question.open()

    def _ask_to_forget(self, choice: Choice) -> None:
        known = told_bytes(choice.vectors)
        question = self._question(f"Forget what {choice.name} knows of your sounds ({known})?")
        question.setInformativeText("With that model it would have to hear them all again.")
        forget = question.addButton("Forget", QMessageBox.ButtonRole.DestructiveRole)
        forget.clicked.connect(lambda: self._remove(choice.name, False, True))
        question.open()

    def _question(self, text: str) -> QMessageBox:
        question = QMessageBox(self)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setIcon(QMessageBox.Icon.Warning)
        question.setText(text)
        question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
        return question

    def _remove(self, name: str, model: bool, vectors: bool) -> None:
        """The worker holds the library, and writes nothing of a model that is not in use."""

        def remove(desk: Desk) -> None:
            if model:
                catalog.remove(self._data, name)
            if vectors:
                catalog.forget(self._data, name)

        def removed(_: object) -> None:
            if self._closed:
                return
            told = f"{name} is removed." if model else f"What {name} knew is forgotten."
            self.line.setText(told)
            self.changed.emit()
            self.reload()

        def failed(error: Exception) -> None:
            if not self._closed:
                self.line.setText(str(error))

        self._reader.ask("", remove, removed, failed)

    def _run(self, arguments: list[str], text: str) -> None:
        if self.command.start_command(["models", *arguments]):
            self.line.setText(text)
            self._enable()

    def _show_line(self, text: str) -> None:
        self.line.setText(text)

    def _show_end(self, done: bool, last: str) -> None:
        self.line.setText(last)
        self._enable()
        self.changed.emit()
        self.reload()

    def _enable(self) -> None:
        busy = self.command.is_running
        self.cancel.setVisible(busy)
        self.other.setVisible(not busy)
        for button in self.findChildren(QPushButton):
            if button is not self.cancel:
                button.setEnabled(not busy)

    def done(self, result: int) -> None:
        # A download goes on where it was the next time.
        self._closed = True
        self.command.stop()
        self._reader.drop(TOPIC)
        super().done(result)


class _List(QWidget):
    """As high as its lines need: a scroll area squeezes wrapped ones that nearly fit."""

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        layout = self.layout()
        if layout and event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self.setMinimumHeight(max(0, layout.totalHeightForWidth(self.width())))
        return done


class _Row(QWidget):
    def __init__(self, choice: Choice, sounds: int, buttons: Sequence[QPushButton]) -> None:
        super().__init__()
        name = QLabel(choice.name)
        name.setTextFormat(Qt.TextFormat.PlainText)
        name.setStyleSheet("font-weight: 600")
        fetched = f"{told_bytes(choice.fetched)} of it are fetched" if choice.fetched else ""
        state = QLabel(STATES.get(choice.state, fetched))
        state.setObjectName("quiet")
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(name)
        head.addWidget(state)
        head.addStretch()
        texts = QVBoxLayout()
        texts.setSpacing(3)
        texts.addLayout(head)
        if choice.title:
            texts.addWidget(_text(choice.title))
        if choice.state not in ("broken", "gone"):
            texts.addWidget(_text(f"{told_bytes(choice.bytes)} · {choice.licence}", "quiet"))
            stated = not choice.quality.startswith("not stated")
            quality = f"{'Stated quality:' if stated else 'Quality'} {choice.quality}"
            texts.addWidget(_text(quality, "quiet"))
            texts.addWidget(_text(told_need(choice, sounds), "quiet"))
        if choice.vectors and not choice.is_here:
            knew = f"What it knew of your sounds is kept: {told_bytes(choice.vectors)}"
            texts.addWidget(_text(knew, "quiet"))
        if choice.warning:
            start = "" if choice.state == "broken" else "Be careful: "
            texts.addWidget(_text(f"{start}{choice.warning}", "bad"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 12, 0, 12)
        row.setSpacing(16)
        row.addLayout(texts, 1)
        beside = QVBoxLayout()
        beside.setSpacing(6)
        for button in buttons:
            button.setMinimumWidth(116)
            beside.addWidget(button)
        beside.addStretch()
        row.addLayout(beside)


def told_need(choice: Choice, sounds: int) -> str:
    """How long the library takes with a model, and how much memory."""
    memory = choice.memory_told
    if choice.begun:
        return f"Has heard sounds of yours already · {choice.pace} · {memory}"
    if choice.needs is None or not sounds:
        return f"Speed here: {choice.pace} · {memory}"
    return f"Your {sounds:,} sounds: {told_time(choice.needs)} ({choice.pace}) · {memory}"


class Command(QProcess):
    """A command of the command line, one at a time. `said` carries what it says; `ended` whether
    it was done, and its last line."""

    said = Signal(str)
    ended = Signal(bool, str)

    def __init__(self, data: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self._data = data
        self._last = ""
        self._rest = b""
        self._stopped = False
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONIOENCODING", "utf-8:backslashreplace")
        self.setProcessEnvironment(environment)
        self.setStandardOutputFile(QProcess.nullDevice())
        self.readyReadStandardError.connect(self._read)
        self.finished.connect(self._finish)
        self.errorOccurred.connect(self._fail)

    @property
    def is_running(self) -> bool:
        return self.state() != QProcess.ProcessState.NotRunning

    def start_command(self, arguments: Sequence[str]) -> bool:
        """False while another one runs."""
        if self.is_running:
            return False
        self._last, self._rest, self._stopped = "", b"", False
        program = [] if getattr(sys, "frozen", False) else ["-m", "soundsearch"]
        super().start(sys.executable, [*program, "--data", str(self._data), *arguments])
        return True

    def stop(self) -> None:
        if self.is_running:
            self._stopped = True
            self.kill()
            self.waitForFinished(2000)

    def _read(self) -> None:
        *lines, self._rest = (self._rest + self.readAllStandardError().data()).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._last = text.removeprefix("soundsearch: ")
                self.said.emit(self._last)

    def _finish(self, code: int) -> None:
        self._read()
        if self._stopped:
            self.ended.emit(False, "Stopped. A download goes on where it was.")
        else:
            self.ended.emit(code == 0, self._last)

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(False, f"It can't be started ({self.errorString()})")


def _text(text: str, name: str = "") -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setObjectName(name)
    label.setWordWrap(True)
    return label


def _line() -> QFrame:
    line = QFrame()
    line.setObjectName("line")
    line.setFixedHeight(1)
    return line


def _button(text: str, pressed: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.setStyleSheet("padding: 4px 12px")
    button.clicked.connect(lambda: pressed())
    return button
