"""The popup of filters and of the list's order. Filters are text of the query language."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from soundsearch.window import palette

# The popup's choices: what a person reads, and what stands in the query.
DURATIONS = (
    ("Any length", ""),
    ("Below 1 s", "dur:<1"),
    ("1 to 5 s", "dur:1-5"),
    ("5 to 30 s", "dur:5-30"),
    ("Above 30 s", "dur:>30"),
)
FORMATS = (
    ("Any format", ""),
    ("WAV", "format:wav"),
    ("AIFF", "format:aiff"),
    ("FLAC", "format:flac"),
    ("MP3", "format:mp3"),
    ("OGG", "format:ogg"),
)
CHANNELS = (("Any channels", ""), ("Mono", "ch:1"), ("Stereo", "ch:2"), ("Six (5.1)", "ch:6"))
RATES = (
    ("Any rate", ""),
    ("44.1 kHz", "rate:44100"),
    ("48 kHz", "rate:48000"),
    ("96 kHz", "rate:96000"),
    ("192 kHz", "rate:192000"),
)
SORTS = (
    ("Best match", "match"),
    ("Name", "name"),
    ("Shortest first", "duration"),
    ("Longest first", "-duration"),
    ("Newest first", "date"),
)


class FiltersPopup(QFrame):
    """Filters as the query language writes them, and the order of the list."""

    filters_changed = Signal(str)
    sort_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popup")
        self.setAccessibleName("Filters and order")
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        self.sort = _choice("Order", SORTS)
        self.duration = _choice("Length", DURATIONS)
        self.form = _choice("Format", FORMATS)
        self.channels = _choice("Channels", CHANNELS)
        self.rate = _choice("Sample rate", RATES)
        rows = (
            ("Order", self.sort),
            ("Length", self.duration),
            ("Format", self.form),
            ("Channels", self.channels),
            ("Sample rate", self.rate),
        )
        for row, (name, choice) in enumerate(rows):
            label = QLabel(name)
            label.setBuddy(choice)
            grid.addWidget(label, row, 0)
            grid.addWidget(choice, row, 1)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("Any folder")
        self.folder.setAccessibleName("Folder")
        label = QLabel("Folder")
        label.setBuddy(self.folder)
        grid.addWidget(label, len(rows), 0)
        grid.addWidget(self.folder, len(rows), 1)
        self.favourite = QCheckBox("Favourites only")
        clear = QToolButton()
        clear.setObjectName("link")
        clear.setText("Clear filters")
        clear.clicked.connect(lambda: self.show_filters("", tell=True))
        last = QHBoxLayout()
        last.addWidget(self.favourite)
        last.addStretch()
        last.addWidget(clear)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(16, 16, 16, 12)
        whole.setSpacing(12)
        whole.addLayout(grid)
        whole.addLayout(last)
        for choice in (self.duration, self.form, self.channels, self.rate):
            choice.activated.connect(self._tell)
        self.folder.textEdited.connect(self._tell)
        self.favourite.clicked.connect(self._tell)
        self.sort.activated.connect(lambda: self.sort_changed.emit(self.sort.currentData()))

    def filters(self) -> str:
        parts = [
            choice.currentData() for choice in (self.duration, self.form, self.channels, self.rate)
        ]
        folder = self.folder.text().replace('"', "").strip()
        parts.append(f'folder:"{folder}"' if folder else "")
        parts.append("is:fav" if self.favourite.isChecked() else "")
        return " ".join(part for part in parts if part)

    def count(self) -> int:
        chosen = [self.duration, self.form, self.channels, self.rate]
        return (
            sum(bool(choice.currentData()) for choice in chosen)
            + bool(self.folder.text().strip())
            + self.favourite.isChecked()
        )

    def show_filters(self, filters: str, tell: bool = False) -> None:
        """Sets the controls from what `filters` once gave."""
        for choice in (self.duration, self.form, self.channels, self.rate):
            values = [choice.itemData(place) for place in range(choice.count())]
            found = next((v for v in values if v and v in filters.split(" ")), "")
            choice.setCurrentIndex(values.index(found))
        _, found, rest = filters.partition('folder:"')
        self.folder.setText(rest.partition('"')[0] if found else "")
        self.favourite.setChecked("is:fav" in filters.split(" "))
        if tell:
            self._tell()

    def show_sort(self, sort: str) -> None:
        self.sort.setCurrentIndex(max(0, self.sort.findData(sort)))

    def show_below(self, widget: QWidget) -> None:
        self.adjustSize()
        corner = widget.mapToGlobal(QPoint(widget.width() - self.width(), widget.height() + 4))
        self.move(corner)
        self.show()
        self.sort.setFocus(Qt.FocusReason.PopupFocusReason)

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            self.hide()
            return True
        return super().event(event)

    def _tell(self) -> None:
        self.filters_changed.emit(self.filters())


def _choice(name: str, values: Sequence[tuple[str, str]]) -> QComboBox:
    choice = QComboBox()
    choice.setAccessibleName(name)
    choice.setMinimumWidth(160)
    palette.loosen(choice)
    for text, value in values:
        choice.addItem(text, value)
    return choice
