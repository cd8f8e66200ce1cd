"""The panel at the left: folders with what lies in them, collections, and searches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QToolButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from soundsearch.window import palette
from soundsearch.window.chips import question_label
from soundsearch.window.made import Made, filter_text
from soundsearch.window.palette import Theme
from soundsearch.window.sidebar_tree import (
    DIM,
    NOTE,
    SCOPE,
    SECTION,
    TAKES_ROWS,
    SidebarDelegate,
    SidebarTree,
)

MOST_SEARCHES = 8
MOST_TAGS = 40
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
    """What the list is limited to. kind: all, folder, favourites, rated, collection, tag, saved or
    search; filter: as the query language writes it; root: the path of the added folder, for a
    folder at the top; text: the query of a search; id: of a collection."""

    kind: str
    label: str
    filter: str = ""
    root: str = ""
    text: str = ""
    id: int = 0


ALL = Scope("all", "All sounds")
FAVOURITES = Scope("favourites", "Favourites", "is:fav")
RATED = Scope("rated", "Rated", "rating:>0")


def folder_scope(folder: str, root: str = "") -> Scope:
    quoted = folder.replace('"', "")
    return Scope("folder", folder.rpartition("/")[2], f'folder:"{quoted}"', root)


class Sidebar(QWidget):
    """Which part of the library is searched, and what can be done with a folder."""

    scope_changed = Signal(object)
    search_chosen = Signal(str)
    wanted = Signal(str, object)  # what to do with a Scope (or None): see `menu_for`
    add_wanted = Signal()
    remove_wanted = Signal(str)
    locate_wanted = Signal(str)
    rescan_wanted = Signal(str)  # of a folder; "": of all
    reveal_wanted = Signal(str)
    rows_dropped = Signal(object)  # on a Scope: a collection, favourites, a tag; None: a new one

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._children: dict[str, list[str]] = {}
        self._counts: Mapping[str, int] = {}
        self._showing = False
        self.tree = SidebarTree()
        self.tree.setObjectName("sidebar")
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(16)
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
        self.tree.rows_dropped.connect(lambda item: self.rows_dropped.emit(item.data(0, SCOPE)))
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
        self._collections.setData(0, TAKES_ROWS, True)
        self._tags = self._section("Tags")
        self._searches = self._section("Searches")
        for section in (self._tags, self._searches):
            section.setHidden(True)
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
        found = item.data(0, SCOPE) if item is not None else None
        narrows = isinstance(found, Scope) and found.kind not in ("search", "saved")
        return found if narrows else ALL

    def note(self) -> str:
        """What stands beside the chosen entry, such as "126"."""
        item = self.tree.currentItem()
        return str(item.data(0, NOTE) or "") if item is not None else ""

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
        whole.setData(0, NOTE, f"{files:,}" if files else "")
        for place in sorted(places, key=lambda place: place.name.lower()):
            item = _item(self._places, folder_scope(place.name, place.path))
            away = place.state not in ("ok", "online")
            item.setData(0, NOTE, place.state if away else f"{place.files:,}")
            item.setData(0, DIM, away)
            item.setToolTip(0, place.path)
            item.setData(0, Qt.ItemDataRole.AccessibleTextRole, _spoken(place))
            self._promise(item, place.name)
        self._places.setExpanded(True)
        self._reopen(self._places, opened)
        if before.kind in ("all", "folder", "favourites"):
            self.tree.setCurrentItem(self._find(self._places, before) or self._current(before))
        self._showing = False
        if self.scope() != before:
            self.scope_changed.emit(self.scope())

    def set_favourites(self, count: int) -> None:
        self._show_collections(count)

    def set_made(self, made: Made) -> None:
        """Collections, tags and searches; what is chosen stays chosen while it is there."""
        before = self.scope()
        self._showing = True
        while self._collections.childCount() > 1:
            self._collections.takeChild(1)
        if made.ratings:
            item = _item(self._collections, RATED)
            item.setData(0, NOTE, f"{len(made.ratings):,}")
        for one in made.collections:
            scope = Scope("collection", one.name, filter_text("collection", one.name), id=one.id)
            item = _item(self._collections, scope)
            item.setData(0, NOTE, f"{one.sounds:,}" if one.sounds else "")
        self._tags.takeChildren()
        often = sorted(made.tags.items(), key=lambda item: -item[1])[:MOST_TAGS]
        for tag, count in sorted(often, key=lambda item: item[0].casefold()):
            item = _item(self._tags, Scope("tag", tag, filter_text("tag", tag)))
            item.setData(0, NOTE, f"{count:,}")
        self._searches.takeChildren()
        saved = [search for search in made.searches if search.name]
        recent = [search for search in made.searches if not search.name][:MOST_SEARCHES]
        for search in sorted(saved, key=lambda search: search.name.casefold()):
            item = _item(self._searches, Scope("saved", search.name, text=search.text))
            item.setData(0, NOTE, "saved")
            item.setToolTip(0, question_label(search.text))
        for search in recent:
            label = question_label(search.text)
            item = _item(self._searches, Scope("search", label, text=search.text))
            item.setToolTip(0, label)
        for section in (self._tags, self._searches):
            section.setHidden(not section.childCount())
            section.setExpanded(True)
        if before.kind in ("collection", "tag", "rated"):
            section = self._tags if before.kind == "tag" else self._collections
            self.tree.setCurrentItem(self._find(section, before) or self._places.child(0))
        self._showing = False
        if self.scope() != before:
            self.scope_changed.emit(self.scope())

    # Folders below folders are made when their parent is opened.

    def _promise(self, item: QTreeWidgetItem, folder: str) -> None:
        if self._children.get(folder):
            QTreeWidgetItem(item)  # a stand-in, so that the arrow shows

    def _grow(self, item: QTreeWidgetItem) -> None:
        scope = item.data(0, SCOPE)
        first = item.child(0)
        if not isinstance(scope, Scope) or first is None or first.data(0, SCOPE) is not None:
            return
        item.takeChildren()
        for folder in self._children.get(_folder_of(scope), []):
            child = _item(item, folder_scope(folder))
            child.setData(0, NOTE, f"{self._counts.get(folder, 0):,}")
            self._promise(child, folder)

    def _opened(self) -> set[str]:
        found: set[str] = set()
        waiting = [self._places]
        while waiting:
            item = waiting.pop()
            scope = item.data(0, SCOPE)
            if item.isExpanded() and isinstance(scope, Scope):
                found.add(scope.filter)
            waiting += [item.child(place) for place in range(item.childCount())]
        return found

    def _reopen(self, item: QTreeWidgetItem, opened: set[str]) -> None:
        for place in range(item.childCount()):
            child = item.child(place)
            scope = child.data(0, SCOPE)
            if isinstance(scope, Scope) and scope.filter and scope.filter in opened:
                child.setExpanded(True)
                self._reopen(child, opened)

    def _find(self, item: QTreeWidgetItem, scope: Scope) -> QTreeWidgetItem | None:
        for place in range(item.childCount()):
            child = item.child(place)
            found = child.data(0, SCOPE)
            if isinstance(found, Scope) and found.kind == scope.kind:
                if (found.filter, found.id) == (scope.filter, scope.id):
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
        item.setData(0, SECTION, True)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        item.setExpanded(True)
        return item

    def _show_collections(self, favourites: int) -> None:
        if not self._collections.childCount():
            _item(self._collections, FAVOURITES)
        self._collections.child(0).setData(0, NOTE, f"{favourites:,}" if favourites else "")
        self._collections.setExpanded(True)

    def _chosen(self, item: QTreeWidgetItem | None, before: object) -> None:
        if self._showing or item is None:
            return
        scope = item.data(0, SCOPE)
        if not isinstance(scope, Scope):
            return
        if scope.kind in ("search", "saved"):
            self.search_chosen.emit(scope.text)
        else:
            self.scope_changed.emit(scope)

    def _menu(self, point: QPoint) -> None:
        item = self.tree.itemAt(point)
        scope = item.data(0, SCOPE) if item is not None else None
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
        elif scope is not None and scope.kind in _ACTIONS:
            for name, what in _ACTIONS[scope.kind]:
                menu.addAction(name, lambda what=what: self.wanted.emit(what, scope))
        else:
            menu.addAction("Add folder…", self.add_wanted.emit)
            menu.addAction("New collection…", lambda: self.wanted.emit("new", None))
            menu.addAction("Look for changes", lambda: self.rescan_wanted.emit(""))
        return menu


# Kind of scope → what its menu offers, and what `wanted` says then.
_ACTIONS = {
    "collection": (
        ("Rename…", "rename"),
        ("Copy the sounds to a folder…", "copy"),
        ("Export the list as CSV…", "list"),
        ("Remove the collection", "remove"),
    ),
    "tag": (("Remove the tag from all sounds", "untag"),),
    "saved": (("Rename…", "save"), ("Remove", "let go")),
    "search": (("Save…", "save"), ("Forget recent searches", "forget")),
}


def _item(above: QTreeWidgetItem, scope: Scope) -> QTreeWidgetItem:
    item = QTreeWidgetItem(above, [scope.label])
    item.setData(0, SCOPE, scope)
    item.setData(0, TAKES_ROWS, scope.kind in ("collection", "favourites", "tag"))
    return item


def _folder_of(scope: Scope) -> str:
    return scope.filter.partition('"')[2].rstrip('"')


def _spoken(place: Place) -> str:
    away = "" if place.state in ("ok", "online") else f", {place.state}"
    return f"{place.name}, {place.files:,} sounds{away}"
