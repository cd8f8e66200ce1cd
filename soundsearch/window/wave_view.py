"""The sound in the strip under mouse and keys: seeking, selecting, pulling out, zooming."""

from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from soundsearch.window.palette import Theme
from soundsearch.window.wave_picture import Region, WavePicture
from soundsearch.window.waveform import Envelope

DRAG_DISTANCE = 6  # pixels, also before a selection begins
EDGE = 5  # pixels at both sides of a region's end that take it
SHORTEST_REGION = 0.001
ZOOM = 1.25


class WaveView(WavePicture):
    """Tells what the person wants; positions are seconds, held inside the sound.

    region_chosen carries a Region or None when it was changed here, drag_wanted comes once when
    the region is pulled (`pulling` tells whether it still is), typed a key that means nothing here.
    """

    seek = Signal(float)
    region_chosen = Signal(object)
    drag_wanted = Signal()
    play_wanted = Signal()
    menu_wanted = Signal(QPoint)
    typed = Signal(QKeyEvent)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._pressed: QPointF | None = None
        self._grip = ""  # what was pressed: "new", "start", "end", "inside", "" when nothing is
        self._moved = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Waveform")
        self.setAccessibleDescription(
            "Click to play from there, drag to select. Arrow keys move the selection, with Shift"
            " its end, with Control its start; plus and minus zoom"
        )
        self.setToolTip("Click to play from there, drag to select, scroll to zoom")

    def set_sound(
        self, envelope: Envelope | None, duration: float, best: float | None = None
    ) -> None:
        self.let_go()
        super().set_sound(envelope, duration, best)

    @property
    def pulling(self) -> bool:
        """The region is held with the mouse button."""
        return self._grip == "inside"

    def let_go(self) -> None:
        """A drag began: the release of the button goes elsewhere."""
        self._grip = ""
        self._pressed = None

    # Mouse.

    def _grip_at(self, x: float) -> str:
        if self.region is None:
            return "new"
        left, right = self.x_of(self.region[0]), self.x_of(self.region[1])
        # A region of a few pixels keeps an inside that can be dragged.
        edge = min(EDGE, (right - left) / 4)
        for end, name in ((left, "start"), (right, "end")):
            if abs(x - end) <= (EDGE if (x < left or x > right) else edge):
                return name
        return "inside" if left < x < right else "new"

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self.duration <= 0:
            return
        x = event.position().x()
        self._pressed, self._moved = event.position(), False
        self._grip = self._grip_at(x)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self.region:
            self._grip = "start" if x < self.x_of(sum(self.region) / 2) else "end"
            self._move_end(x)
            self._moved = True

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        if self._pressed is None or not event.buttons() & Qt.MouseButton.LeftButton:
            self._show_cursor(self._grip_at(x))
            return
        if not self._moved:
            if (event.position() - self._pressed).manhattanLength() < DRAG_DISTANCE:
                return
            self._moved = True
            if self._grip == "inside":
                self.drag_wanted.emit()
            elif self._grip == "new":
                begin = self.second_at(self._pressed.x())
                self.region = (begin, begin)
                self._grip = "end"
        if self._grip in ("start", "end"):
            self._move_end(x)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        grip, self._grip = self._grip, ""
        if pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if not self._moved:
            self.seek.emit(self.second_at(pressed.x()))
        elif grip != "inside":
            self.choose(self.region)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.region is not None:
            self.choose(None)
        else:
            self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta()
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if turned.x() or shift:
            steps = (turned.x() or turned.y()) / 120
            length = self.view[1] - self.view[0]
            self.set_view(*(second - steps * length / 10 for second in self.view))
        elif turned.y():
            self.zoom(ZOOM ** (turned.y() / 120), self.second_at(event.position().x()))
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(event.globalPos())

    def _move_end(self, x: float) -> None:
        """Moves the end that is held; passing the other one, it becomes that one."""
        if self.region is None:
            return
        start, end = self.region
        second = self.second_at(x)
        if self._grip == "start":
            start = second
        else:
            end = second
        if start > end:
            start, end = end, start
            self._grip = "start" if self._grip == "end" else "end"
        self.set_region((start, end))

    def _show_cursor(self, grip: str) -> None:
        shapes = Qt.CursorShape
        self.setCursor(
            {
                "start": shapes.SizeHorCursor,
                "end": shapes.SizeHorCursor,
                "inside": shapes.OpenHandCursor,
            }.get(grip, shapes.PointingHandCursor)
        )

    # Keys.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, modifiers = event.key(), event.modifiers()
        control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        keys = Qt.Key
        if self.duration <= 0:
            self.typed.emit(event)
        elif key in (keys.Key_Left, keys.Key_Right) and not (
            modifiers & Qt.KeyboardModifier.AltModifier
        ):
            self._nudge(-1 if key == keys.Key_Left else 1, control, shift)
        elif key in (keys.Key_Plus, keys.Key_Equal):
            self.zoom(ZOOM**2)
        elif key == keys.Key_Minus:
            self.zoom(ZOOM**-2)
        elif key == keys.Key_0 and not control:
            self.set_view(0.0, self.duration)
        elif key in (keys.Key_Home, keys.Key_End):
            length = self.view[1] - self.view[0]
            begin = 0.0 if key == keys.Key_Home else self.duration - length
            self.set_view(begin, begin + length)
        elif key == keys.Key_A and control:
            self.choose(self.view)
        elif key in (keys.Key_Delete, keys.Key_Backspace, keys.Key_Escape) and self.region:
            self.choose(None)
        elif key in (keys.Key_Space, keys.Key_Return, keys.Key_Enter):
            self.play_wanted.emit()
        else:
            self.typed.emit(event)

    def _nudge(self, sign: int, start_only: bool, end_only: bool) -> None:
        """Moves the region, or one of its ends, by two pixels: zooming in makes steps finer."""
        step = sign * max(0.0005, 2 * (self.view[1] - self.view[0]) / max(1, self.width()))
        if self.region is None:
            if self.playhead is not None:
                self.seek.emit(min(self.duration, max(0.0, self.playhead + 20 * step)))
            return
        start, end = self.region
        if not start_only and not end_only:
            step = min(max(step, -start), self.duration - end)
        if not end_only:
            start = min(max(0.0, start + step), end if start_only else self.duration)
        if not start_only:
            end = max(start, min(self.duration, end + step))
        self.choose((start, end))

    def choose(self, region: Region | None) -> None:
        """Makes a region the person's; one that is too short is none."""
        if region is not None and region[1] - region[0] < SHORTEST_REGION:
            region = None
        self.set_region(region)
        self.region_chosen.emit(region)
