"""The selected part of the sound in the strip: heard, saved, dragged out, searched with; and the
pictures that the player process makes of the sound."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QPoint, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QColor, QDrag, QGuiApplication, QKeySequence, QPainter, QPixmap
from PySide6.QtWidgets import QMenu, QWidget

from soundsearch.player import messages
from soundsearch.player.client import PlayerClient
from soundsearch.search.query import Example
from soundsearch.search.ranking import Match
from soundsearch.settings import Settings
from soundsearch.window import palette
from soundsearch.window.audition import Audition
from soundsearch.window.chips import Chip
from soundsearch.window.player_panel import PlayerPanel
from soundsearch.window.results_view import files_data
from soundsearch.window.row_actions import no_likeness
from soundsearch.window.wave_picture import Region
from soundsearch.window.waveform import draw_envelope, read_envelope

LOOK_AFTER = 120  # milliseconds that a view stands before its picture is asked for
ROWS = 128  # of a spectrogram
MOST_COLUMNS = 1200
PICTURE = QSize(180, 44)


class RegionTools(QObject):
    """`chip` carries an example for the search field, `told` a short sentence, `saved` the path
    of a file that the person asked for."""

    chip = Signal(object)
    told = Signal(str)
    saved = Signal(str)

    def __init__(
        self,
        player: PlayerClient,
        audition: Audition,
        panel: PlayerPanel,
        settings: Settings,
        exports: Path,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._player = player
        self._audition = audition
        self._panel = panel
        self._view = panel.waveform
        self._settings = settings
        self._exports = exports
        self._window = window
        self._waiting: dict[int, Callable[[bytes], None]] = {}  # exports under way
        self._made: dict[
            tuple[bytes, bytes, float, float], bytes
        ] = {}  # the last file that was made
        self._pictures: dict[int, Region] = {}  # id → what was seen when it was asked for
        self._look_soon = QTimer(self)
        self._look_soon.setSingleShot(True)
        self._look_soon.setInterval(LOOK_AFTER)
        self._look_soon.timeout.connect(self._look)
        self._view.region_chosen.connect(self._chosen)
        self._view.drag_wanted.connect(self._begin_drag)
        self._view.menu_wanted.connect(self._show_menu)
        self._view.view_changed.connect(self._look_soon.start)
        audition.shown.connect(self._look_soon.start)
        panel.spectrogram_changed.connect(self._set_spectrogram)
        panel.spectrogram.setChecked(settings.spectrogram)
        self._save = QAction("Save the selection as a file", window)
        self._save.setShortcut(QKeySequence("Ctrl+E"))
        self._save.triggered.connect(self.save)
        window.addAction(self._save)

    @property
    def region(self) -> Region | None:
        return self._view.region

    def clear(self) -> bool:
        """Lets the region go; False when there was none."""
        if self._view.region is None:
            return False
        self._view.choose(None)
        return True

    def forget_files(self) -> None:
        """The exported files may be gone."""
        self._made.clear()

    def save(self) -> None:
        """Writes the region (or the whole sound) as a file, which can be pasted elsewhere then."""

        def keep(path: bytes) -> None:
            QGuiApplication.clipboard().setMimeData(files_data([path]))
            self.saved.emit(os.fsdecode(path))

        self._export(keep)

    def add_example(self, weight: float) -> None:
        """The region stands in the query: more, or with a negative weight less, like it."""
        match, region = self._audition.match, self._view.region
        if match is None or region is None:
            return
        if match.state == "silent":
            self.told.emit(no_likeness(match))
            return
        start, end = (round(second, 3) for second in region)
        example = Example(sound=match.identity, start=start, end=end, weight=weight)
        self.chip.emit(Chip(example, f"{match.name} {start:.2f}–{end:.2f} s"))

    def menu(self) -> QMenu:
        menu = QMenu(self._window)
        has_region = self._view.region is not None
        for name, does in (
            ("More like the selection", lambda: self.add_example(1.0)),
            ("Less like the selection", lambda: self.add_example(-1.0)),
        ):
            menu.addAction(name, does).setEnabled(has_region)
        menu.addSeparator()
        menu.addAction(self._save)
        menu.addAction("Clear the selection", self.clear).setEnabled(has_region)
        menu.addSeparator()
        menu.addAction("Zoom to the selection", self._zoom_to_region).setEnabled(has_region)
        whole = (0.0, self._view.duration)
        menu.addAction("Show the whole sound", lambda: self._view.set_view(*whole)).setEnabled(
            self._view.zoomed
        )
        return menu

    @Slot(object)
    def take(self, report: messages.Report) -> None:
        """A report of the player process."""
        match report:
            case messages.Exported(id, path):
                self._view.unsetCursor()
                if (then := self._waiting.pop(id, None)) is not None:
                    then(path)
            case messages.Detailed(id, envelope):
                if (view := self._pictures.pop(id, None)) == self._view.view and envelope:
                    self._view.show_detail(view, read_envelope(envelope))
            case messages.Spectrum(id, pixels):
                if (view := self._pictures.pop(id, None)) == self._view.view and pixels:
                    columns = len(pixels) // ROWS
                    table = np.frombuffer(pixels, np.uint8).reshape(ROWS, columns)
                    self._view.show_spectrum(view, table)
            case messages.Failed(id, message):
                if id is not None and self._waiting.pop(id, None) is not None:
                    self._view.unsetCursor()
                    self.told.emit(f"The selection can't be saved: {message}")
                elif id is not None:
                    self._pictures.pop(id, None)

    def _chosen(self, region: Region | None) -> None:
        self._audition.set_region(region, play=region is not None and self._settings.auto_play)

    def _show_menu(self, point: QPoint) -> None:
        if self._audition.match is not None:
            menu = self.menu()
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(point)

    def _zoom_to_region(self) -> None:
        if self._view.region is not None:
            start, end = self._view.region
            room = (end - start) / 10
            self._view.set_view(start - room, end + room)

    # Files.

    def _export(self, then: Callable[[bytes], None]) -> None:
        """Calls `then` with the finished file of the region, or of the whole sound."""
        match = self._audition.match
        if match is None or match.state not in ("ok", "silent"):
            return
        start, end = self._view.region or (0.0, self._view.duration)
        key = (match.path, match.identity, start, end)
        if (made := self._made.get(key)) is not None and os.path.exists(made):
            then(made)
            return

        def keep(path: bytes) -> None:
            self._made = {key: path}
            then(path)

        whole = end >= self._view.duration
        self._view.setCursor(Qt.CursorShape.BusyCursor)
        folder = os.fsencode(self._exports)
        id = self._player.export(match.path, start, None if whole else end, folder)
        self._waiting[id] = keep

    def _begin_drag(self) -> None:
        """Other programs must get a finished file, so the drag begins when it is there, if the
        button is still held then."""
        match = self._audition.match
        if match is not None:
            self._export(lambda path: self._drag(path, match))

    def _drag(self, path: bytes, match: Match) -> None:
        if not self._view.pulling:
            return  # kept for the next try
        self._view.let_go()
        drag = QDrag(self._view)
        drag.setMimeData(files_data([path]))
        picture = self._drag_picture(match.name)
        drag.setPixmap(picture)
        drag.setHotSpot(QPoint(12, PICTURE.height() // 2))
        drag.exec(Qt.DropAction.CopyAction, Qt.DropAction.CopyAction)

    def _drag_picture(self, name: str) -> QPixmap:
        theme, ratio = self._view.theme, self._view.devicePixelRatioF()
        picture = QPixmap(PICTURE * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.accent))
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(QRectF(0.5, 0.5, PICTURE.width() - 1, PICTURE.height() - 1), 6, 6)
        seen, region = self._view.whole_envelope(), self._view.region
        if seen is not None and region is not None and self._view.duration > 0:
            first, last = (round(s / self._view.duration * len(seen)) for s in region)
            part = seen[first : max(first + 1, last)]
            size = QSize(PICTURE.width() - 16, 20)
            painter.drawPixmap(8, 4, draw_envelope(part, size, theme.accent_text, ratio))
        painter.setFont(palette.font(palette.SMALL))
        painter.setPen(QColor(theme.text))
        line = QRectF(8, 24, PICTURE.width() - 16, 18)
        text = painter.fontMetrics().elidedText(
            " ".join(name.split()), Qt.TextElideMode.ElideMiddle, int(line.width())
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()
        return picture

    # Pictures.

    def _set_spectrogram(self, shown: bool) -> None:
        self._settings.spectrogram = shown
        if shown:
            self._look_soon.start()
        else:
            self._view.show_spectrum(self._view.view, None)

    def _look(self) -> None:
        """Asks for the picture of what is seen, where the stored envelope doesn't do."""
        match, view = self._audition.match, self._view.view
        if match is None or match.state not in ("ok", "silent") or view[1] <= view[0]:
            return
        columns = max(1, min(MOST_COLUMNS, self._view.width()))
        if self._settings.spectrogram:
            id = self._player.spectrogram(match.path, *view, columns, ROWS)
        elif self._view.zoomed:
            id = self._player.detail(match.path, *view, columns)
        else:
            return
        self._pictures[id] = view
