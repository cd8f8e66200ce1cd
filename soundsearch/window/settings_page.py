"""Everything that can be set, on one page; what is set takes effect at once."""

import os
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from soundsearch.settings import Settings
from soundsearch.window import palette
from soundsearch.window.exports import Size
from soundsearch.window.settings_menu import THEMES, Offers, output_choices

FREE_AFTER = (
    ("After 2 idle minutes", 2.0),
    ("After 10 idle minutes", 10.0),
    ("After an idle hour", 60.0),
    ("Never", 0.0),
)
BUFFERS = (("Safe", "safe"), ("Short: answers sooner, may drop out", "short"))
DEVICES = (
    ("Automatic", "auto"),
    ("Processor", "cpu"),
    ("NVIDIA graphics (CUDA)", "cuda"),
    ("Apple graphics (MPS)", "mps"),
)


class _Choice(QComboBox):
    """A wheel that scrolls the page doesn't change what it passes."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class SettingsPage(QDialog):
    """Shows the settings as they are. `chosen` carries the name of a setting and its new value;
    `asked` what is to be done: "show data", "clean", "export", "import" or "models"."""

    chosen = Signal(str, object)
    asked = Signal(str)

    def __init__(self, settings: Settings, offers: Offers, data: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setWindowTitle("Settings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._settings = settings
        inside = QWidget()
        inside.setObjectName("page")
        self._whole = QVBoxLayout(inside)
        self._whole.setContentsMargins(24, 12, 24, 20)
        self._whole.setSpacing(6)
        self._sound(offers)
        self._look()
        self._search(offers)
        self._indexing()
        self._data(data)
        self._whole.addStretch()
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(area)
        room = parent.screen().availableSize()
        self.resize(560, min(inside.sizeHint().height() + 4, room.height() - 80))

    def _sound(self, offers: Offers) -> None:
        form = self._section("Sound")
        outputs = output_choices(self._settings.output_device, offers)
        self._choice(form, "Output", "output_device", outputs)
        self._choice(form, "Buffer", "buffer", BUFFERS)
        self._check(form, "Play a sound when it is selected", "auto_play")
        self._check(form, "Even loudness", "match_loudness")

    def _look(self) -> None:
        form = self._section("Look")
        self._choice(form, "Theme", "theme", THEMES)
        self._check(form, "Compact list", "compact")
        self._check(form, "Always on top", "always_on_top")

    def _search(self, offers: Offers) -> None:
        form = self._section("Search")
        models = [(name, name) for name in offers.models] or [("None installed", "")]
        model = self._choice(form, "Model", "model", models, offers.model)
        self.warning = QLabel()
        self.warning.setObjectName("bad")
        self.warning.setTextFormat(Qt.TextFormat.PlainText)
        self.warning.setWordWrap(True)
        form.addRow("", self.warning)

        def show_warning() -> None:
            warning = offers.warnings.get(model.currentData(), "")
            self.warning.setText(f"Be careful: {warning}")
            form.setRowVisible(self.warning, bool(warning))

        model.currentIndexChanged.connect(show_warning)
        show_warning()
        self._choice(form, "Computed on", "device", DEVICES)
        self._hint(form, "Where it is computed changes with the next start.")
        self._choice(form, "Free its memory", "free_model_after", FREE_AFTER)
        form.addRow("", _beside(self._button("Models…", "models"), QWidget()))

    def _indexing(self) -> None:
        form = self._section("Indexing")
        count = os.cpu_count() or 1
        cores = [("All but one", 0), *((f"{n}", n) for n in range(1, count + 1))]
        self._choice(form, "Cores that read files", "cores", cores)
        self._check(form, "Pause on battery", "pause_on_battery")
        self.exclude = QPlainTextEdit(self._settings.exclude)
        self.exclude.setAccessibleName("Leave out")
        self.exclude.setPlaceholderText("*.mp3\nOld Backups\n*/Loops/*")
        self.exclude.setFixedHeight(72)
        self.exclude.setTabChangesFocus(True)
        self.exclude.installEventFilter(self)
        form.addRow(_label("Leave out", self.exclude), self.exclude)
        self._hint(form, "One name or path a line; * stands for anything.")

    def _data(self, data: Path) -> None:
        form = self._section("Data")
        place = QLabel(str(data))
        place.setTextFormat(Qt.TextFormat.PlainText)
        place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        place.setWordWrap(True)
        form.addRow(_label("Data folder", place), _beside(place, self._button("Show", "show data")))
        self.taken = QLabel("…")
        self.clean = self._button("Clean…", "clean")
        self.clean.setEnabled(False)
        self.clean.clicked.disconnect()
        self.clean.clicked.connect(self._ask_clean)
        form.addRow(_label("Dragged-out parts", self.taken), _beside(self.taken, self.clean))
        both = _beside(self._button("Export…", "export"), self._button("Import…", "import"))
        form.addRow(QLabel("What you made"), both)
        self._hint(form, "Favourites, ratings, tags, collections and saved searches.")

    def show_size(self, size: Size) -> None:
        """How much the exported regions take."""
        self.taken.setText(str(size))
        self.clean.setEnabled(bool(size.files))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.exclude and event.type() == QEvent.Type.FocusOut:
            self._tell_exclude()
        return super().eventFilter(watched, event)

    def done(self, result: int) -> None:
        self._tell_exclude()
        super().done(result)

    def _tell_exclude(self) -> None:
        lines = [line.strip() for line in self.exclude.toPlainText().splitlines()]
        text = "\n".join(line for line in lines if line)
        if text != self._settings.exclude:
            self.chosen.emit("exclude", text)

    def _ask_clean(self) -> None:
        question = QMessageBox(self)
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setIcon(QMessageBox.Icon.Warning)
        question.setText(f"Delete the parts that were dragged out ({self.taken.text()})?")
        question.setInformativeText(
            "Projects in other programs that use these files will miss them."
        )
        delete = question.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
        delete.clicked.connect(lambda: self.asked.emit("clean"))
        question.open()

    def _section(self, name: str) -> QFormLayout:
        label = QLabel(name.upper())
        label.setObjectName("section")
        label.setContentsMargins(0, 14, 0, 2)
        self._whole.addWidget(label)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._whole.addLayout(form)
        return form

    def _choice(
        self,
        form: QFormLayout,
        label: str,
        name: str,
        values: Sequence[tuple[str, object]],
        current: object = None,
    ) -> QComboBox:
        choice = _Choice()
        choice.setObjectName(name)
        choice.setAccessibleName(label)
        choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        choice.setMinimumContentsLength(24)
        palette.loosen(choice)
        for text, value in values:
            choice.addItem(text, value)
        chosen = getattr(self._settings, name) if current is None else current
        choice.setCurrentIndex(max(0, choice.findData(chosen)))
        choice.activated.connect(lambda: self.chosen.emit(name, choice.currentData()))
        form.addRow(_label(label, choice), choice)
        return choice

    def _check(self, form: QFormLayout, label: str, name: str) -> None:
        check = QCheckBox(label)
        check.setObjectName(name)
        check.setChecked(getattr(self._settings, name))
        check.clicked.connect(lambda checked: self.chosen.emit(name, checked))
        form.addRow("", check)

    def _hint(self, form: QFormLayout, text: str) -> None:
        hint = QLabel(text)
        hint.setObjectName("quiet")
        hint.setWordWrap(True)
        form.addRow("", hint)

    def _button(self, text: str, what: str) -> QPushButton:
        button = QPushButton(text)
        button.setAutoDefault(False)
        button.setStyleSheet("padding: 4px 12px")
        button.clicked.connect(lambda: self.asked.emit(what))
        return button


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setMinimumWidth(150)
    label.setBuddy(buddy)
    return label


def _beside(first: QWidget, second: QWidget) -> QWidget:
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(first, 1 if isinstance(first, QLabel) else 0)
    row.addWidget(second)
    if not isinstance(first, QLabel):
        row.addStretch()
    return both
