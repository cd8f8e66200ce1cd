"""Where a key goes that the list or the waveform has no use for, and what Escape ends first."""

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from soundsearch.window.audition import Audition
from soundsearch.window.listing import Listing
from soundsearch.window.region import RegionTools
from soundsearch.window.search_bar import SearchBar


class Keys(QObject):
    """Typing always reaches the search field, arrows always move through the list."""

    def __init__(
        self, bar: SearchBar, listing: Listing, audition: Audition, region: RegionTools
    ) -> None:
        super().__init__(bar)
        self._bar = bar
        self._listing = listing
        self._audition = audition
        self._region = region

    def from_list(self, event: QKeyEvent) -> None:
        """The list's own shortcuts; the rest goes to the field."""
        key = event.key()
        text = event.text()
        if key == Qt.Key.Key_Space:
            self._audition.toggle()
        elif key == Qt.Key.Key_Right:
            self._listing.open_takes()
        elif key == Qt.Key.Key_Left:
            self._listing.close_takes_or_ignore(event)
        elif key == Qt.Key.Key_Escape and self._region.clear():
            return
        elif key == Qt.Key.Key_Escape or text == "/":
            self.focus_search()
        elif key == Qt.Key.Key_Backspace or (text and text.isprintable()):
            field = self._bar.field
            field.setFocus()
            field.deselect()
            field.setCursorPosition(len(field.text()))
            QApplication.sendEvent(field, event)
        else:
            event.ignore()

    def from_waveform(self, event: QKeyEvent) -> None:
        if not self._listing.view.step(event):
            self.from_list(event)

    def escape(self) -> None:
        """In the field: clears the region, then the search, then silence."""
        if self._region.clear():
            return
        if not self._bar.asked().browses:
            self._bar.clear()
        elif self._audition.is_playing:
            self._audition.stop()

    def focus_search(self) -> None:
        self._bar.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._bar.field.selectAll()
