"""The list at work: shows answers, keeps the selection with its sounds, plays what is chosen."""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QKeyEvent

from soundsearch.search.ranking import Match
from soundsearch.settings import Settings
from soundsearch.window import reading
from soundsearch.window.audition import Audition
from soundsearch.window.bridge import Reader
from soundsearch.window.results_view import ResultsView
from soundsearch.window.searching import Shown
from soundsearch.window.waveform import Envelope, Envelopes

MOST_RESELECTED = 1000  # rows


class Listing(QObject):
    """`headline` carries what stands above the list, `told` a sentence about playback."""

    headline = Signal(str)
    told = Signal(str)

    def __init__(
        self,
        view: ResultsView,
        envelopes: Envelopes,
        audition: Audition,
        reader: Reader,
        settings: Settings,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.view = view
        self.model = view.results()
        self.audition = audition
        self._envelopes = envelopes
        self._reader = reader
        self._settings = settings
        self.looked = False  # the person went to a row since the question was asked
        view.chosen.connect(self._row_chosen)
        view.again.connect(self.play_again)
        view.takes_clicked.connect(self.toggle_takes)
        envelopes.wanted.connect(self._read_envelopes)
        audition.sound_changed.connect(self._playing_changed)
        audition.trouble.connect(self._trouble)

    @Slot(object)
    def show(self, shown: Shown) -> None:
        """Shows an answer. Nothing moves above a row that the person went to."""
        current = self.model.key(self.view.currentIndex().row())
        selected = [self.model.key(row) for row in self.view.selected_rows()]
        if not selected and (shown.new or not self.looked):
            current = None  # nobody chose it; the next key goes to the first row
        place = self.view.place()
        held = self.model.head_of(current) if self.looked else None
        if shown.keys is not None:
            self.model.show_keys(shown.keys, shown.takes, keep_open=not shown.new)
        else:
            self.model.show_matches(shown.matches, held, keep_open=not shown.new)
        self._select_again(current, selected)
        self.view.go_to_place(None if shown.new and not self.looked else place)
        if not self.looked:
            self._let_go_unless_seen()
        self._show_groups()
        self.view.set_empty_text(shown.empty_text)
        self.headline.emit(shown.headline)

    def _select_again(self, current: int | None, selected: Sequence[int | None]) -> None:
        """The selection stays with the sounds, wherever their rows are now."""
        selection = self.view.selectionModel()
        flag = selection.SelectionFlag
        row = self.model.row_standing_for(current)
        if row is None:
            # Screen readers need a current row; it is not selected, nothing is played.
            if self.model.rowCount():
                selection.setCurrentIndex(self.model.index(0, 0), flag.NoUpdate)
            return
        selection.setCurrentIndex(self.model.index(row, 0), flag.NoUpdate)
        if len(selected) < MOST_RESELECTED:
            for key in selected:
                row = self.model.row_standing_for(key)
                if row is not None:
                    selection.select(self.model.index(row, 0), flag.Select | flag.Rows)

    def _let_go_unless_seen(self) -> None:
        """While typing, a row far below what is seen would take the next key out of sight."""
        current = self.view.visualRect(self.view.currentIndex())
        if self.view.viewport().rect().intersects(current):
            return
        selection = self.view.selectionModel()
        selection.clearSelection()
        if self.model.rowCount():
            selection.setCurrentIndex(self.model.index(0, 0), selection.SelectionFlag.NoUpdate)

    def _row_chosen(self, row: int) -> None:
        self.looked = True
        match = self.model.match_at(row)
        if match is not None:
            self.audition.show(match, play=self._settings.auto_play)

    def play_again(self) -> None:
        if not self.view.selectionModel().hasSelection() and self.model.rowCount():
            self.view.go_to(max(0, self.view.currentIndex().row()))
            if self._settings.auto_play:
                return
        match = self.view.current_match()
        if match is not None:
            self.audition.show(match, play=True)

    def _playing_changed(self, key: int | None) -> None:
        self.view.row_delegate.playing = key
        if key is not None:
            self.view.row_delegate.troubles.pop(key, None)
        self.view.viewport().update()

    def _trouble(self, key: int | None, message: str) -> None:
        if key is None:
            self.told.emit(message)
            return
        self.view.row_delegate.troubles[key] = message
        self.view.viewport().update()

    def toggle_takes(self, row: int) -> None:
        match, key = self.model.match_at(row), self.model.key(row)
        if match is None or key is None:
            return
        if self.model.is_open(key):
            self._close_takes(key)
            return

        def show(takes: list[Match]) -> None:
            self.model.open_takes(key, takes)
            self._show_groups()

        self._reader.ask("takes", lambda desk: reading.takes(desk, match), show)

    def open_takes(self) -> None:
        """Opens the takes of the current row, if it has any."""
        row = self.view.currentIndex().row()
        match, key = self.model.match_at(row), self.model.key(row)
        if match is not None and match.takes > 1 and not self.model.is_open(key or 0):
            self.toggle_takes(row)

    def close_takes_or_ignore(self, event: QKeyEvent) -> None:
        """Closes the group at the current row; the key is left alone when there is none."""
        key = self.model.key(self.view.currentIndex().row())
        if key is not None and (self.model.is_open(key) or self.model.is_take(key)):
            self._close_takes(key)
            event.accept()

    def _close_takes(self, key: int) -> None:
        head = self.model.close_takes(key)
        row = self.model.row_of(head)
        if self.model.row_of(key) is None and row is not None:
            self.view.go_to(row)
        self._show_groups()

    def _show_groups(self) -> None:
        self.view.row_delegate.open_groups = self.model.open_groups()
        self.view.viewport().update()

    def _read_envelopes(self, sounds: list[int]) -> None:
        def show(found: dict[int, Envelope]) -> None:
            self._envelopes.put(found, sounds)
            self.view.viewport().update()

        self._reader.ask("", lambda desk: reading.envelopes(desk, sounds), show)

    def show_favourites(self, sounds: set[int]) -> None:
        self.model.set_favourites(sounds)
        self.view.row_delegate.favourites = sounds
        self.view.viewport().update()
