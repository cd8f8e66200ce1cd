"""What can be done with the selected rows: favourites, examples, paths, the file manager."""

import os
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from soundsearch.search.query import Example
from soundsearch.search.ranking import Match
from soundsearch.window import reading
from soundsearch.window.bridge import Reader
from soundsearch.window.chips import Chip
from soundsearch.window.pages import Notice
from soundsearch.window.results_model import shown_path
from soundsearch.window.results_view import ResultsView
from soundsearch.window.reveal import reveal

MOST_EXAMPLES = 5
MOST_REVEALED = 50


class RowActions(QObject):
    """`favourites_changed` carries the ids (set of int) of all favourite sounds, `chip` an example
    for the search field, `told` a short sentence, `takes_wanted` a row."""

    favourites_changed = Signal(object)
    chip = Signal(object)
    told = Signal(str)
    takes_wanted = Signal(int)

    def __init__(
        self,
        view: ResultsView,
        reader: Reader,
        notice: Notice,
        play: Callable[[], object],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._view = view
        self._reader = reader
        self._notice = notice
        self._window = window
        self.favourites: set[int] = set()
        self.more: list[Callable[[QMenu], None]] = []  # add their own to the menu
        self._favourite = self._action("Favourite", "Ctrl+D", self.toggle_favourite)
        play_again = self._action("Play", "Return", play)
        # Enter belongs to the list and the field; in the menu it is only shown.
        window.removeAction(play_again)
        more = self._action("More like this", "Ctrl+L", lambda: self.add_examples(1.0))
        less = self._action("Less like this", "Ctrl+Shift+L", lambda: self.add_examples(-1.0))
        copy = self._action("Copy path", QKeySequence.StandardKey.Copy, self.copy_paths)
        show = self._action("Show in the file manager", "Ctrl+R", self.reveal_selected)
        self._order = (play_again, None, self._favourite, None, more, less, None, copy, show)

    def _action(
        self, name: str, keys: str | QKeySequence.StandardKey, does: Callable[[], object]
    ) -> QAction:
        action = QAction(name, self._window)
        action.triggered.connect(lambda checked=False: does())
        action.setShortcut(QKeySequence(keys))
        action.setShortcutVisibleInContextMenu(True)
        self._window.addAction(action)
        return action

    def menu(self) -> QMenu:
        """The right-click menu: every action of a row."""
        menu = QMenu(self._window)
        match = self._view.current_match()
        favourite = match is not None and match.sound_id in self.favourites
        self._favourite.setText("No favourite any more" if favourite else "Favourite")
        for action in self._order:
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(action)
        for add in self.more:
            add(menu)
        if match is not None and match.takes and match.takes > 1:
            menu.addSeparator()
            row = self._view.currentIndex().row()
            menu.addAction(f"Show or hide {match.takes} takes", lambda: self.takes_wanted.emit(row))
        return menu

    def show_menu(self, point: QPoint) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(point)

    def copy_paths(self) -> None:
        matches = self._view.selected_matches()
        if matches:
            QGuiApplication.clipboard().setText("\n".join(shown_path(m.path) for m in matches))
            self.told.emit(f"{len(matches)} paths copied" if len(matches) > 1 else "Path copied")

    def reveal_selected(self) -> None:
        self.reveal(
            [os.fsdecode(match.path) for match in self._view.selected_matches()][:MOST_REVEALED]
        )

    def reveal(self, paths: Sequence[str]) -> None:
        if paths:
            self._reader.ask(
                "",
                lambda desk: reveal(paths),
                self._revealed,
            )

    def _revealed(self, done: bool) -> None:
        if not done:
            self.told.emit("No file manager could be started")

    def toggle_favourite(self) -> None:
        self.toggle_favourites(self._view.selected_matches())

    def toggle_row(self, row: int) -> None:
        match = self._view.results().match_at(row)
        if match is not None:
            self.toggle_favourites([match])

    def toggle_favourites(self, matches: Sequence[Match]) -> None:
        """All become favourites, unless all are already."""
        chosen = [match for match in matches if match.sound_id]
        if not chosen:
            return
        if any(match.sound_id not in self.favourites for match in chosen):
            self._set_favourites(chosen, True)
            return
        self._set_favourites(chosen, False)
        told = f"{len(chosen):,} favourites removed" if len(chosen) > 1 else "Favourite removed"
        self._notice.tell(told, "Undo", lambda: self._set_favourites(chosen, True))

    def add_favourites(self, matches: Sequence[Match]) -> None:
        self._set_favourites(matches, True)

    def _set_favourites(self, matches: Sequence[Match], favourite: bool) -> None:
        changed = {match.sound_id for match in matches if match.sound_id}
        # Shown at once; what the database says follows.
        self.show_favourites(self.favourites | changed if favourite else self.favourites - changed)

        def take_back(error: Exception) -> None:
            self._notice.tell_error(error)
            self._reader.ask("", reading.favourites, self.show_favourites)

        self._reader.ask(
            "",
            lambda desk: reading.set_favourites(desk, matches, favourite),
            self.show_favourites,
            take_back,
        )

    def show_favourites(self, sounds: set[int] | frozenset[int]) -> None:
        self.favourites = set(sounds)
        self.favourites_changed.emit(self.favourites)

    def add_examples(self, weight: float) -> None:
        """More, or with a negative weight less, like the selected sounds."""
        chosen = self._view.selected_matches()[:MOST_EXAMPLES]
        for match in chosen:
            if match.state == "silent":
                self._notice.tell(no_likeness(match))
        for match in (match for match in chosen if match.state != "silent"):
            self.chip.emit(Chip(Example(sound=match.identity, weight=weight), match.name))


def no_likeness(match: Match) -> str:
    """A silent sound as an example would be answered by chance."""
    return f"{match.name} is silent: no sound is like it"
