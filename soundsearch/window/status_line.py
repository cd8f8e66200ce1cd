"""The line at the bottom: what is being indexed, and the state of model, worker and output."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QToolButton, QWidget

from soundsearch.window import palette
from soundsearch.window.palette import Theme
from soundsearch.worker.messages import ModelState, ScanProgress


def left_text(seconds: float | None) -> str:
    """About how long it still takes, in words."""
    if seconds is None:
        return ""
    if seconds < 60:
        return "less than a minute left"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min left"
    return f"{round(seconds / 3600)} h left"


def progress_text(progress: ScanProgress, short: bool = False) -> str:
    if not progress.files:
        return "Looking…" if short else "Looking for sounds…"
    if short:
        return f"{progress.done / progress.files:.0%} indexed"
    verb = "Paused at" if progress.paused else "Indexing"
    parts = [f"{verb} {progress.done:,} of {progress.files:,}"]
    if not progress.paused:
        rate = progress.rate
        parts.append((f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}") + " files/s" if rate else "")
        parts.append(left_text(progress.left))
    return " · ".join(part for part in parts if part)


class StatusLine(QWidget):
    pause_wanted = Signal(bool)  # True: pause, False: go on
    cancel_wanted = Signal()
    failures_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.progress: ScanProgress | None = None
        self._narrow = False
        self.setFixedHeight(26)
        self.text = _label()
        self.text.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.text.setMinimumWidth(40)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(130)
        self.bar.setAccessibleName("Indexing")
        self.pause = _flat("Pause indexing")
        self.pause.clicked.connect(self._toggle_pause)
        self.cancel = _flat("Stop indexing; what is done stays")
        self.cancel.clicked.connect(self.cancel_wanted)
        self.failures = QToolButton()
        self.failures.setObjectName("link")
        self.failures.clicked.connect(self.failures_wanted)
        self.model = _label()
        self.model.setText("starting…")
        self.output = _label()
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 14, 0)
        row.setSpacing(8)
        row.addWidget(self.text)
        row.addWidget(self.bar)
        row.addWidget(self.pause)
        row.addWidget(self.cancel)
        row.addStretch(1)
        row.addWidget(self.failures)
        row.addSpacing(8)
        row.addWidget(self.model)
        row.addWidget(self.output)
        self.output.setContentsMargins(8, 0, 0, 0)
        self.set_failures(0)
        self.set_theme(theme)
        self.show_progress(None)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        paused = self.progress is not None and self.progress.paused
        self.pause.setIcon(
            palette.icon("play" if paused else "pause", theme.quiet, size=12, filled=True)
        )
        self.cancel.setIcon(palette.icon("x", theme.quiet, size=14))

    def show_progress(self, progress: ScanProgress | None) -> None:
        """None, or one that doesn't run any more: nothing is being indexed."""
        running = progress is not None and progress.running
        self.progress = progress if running else None
        for widget in (self.bar, self.pause, self.cancel):
            widget.setVisible(running)
        if progress is None or not running:
            return
        self.show_text(progress_text(progress, self._narrow))
        self.text.setToolTip(progress_text(progress))
        self.bar.setRange(0, progress.files)  # 0, 0: it moves without an end
        self.bar.setValue(progress.done)
        what = "Go on with indexing" if progress.paused else "Pause indexing"
        if what != self.pause.accessibleName():
            self.pause.setAccessibleName(what)
            self.pause.setToolTip(what)
            self.set_theme(self.theme)

    def show_text(self, text: str) -> None:
        self.text.setText(text)
        self.text.setToolTip(text)

    def show_model(self, state: ModelState) -> None:
        name = state.name or "model"
        device = state.device.upper() if len(state.device) < 5 else state.device
        text = {
            "none": "no model: names only",
            "loading": f"loading {name}…",
            "ready": f"{name} · {device}" if device else name,
            "failed": f"{name} failed: names only",
        }.get(state.state, state.state)
        detail = state.detail
        if state.coming:
            text += f" · then {state.coming}"
            detail = f"{state.coming} takes over when it knows your sounds"
        if state.warning:
            text += " · not to be trusted"
            detail = f"{state.name}: {state.warning}" + (f". {detail}" if detail else "")
        self.model.setText(text)
        self.model.setToolTip(detail)
        _mark(self.model, state.state == "failed" or bool(state.warning))

    def show_worker_trouble(self, text: str) -> None:
        self.model.setText(text)
        _mark(self.model, True)

    def show_output(self, name: str, trouble: str = "") -> None:
        self.output.setText("no sound output" if trouble and not name else name)
        self._show_right()
        self.output.setToolTip(trouble)
        _mark(self.output, bool(trouble))

    def set_failures(self, count: int) -> None:
        self.failures.setVisible(count > 0)
        self.failures.setText(f"{count:,} file{'s' if count > 1 else ''} failed")
        self.failures.setToolTip("See why, and try again")

    def set_narrow(self, narrow: bool) -> None:
        self._narrow = narrow
        self._show_right()
        self.bar.setFixedWidth(60 if narrow else 130)

    def _show_right(self) -> None:
        """An empty label would keep a gap at the right edge."""
        self.output.setVisible(bool(self.output.text()) and not self._narrow)

    def _toggle_pause(self) -> None:
        self.pause_wanted.emit(not (self.progress is not None and self.progress.paused))


def _label() -> QLabel:
    label = QLabel("")
    label.setObjectName("quiet")
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _flat(name: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("flat")
    button.setAccessibleName(name)
    button.setToolTip(name)
    return button


def _mark(label: QLabel, bad: bool) -> None:
    label.setObjectName("bad" if bad else "quiet")
    label.style().unpolish(label)
    label.style().polish(label)
