"""The panel at the left: folders with what lies in them, collections, and searches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from soundsearch.window import palette
from soundsearch.window.palette import Theme

_SCOPE = Qt.ItemDataRole.UserRole
_NOTE = Qt.ItemDataRole.UserRole + 1
_SECTION = Qt.ItemDataRole.UserRole + 2
_DIM = Qt.ItemDataRole.UserRole + 3
MOST_SEARCHES = 8
MOST_CHILDREN = 500


@dataclass(frozen=True)
class Place:
    """A folder that the person added. name: its display name, with which the display folders of
    its files begin; state: ok, offline or a word of the library's; files: how many."""

    path: str
    name: str
    state: str
    files: int


@dataclass(frozen=True)
class Scope:
    """What the list is limited to. kind: all, folder, favourites or search; filter: as the query
    language writes it; root: the path of the added folder, for a folder at the top."""

    kind: str
    label: str
    filter: str = ""
    root: str = ""


ALL = Scope("all", "All sounds")
FAVOURITES = Scope("favourites", "Favourites", "is:fav")


def folder_scope(folder: str, root: str = "") -> Scope:
    quoted = folder.replace('"', "")
    return Scope("folder", folder.rpartition("/")[2], f'folder:"{quoted}"', root)


class SidebarDelegate(QStyledItemDelegate):
    """A name at the left, a count or a state at the right."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = theme

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(100, 36 if index.data(_SECTION) else 24)

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
        if index.data(_SECTION):
            font = palette.font(11, QFont.Weight.DemiBold)
            font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8)
            painter.setFont(font)
            painter.setPen(QColor(theme.quiet))
            place = rect.adjusted(14, 10, 0, 0)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, text.upper())
            painter.restore()
            return
        selected = bool(state & QStyle.StateFlag.State_Selected)
        whole = QRectF(8, rect.top(), rect.right() - 16, rect.height())
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selected if selected else theme.hover))
            painter.drawRoundedRect(whole, 4, 4)
        ratio = painter.device().devicePixelRatioF()
        if not index.parent().isValid() or index.model().hasChildren(index):
            self._arrow(painter, rect, index, bool(state & QStyle.StateFlag.State_Open), ratio)
        note = str(index.data(_NOTE) or "")
        small = palette.font(palette.SMALL)
        room = QFontMetricsF(small).horizontalAdvance(note) if note else 0.0
        painter.setFont(small)
        painter.setPen(QColor(theme.quiet))
        inner = rect.adjusted(0, 0, -16, 0)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(inner, right, note)
        chosen = palette.font(palette.TEXT)
        painter.setFont(chosen)
        painter.setPen(QColor(theme.quiet if index.data(_DIM) else theme.text))
        width = max(0.0, inner.width() - room - 8)
        shown = QFontMetricsF(chosen).elidedText(text, Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, shown)
        painter.restore()

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
        painter.translate(rect.left() - 9, rect.center().y())
        painter.rotate(90 if opened else 0)
        painter.drawPixmap(-6, -6, pixmap)
        painter.restore()


class Sidebar(QWidget):
    """Which part of the library is searched, and what can be done with a folder."""

    scope_changed = Signal(object)
    search_chosen = Signal(str)
    forget_wanted = Signal()
    add_wanted = Signal()
    remove_wanted = Signal(str)
    locate_wanted = Signal(str)
    rescan_wanted = Signal(str)  # of a folder; "": of all
    reveal_wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._children: dict[str, list[str]] = {}
        self._counts: Mapping[str, int] = {}
        self._showing = False
        self.tree = _Tree()
        self.tree.setObjectName("sidebar")
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(14)
        self.tree.setFrameShape(QFrame.Shape.NoFrame)
        self.tree.setMouseTracking(True)
        self.tree.setExpandsOnDoubleClick(True)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.setAccessibleName("Folders, collections and searches")
        self.delegate = SidebarDelegate(theme, self.tree)
        self.tree.setItemDelegate(self.delegate)
        self.tree.currentItemChanged.connect(self._chosen)
        self.tree.itemExpanded.connect(self._grow)
        self.tree.arrow_clicked.connect(lambda item: item.setExpanded(not item.isExpanded()))
        self.tree.customContextMenuRequested.connect(self._menu)
        self.add = QToolButton()
        self.add.setText(" Add folder…")  # a gap beside the icon
        self.add.setAccessibleName("Add folder…")
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add.setObjectName("link")
        self.add.setToolTip("Add a folder of sounds; it can also be dropped on the window")
        self.add.clicked.connect(self.add_wanted)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 4, 0, 8)
        whole.setSpacing(4)
        whole.addWidget(self.tree, 1)
        below = QHBoxLayout()
        below.setContentsMargins(8, 0, 8, 0)
        below.addWidget(self.add)
        below.addStretch()
        whole.addLayout(below)
        self._places = self._section("Folders")
        self._collections = self._section("Collections")
        self._searches = self._section("Searches")
        self._searches.setHidden(True)
        self._show_collections(0)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.delegate.theme = theme
        colours = QPalette(self.tree.palette())
        # The delegate paints the selection; the style would add a bar beside it.
        colours.setColor(QPalette.ColorRole.Highlight, QColor(0, 0, 0, 0))
        self.tree.setPalette(colours)
        self.add.setIcon(palette.icon("folder-plus", theme.quiet))
        self.tree.viewport().update()

    def scope(self) -> Scope:
        item = self.tree.currentItem()
        found = item.data(0, _SCOPE) if item is not None else None
        return found if isinstance(found, Scope) and found.kind != "search" else ALL

    @property
    def has_folders(self) -> bool:
        """False until they were read, and while there are none."""
        return self._places.childCount() > 1

    def show_all(self) -> None:
        self.tree.setCurrentItem(self._places.child(0))

    def set_folders(self, places: Sequence[Place], counts: Mapping[str, int]) -> None:
        """places: the added folders; counts: how many files lie in each display folder itself."""
        before = self.scope()
        opened = self._opened()
        self._showing = True
        totals: dict[str, int] = {}
        children: dict[str, set[str]] = {}
        for folder, count in counts.items():
            here = folder
            while True:
                totals[here] = totals.get(here, 0) + count
                above, slash, _ = here.rpartition("/")
                if not slash:
                    break
                children.setdefault(above, set()).add(here)
                here = above
        self._counts = totals
        self._children = {
            above: sorted(below, key=str.lower)[:MOST_CHILDREN] for above, below in children.items()
        }
        self._places.takeChildren()
        whole = _item(self._places, ALL)
        files = sum(place.files for place in places)
        whole.setData(0, _NOTE, f"{files:,}" if files else "")
        for place in sorted(places, key=lambda place: place.name.lower()):
            item = _item(self._places, folder_scope(place.name, place.path))
            away = place.state not in ("ok", "online")
            item.setData(0, _NOTE, place.state if away else f"{place.files:,}")
            item.setData(0, _DIM, away)
            item.setToolTip(0, place.path)
            item.setData(0, Qt.ItemDataRole.AccessibleTextRole, _spoken(place))
            self._promise(item, place.name)
        self._places.setExpanded(True)
        self._reopen(self._places, opened)
        self.tree.setCurrentItem(self._find(self._places, before) or self._current(before))
        self._showing = False
        if self.scope() != before:
            self.scope_changed.emit(self.scope())

    def set_favourites(self, count: int) -> None:
        self._show_collections(count)

    def set_searches(self, searches: Sequence[str]) -> None:
        self._showing = True
        self._searches.takeChildren()
        for text in searches[:MOST_SEARCHES]:
            item = _item(self._searches, Scope("search", text))
            item.setToolTip(0, text)
        self._searches.setHidden(not searches)
        self._searches.setExpanded(True)
        self._showing = False

    # Folders below folders are made when their parent is opened.

    def _promise(self, item: QTreeWidgetItem, folder: str) -> None:
        if self._children.get(folder):
            QTreeWidgetItem(item)  # a stand-in, so that the arrow shows

    def _grow(self, item: QTreeWidgetItem) -> None:
        scope = item.data(0, _SCOPE)
        first = item.child(0)
        if not isinstance(scope, Scope) or first is None or first.data(0, _SCOPE) is not None:
            return
        item.takeChildren()
        for folder in self._children.get(_folder_of(scope), []):
            child = _item(item, folder_scope(folder))
            child.setData(0, _NOTE, f"{self._counts.get(folder, 0):,}")
            self._promise(child, folder)

    def _opened(self) -> set[str]:
        found: set[str] = set()
        waiting = [self._places]
        while waiting:
            item = waiting.pop()
            scope = item.data(0, _SCOPE)
            if item.isExpanded() and isinstance(scope, Scope):
                found.add(scope.filter)
            waiting += [item.child(place) for place in range(item.childCount())]
        return found

    def _reopen(self, item: QTreeWidgetItem, opened: set[str]) -> None:
        for place in range(item.childCount()):
            child = item.child(place)
            scope = child.data(0, _SCOPE)
            if isinstance(scope, Scope) and scope.filter and scope.filter in opened:
                child.setExpanded(True)
                self._reopen(child, opened)

    def _find(self, item: QTreeWidgetItem, scope: Scope) -> QTreeWidgetItem | None:
        for place in range(item.childCount()):
            child = item.child(place)
            found = child.data(0, _SCOPE)
            if isinstance(found, Scope) and found.kind == scope.kind:
                if found.filter == scope.filter:
                    return child
                inside = self._find(child, scope)
                if inside is not None:
                    return inside
        return None

    def _current(self, scope: Scope) -> QTreeWidgetItem:
        if scope.kind == "favourites":
            return self._collections.child(0)
        return self._places.child(0)

    def _section(self, name: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem(self.tree, [name])
        item.setData(0, _SECTION, True)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        item.setExpanded(True)
        return item

    def _show_collections(self, favourites: int) -> None:
        if not self._collections.childCount():
            _item(self._collections, FAVOURITES)
        self._collections.child(0).setData(0, _NOTE, f"{favourites:,}" if favourites else "")
        self._collections.setExpanded(True)

    def _chosen(self, item: QTreeWidgetItem | None, before: object) -> None:
        if self._showing or item is None:
            return
        scope = item.data(0, _SCOPE)
        if not isinstance(scope, Scope):
            return
        if scope.kind == "search":
            self.search_chosen.emit(scope.label)
        else:
            self.scope_changed.emit(scope)

    def _menu(self, point: QPoint) -> None:
        item = self.tree.itemAt(point)
        scope = item.data(0, _SCOPE) if item is not None else None
        menu = self.menu_for(scope if isinstance(scope, Scope) else None)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.tree.viewport().mapToGlobal(point))

    def menu_for(self, scope: Scope | None) -> QMenu:
        menu = QMenu(self)
        if scope is not None and scope.root:
            root = scope.root
            menu.addAction("Show in the file manager", lambda: self.reveal_wanted.emit(root))
            menu.addAction("It has moved…", lambda: self.locate_wanted.emit(root))
            menu.addAction("Look for changes", lambda: self.rescan_wanted.emit(root))
            menu.addSeparator()
            menu.addAction("Remove from SoundSearch", lambda: self.remove_wanted.emit(root))
        elif scope is not None and scope.kind == "search":
            menu.addAction("Forget recent searches", self.forget_wanted.emit)
        else:
            menu.addAction("Add folder…", self.add_wanted.emit)
            menu.addAction("Look for changes", lambda: self.rescan_wanted.emit(""))
        return menu


class _Tree(QTreeWidget):
    """Keeps the current row visible to screen readers and opens folders by their arrow."""

    arrow_clicked = Signal(object)

    def drawBranches(self, *_: object) -> None:
        """The delegate draws the arrow."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        item = self.itemAt(event.position().toPoint())
        if item is not None and item.childCount():
            left = self.visualItemRect(item).left()
            if left - 18 <= event.position().x() < left and not item.data(0, _SECTION):
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


def _item(above: QTreeWidgetItem, scope: Scope) -> QTreeWidgetItem:
    item = QTreeWidgetItem(above, [scope.label])
    item.setData(0, _SCOPE, scope)
    return item


def _folder_of(scope: Scope) -> str:
    return scope.filter.partition('"')[2].rstrip('"')


def _spoken(place: Place) -> str:
    away = "" if place.state in ("ok", "online") else f", {place.state}"
    return f"{place.name}, {place.files:,} sounds{away}"
