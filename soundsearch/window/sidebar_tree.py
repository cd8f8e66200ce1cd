"""The rows of the panel at the left: how they look, and how folders open in it."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
)
from PySide6.QtWidgets import (
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from soundsearch.window import palette
from soundsearch.window.palette import Theme

SCOPE = Qt.ItemDataRole.UserRole
NOTE = Qt.ItemDataRole.UserRole + 1
SECTION = Qt.ItemDataRole.UserRole + 2
DIM = Qt.ItemDataRole.UserRole + 3
TAKES_ROWS = Qt.ItemDataRole.UserRole + 4  # rows of the list can be dropped on it

INSET = 10  # pixels before a name, where the arrow stands


class SidebarDelegate(QStyledItemDelegate):
    """A name at the left, a count or a state at the right."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = theme
        self.target: QPersistentModelIndex | None = None  # where rows would be dropped now

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(100, 36 if index.data(SECTION) else 24)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        theme = self.theme
        rect = QRectF(option.rect)
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = str(index.data() or "")
        if index.data(SECTION):
            font = palette.font(11, QFont.Weight.DemiBold)
            font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8)
            painter.setFont(font)
            painter.setPen(QColor(theme.quiet))
            place = rect.adjusted(14, 10, 0, 0)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, text.upper())
            if self.target == index:
                self._outline(painter, rect.adjusted(8, 10, -8, 0))
            painter.restore()
            return
        selected = bool(state & QStyle.StateFlag.State_Selected)
        whole = QRectF(8, rect.top(), rect.right() - 16, rect.height())
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selected if selected else theme.hover))
            painter.drawRoundedRect(whole, 4, 4)
        if self.target == index:
            self._outline(painter, whole)
        ratio = painter.device().devicePixelRatioF()
        if not index.parent().isValid() or index.model().hasChildren(index):
            self._arrow(painter, rect, index, bool(state & QStyle.StateFlag.State_Open), ratio)
        note = str(index.data(NOTE) or "")
        small = palette.font(palette.SMALL)
        room = QFontMetricsF(small).horizontalAdvance(note) if note else 0.0
        painter.setFont(small)
        painter.setPen(QColor(theme.quiet))
        inner = rect.adjusted(INSET, 0, -16, 0)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(inner, right, note)
        chosen = palette.font(palette.TEXT)
        painter.setFont(chosen)
        painter.setPen(QColor(theme.quiet if index.data(DIM) else theme.text))
        width = max(0.0, inner.width() - room - 8)
        # Folders differ at their ends, searches begin with what they are about.
        search = getattr(index.data(SCOPE), "text", "")
        elide = Qt.TextElideMode.ElideRight if search else Qt.TextElideMode.ElideMiddle
        shown = QFontMetricsF(chosen).elidedText(text, elide, width)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.restore()

    def _outline(self, painter: QPainter, place: QRectF) -> None:
        painter.setPen(QPen(QColor(self.theme.accent), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(place.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _arrow(
        self,
        painter: QPainter,
        rect: QRectF,
        index: QModelIndex | QPersistentModelIndex,
        opened: bool,
        ratio: float,
    ) -> None:
        if not index.model().hasChildren(index):
            return
        pixmap = palette.icon_pixmap("chevron-right", self.theme.quiet, 12, ratio)
        painter.save()
        painter.translate(rect.left(), rect.center().y())
        painter.rotate(90 if opened else 0)
        painter.drawPixmap(-6, -6, pixmap)
        painter.restore()


class SidebarTree(QTreeWidget):
    """Keeps the current row visible to screen readers and opens folders by their arrow; rows of
    the list may be dropped where TAKES_ROWS says so."""

    arrow_clicked = Signal(object)
    rows_dropped = Signal(object)  # the item

    def __init__(self) -> None:
        super().__init__()
        self.viewport().setAcceptDrops(True)

    def drawBranches(self, *_: object) -> None:
        """The delegate draws the arrow."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        item = self.itemAt(event.position().toPoint())
        if item is not None and item.childCount():
            left = self.visualItemRect(item).left()
            if abs(event.position().x() - left) < INSET and not item.data(0, SECTION):
                self.arrow_clicked.emit(item)
                return
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Menu:
            item = self.currentItem()
            if item is not None:
                self.customContextMenuRequested.emit(self.visualItemRect(item).center())
            return
        super().keyPressEvent(event)

    # Rows of the list, on their way to a collection. Other drags go on to the window.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        event.setAccepted(isinstance(event.source(), QTableView))

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        item = self._taker(event)
        self._show_target(item)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(item is not None)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._show_target(None)

    def dropEvent(self, event: QDropEvent) -> None:
        item = self._taker(event)
        self._show_target(None)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(item is not None)
        if item is not None:
            self.rows_dropped.emit(item)

    def _taker(self, event: QDropEvent) -> QTreeWidgetItem | None:
        item = self.itemAt(event.position().toPoint())
        if item is None or not isinstance(event.source(), QTableView):
            return None
        return item if item.data(0, TAKES_ROWS) else None

    def _show_target(self, item: QTreeWidgetItem | None) -> None:
        delegate = self.itemDelegate()
        if isinstance(delegate, SidebarDelegate):
            index = self.indexFromItem(item) if item is not None else None
            delegate.target = QPersistentModelIndex(index) if index is not None else None
            self.viewport().update()
