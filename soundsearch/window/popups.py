"""Small frames for a name or for tags: no dialog, Escape or a click elsewhere closes them."""

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QCompleter,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from soundsearch.window import palette
from soundsearch.window.palette import Theme

WIDTH = 300
MOST_TAGS = 30


class _Popup(QFrame):
    def __init__(self, title: str, window: QWidget) -> None:
        super().__init__(window, Qt.WindowType.Popup)
        self.setObjectName("popup")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(title)
        self.setFixedWidth(WIDTH)
        label = QLabel(title)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        self.field = QLineEdit()
        self.field.setAccessibleName(title)
        self.whole = QVBoxLayout(self)
        self.whole.setContentsMargins(16, 12, 16, 14)
        self.whole.setSpacing(8)
        self.whole.addWidget(label)
        self.whole.addWidget(self.field)

    def show_in(self, window: QWidget) -> None:
        """In the upper middle of the window, where the eye is."""
        self.adjustSize()
        place = QPoint((window.width() - self.width()) // 2, max(40, window.height() // 5))
        self.move(window.mapToGlobal(place))
        self.show()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)


class NamePopup(_Popup):
    """Asks for a name; `then` gets it when Enter is pressed. known: names that are offered."""

    def __init__(
        self,
        title: str,
        name: str,
        then: Callable[[str], None],
        window: QWidget,
        known: Sequence[str] = (),
    ) -> None:
        super().__init__(title, window)
        self.field.setText(name)
        self.field.selectAll()
        if known:
            self.field.setCompleter(_completer(known, self))
        self.field.returnPressed.connect(lambda: self._done(then))

    def _done(self, then: Callable[[str], None]) -> None:
        name = " ".join(self.field.text().split())
        self.close()
        if name:
            then(name)


class TagPopup(_Popup):
    """The tags of the selected sounds. `added` carries text with commas, `removed` a tag."""

    added = Signal(str)
    removed = Signal(str)

    def __init__(self, sounds: int, known: Sequence[str], theme: Theme, window: QWidget) -> None:
        many = f"Tags of {sounds:,} sounds" if sounds != 1 else "Tags"
        super().__init__(many, window)
        self._sounds = sounds
        self._theme = theme
        self.field.setPlaceholderText("Add tags: rain, roof")
        self.field.setCompleter(_completer(known, self))
        self.field.returnPressed.connect(self._add)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(2)
        self.whole.addLayout(self._rows)

    def show_tags(self, counts: Mapping[str, int]) -> None:
        """counts: how many of the sounds have each tag."""
        while (item := self._rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for tag, count in list(counts.items())[:MOST_TAGS]:
            self._rows.addWidget(self._row(tag, count))
        self.adjustSize()

    def _row(self, tag: str, count: int) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        name = QLabel(tag)
        name.setTextFormat(Qt.TextFormat.PlainText)
        line.addWidget(name, 1)
        if count < self._sounds:
            some = QToolButton()
            some.setObjectName("link")
            some.setText(f"on {count:,} of {self._sounds:,} · put on all")
            some.clicked.connect(lambda: self.added.emit(tag))
            line.addWidget(some)
        remove = QToolButton()
        remove.setObjectName("flat")
        remove.setIcon(palette.icon("x", self._theme.quiet, size=12))
        remove.setAccessibleName(f"Remove the tag {tag}")
        remove.clicked.connect(lambda: self.removed.emit(tag))
        line.addWidget(remove)
        return row

    def _add(self) -> None:
        text = self.field.text().strip()
        if text:
            self.field.clear()
            self.added.emit(text)
        else:
            self.close()


def _completer(known: Sequence[str], parent: QWidget) -> QCompleter:
    completer = QCompleter(list(known), parent)
    completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    completer.setFilterMode(Qt.MatchFlag.MatchContains)
    return completer
