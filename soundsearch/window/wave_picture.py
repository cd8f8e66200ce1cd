"""How the sound in the strip looks: waveform or spectrogram, playhead, region, and what is seen."""

import math

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QWidget

from soundsearch.window import palette
from soundsearch.window.palette import Theme
from soundsearch.window.waveform import Envelope, draw_envelope, peak_of

SHORTEST_VIEW = 0.02  # seconds
HINT = "drag the selection into your DAW"

Region = tuple[float, float]  # start and end in seconds


class WavePicture(QWidget):
    """The sound's envelope, or its spectrogram when there is one; `view` is what is seen of it.

    view_changed comes when other seconds are seen, or more or fewer pixels of them.
    """

    view_changed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.duration = 0.0
        self.playhead: float | None = None
        self.best: float | None = None
        self.region: Region | None = None
        self.view: Region = (0.0, 0.0)
        self.message = ""
        self.note = ""  # stands in the corner
        self._envelope: Envelope | None = None
        self._detail: tuple[Region, Envelope] | None = None
        self._spectrum: tuple[Region, QImage] | None = None
        self._drawn: dict[str, QPixmap] = {}
        self.setMinimumSize(80, 40)

    def set_sound(
        self, envelope: Envelope | None, duration: float, best: float | None = None
    ) -> None:
        """best: seconds of the moment that matched, or None; marked when it isn't the start."""
        self._envelope = envelope
        self.duration = max(0.0, duration)
        self.best = best if best and 0 < best < duration else None
        self.playhead = self.region = None
        self._detail = self._spectrum = None
        self.view = (0.0, self.duration)
        self._redraw()

    def set_envelope(self, envelope: Envelope | None) -> None:
        """The envelope of the same sound, which came later."""
        self._envelope = envelope
        self._redraw()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        if self._spectrum is not None:
            self._spectrum[1].setColorTable(_colours(theme))
        self._redraw()

    def set_playhead(self, seconds: float | None) -> None:
        """Repaints only what the playhead passed."""
        if seconds == self.playhead:
            return
        before, self.playhead = self.playhead, seconds
        if before is None or seconds is None:
            self.update()
            return
        left, right = sorted((self.x_of(before), self.x_of(seconds)))
        self.update(QRect(int(left) - 2, 0, int(right - left) + 6, self.height()))

    def set_region(self, region: Region | None) -> None:
        self.region = region
        self.update()

    def show_detail(self, view: Region, envelope: Envelope) -> None:
        """A finer envelope of the seconds in `view`."""
        if len(envelope):
            self._detail = (view, envelope)
            self._redraw()

    def show_spectrum(self, view: Region, pixels: npt.NDArray[np.uint8] | None) -> None:
        """uint8 (rows, columns) of the seconds in `view`; None: the waveform again."""
        self._spectrum = None
        if pixels is not None:
            rows, columns = pixels.shape
            image = QImage(
                pixels.tobytes(), columns, rows, columns, QImage.Format.Format_Indexed8
            ).copy()
            image.setColorTable(_colours(self.theme))
            self._spectrum = (view, image)
        self.update()

    @property
    def zoomed(self) -> bool:
        return self.view[1] - self.view[0] < self.duration

    def set_view(self, start: float, end: float) -> None:
        """Shows these seconds, moved and widened to what there is."""
        length = min(self.duration, max(SHORTEST_VIEW, end - start))
        start = min(max(0.0, start), self.duration - length)
        view = (start, start + length)
        if view != self.view and self.duration > 0:
            self.view = view
            self._redraw()
            self.view_changed.emit()

    def zoom(self, factor: float, around: float | None = None) -> None:
        """factor above 1 shows less; around: the second that stays where it is."""
        start, end = self.view
        if around is None:
            middle = sum(self.region) / 2 if self.region else self.playhead
            around = middle if middle is not None and start <= middle <= end else (start + end) / 2
        self.set_view(around - (around - start) / factor, around + (end - around) / factor)

    def sizeHint(self) -> QSize:
        return QSize(600, 96)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._drawn.clear()
        super().resizeEvent(event)
        self.view_changed.emit()

    def x_of(self, second: float) -> float:
        start, end = self.view
        part = (second - start) / (end - start) if end > start else 0.0
        return min(1.0, max(0.0, part)) * self.width()

    def second_at(self, x: float) -> float:
        start, end = self.view
        second = start + x / max(1, self.width()) * (end - start)
        return min(self.duration, max(0.0, second))

    # Painting.

    def _redraw(self) -> None:
        self._drawn.clear()
        self.update()

    def whole_envelope(self) -> Envelope | None:
        return self._envelope

    def seen(self) -> tuple[Envelope, float] | None:
        """The envelope of what is seen, and what is drawn at full height."""
        whole = self._envelope
        if whole is None or not len(whole):
            return None
        peak = peak_of(whole)
        if not self.zoomed:
            return whole, peak
        if self._detail is not None and self._detail[0] == self.view:
            return self._detail[1], peak
        start, end = (second / self.duration * len(whole) for second in self.view)
        return whole[math.floor(start) : max(math.floor(start) + 1, math.ceil(end))], peak

    def _pixmap(self, colour: str) -> QPixmap | None:
        ratio = self.devicePixelRatioF()
        key = f"{colour} {ratio}"
        if key not in self._drawn:
            seen = self.seen()
            if seen is None:
                return None
            self._drawn[key] = draw_envelope(
                seen[0], self.size(), colour, ratio, bar=2.0, gap=1.0, inner=True, peak=seen[1]
            )
        return self._drawn[key]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme = self.theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.sunken))
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        place = self._region_rect()
        pixmap = self._pixmap(theme.wave)
        if self._spectrum is not None and self._spectrum[0] == self.view:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(self.rect()), self._spectrum[1])
            if place is not None:  # what is not selected stands back
                veil = QColor(theme.ground)
                veil.setAlpha(150)
                painter.fillRect(QRectF(0, 0, place.left(), self.height()), veil)
                painter.fillRect(
                    QRectF(place.right(), 0, self.width() - place.right(), self.height()), veil
                )
        elif pixmap is not None:
            self._paint_wave(painter, pixmap, place)
        else:
            self._write(painter, self.message, theme.quiet, centre=True)
            return
        if place is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
        self._paint_best(painter)
        if self.playhead is not None and self.view[0] <= self.playhead <= self.view[1]:
            x = self.x_of(self.playhead)
            painter.fillRect(QRectF(x - 0.5, 0, 1.5, self.height()), QColor(theme.text))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.faint), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        self._write(painter, *self._corner())

    def _paint_wave(self, painter: QPainter, pixmap: QPixmap, place: QRectF | None) -> None:
        """What was heard is bright, what is selected stands out a little."""
        painter.drawPixmap(0, 0, pixmap)
        selected = self._pixmap(self.theme.quiet) if place is not None else None
        if place is not None and selected is not None:
            painter.save()
            painter.setClipRect(place)
            painter.fillRect(place, QColor(self.theme.selected))
            painter.drawPixmap(0, 0, selected)
            painter.restore()
        heard = self.x_of(self.playhead) if self.playhead is not None else 0.0
        bright = QRectF(0, 0, heard, self.height())
        bright_pixmap = self._pixmap(self.theme.accent_text)
        if heard <= 0 or bright_pixmap is None:
            return
        painter.save()
        painter.setClipRect(bright)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.sunken))
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        if place is not None:
            painter.fillRect(place, QColor(self.theme.selected))
        painter.drawPixmap(0, 0, bright_pixmap)
        painter.restore()

    def _paint_best(self, painter: QPainter) -> None:
        if self.best is None or not self.view[0] <= self.best <= self.view[1]:
            return
        at = self.x_of(self.best)
        painter.setPen(QPen(QColor(self.theme.accent), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(at, 0), QPointF(at, self.height()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.accent))
        painter.drawPolygon(QPolygonF([QPointF(at - 5, 0), QPointF(at + 5, 0), QPointF(at, 7)]))

    def _region_rect(self) -> QRectF | None:
        if self.region is None or self.region[1] < self.view[0] or self.region[0] > self.view[1]:
            return None
        left, right = self.x_of(self.region[0]), self.x_of(self.region[1])
        return QRectF(left, 0, max(1.0, right - left), self.height())

    def _corner(self) -> tuple[str, str]:
        """What stands in the corner, and its colour."""
        if self.message or self.note:
            return self.message or self.note, self.theme.text
        if self.region is not None:
            length = f"{self.region[1] - self.region[0]:.3f} s"
            return (f"{length} · {HINT}" if self.width() > 420 else length), self.theme.quiet
        if self.zoomed:
            return f"{self.view[1] - self.view[0]:.3f} s of {self.duration:.2f} s", self.theme.quiet
        return "", self.theme.text

    def _write(self, painter: QPainter, text: str, colour: str, centre: bool = False) -> None:
        if not text:
            return
        painter.setFont(palette.font(palette.SMALL, QFont.Weight.Normal))
        area = self.rect().adjusted(12, 4, -8, -4)
        align = Qt.AlignmentFlag
        where = align.AlignCenter if centre else align.AlignRight | align.AlignTop
        flags = where | Qt.TextFlag.TextWordWrap
        if not centre:  # readable over loud places
            ground = QColor(self.theme.sunken)
            ground.setAlpha(235)
            place = QRectF(painter.boundingRect(area, flags, text)).adjusted(-4, 0, 4, 1)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ground)
            painter.drawRoundedRect(place, 3, 3)
        painter.setPen(QColor(colour))
        painter.drawText(area, flags, text)


def _colours(theme: Theme) -> list[int]:
    """256 colours from the ground over the accent to the text's colour."""
    stops = [
        *((0.0, theme.sunken), (0.4, theme.selected), (0.75, theme.accent)),
        *((0.92, theme.accent_text), (1.0, theme.text)),
    ]
    places = [place for place, _ in stops]
    channels = []
    for channel in (QColor.red, QColor.green, QColor.blue):
        values = [channel(QColor(colour)) for _, colour in stops]
        channels.append(np.interp(np.linspace(0, 1, 256), places, values))
    return [
        QColor(round(red), round(green), round(blue)).rgb()
        for red, green, blue in zip(*channels, strict=True)
    ]
