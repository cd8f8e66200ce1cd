"""What the person keeps: collections, tags, ratings and searches, from the panel at the left, the
rows' menu and keys; what leaves the program; and the way back after a removal."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from soundsearch.errors import UserError
from soundsearch.library.handover import Copied, copy_sounds, write_list
from soundsearch.library.userdata import Search
from soundsearch.search.ranking import Match
from soundsearch.window import made as making
from soundsearch.window.bridge import Desk, Reader
from soundsearch.window.chips import question_label
from soundsearch.window.made import Made, Undo
from soundsearch.window.pages import Notice
from soundsearch.window.palette import Theme
from soundsearch.window.popups import NamePopup, TagPopup
from soundsearch.window.results_view import ResultsView
from soundsearch.window.sidebar import Scope, Sidebar

STARS = 5
TOLD_EVERY = 20  # copied files


class Keeping(QObject):
    """`changed` comes when something was kept or removed: lists that depend on it are old.

    text: gives the query in the search field, with its filters.
    """

    changed = Signal()
    favourites_wanted = Signal(object)  # list of Match
    _copied = Signal(object)  # Copied, a UserError, or how many are done

    def __init__(
        self,
        reader: Reader,
        view: ResultsView,
        sidebar: Sidebar,
        notice: Notice,
        text: Callable[[], str],
        theme: Callable[[], Theme],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self.made = Made()
        self._reader = reader
        self._view = view
        self._sidebar = sidebar
        self._notice = notice
        self._text = text
        self._theme = theme
        self._window = window
        self._copying: threading.Event | None = None  # set: the copying is to end
        self._copied.connect(self._show_copied, Qt.ConnectionType.QueuedConnection)
        sidebar.wanted.connect(self.do)
        sidebar.rows_dropped.connect(self._take_dropped)
        self._tags = self._action("Tags…", "Ctrl+T", self.edit_tags)
        self._save = self._action("Save the search…", "Ctrl+S", lambda: self.do("save", None))
        self._stars = [
            self._action("No rating" if not n else "★" * n, f"Ctrl+{n}", partial(self.rate, n))
            for n in range(STARS + 1)
        ]

    def _action(self, name: str, keys: str, does: Callable[[], object]) -> QAction:
        action = QAction(name, self._window)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutVisibleInContextMenu(True)
        action.triggered.connect(lambda checked=False: does())
        self._window.addAction(action)
        return action

    def show(self, made: Made) -> None:
        """What the database says."""
        self.made = made
        self._view.row_delegate.ratings = dict(made.ratings)
        self._view.viewport().update()
        self._sidebar.set_made(made)

    def remember(self, text: str) -> None:
        """Puts a query among the recent ones."""
        self._change(lambda desk: making.remember_search(desk, text), quiet=True)

    def add_to_menu(self, menu: QMenu) -> None:
        """The part of the rows' menu that is about keeping."""
        matches = self._view.selected_matches()
        menu.addSeparator()
        menu.addAction(self._tags)
        stars = menu.addMenu("Rating")
        stars.addActions(self._stars)
        collections = menu.addMenu("Add to collection")
        for one in self.made.collections:
            name = one.name
            collections.addAction(
                name.replace("&", "&&"), lambda name=name: self._collect(name, matches)
            )
        if self.made.collections:
            collections.addSeparator()
        collections.addAction("New collection…", lambda: self._ask_collection(matches))
        scope = self._sidebar.scope()
        if scope.kind == "collection":
            menu.addAction(f"Remove from {scope.label}", lambda: self._take_out(scope, matches))

    # Rows.

    def rate(self, stars: int) -> None:
        matches = self._view.selected_matches()
        if matches and stars:
            self._change(lambda desk: making.rate(desk, matches, stars))
        elif rated := sum(match.sound_id in self.made.ratings for match in matches):
            told = f"{rated:,} ratings removed" if rated > 1 else "Rating removed"
            self._remove(told, lambda desk: making.clear_ratings(desk, matches))

    def edit_tags(self) -> None:
        matches = self._view.selected_matches()
        if not matches:
            return
        popup = TagPopup(len(matches), list(self.made.tags), self._theme(), self._window)

        def show() -> None:
            self._reader.ask(
                "tags",
                lambda desk: making.tags_of(desk, matches),
                popup.show_tags,
                self._notice.tell_error,
            )

        def add(text: str) -> None:
            self._change(lambda desk: making.add_tags(desk, matches, text))
            show()

        def remove(tag: str) -> None:
            self._remove(f"Tag {tag} removed", lambda desk: making.remove_tag(desk, matches, tag))
            show()

        popup.added.connect(add)
        popup.removed.connect(remove)
        popup.destroyed.connect(lambda: self._reader.drop("tags"))
        popup.show_in(self._window)
        show()

    def _take_dropped(self, scope: Scope | None) -> None:
        """Rows of the list were dropped on a collection, favourites or a tag, or (None) on the
        heading of the collections."""
        matches = list(self._view.dragged)
        match scope:
            case _ if not matches:
                return
            case None:  # when the drag is over: it has the mouse until then
                QTimer.singleShot(0, lambda: self._ask_collection(matches))
            case Scope(kind="collection", label=label):
                self._collect(label, matches)
            case Scope(kind="tag", label=label):
                self._change(lambda desk: making.add_tags(desk, matches, label))
                self._notice.tell(f"{len(matches):,} tagged {label}")
            case Scope(kind="favourites"):
                self.favourites_wanted.emit(matches)

    def _collect(self, name: str, matches: Sequence[Match]) -> None:
        self._change(lambda desk: making.collect(desk, name, matches))
        if matches:
            self._notice.tell(f"{len(matches):,} added to {name}")

    def _ask_collection(self, matches: Sequence[Match]) -> None:
        self._ask("New collection", "", lambda name: self._collect(name, matches))

    def _take_out(self, scope: Scope, matches: Sequence[Match]) -> None:
        self._remove(
            f"{len(matches):,} removed from {scope.label}",
            lambda desk: making.take_out(desk, scope.id, matches),
        )

    # The panel at the left.

    def do(self, what: str, scope: Scope | None) -> None:
        """what: as Sidebar.wanted says."""
        match what, scope:
            case "new", _:
                self._ask_collection(())
            case "save", None:
                if text := self._text():
                    self._ask_search(text, question_label(text))
            case "save", Scope(label=label, text=text):
                self._ask_search(text, label)
            case "forget", _:
                self._remove("Recent searches forgotten", making.forget_searches)
            case "rename", Scope(label=label, id=id):
                self._ask(
                    "Name of the collection",
                    label,
                    lambda name: self._change(
                        lambda desk: making.rename_collection(desk, id, name)
                    ),
                )
            case "remove", Scope(label=label, id=id):
                self._remove(
                    f"Collection {label} removed", lambda desk: making.remove_collection(desk, id)
                )
            case "untag", Scope(label=label):
                self._remove(
                    f"Tag {label} removed", lambda desk: making.remove_tag_everywhere(desk, label)
                )
            case "let go", Scope(label=label, text=text):
                search = Search(text, label, 0.0)
                self._remove(
                    f"Saved search {label} removed",
                    lambda desk: making.let_search_go(desk, search),
                )
            case "export", _:
                self.export_all()
            case "import", _:
                self.import_all()
            case "copy", Scope():
                self._choose_folder(scope)
            case "list", Scope():
                self._choose_list(scope)

    def _ask_search(self, text: str, name: str) -> None:
        self._ask(
            "Save the search as",
            name,
            lambda chosen: self._change(lambda desk: making.save_search(desk, text, chosen)),
        )

    def _ask(self, title: str, name: str, then: Callable[[str], None]) -> None:
        NamePopup(title, name, then, self._window).show_in(self._window)

    # What leaves the program.

    def _choose_folder(self, scope: Scope) -> None:
        dialog = QFileDialog(self._window, f"Copy {scope.label} to a folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        self._open(dialog, lambda folder: self.copy_to(scope, Path(folder)))

    def _choose_list(self, scope: Scope) -> None:
        dialog = QFileDialog(self._window, f"Export the list of {scope.label}")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.setNameFilter("Tables (*.csv)")
        dialog.selectFile(scope.label.replace("/", "_") + ".csv")
        self._open(dialog, lambda file: self.write_list(scope, Path(file)))

    def export_all(self) -> None:
        dialog = QFileDialog(self._window, "Export everything you made")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("db")
        dialog.selectFile("SoundSearch favourites and tags.db")
        self._open(dialog, lambda file: self.export_to(Path(file)))

    def import_all(self) -> None:
        dialog = QFileDialog(self._window, "Import what was exported")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Exported data (*.db);;All files (*)")
        self._open(dialog, lambda file: self.import_from(Path(file)))

    def _open(self, dialog: QFileDialog, then: Callable[[str], None]) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(then)
        dialog.open()

    def write_list(self, scope: Scope, file: Path) -> None:
        def work(desk: Desk) -> int:
            _, roots = making.files_of(desk, scope.id)
            return write_list(file, making.list_of(desk, scope.id), roots)

        self._reader.ask(
            "",
            work,
            lambda count: self._notice.tell(f"{count:,} sounds are listed in {file.name}"),
            self._notice.tell_error,
        )

    def export_to(self, file: Path) -> None:
        self._reader.ask(
            "",
            lambda desk: making.export_all(desk, file),
            lambda _: self._notice.tell(f"Everything you made is in {file.name}"),
            self._notice.tell_error,
        )

    def import_from(self, file: Path) -> None:
        self._change(
            lambda desk: making.import_all(desk, file),
            told=f"{file.name} was added to what you have",
        )

    def copy_to(self, scope: Scope, folder: Path) -> None:
        """Copies on a thread of its own, so that searching goes on."""
        self._reader.ask(
            "",
            lambda desk: making.files_of(desk, scope.id),
            lambda found: self._copy(found[0], found[1], folder),
            self._notice.tell_error,
        )

    def _copy(self, paths: list[bytes], roots: list[bytes], folder: Path) -> None:
        if self._copying is not None:
            self._notice.tell("Sounds are being copied already")
            return
        self._copying = end = threading.Event()

        def told(done: int) -> bool:
            if done % TOLD_EVERY == 0:
                self._copied.emit((done, len(paths)))
            return not end.is_set()

        def run() -> None:
            try:
                result: object = copy_sounds(paths, folder, roots, told)
            except UserError as error:
                result = error
            self._copied.emit(result)

        threading.Thread(target=run, name="copying", daemon=True).start()

    def _show_copied(self, result: Any) -> None:
        if isinstance(result, tuple) and not isinstance(result, Copied):
            done, count = result
            self._notice.tell(f"Copying {done:,} of {count:,}…", "Cancel", self.end, stays=True)
            return
        self._copying = None
        if isinstance(result, UserError):
            self._notice.tell_error(result)
            return
        text = f"{len(result.files):,} sounds copied"
        if result.failed:
            path, reason = result.failed[0]
            name = path.rpartition(b"/")[2].decode("utf-8", "replace")
            text += f"; {len(result.failed):,} could not be read, the first is {name} ({reason})"
        self._notice.tell(text, stays=bool(result.failed))

    def end(self) -> None:
        """Ends a copying that is under way after the file in hand."""
        if self._copying is not None:
            self._copying.set()

    # Changes.

    def _change(self, work: Callable[[Desk], Any], told: str = "", quiet: bool = False) -> None:
        def both(desk: Desk) -> Made:
            work(desk)
            return making.made(desk)

        def show(made: Made) -> None:
            self.show(made)
            if told:
                self._notice.tell(told)
            if not quiet:
                self.changed.emit()

        self._reader.ask("", both, show, self._notice.tell_error)

    def _remove(self, told: str, work: Callable[[Desk], Undo]) -> None:
        def both(desk: Desk) -> tuple[Undo, Made]:
            undo = work(desk)
            return undo, making.made(desk)

        def show(result: tuple[Undo, Made]) -> None:
            undo, made = result
            self.show(made)
            self._notice.tell(told, "Undo", lambda: self._change(undo))
            self.changed.emit()

        self._reader.ask("", both, show, self._notice.tell_error)
