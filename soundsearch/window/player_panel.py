"""The strip at the bottom: how a sound is played, volume, times, loudness, and the waveform."""

import math
import time
from dataclasses import dataclass, replace

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from soundsearch.window import palette
from soundsearch.window.palette import Theme
from soundsearch.window.wave_view import WaveView
from soundsearch.window.waveform import Envelope

FRAME = 33  # milliseconds between two steps of the playhead
SPEEDS = {1.0: "1×", 0.5: "½×", 2.0: "2×"}  # in the order in which a click takes them
WIDTH, SMALL_WIDTH = 206, 104  # of the controls


@dataclass(frozen=True)
class Shown:
    """What the strip shows of a sound. loudness in LUFS, gain linear, best in seconds or None."""

    key: int
    name: str
    duration: float
    envelope: Envelope | None
    loudness: float | None = None
    gain: float = 1.0
    best: float | None = None


def clock_text(seconds: float) -> str:
    """0:01.84: minutes, seconds and hundredths."""
    hundredths = max(0, round(seconds * 100))
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes}:{rest // 100:02d}.{rest % 100:02d}"


def loudness_text(loudness: float | None, gain: float) -> str:
    parts = []
    if loudness is not None and math.isfinite(loudness):
        parts.append(f"{loudness:.1f} LUFS")
    if gain > 0 and abs(gain - 1) > 0.005:
        parts.append(f"{20 * math.log10(gain):+.1f} dB")
    return " · ".join(parts).replace("-", "−")


class PlayerPanel(QWidget):
    """Tells what the person wants; the window talks to the player process."""

    play_clicked = Signal()
    seek = Signal(float)
    loop_changed = Signal(bool)
    auto_changed = Signal(bool)
    pace_changed = Signal(float, bool)  # speed, reverse
    spectrogram_changed = Signal(bool)
    volume_changed = Signal(float)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.shown: Shown | None = None
        self.playing = False
        self._low = False  # a small window: the time stands on the waveform
        self._place = 0.0  # the newest position, and when it came
        self._placed = 0.0
        self.play = self._button("Play or stop", "Shift+Space")
        self.play.setObjectName("primary")
        self.play.clicked.connect(self.play_clicked)
        self.loop = self._button("Loop", "")
        self.loop.setCheckable(True)
        self.loop.toggled.connect(self.loop_changed)
        self.loop.toggled.connect(self._show_icons)
        self.auto = self._button("Play when selected", "")
        self.auto.setCheckable(True)
        self.auto.toggled.connect(self.auto_changed)
        self.auto.toggled.connect(self._show_icons)
        self.speed = self._button("Speed; the pitch goes with it", "")
        self.speed.clicked.connect(self._next_speed)
        self._speed = 1.0
        self.reverse = self._button("Reverse", "")
        self.reverse.setCheckable(True)
        self.reverse.toggled.connect(self._tell_pace)
        self.spectrogram = self._button("Spectrogram", "")
        self.spectrogram.setCheckable(True)
        self.spectrogram.toggled.connect(self.spectrogram_changed)
        self.spectrogram.toggled.connect(self._show_icons)
        self.mute = self._button("Mute", "")
        self.mute.setObjectName("flat")
        self.mute.setFixedSize(20, 24)  # its picture stands below the buttons' edge
        self.mute.setStyleSheet("padding: 0")
        self.mute.setCheckable(True)
        self.mute.toggled.connect(self._tell_volume)
        self.volume = QSlider(Qt.Orientation.Horizontal)
        self.volume.setRange(0, 100)
        self.volume.setAccessibleName("Volume")
        self.volume.setToolTip("Volume")
        self.volume.valueChanged.connect(self._tell_volume)
        self.time = QLabel()
        self.time.setFont(palette.font(palette.TEXT))
        self.time.setAccessibleName("Time")
        self.facts = QLabel("")
        self.facts.setObjectName("quiet")
        self.waveform = WaveView(theme)
        self.waveform.seek.connect(self.seek)
        self.waveform.play_wanted.connect(self.play_clicked)

        buttons = QHBoxLayout()
        buttons.setSpacing(5)
        for button in (
            *(self.play, self.loop, self.auto),
            *(self.speed, self.reverse, self.spectrogram),
        ):
            buttons.addWidget(button)
        buttons.addStretch()
        self._loudness = QWidget()
        row = QHBoxLayout(self._loudness)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.mute)
        row.addWidget(self.volume)
        self._controls = QWidget()
        self._controls.setFixedWidth(WIDTH)
        grid = QGridLayout(self._controls)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.addLayout(buttons, 0, 0)
        grid.addWidget(self.time, 1, 0)
        grid.addWidget(self.facts, 2, 0)
        grid.addWidget(self._loudness, 3, 0)
        grid.setRowStretch(4, 1)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(14, 10, 14, 10)
        whole.setSpacing(16)
        whole.addWidget(self._controls)
        whole.addWidget(self.waveform, 1)
        self._frame = QTimer(self)
        self._frame.setInterval(FRAME)
        self._frame.timeout.connect(self._advance)
        self.set_theme(theme)
        self.show_sound(None)

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.waveform.set_theme(theme)
        self._show_icons()

    def set_values(self, volume: float, loop: bool, auto: bool) -> None:
        """Sets the controls without telling anyone."""
        for widget in (self.volume, self.loop, self.auto):
            widget.blockSignals(True)
        self.volume.setValue(round(volume * 100))
        self.loop.setChecked(loop)
        self.auto.setChecked(auto)
        for widget in (self.volume, self.loop, self.auto):
            widget.blockSignals(False)
        self._show_icons()

    def show_sound(self, shown: Shown | None) -> None:
        self.shown = shown
        self.playing = False
        self._frame.stop()
        if shown is None:
            self.waveform.message = "Select a sound to hear it"
            self.waveform.set_sound(None, 0.0)
            self.time.clear()
            self.facts.setText("")
        else:
            self.waveform.message = ""
            self.waveform.set_sound(shown.envelope, shown.duration, shown.best)
            self.waveform.setAccessibleName(f"Waveform of {shown.name}")
            self._show_time(0.0)
            self.facts.setText(loudness_text(shown.loudness, shown.gain))
        self._show_icons()

    @property
    def lacks_envelope(self) -> bool:
        return self.shown is not None and self.shown.envelope is None

    def show_envelope(self, envelope: Envelope | None) -> None:
        """The envelope of the sound that is shown, which came later."""
        if self.shown is not None:
            self.shown = replace(self.shown, envelope=envelope)
            self.waveform.set_envelope(envelope)

    def show_playing(self, playing: bool) -> None:
        self.playing = playing
        if not playing:
            self._frame.stop()
            self.waveform.set_playhead(None)
            self._show_time(0.0)
        self._show_icons()

    def show_position(self, seconds: float) -> None:
        """Where the ear is now; between two reports the playhead moves by the clock."""
        self._place, self._placed = seconds, time.monotonic()
        if not self.playing:
            self.playing = True
            self._show_icons()
        if not self._frame.isActive():
            self._frame.start()
        self._draw_place(seconds)

    def show_trouble(self, message: str) -> None:
        self.show_playing(False)
        self.waveform.message = message
        self.waveform.update()

    def sizeHint(self) -> QSize:
        return QSize(700, 128)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        height = event.size().height()
        self._low = height < 80
        self.time.setVisible(not self._low)
        for button in (self.speed, self.reverse, self.spectrogram):
            button.setVisible(not self._low)
        self._controls.setFixedWidth(SMALL_WIDTH if self._low else WIDTH)
        self.waveform.note = self.time.text() if self._low and self.shown else ""
        self.facts.setVisible(height >= 96)
        self._loudness.setVisible(height >= 118)

    def _button(self, name: str, keys: str) -> QToolButton:
        button = QToolButton()
        button.setFixedSize(30, 30)
        button.setAccessibleName(name)
        shown = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
        button.setToolTip(f"{name}  ({shown})" if shown else name)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _show_icons(self, *_: object) -> None:
        theme = self.theme
        name = "square" if self.playing else "play"
        self.play.setIcon(palette.icon(name, theme.on_accent, filled=True))
        for button, picture in (
            (self.loop, "repeat"),
            (self.auto, "headphones"),
            (self.reverse, "reverse"),
            (self.spectrogram, "spectrogram"),
        ):
            colour = theme.accent_text if button.isChecked() else theme.text
            button.setIcon(palette.icon(picture, colour))
        picture = "volume-x" if self.mute.isChecked() else "volume-2"
        self.mute.setIcon(palette.icon(picture, theme.quiet))
        self.play.setEnabled(self.shown is not None)
        self.speed.setText(SPEEDS[self._speed])
        colour = theme.text if self._speed == 1 else theme.accent_text
        self.speed.setStyleSheet(f"padding: 0; color: {colour}")

    def _next_speed(self) -> None:
        speeds = list(SPEEDS)
        self._speed = speeds[(speeds.index(self._speed) + 1) % len(speeds)]
        self._tell_pace()

    def _tell_pace(self, *_: object) -> None:
        self.pace_changed.emit(self._speed, self.reverse.isChecked())
        self._show_icons()

    def _tell_volume(self, *_: object) -> None:
        self.volume_changed.emit(0.0 if self.mute.isChecked() else self.volume.value() / 100)
        self._show_icons()

    def _advance(self) -> None:
        if self.playing:
            # At most a quarter of a second beyond what was reported: a stalled player shows.
            pace = -self._speed if self.reverse.isChecked() else self._speed
            self._draw_place(self._place + pace * min(0.25, time.monotonic() - self._placed))

    def _draw_place(self, seconds: float) -> None:
        duration = self.shown.duration if self.shown else 0.0
        place = max(0.0, min(seconds, duration) if duration else seconds)
        self.waveform.set_playhead(place)
        self._show_time(place)

    def _show_time(self, seconds: float) -> None:
        duration = self.shown.duration if self.shown else 0.0
        self.time.setText(f"{clock_text(seconds)} / {clock_text(duration)}")
        if self._low:
            self.waveform.note = self.time.text()
            self.waveform.update()
