"""What stands in for the list or above it: the first start, a notice, the sheet of shortcuts, the
failed files, and the dialog of an unexpected error."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeySequence, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from soundsearch.errors import UserError
from soundsearch.window import palette
from soundsearch.window.palette import Theme

NOTICE_SECONDS = 8

# Shown by F1: the keys, and what they do. An empty key begins a section.
SHORTCUTS = (
    ("", "Find"),
    ("Ctrl+F  or  /", "Go to the search field"),
    ("↑  ↓", "Move through the results and play them"),
    ("Alt+←  Alt+→", "Earlier and later searches"),
    ("Ctrl+Shift+F", "Filters and order"),
    ("Ctrl+S", "Save the search"),
    ("Esc", "Clear the selected part, then the search"),
    ("→  ←", "Open and close takes"),
    ("", "Hear"),
    ("Enter", "Play again"),
    ("Shift+Space", "Play or stop (Space when the list has the focus)"),
    ("Drag", "Select a part of the waveform; scroll to zoom"),
    ("← →", "Move the selection (Shift: its end, Ctrl: its start)"),
    ("", "Use"),
    ("Drag", "Copy sounds, or the selected part, into another program"),
    ("Drag", "Rows onto a collection, a tag or the favourites"),
    ("Ctrl+E", "Save the selected part as a file"),
    ("Ctrl+C", "Copy the path"),
    ("Ctrl+R", "Show in the file manager"),
    ("Ctrl+D", "Favourite"),
    ("Ctrl+T", "Tags"),
    ("Ctrl+1  to  5", "Rating (Ctrl+0 takes it away)"),
    ("Ctrl+L", "More like this"),
    ("Ctrl+Shift+L", "Less like this"),
    ("", "Window"),
    ("Ctrl+B", "Show or hide the panel at the left"),
    ("Ctrl+M", "Compact list"),
    ("Ctrl+,", "Settings"),
    ("F11", "Full screen"),
    ("F1", "This sheet"),
)


class DropTarget(QFrame):
    """The one big target of the first start; lit while folders are over the window."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.lit = False
        self.setMinimumHeight(96)
        self.setMaximumSize(560, 240)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = QLabel("Drop your sample folders here")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text.setStyleSheet("font-size: 16px;")
        whole = QVBoxLayout(self)
        whole.addStretch()
        whole.addWidget(self.picture)
        whole.addSpacing(4)
        whole.addWidget(text)
        whole.addStretch()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.theme.accent if self.lit else self.theme.faint
        pen = QPen(QColor(colour), 1.5)
        pen.setDashPattern([4, 4])
        painter.setPen(pen)
        painter.setBrush(QColor(self.theme.selected if self.lit else self.theme.sunken))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 12, 12)


class WelcomePage(QWidget):
    """One sentence, one big target, two buttons."""

    choose_wanted = Signal()
    demo_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.title = QLabel("Find any sound in your folders by describing it.")
        self.title.setObjectName("title")
        self.title.setWordWrap(True)
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.target = DropTarget(theme)
        self.choose = QPushButton("Choose a folder…")
        self.choose.setObjectName("primary")
        self.choose.clicked.connect(self.choose_wanted)
        self.demo = QPushButton("Try the demo sounds")
        self.demo.clicked.connect(self.demo_wanted)
        promise = QLabel("Your folders are only read: nothing in them is changed or moved.")
        promise.setObjectName("quiet")
        promise.setWordWrap(True)
        promise.setAlignment(Qt.AlignmentFlag.AlignCenter)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addStretch()
        buttons.addWidget(self.choose)
        buttons.addWidget(self.demo)
        buttons.addStretch()
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.target, 8)
        row.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(16, 12, 16, 12)
        whole.setSpacing(16)
        whole.addStretch(1)
        whole.addWidget(self.title)
        whole.addLayout(row, 8)
        whole.addLayout(buttons)
        whole.addWidget(promise)
        whole.addStretch(1)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self.target.theme = theme
        ratio = self.devicePixelRatioF()
        self.target.picture.setPixmap(
            palette.icon_pixmap("folder-plus", theme.accent_text, 32, ratio)
        )
        self.target.update()

    def show_demo_runs(self, runs: bool) -> None:
        self.demo.setEnabled(not runs)
        self.demo.setObjectName("busy" if runs else "")  # it says what is done, and must be read
        self.demo.style().polish(self.demo)
        self.demo.setText("Writing the demo sounds…" if runs else "Try the demo sounds")

    def set_lit(self, lit: bool) -> None:
        self.target.lit = lit
        self.target.update()


class Notice(QFrame):
    """A message above the list that goes by itself, with at most one thing to do about it."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action = QPushButton()
        self.action.clicked.connect(self._act)
        self.close_button = QToolButton()
        self.close_button.setObjectName("flat")
        self.close_button.setAccessibleName("Close the message")
        self.close_button.clicked.connect(self.hide)
        self._todo: Callable[[], None] | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 6, 6)
        row.addWidget(self.text, 1)
        row.addWidget(self.action)
        row.addWidget(self.close_button)
        self._leave = QTimer(self)
        self._leave.setSingleShot(True)
        self._leave.timeout.connect(self.hide)
        self.set_theme(theme)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self.close_button.setIcon(palette.icon("x", theme.quiet))

    def tell(
        self,
        text: str,
        action: str = "",
        todo: Callable[[], None] | None = None,
        stays: bool = False,
    ) -> None:
        self.text.setText(text)
        self.action.setText(action)
        self.action.setVisible(bool(action))
        self._todo = todo
        self.setAccessibleName(text)
        self.show()
        if stays:
            self._leave.stop()
        else:
            self._leave.start(NOTICE_SECONDS * 1000)

    def tell_error(self, error: Exception) -> None:
        """Why something that was asked for wasn't done."""
        expected = isinstance(error, UserError)
        self.tell(str(error) if expected else f"That didn't work ({error})", stays=not expected)

    def _act(self) -> None:
        self.hide()
        if self._todo is not None:
            self._todo()


class ShortcutSheet(QDialog):
    """All shortcuts, with ⌘ and ⌥ where the system writes them so."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcuts")
        self.setObjectName("page")
        inside = QWidget()
        inside.setObjectName("page")
        grid = QGridLayout(inside)
        grid.setContentsMargins(24, 16, 24, 20)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(6)
        for row, (keys, what) in enumerate(SHORTCUTS):
            label = QLabel(what)
            if not keys:
                label.setObjectName("section")
                label.setText(what.upper())
                label.setContentsMargins(0, 8 if row else 0, 0, 0)
                grid.addWidget(label, row, 0, 1, 2)
                continue
            shown = QLabel(native_keys(keys))
            shown.setObjectName("quiet")
            grid.addWidget(shown, row, 0)
            grid.addWidget(label, row, 1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(area)
        screen = QGuiApplication.primaryScreen().availableSize()
        size = inside.sizeHint()
        self.resize(size.width() + 24, min(size.height() + 4, screen.height() - 80))


def native_keys(keys: str) -> str:
    """Ctrl+D as the system writes it; words between the keys stay."""
    parts = []
    for part in keys.split("  "):
        plain = part.startswith(("Ctrl+", "Alt+", "Shift+")) and "←" not in part and "→" not in part
        shown = QKeySequence(part).toString(QKeySequence.SequenceFormat.NativeText) if plain else ""
        parts.append(shown or part)
    return "  ".join(parts)


class TextDialog(QDialog):
    """A text to read and to copy, with one more button where there is something to do."""

    def __init__(
        self,
        title: str,
        sentence: str,
        text: str,
        parent: QWidget | None = None,
        action: str = "",
        todo: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setObjectName("page")
        self.resize(620, 360)
        head = QLabel(sentence)
        head.setWordWrap(True)
        self.body = QPlainTextEdit(text)
        self.body.setReadOnly(True)
        self.body.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.body.setAccessibleName(title)
        copy = QPushButton("Copy")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.body.toPlainText()))
        close = QPushButton("Close")
        close.setObjectName("primary")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        row = QHBoxLayout()
        if todo is not None:
            act = QPushButton(action)
            act.clicked.connect(todo)
            act.clicked.connect(self.accept)
            row.addWidget(act)
        row.addStretch()
        row.addWidget(copy)
        row.addWidget(close)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(20, 16, 20, 16)
        whole.setSpacing(12)
        whole.addWidget(head)
        whole.addWidget(self.body, 1)
        whole.addLayout(row)


def failures_text(failures: Sequence[tuple[str, str]]) -> str:
    """One line a file: why, and where."""
    return "\n".join(f"{reason}:  {path}" for path, reason in failures)
