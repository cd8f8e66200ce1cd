"""The search field with its example chips, and the way back and forward through queries."""

from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QInputMethodEvent,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QWidget,
)

from soundsearch.search.query import Query, parse
from soundsearch.window import palette
from soundsearch.window.chips import (
    Chip,
    ChipView,
    longest_label,
    put,
    read_question,
    write_question,
)
from soundsearch.window.palette import Theme

PAUSE = 160  # milliseconds without a key before the sound search is asked
MOST_HISTORY = 100


@dataclass(frozen=True)
class Asked:
    """What stands in the bar: the words as typed, the chips and the filters."""

    text: str = ""
    chips: tuple[Chip, ...] = ()
    filters: str = ""

    def query(self, scope: str = "") -> Query:
        """One Query of words, filters and examples; `scope` is a filter of the sidebar."""
        whole = " ".join(part for part in (self.text, self.filters, scope) if part.strip())
        return replace(parse(whole), examples=tuple(chip.example for chip in self.chips))

    def written(self, scope: str = "") -> str:
        """Words, filters and chips as text that can be kept; "" for nothing. `scope`: as above."""
        parts = (self.text, self.filters, scope)
        return write_question(" ".join(part.strip() for part in parts if part.strip()), self.chips)

    @staticmethod
    def read(written: str) -> "Asked":
        """What `written` gave, its filters as words."""
        return Asked(*read_question(written))

    @property
    def browses(self) -> bool:
        """Nothing to match: the list shows a folder in its order."""
        return self.query().browses


class SearchField(QLineEdit):
    """Keys that move through the results go out by `moved`; while an input method composes, all
    keys belong to it."""

    moved = Signal(QKeyEvent)
    settled = Signal(QKeyEvent)
    entered = Signal()
    escaped = Signal()
    toggled = Signal()  # Shift+Space
    opened = Signal()  # → at the end of the text
    closed = Signal(QKeyEvent)  # ←: closes an open group, else moves the caret
    copy_wanted = Signal()  # without selected text
    focused = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._composing = ""
        self.setFrame(False)
        self.setPlaceholderText("Describe a sound, or type a name")
        self.setAccessibleName("Search")
        self.setAccessibleDescription("Words that describe the sound, or its name")

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        self._composing = event.preeditString()
        super().inputMethodEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._composing:
            super().keyPressEvent(event)
            return
        key, modifiers = event.key(), event.modifiers()
        plain = not modifiers & ~Qt.KeyboardModifier.KeypadModifier
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        keys = Qt.Key
        if key in (keys.Key_Up, keys.Key_Down, keys.Key_PageUp, keys.Key_PageDown):
            self.moved.emit(event)
        elif key in (keys.Key_Return, keys.Key_Enter):
            self.entered.emit()
        elif key == keys.Key_Escape:
            self.escaped.emit()
        elif key == keys.Key_Space and shift:
            self.toggled.emit()
        elif event.matches(QKeySequence.StandardKey.Copy) and not self.hasSelectedText():
            self.copy_wanted.emit()
        elif key == keys.Key_Right and plain and self.cursorPosition() == len(self.text()):
            self.opened.emit()
        elif key == keys.Key_Left and plain:
            event.ignore()
            self.closed.emit(event)
            if not event.isAccepted():
                super().keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        self.settled.emit(event)
        super().keyReleaseEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focused.emit(False)


class SearchBar(QWidget):
    """`typed` comes with every change (for the instant answer by name), `paused` when the typing
    rests (for the worker). Both carry an Asked."""

    typed = Signal(object)
    paused = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._chips: list[Chip] = []
        self._views: list[ChipView] = []
        self._longest = 0
        self._filters = ""
        self._back: list[Asked] = []
        self._forward: list[Asked] = []
        self._settled = Asked()
        self.field = SearchField()
        self.field.textEdited.connect(self._changed)
        self.field.focused.connect(self._show_focus)
        self.frame = QFrame()
        self.frame.setObjectName("field")
        self.frame.setFixedHeight(38)
        self.glass = QLabel()
        self.hint = QLabel(
            QKeySequence(QKeySequence.StandardKey.Find).toString(
                QKeySequence.SequenceFormat.NativeText
            )
        )
        self.hint.setObjectName("quiet")
        self.chips = QHBoxLayout()
        self.chips.setSpacing(8)
        row = QHBoxLayout(self.frame)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(8)
        row.addWidget(self.glass)
        row.addWidget(self.field, 1)
        row.addLayout(self.chips)
        row.addWidget(self.hint)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.frame)
        self.setFocusProxy(self.field)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(PAUSE)
        self._rest.timeout.connect(self._settle)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        ratio = self.devicePixelRatioF()
        self.glass.setPixmap(palette.icon_pixmap("search", theme.quiet, 16, ratio))
        self._show_chips()

    def asked(self) -> Asked:
        return Asked(self.field.text(), tuple(self._chips), self._filters)

    def ask(self, asked: Asked) -> None:
        """Puts a whole question into the bar, as from the history, and asks it at once."""
        self.field.setText(asked.text)
        self._chips = list(asked.chips)
        self._filters = asked.filters
        self._show_chips()
        self._changed()
        self._settle()

    def set_filters(self, filters: str) -> None:
        if filters != self._filters:
            self._filters = filters
            self._changed()

    def add_chip(self, chip: Chip) -> None:
        """An example once: asked the other way round it changes its sign."""
        self._set_chips(put(self._chips, chip))

    def remove_chip(self, chip: Chip) -> None:
        self._set_chips([old for old in self._chips if old.key != chip.key])

    def _set_chips(self, chips: list[Chip]) -> None:
        only_weights = [(c.key, c.example.weight > 0) for c in chips] == [
            (c.key, c.example.weight > 0) for c in self._chips
        ]
        focused = next((place for place, view in enumerate(self._views) if view.hasFocus()), None)
        self._chips = chips
        self._show_chips()
        if focused is not None:  # the keyboard stays where it was
            place = min(focused, len(self._views) - 1)
            (self._views[place] if place >= 0 else self.field).setFocus()
        self._changed()
        if not only_weights:  # scrolling through weights is one question, when it rests
            self._settle()

    def clear(self) -> None:
        self.ask(Asked(filters=self._filters))

    def go_back(self) -> None:
        self._go(self._back, self._forward)

    def go_forward(self) -> None:
        self._go(self._forward, self._back)

    def _go(self, source: list[Asked], target: list[Asked]) -> None:
        self._settle()
        if source:
            asked = source.pop()
            target.append(self._settled)
            # So that _settle sees no news and leaves both lists alone.
            self._settled = asked
            self.ask(asked)

    def _changed(self) -> None:
        self._rest.start()
        self.typed.emit(self.asked())

    def _settle(self) -> None:
        if self._rest.isActive() or self.asked() != self._settled:
            self._rest.stop()
            asked = self.asked()
            if asked != self._settled:
                self._back.append(self._settled)
                del self._back[:-MOST_HISTORY]
                self._forward.clear()
                self._settled = asked
            self.paused.emit(asked)

    def _show_focus(self, focused: bool) -> None:
        self.frame.setProperty("focused", focused)
        self.frame.style().unpolish(self.frame)
        self.frame.style().polish(self.frame)
        self._show_hint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_hint()
        if self._chips and longest_label(self.width(), len(self._chips)) != self._longest:
            self._show_chips()

    def _show_hint(self) -> None:
        self.hint.setVisible(self.width() > 420 and not self.field.hasFocus())

    def _show_chips(self) -> None:
        while (item := self.chips.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        longest = longest_label(self.width(), len(self._chips))
        self._views = [
            ChipView(chip, self.theme, longest, self.add_chip, self.remove_chip)
            for chip in self._chips
        ]
        self._longest = longest
        for view in self._views:
            self.chips.addWidget(view)
