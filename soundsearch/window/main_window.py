"""The window: puts the parts together, and says what each key and each signal does."""

import base64
import logging
import os
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QByteArray, QEvent, QPoint, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QGuiApplication, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QApplication, QMenu, QVBoxLayout, QWidget

from soundsearch.player import messages as player_messages
from soundsearch.window import exports, palette, reading
from soundsearch.window.audition import Audition
from soundsearch.window.bridge import OVERVIEW
from soundsearch.window.drop_in import DropIn
from soundsearch.window.filters import FiltersPopup
from soundsearch.window.folders import Folders
from soundsearch.window.keeping import Keeping
from soundsearch.window.keys import Keys
from soundsearch.window.layout import Layout
from soundsearch.window.listing import Listing
from soundsearch.window.pages import ShortcutSheet
from soundsearch.window.palette import Theme
from soundsearch.window.power import BatteryPause
from soundsearch.window.preferences import Parts, Preferences
from soundsearch.window.region import RegionTools
from soundsearch.window.results_model import ResultsModel, shown_path
from soundsearch.window.row_actions import RowActions
from soundsearch.window.search_bar import Asked
from soundsearch.window.searching import Searching
from soundsearch.window.waveform import Envelopes
from soundsearch.worker import messages

WHILE_INDEXING = "Sounds appear here as they are indexed."
KEPT = ("favourites", "rated", "collection", "tag")
OUT_OF_REACH = "What is kept here ({}) lies in folders that SoundSearch doesn't have now."
FOCUS_SCAN = 60_000  # milliseconds between two looks for changes on coming back to the window
FOCUS_LIST = 10_000
REFRESH = 250  # from a change of the library to the list that shows it
TYPING = 1_000  # and after the last key


class MainWindow(QWidget):
    closed = Signal()

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.setObjectName("window")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle("SoundSearch")
        self.setMinimumSize(360, 280)
        self.parts = parts
        self.settings = parts.settings
        self.theme = self._wished_theme()
        self._has_folders: bool | None = None  # None until the library was read
        self._closing = False
        self._build()
        self._connect()
        self._add_actions()
        self._restore()

    # Set-up, in order.

    def _build(self) -> None:
        self.envelopes = Envelopes(self)
        self.face = layout = Layout(self.theme, self.settings, self.envelopes)
        self.view, self.bar, self.sidebar = layout.view, layout.bar, layout.sidebar
        self.panel, self.status = layout.panel, layout.status
        self.welcome, self.notice, self.count = layout.welcome, layout.notice, layout.count
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(layout)
        self.model = ResultsModel(self)
        self.view.setModel(self.model)
        self.filters = FiltersPopup(self)
        self.filters_button = layout.filters_button
        self.drops = DropIn(self)
        parts = self.parts
        self.audition = Audition(parts.player, self.panel, self.envelopes, self)
        self.listing = Listing(
            self.view, self.envelopes, self.audition, parts.reader, self.settings, self
        )
        self.searching = Searching(parts.reader, parts.worker.send, self)
        self.rows = RowActions(self.view, parts.reader, self.notice, self.listing.play_again, self)
        self.folders = Folders(
            parts.worker.send, parts.reader, self.notice, parts.data, parts.write_demo, self
        )
        self.preferences = Preferences(parts, self.audition, self.panel, self.view, self)
        self.region = RegionTools(
            *(parts.player, self.audition, self.panel),
            *(self.settings, parts.data / exports.FOLDER, self),
        )
        self.keeping = Keeping(
            *(parts.reader, self.view, self.sidebar, self.notice),
            *(self._query_text, lambda: self.theme, self),
        )
        BatteryPause(self.settings, parts.reader, parts.worker.send, self)
        self.rows.more.append(self.keeping.add_to_menu)
        self.keys = Keys(self.bar, self.listing, self.audition, self.region)
        self._remember_soon = _once(4000, self)  # a search is remembered when it stands a while
        self._remember_soon.timeout.connect(self._remember_search)
        self._refresh_soon = _once(REFRESH, self)
        self._refresh_soon.timeout.connect(self.refresh)
        self._typing = _once(TYPING, self)  # runs while keys come
        # While they run, coming back to the window scans nothing, and asks for no outputs.
        self._may_scan = _once(FOCUS_SCAN, self)
        self._may_list = _once(FOCUS_LIST, self)
        self._may_list.start()

    def _connect(self) -> None:
        bar, view, field = self.bar, self.view, self.bar.field
        bar.typed.connect(self._typed)
        bar.paused.connect(self._rested)
        field.moved.connect(view.step)
        field.settled.connect(view.settle)
        field.entered.connect(self.listing.play_again)
        field.toggled.connect(self.audition.toggle)
        field.escaped.connect(self.keys.escape)
        field.opened.connect(self.listing.open_takes)
        field.closed.connect(self.listing.close_takes_or_ignore)
        field.copy_wanted.connect(self.rows.copy_paths)
        view.star_clicked.connect(self.rows.toggle_row)
        view.menu_wanted.connect(self.rows.show_menu)
        view.typed.connect(self.keys.from_list)
        self.panel.waveform.typed.connect(self.keys.from_waveform)
        self.region.chip.connect(bar.add_chip)
        self.region.told.connect(self.notice.tell)
        self.region.saved.connect(self._tell_saved)
        self.rows.favourites_changed.connect(self._show_favourites)
        self.rows.chip.connect(bar.add_chip)
        self.rows.told.connect(self.status.show_text)
        self.rows.takes_wanted.connect(self.listing.toggle_takes)
        self.folders.chip.connect(bar.add_chip)
        self.folders.added.connect(self._folder_added)
        # The button can't be pressed any more, and would pass the focus on to its neighbour.
        self.folders.demo_runs.connect(lambda runs: self.bar.field.setFocus())
        self.folders.demo_runs.connect(self.welcome.show_demo_runs)
        self.model.wanted.connect(self.searching.fetch_rows)
        self.searching.answered.connect(self.listing.show)
        self.searching.rows_read.connect(self.model.fill)
        self.searching.failed.connect(self.notice.tell)
        self.listing.told.connect(self.notice.tell)
        self.listing.headline.connect(self._show_headline)
        self.audition.output.connect(self.status.show_output)
        self.audition.told.connect(self.notice.tell)
        self.preferences.told.connect(self.notice.tell)
        self.preferences.theme_changed.connect(self.show_theme)
        self.preferences.asked.connect(lambda what: self.keeping.do(what, None))
        self.preferences.cleaned.connect(self.region.forget_files)
        self.preferences.on_top_changed.connect(self._set_on_top)
        self.preferences.before_saving.connect(self._keep_geometry)
        self.sidebar.scope_changed.connect(lambda scope: self._ask_again())
        self.sidebar.search_chosen.connect(lambda text: self.bar.ask(Asked.read(text)))
        self.keeping.changed.connect(lambda: self._ask_again(fresh=False))
        self.keeping.favourites_wanted.connect(self.rows.add_favourites)
        self.sidebar.add_wanted.connect(self.folders.choose)
        self.sidebar.remove_wanted.connect(self.folders.remove)
        self.sidebar.locate_wanted.connect(self.folders.locate)
        self.sidebar.rescan_wanted.connect(self.folders.rescan)
        self.sidebar.reveal_wanted.connect(lambda path: self.rows.reveal([path]))
        self.welcome.choose_wanted.connect(self.folders.choose)
        self.welcome.demo_wanted.connect(self.folders.try_demo)
        self.filters.filters_changed.connect(self._filters_changed)
        self.filters.sort_changed.connect(self._sort_changed)
        self.filters_button.clicked.connect(lambda: self.filters.show_below(self.filters_button))
        self.face.settings_button.clicked.connect(self._show_settings)
        self.face.changed.connect(self.preferences.save_soon)
        self.drops.over.connect(self.welcome.set_lit)
        self.drops.dropped.connect(self.folders.take_dropped)
        self.status.pause_wanted.connect(
            lambda pause: self.parts.worker.send(messages.Pause() if pause else messages.Resume())
        )
        self.status.cancel_wanted.connect(lambda: self.parts.worker.send(messages.Cancel()))
        self.status.failures_wanted.connect(self.folders.show_failures)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self.show_theme)

    def _add_actions(self) -> None:
        standard = QKeySequence.StandardKey
        self._action("Search", standard.Find, self.keys.focus_search)
        self._action("Back", standard.Back, self.bar.go_back)
        self._action("Forward", standard.Forward, self.bar.go_forward)
        self._action("Play or stop", "Shift+Space", self.audition.toggle)
        self._action("Panel at the left", "Ctrl+B", self.face.toggle_sidebar)
        self._action("Filters", "Ctrl+Shift+F", lambda: self.filters_button.click())
        self._action("Compact", "Ctrl+M", self.preferences.toggle_compact)
        self._action("Settings", "Ctrl+,", self.show_settings_page)
        self._action("Shortcuts", "F1", self.show_sheet)
        self._action("Full screen", "F11", self._toggle_full_screen)
        self._action("Quit", standard.Quit, self.close)

    def _action(
        self, name: str, keys: str | QKeySequence.StandardKey, does: Callable[[], object]
    ) -> None:
        action = QAction(name, self)
        action.triggered.connect(lambda checked=False: does())
        if isinstance(keys, QKeySequence.StandardKey):
            action.setShortcuts(QKeySequence.keyBindings(keys))
        else:
            action.setShortcut(QKeySequence(keys))
        self.addAction(action)

    def _restore(self) -> None:
        settings = self.settings
        room = self.screen().availableSize() - QSize(16, 48)  # for the frame
        self.resize(self.sizeHint().boundedTo(room))
        if settings.geometry:
            self.restoreGeometry(QByteArray(base64.b64decode(settings.geometry)))
        self.filters.show_filters(settings.filters)
        self.filters.show_sort(settings.sort)
        self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint, settings.always_on_top)
        self.preferences.apply()
        self.show_theme()
        self.bar.field.setText(settings.last_search)
        self.bar.field.selectAll()
        self.bar.set_filters(settings.filters)
        self._show_filter_count()
        self.bar.field.setFocus()
        if settings.notice:
            self.notice.tell(settings.notice, stays=True)
        self._ask_again()
        self.refresh()

    # Searching.

    def _typed(self, asked: Asked) -> None:
        self.listing.looked = False
        self._typing.start()
        if self._refresh_soon.isActive():
            self._refresh_later()
        self.searching.type(asked, self.sidebar.scope(), self.settings.sort)

    def _rested(self, asked: Asked) -> None:
        self.searching.rest(asked, self.sidebar.scope(), self.settings.sort)
        self.settings.last_search = asked.text
        self._remember_soon.start()
        self.preferences.save_soon()

    def _remember_search(self) -> None:
        if text := replace(self.bar.asked(), filters="").written():
            self.keeping.remember(text)

    def _query_text(self) -> str:
        """The query as it can be saved: words, filters and examples."""
        return self.bar.asked().written(self.sidebar.scope().filter)

    def _ask_again(self, fresh: bool = True) -> None:
        """The same words, once more: the scope or the order changed, or (not fresh) the library."""
        asked = self.bar.asked()
        self.searching.type(asked, self.sidebar.scope(), self.settings.sort, fresh)
        self.searching.rest(asked, self.sidebar.scope(), self.settings.sort)

    def _show_headline(self, headline: str) -> None:
        self.count.setText(headline)
        if self.status.progress is not None and self.bar.asked().browses:
            self.view.set_empty_text(WHILE_INDEXING)
        elif self.sidebar.scope().kind in KEPT and self.sidebar.note() and not self._asks_more():
            self.view.set_empty_text(OUT_OF_REACH.format(self.sidebar.note()))

    def _asks_more(self) -> bool:
        """Something besides the panel at the left limits the list."""
        return bool(self.bar.asked().written())

    def _show_favourites(self, sounds: set[int]) -> None:
        self.listing.show_favourites(sounds)
        self.sidebar.set_favourites(len(sounds))

    @Slot(str)
    def _tell_saved(self, path: str) -> None:
        name = shown_path(os.fsencode(os.path.basename(path)))
        self.notice.tell(f"Saved and copied: {name}", "Show", lambda: self.rows.reveal([path]))

    # Folders.

    def _refresh_later(self) -> None:
        """A library that grows is not read anew under the fingers: the next answer would wait."""
        self._refresh_soon.start(TYPING if self._typing.isActive() else REFRESH)

    def refresh(self) -> None:
        """Reads folders and counts, and shows the list again if nothing is being searched."""
        self.parts.reader.ask(OVERVIEW, reading.overview, self._show_overview)

    def _show_overview(self, overview: reading.Overview) -> None:
        first = self._has_folders is None
        self._has_folders = bool(overview.places)
        focus = QApplication.focusWidget()
        if not self._has_folders and focus is not None and self.sidebar.isAncestorOf(focus):
            self.bar.field.setFocus()  # the panel hides; its neighbour would get the keys
        self.face.show_welcome(not self._has_folders)
        self.sidebar.set_folders(overview.places, overview.folders)
        self.rows.show_favourites(overview.favourites)
        self.keeping.show(overview.made)
        self.status.set_failures(overview.failed)
        if self.status.progress is None:
            self.status.show_text(f"{overview.files:,} files" if overview.files else "")
        if first:
            return  # the first question is under way
        if self.bar.asked().browses:
            self._ask_again(fresh=False)
        else:
            self.searching.rest(self.bar.asked(), self.sidebar.scope(), self.settings.sort)

    def _folder_added(self, sentence: str) -> None:
        self.face.show_welcome(False)
        self.status.show_text(sentence)
        self.view.set_empty_text(WHILE_INDEXING)

    # Reports of the processes.

    @Slot(object)
    def take_worker_report(self, report: messages.Report) -> None:
        match report:
            case messages.Ready():
                if self.notice.text.text() != self.settings.notice:
                    self.notice.hide()  # what it told of a library it could not open is over
                self.parts.reader.library_changed()
                self.refresh()
                self._may_scan.start()
                self.parts.worker.send(messages.Scan())
                self.preferences.look_for_models()
            case messages.ModelState():
                self.searching.model_ready = report.state == "ready"
                self.searching.model_loading = report.state == "loading"
                self.status.show_model(report)
                self.preferences.show_model(report)
                if report.state == "ready":
                    self._ask_again()
            case messages.ScanProgress():
                was_running = self.status.progress is not None
                self.status.show_progress(report)
                if was_running and not report.running:
                    self._refresh_later()
            case messages.LibraryChanged():
                self.parts.reader.library_changed()
                self._refresh_later()
            case messages.Matches(id, answer):
                self.searching.take_answer(id, answer)
            case messages.Failed(message, fix, search):
                if search is None or self.searching.is_current(search):
                    self.notice.tell(f"{message}. {fix}" if fix else message, stays=True)
            case messages.Logged(level, logger, text):
                logging.getLogger(logger).log(level, text)
            case messages.Stopped():
                if not self._closing:
                    self.searching.model_ready = False
                    self.status.show_progress(None)
                    self.status.show_worker_trouble("search process stopped")

    @Slot(object)
    def take_player_report(self, report: player_messages.Report) -> None:
        if isinstance(report, player_messages.Devices):
            self.preferences.show_outputs(report.names, report.default)
            if not self.status.output.text():  # what will play; the first play says what does
                self.status.show_output(self.settings.output_device or report.default or "")
        else:
            self.audition.take(report)
            self.region.take(report)

    # Settings.

    def _show_filter_count(self) -> None:
        count = self.filters.count()
        self.filters_button.setText(f"Filters · {count}" if count else "Filters")

    def _filters_changed(self, filters: str) -> None:
        self.settings.filters = filters
        self._show_filter_count()
        self.bar.set_filters(filters)

    def _sort_changed(self, sort: str) -> None:
        self.settings.sort = sort
        self.preferences.save_soon()
        self._ask_again()

    def _set_on_top(self, on_top: bool) -> None:
        self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint, on_top)
        self.show()  # another flag hides a window

    def settings_menu(self) -> QMenu:
        menu = self.preferences.menu(self)
        menu.addAction("All settings…", self.show_settings_page)
        menu.addSeparator()
        menu.addAction("Add folder…", self.folders.choose)
        menu.addAction("Shortcuts", self.show_sheet)
        return menu

    def show_settings_page(self) -> None:
        self.preferences.page(self).show()

    def _show_settings(self) -> None:
        # For the next time; the lists of now are shown.
        self.parts.player.list_devices()
        self.preferences.look_for_models()
        menu = self.settings_menu()
        menu.aboutToHide.connect(menu.deleteLater)
        button = self.face.settings_button
        corner = QPoint(button.width() - menu.sizeHint().width(), button.height() + 4)
        menu.popup(button.mapToGlobal(corner))

    def show_sheet(self) -> None:
        sheet = ShortcutSheet(self.theme, self)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.open()

    def _toggle_full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    @Slot(str)
    def come_forward(self, folder: str = "") -> None:
        """A second start asks for this window, perhaps with a folder to add."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()
        if folder:
            self.folders.add([folder])

    # Theme, size, end.

    def _wished_theme(self) -> Theme:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        return palette.choose_theme(self.settings.theme, application)

    @Slot()
    def show_theme(self) -> None:
        """Colours everything anew: at the start, and when the system or the person changes them."""
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self.theme = theme = self._wished_theme()
        palette.apply_theme(application, theme)
        self.face.set_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.preferences.save_soon()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() != QEvent.Type.ActivationChange or not self.isActiveWindow():
            return
        if not self._may_list.isActive():
            # Perhaps the system's default output is another one now.
            self._may_list.start()
            self.parts.player.list_devices()
        if self._has_folders and not self._may_scan.isActive():
            # Watching folders only hints; a look at what changed while we were away is sure.
            self._may_scan.start()
            self.parts.worker.send(messages.Scan())

    def sizeHint(self) -> QSize:
        return QSize(1240, 760)

    def _keep_geometry(self) -> None:
        self.settings.geometry = base64.b64encode(self.saveGeometry().data()).decode()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._closing:
            self._closing = True
            self._refresh_soon.stop()
            self._remember_soon.stop()
            self.keeping.end()
            self.preferences.save_now()
            self.closed.emit()
        super().closeEvent(event)


def _once(milliseconds: int, parent: QWidget) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    return timer
