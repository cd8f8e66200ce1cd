"""Waveforms as pixmaps, drawn from stored envelopes.

An envelope is int8 (points, 3): minimum, maximum and RMS, 127 being full scale. Nothing here opens
a sound file.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, QSize, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QPixmap

Envelope = npt.NDArray[np.int8]

# Below this peak (of 127) a sound is drawn as quiet as it is, not as noise at full height.
QUIETEST_PEAK = 4


def read_envelope(points: bytes) -> Envelope:
    """The stored bytes as int8 (points, 3); bytes that don't fit give an empty envelope."""
    if len(points) % 3:
        return np.zeros((0, 3), np.int8)
    return np.frombuffer(points, np.int8).reshape(-1, 3)


def peak_of(envelope: Envelope) -> float:
    """What is drawn at full height, of 127."""
    return max(QUIETEST_PEAK, float(np.abs(envelope[:, :2].astype(np.float32)).max(initial=0)))


def bars(envelope: Envelope, count: int, peak: float | None = None) -> npt.NDArray[np.float32]:
    """float32 (count, 3): minimum, maximum and RMS of each bar, scaled so that `peak` (of 127,
    None: the envelope's own) becomes 1."""
    points = len(envelope)
    if not points or count < 1:
        return np.zeros((max(0, count), 3), np.float32)
    values = envelope.astype(np.float32)
    if points >= count:
        edges = np.arange(count) * points // count
        found = np.stack(
            [
                np.minimum.reduceat(values[:, 0], edges),
                np.maximum.reduceat(values[:, 1], edges),
                np.maximum.reduceat(values[:, 2], edges),
            ],
            axis=1,
        )  # (count, 3)
    else:
        found = values[np.arange(count) * points // count]
    return (found / (peak_of(envelope) if peak is None else peak)).astype(np.float32)


def draw_envelope(
    envelope: Envelope,
    size: QSize,
    colour: str,
    ratio: float,
    bar: float = 2.0,
    gap: float = 1.0,
    inner: bool = False,
    peak: float | None = None,
) -> QPixmap:
    """Bars of `bar` logical pixels, `gap` apart. inner: the peaks stand dimmer behind the RMS."""
    width, height = round(size.width() * ratio), round(size.height() * ratio)
    pitch = max(2, round((bar + gap) * ratio))
    thick = max(1, round(bar * ratio))
    count = max(1, width // pitch)
    shape = bars(envelope, count, peak)
    middle = height / 2
    rows = np.arange(height, dtype=np.float32)[:, None]  # (height, 1)

    def covered(low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]) -> npt.NDArray:
        # How much of each pixel row lies between low and high: soft ends instead of steps.
        least = 0.5 * ratio  # silence is a thin line, not nothing
        top = middle - np.maximum(high * (middle - 1), least)
        bottom = middle - np.minimum(low * (middle - 1), -least)
        return np.clip(np.minimum(rows + 1, bottom) - np.maximum(rows, top), 0, 1)

    alpha = covered(shape[:, 0], shape[:, 1])  # (height, count)
    if inner:
        alpha = np.maximum(0.5 * alpha, covered(-shape[:, 2], shape[:, 2]))
    wide = np.zeros((height, width), np.float32)
    spread = np.repeat(alpha, pitch, axis=1)  # (height, count * pitch)
    spread[:, np.arange(count * pitch) % pitch >= thick] = 0
    wide[:, : spread.shape[1]] = spread[:, :width]
    ink = QColor(colour)
    pixels = np.empty((height, width, 4), np.uint8)
    for channel, value in enumerate((ink.blue(), ink.green(), ink.red(), 255)):
        pixels[:, :, channel] = np.round(wide * value)
    image = QImage(
        pixels.tobytes(), width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied
    ).copy()
    pixmap = QPixmap.fromImage(image)
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


class Envelopes(QObject):
    """The envelopes and small waveforms of the sounds that were shown lately.

    `wanted` carries the ids (list of int) of sounds that were asked for and aren't here, once each
    and together for one painting; `came` tells that some arrived.
    """

    MOST_ENVELOPES = 1500
    MOST_PIXMAPS = 800

    wanted = Signal(object)
    came = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ask_soon = QTimer(self)
        self._ask_soon.setSingleShot(True)
        self._ask_soon.setInterval(0)
        self._ask_soon.timeout.connect(self._ask)
        self._envelopes: OrderedDict[int, Envelope] = OrderedDict()
        self._pixmaps: OrderedDict[tuple[int, int, int, str, float], QPixmap] = OrderedDict()
        self._wanted: dict[int, None] = {}
        self._asked: set[int] = set()

    def envelope(self, sound: int) -> Envelope | None:
        found = self._envelopes.get(sound)
        if found is None:
            if sound not in self._asked:
                self._wanted[sound] = None
                self._ask_soon.start()
            return None
        self._envelopes.move_to_end(sound)
        return found

    def pixmap(self, sound: int, size: QSize, colour: str, ratio: float) -> QPixmap | None:
        key = (sound, size.width(), size.height(), colour, ratio)
        found = self._pixmaps.get(key)
        if found is not None:
            self._pixmaps.move_to_end(key)
            return found
        envelope = self.envelope(sound)
        if envelope is None:
            return None
        found = draw_envelope(envelope, size, colour, ratio, bar=1.0, gap=1.0)
        self._pixmaps[key] = found
        if len(self._pixmaps) > self.MOST_PIXMAPS:
            self._pixmaps.popitem(last=False)
        return found

    def _ask(self) -> None:
        wanted = list(self._wanted)
        self._asked.update(wanted)
        self._wanted.clear()
        if wanted:
            self.wanted.emit(wanted)

    def put(self, found: Mapping[int, Envelope], asked: Sequence[int]) -> None:
        """Keeps what was found of `asked`; a sound without an envelope is drawn as a line."""
        for sound in asked:
            self._asked.discard(sound)
            self._envelopes[sound] = found.get(sound, read_envelope(b""))
        while len(self._envelopes) > self.MOST_ENVELOPES:
            self._envelopes.popitem(last=False)
        self.came.emit()

    def forget(self) -> None:
        self._envelopes.clear()
        self._pixmaps.clear()
        self._asked.clear()
