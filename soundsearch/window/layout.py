"""Where the parts of the window stand, and what a small window shows less of."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from soundsearch.settings import Settings
from soundsearch.window import palette
from soundsearch.window.pages import Notice, WelcomePage
from soundsearch.window.palette import Theme
from soundsearch.window.player_panel import PlayerPanel
from soundsearch.window.results_view import ResultsView
from soundsearch.window.search_bar import SearchBar
from soundsearch.window.sidebar import Sidebar
from soundsearch.window.status_line import StatusLine
from soundsearch.window.waveform import Envelopes

NARROW = 640  # below this width the panel at the left is away
LOW = 480  # below this height the strip at the bottom is small
SMALL_STRIP = 56


class Layout(QWidget):
    """Makes the parts and arranges them. `changed`: the person moved a divider or hid the panel
    at the left; the settings have it already."""

    changed = Signal()

    def __init__(self, theme: Theme, settings: Settings, envelopes: Envelopes) -> None:
        super().__init__()
        self._settings = settings
        self.view = ResultsView(theme, envelopes)
        self.bar = SearchBar(theme)
        self.sidebar = Sidebar(theme)
        self.panel = PlayerPanel(theme)
        self.status = StatusLine(theme)
        self.welcome = WelcomePage(theme)
        self.notice = Notice(theme)
        self.count = QLabel("")
        self.count.setObjectName("count")
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.menu_button = _tool("Show or hide the panel at the left", "Ctrl+B")
        self.menu_button.clicked.connect(self.toggle_sidebar)
        self.filters_button = _tool("Filters and order", "Ctrl+Shift+F")
        self.filters_button.setText("Filters")
        self.settings_button = _tool("Settings", "")
        self._pages = QStackedWidget()
        self._pages.addWidget(self._results())
        self._pages.addWidget(self.welcome)
        self._across = self._beside(self.sidebar, self._above(self._pages, self.notice))
        self._down = self._below(self._across, self.panel)
        self._top = self._top_row()
        whole = _column(self)
        whole.addLayout(self._top)
        whole.addWidget(self._down, 1)
        whole.addWidget(_line())
        whole.addWidget(self.status)
        # The order of Tab: search, list, panel at the left, player, the rest.
        order = (self.bar.field, self.view, self.sidebar.tree, self.panel.play, self.panel.loop)
        for first, second in zip(order, order[1:], strict=False):
            QWidget.setTabOrder(first, second)
        self._across.setSizes([settings.sidebar_width, 2000])
        self._down.setSizes([2000, settings.player_height])
        self._across.splitterMoved.connect(self._dragged)
        self._down.splitterMoved.connect(self._dragged)

    def set_theme(self, theme: Theme) -> None:
        for part in (
            *(self.bar, self.view, self.sidebar, self.panel, self.status),
            *(self.welcome, self.notice),
        ):
            part.set_theme(theme)
        self.menu_button.setIcon(palette.icon("menu", theme.text))
        self.filters_button.setIcon(palette.icon("sliders-horizontal", theme.text))
        self.settings_button.setIcon(palette.icon("settings", theme.text))

    def show_welcome(self, shown: bool) -> None:
        """The first start's page in the place of the list."""
        self._pages.setCurrentIndex(1 if shown else 0)
        self.adapt()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.adapt()

    def adapt(self) -> None:
        """Shows as much as the window's size allows."""
        settings = self._settings
        narrow, low = self.width() < NARROW, self.height() < LOW
        first_start = self._pages.currentIndex() == 1
        self.sidebar.setVisible(settings.sidebar_shown and not narrow and not first_start)
        height = SMALL_STRIP if low else 320
        if self.panel.maximumHeight() != height:
            self.panel.setMaximumHeight(height)
            self._down.setSizes([2000, SMALL_STRIP if low else settings.player_height])
        self.panel.setVisible(not first_start)
        self.status.set_narrow(self.width() < 760)
        style = Qt.ToolButtonStyle
        self.filters_button.setToolButtonStyle(
            style.ToolButtonIconOnly if narrow else style.ToolButtonTextOnly
        )
        self._top.setContentsMargins(*((8, 8, 8, 6) if narrow or low else (14, 12, 14, 10)))

    def toggle_sidebar(self) -> None:
        shown = not self.sidebar.isVisible()
        self.sidebar.setVisible(shown)
        if self.width() >= NARROW:
            self._settings.sidebar_shown = shown
            self.changed.emit()

    def _top_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(14, 12, 14, 10)
        row.setSpacing(10)
        row.addWidget(self.menu_button)
        row.addWidget(self.bar, 1)
        row.addWidget(self.filters_button)
        row.addWidget(self.settings_button)
        return row

    def _results(self) -> QWidget:
        row = QHBoxLayout()
        row.setContentsMargins(14, 0, 14, 0)
        row.addWidget(self.count, 1)
        head = QWidget()
        head.setFixedHeight(24)
        head.setLayout(row)
        results = QWidget()
        column = _column(results)
        column.addWidget(head)
        column.addWidget(_line())
        column.addWidget(self.view, 1)
        return results

    def _above(self, pages: QWidget, notice: QWidget) -> QWidget:
        row = QHBoxLayout()
        row.setContentsMargins(8, 0, 8, 0)
        row.addWidget(notice)
        both = QWidget()
        column = _column(both)
        column.addWidget(pages, 1)
        column.addLayout(row)
        return both

    def _beside(self, sidebar: QWidget, rest: QWidget) -> QSplitter:
        sidebar.setMinimumWidth(140)
        sidebar.setMaximumWidth(420)
        across = _splitter(Qt.Orientation.Horizontal, sidebar, rest)
        across.setStretchFactor(1, 1)
        return across

    def _below(self, above: QWidget, panel: QWidget) -> QSplitter:
        panel.setMinimumHeight(SMALL_STRIP)
        down = _splitter(Qt.Orientation.Vertical, above, panel)
        down.setStretchFactor(0, 1)
        return down

    def _dragged(self) -> None:
        if self.sidebar.isVisible():
            self._settings.sidebar_width = self._across.sizes()[0]
        if self.height() >= LOW:
            self._settings.player_height = self._down.sizes()[1]
        self.changed.emit()


def _splitter(orientation: Qt.Orientation, *parts: QWidget) -> QSplitter:
    splitter = QSplitter(orientation)
    splitter.setHandleWidth(1)
    for number, part in enumerate(parts):
        splitter.addWidget(part)
        splitter.setCollapsible(number, False)
    return splitter


def _column(widget: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    return column


def _tool(name: str, keys: str) -> QToolButton:
    button = QToolButton()
    button.setFixedHeight(30)
    button.setMinimumWidth(30)
    button.setAccessibleName(name)
    shown = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
    button.setToolTip(f"{name}  ({shown})" if shown else name)
    return button


def _line() -> QFrame:
    line = QFrame()
    line.setObjectName("line")
    line.setFixedHeight(1)
    return line
