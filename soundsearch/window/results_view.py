"""The list of results: selecting rows, playing them by keys, and dragging them out."""

from collections.abc import Sequence
from urllib.parse import quote

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDrag,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableView,
    QWidget,
)

from soundsearch.search.ranking import Match
from soundsearch.window import palette
from soundsearch.window.palette import Theme
from soundsearch.window.results_model import INDENT, ResultsModel, shown_path
from soundsearch.window.row_delegate import PLAYABLE, RowDelegate, RowLayout, lay_out
from soundsearch.window.waveform import Envelopes

DRAG_DISTANCE = 6  # pixels


class ResultsView(QTableView):
    """A list with rows of one height.

    A press that moves 6 px becomes a drag of what was pressed and changes no selection; a press
    that doesn't becomes a click when it is released.
    """

    chosen = Signal(int)  # a row became the current one: play it
    again = Signal()  # Enter, a second click: play it again
    star_clicked = Signal(int)
    takes_clicked = Signal(int)
    menu_wanted = Signal(QPoint)
    typed = Signal(QKeyEvent)  # a key that belongs to the search field

    def __init__(self, theme: Theme, envelopes: Envelopes, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("results")
        self.row_delegate = RowDelegate(theme, envelopes, self)
        self.setItemDelegate(self.row_delegate)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFrameShape(QTableView.Shape.NoFrame)
        self.horizontalHeader().hide()
        self.horizontalHeader().setStretchLastSection(True)
        vertical = self.verticalHeader()
        vertical.hide()
        vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        vertical.setMinimumSectionSize(palette.COMPACT_ROW)
        vertical.setDefaultSectionSize(palette.ROW)
        self.setAccessibleName("Results")
        self.setAccessibleDescription("Sounds that match; arrow keys play them")
        self.dragged: list[Match] = []  # while they are on their way
        self._pressed: QPoint | None = None
        self._anchor: int | None = None
        self._unsettled = False
        self._empty_text = ""

    def set_empty_text(self, text: str) -> None:
        """What stands in the place of rows when there are none."""
        self._empty_text = text
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._empty_text and not self.results().rowCount():
            painter = QPainter(self.viewport())
            painter.setFont(palette.font(palette.TEXT))
            painter.setPen(QColor(self.row_delegate.theme.quiet))
            area = self.viewport().rect().adjusted(24, 24, -24, -24)
            align = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area, align, self._empty_text)

    def set_theme(self, theme: Theme) -> None:
        self.row_delegate.theme = theme
        self.viewport().update()

    def set_compact(self, compact: bool) -> None:
        self.row_delegate.compact = compact
        height = palette.COMPACT_ROW if compact else palette.ROW
        self.verticalHeader().setDefaultSectionSize(height)
        self.verticalScrollBar().setSingleStep(height)
        self.viewport().update()

    def results(self) -> ResultsModel:
        model = self.model()
        assert isinstance(model, ResultsModel)
        return model

    def current_match(self) -> Match | None:
        return self.results().match_at(self.currentIndex().row())

    def selected_rows(self) -> list[int]:
        """Selected rows in their order, by ranges (a list of all indexes is slow when long)."""
        rows: set[int] = set()
        selection = self.selectionModel().selection()
        for place in range(selection.size()):
            part = selection.at(place)
            rows.update(range(part.top(), part.bottom() + 1))
        return sorted(rows)

    def selected_matches(self) -> list[Match]:
        found = (self.results().match_at(row) for row in self.selected_rows())
        return [match for match in found if match is not None]

    def go_to(self, row: int, extend: bool = False, repeating: bool = False) -> None:
        """Makes a row current and selects it (or up to it), and tells `chosen`; while a key
        repeats, `settle` tells it when the key is released."""
        count = self.results().rowCount()
        if not count:
            return
        row = min(count - 1, max(0, row))
        index = self.results().index(row, 0)
        flag = self.selectionModel().SelectionFlag
        if extend:
            anchor = self.currentIndex().row() if self._anchor is None else self._anchor
            self._anchor = anchor
            self.setCurrentIndex(index)
            self.selectionModel().clearSelection()
            for place in range(min(anchor, row), max(anchor, row) + 1):
                self.selectionModel().select(
                    self.results().index(place, 0), flag.Select | flag.Rows
                )
        else:
            self._anchor = None
            self.selectionModel().setCurrentIndex(index, flag.ClearAndSelect | flag.Rows)
        self.scrollTo(index)
        self._unsettled = repeating
        if not repeating:
            self.chosen.emit(row)

    def step(self, event: QKeyEvent) -> bool:
        """Moves by an arrow or page key, pressed here or in the search field; False: no such."""
        steps = self.steps(event.key())
        if steps is None or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        current = self.currentIndex().row()
        # A list that was just filled has a current row for screen readers, but none is selected.
        fresh = current < 0 or not self.selectionModel().hasSelection()
        row = max(0, current) if fresh else current + steps
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.go_to(row, extend=shift, repeating=event.isAutoRepeat())
        return True

    def settle(self, event: QKeyEvent) -> None:
        """A key was released: what a repeating key passed stays silent, where it ended plays."""
        if self._unsettled and not event.isAutoRepeat():
            self._unsettled = False
            self.chosen.emit(self.currentIndex().row())

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        self.settle(event)
        super().keyReleaseEvent(event)

    def place(self) -> tuple[int | None, int]:
        """Which sound stands at the top of what is seen, and how many pixels of it are above."""
        row = self.rowAt(0)
        bar = self.verticalScrollBar().value()
        if bar == 0 or row < 0:
            return None, 0
        return self.results().key(row), bar - row * self.rowHeight(row)

    def go_to_place(self, place: tuple[int | None, int] | None) -> None:
        """Scrolls so that a sound stands where `place` saw it; None, or a list that stood at its
        beginning: to the beginning."""
        key, above = place if place is not None else (None, 0)
        row = self.results().row_of(key)
        height = self.verticalHeader().defaultSectionSize()
        self.verticalScrollBar().setValue(row * height + above if row is not None else 0)

    # Mouse.

    def _layout_at(self, row: int) -> tuple[Match, RowLayout] | None:
        match = self.results().match_at(row)
        if match is None:
            return None
        index = self.results().index(row, 0)
        indent = bool(index.data(INDENT))
        return match, lay_out(self.visualRect(index), self.row_delegate.compact, indent)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        self._pressed = None
        if event.button() == Qt.MouseButton.RightButton:
            row = self.indexAt(point).row()
            if row >= 0 and row not in self.selected_rows():
                self._select_quietly(row)
            return
        if event.button() == Qt.MouseButton.LeftButton and self.indexAt(point).isValid():
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self._pressed = point

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        if self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            if (point - self._pressed).manhattanLength() >= DRAG_DISTANCE:
                start, self._pressed = self._pressed, None
                self.drag_from(start)
            return
        # The base class would select while the mouse moves; only the hover is wanted.
        self._set_hover(point)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        point, self._pressed = self._pressed, None
        if point is None or event.button() != Qt.MouseButton.LeftButton:
            return
        row = self.indexAt(point).row()
        found = self._layout_at(row)
        if found is not None:
            match, layout = found
            if layout.star.contains(QPointF(point)):
                self.star_clicked.emit(row)
                return
            pill = self.row_delegate.pill(match, layout)
            if pill and pill.contains(QPointF(point)):
                self.takes_clicked.emit(row)
                return
        modifiers = event.modifiers()
        flag = self.selectionModel().SelectionFlag
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            index = self.results().index(row, 0)
            self.selectionModel().setCurrentIndex(index, flag.Toggle | flag.Rows)
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            self.go_to(row, extend=True)
        else:
            self.go_to(row)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.mousePressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            place = self.visualRect(self.currentIndex()).bottomLeft() + QPoint(48, -4)
            self.menu_wanted.emit(self.viewport().mapToGlobal(place))
        elif self.indexAt(event.pos()).isValid():
            self.menu_wanted.emit(event.globalPos())

    def _select_quietly(self, row: int) -> None:
        flag = self.selectionModel().SelectionFlag
        self.selectionModel().setCurrentIndex(
            self.results().index(row, 0), flag.ClearAndSelect | flag.Rows
        )

    def _set_hover(self, point: QPoint) -> None:
        row = self.indexAt(point).row()
        found = self._layout_at(row)
        pointing = False
        if found is not None:
            pill = self.row_delegate.pill(*found)
            pointing = found[1].star.contains(QPointF(point)) or pill.contains(QPointF(point))
        shape = Qt.CursorShape.PointingHandCursor if pointing else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)

    # Drag out.

    def dragged_matches(self, point: QPoint) -> list[Match]:
        """What a drag from `point` takes: the selection when it is in it, else that row alone."""
        row = self.indexAt(point).row()
        if row in self.selected_rows():
            found = self.selected_matches()
        else:
            match = self.results().match_at(row)
            found = [match] if match is not None else []
        return [match for match in found if match.state in PLAYABLE]

    def drag_from(self, point: QPoint) -> None:
        """Starts inside the mouse event: Wayland refuses a drag that stems from no press."""
        matches = self.dragged_matches(point)
        if not matches:
            return
        drag = QDrag(self)
        drag.setMimeData(files_data([match.path for match in matches]))
        picture = self.row_delegate.drag_picture(matches, self.devicePixelRatioF())
        drag.setPixmap(picture)
        drag.setHotSpot(QPoint(12, round(picture.height() / picture.devicePixelRatio() / 2)))
        # QDrag's default is to move; other programs must only ever copy from sample folders.
        self.dragged = matches
        drag.exec(Qt.DropAction.CopyAction, Qt.DropAction.CopyAction)
        self.dragged = []

    # Keys: what isn't the list's own goes to the search field.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, modifiers = event.key(), event.modifiers()
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        if self.step(event):
            return
        if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            last = self.results().rowCount() - 1
            self.go_to(0 if key == Qt.Key.Key_Home else last, extend=shift)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.again.emit()
        elif control and key == Qt.Key.Key_A:
            self.selectAll()
        else:
            self.typed.emit(event)

    def steps(self, key: int) -> int | None:
        """How many rows a key moves, or None when it moves none."""
        page = max(1, self.viewport().height() // max(1, self.rowHeight(0)) - 1)
        return {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
        }.get(Qt.Key(key))


def files_data(paths: Sequence[bytes]) -> QMimeData:
    """The files as other programs take them. QUrl escapes blanks, #, %, umlauts and new lines."""
    data = QMimeData()
    data.setUrls([file_url(path) for path in paths])
    data.setText("\n".join(shown_path(path) for path in paths))
    return data


def file_url(path: bytes) -> QUrl:
    try:
        return QUrl.fromLocalFile(path.decode("utf-8"))
    except UnicodeDecodeError:
        # A name that isn't valid UTF-8: its bytes go into the URL as they are.
        return QUrl.fromEncoded(b"file://" + quote(path).encode())
