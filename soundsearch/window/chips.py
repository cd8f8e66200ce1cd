"""Examples in the search field: a chip for each, plus or minus, with a weight."""

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton, QWidget

from soundsearch.search.query import Example
from soundsearch.window import palette
from soundsearch.window.palette import Theme

WEIGHTS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
LONGEST = 24  # letters of a label, while there is room
SHORTEST = 8


@dataclass(frozen=True)
class Chip:
    """An example sound in the field; a negative weight means "less like this"."""

    example: Example
    label: str

    @property
    def key(self) -> Example:
        """The same for the same sound and region, whatever its weight."""
        return replace(self.example, weight=1.0)

    def turned(self) -> "Chip":
        """The other way round."""
        return self.with_weight(-self.example.weight)

    def stepped(self, steps: int) -> "Chip":
        """Counts more or less, in the same direction."""
        size = abs(self.example.weight)
        nearest = min(range(len(WEIGHTS)), key=lambda place: abs(WEIGHTS[place] - size))
        place = min(len(WEIGHTS) - 1, max(0, nearest + steps))
        return self.with_weight(WEIGHTS[place] * (-1 if self.example.weight < 0 else 1))

    def with_weight(self, weight: float) -> "Chip":
        return replace(self, example=replace(self.example, weight=weight))


def chip_text(chip: Chip, longest: int = LONGEST) -> str:
    """+ anvil.wav, − 2× reverb."""
    weight = chip.example.weight
    sign = "−" if weight < 0 else "+"
    times = "" if abs(weight) == 1 else f"{abs(weight):g}× "
    return f"{sign} {times}{_short(' '.join(chip.label.split()), longest)}"


def longest_label(width: int, count: int) -> int:
    """How many letters a label may have when `count` chips share a field of `width` pixels."""
    room = width * 0.55 / max(1, count) - 50
    return int(min(LONGEST, max(SHORTEST, room / 7)))


class ChipView(QFrame):
    """One chip. A click turns its sign, scrolling and ↑ ↓ change its weight, Delete removes it."""

    def __init__(
        self,
        chip: Chip,
        theme: Theme,
        longest: int,
        change: Callable[[Chip], None],
        remove: Callable[[Chip], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._chip = chip
        self._change = change
        self._remove = remove
        less = chip.example.weight < 0
        self.setObjectName("badchip" if less else "chip")
        self.setFixedHeight(22)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        what = f"{'Less' if less else 'More'} like {chip.label}"
        self.setAccessibleName(f"{what}, weight {abs(chip.example.weight):g}")
        self.setToolTip(f"{what}\nClick: the other way round · Scroll: how much it counts")
        self.label = QLabel(chip_text(chip, longest))
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.close_button = QToolButton()
        self.close_button.setIcon(
            palette.icon("x", theme.bad if less else theme.accent_text, size=12)
        )
        self.close_button.setFixedSize(16, 16)
        self.close_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.close_button.setAccessibleName(f"Remove the example {chip.label}")
        self.close_button.clicked.connect(lambda: remove(chip))
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 4, 0)
        row.setSpacing(2)
        row.addWidget(self.label)
        row.addWidget(self.close_button)

    def menu(self) -> QMenu:
        menu = QMenu(self)
        chip = self._chip
        less = chip.example.weight < 0
        menu.addAction("More like this" if less else "Less like this", self._turn)
        weights = menu.addMenu("Counts")
        for weight in WEIGHTS:
            action = weights.addAction(f"{weight:g}×")
            action.setCheckable(True)
            action.setChecked(weight == abs(chip.example.weight))
            signed = -weight if less else weight
            action.triggered.connect(
                lambda checked=False, signed=signed: self._change(chip.with_weight(signed))
            )
        menu.addSeparator()
        menu.addAction("Remove", lambda: self._remove(chip))
        return menu

    def _turn(self) -> None:
        self._change(self._chip.turned())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(
            event.position().toPoint()
        ):
            self._turn()

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y()
        if turned:
            self._change(self._chip.stepped(1 if turned > 0 else -1))
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = Qt.Key
        if event.key() in (keys.Key_Up, keys.Key_Down):
            self._change(self._chip.stepped(1 if event.key() == keys.Key_Up else -1))
        elif event.key() in (keys.Key_Space, keys.Key_Return, keys.Key_Enter):
            self._turn()
        elif event.key() in (keys.Key_Delete, keys.Key_Backspace):
            self._remove(self._chip)
        else:
            super().keyPressEvent(event)


def put(chips: Sequence[Chip], chip: Chip) -> list[Chip]:
    """An example once: asked anew it keeps its place and takes the new weight."""
    if any(old.key == chip.key for old in chips):
        return [chip if old.key == chip.key else old for old in chips]
    return [*chips, chip]


def write_question(words: str, chips: Sequence[Chip]) -> str:
    """Words and examples as one text: the words in the first line, then a line an example."""
    lines = [" ".join(words.split())]
    for chip in chips:
        example = chip.example
        whole = {
            "label": chip.label,
            "weight": example.weight,
            "sound": example.sound.hex() if example.sound is not None else None,
            "path": os.fsdecode(example.path) if example.path is not None else None,
            "start": example.start or None,
            "end": example.end,
        }
        lines.append(
            json.dumps({name: value for name, value in whole.items() if value is not None})
        )
    return "\n".join(lines) if chips else lines[0]


def read_question(text: str) -> tuple[str, tuple[Chip, ...]]:
    """Words and examples of what write_question gave; a line that is no example is left out."""
    words, *lines = text.split("\n")
    chips = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            found = json.loads(line)
            example = Example(
                path=os.fsencode(found["path"]) if "path" in found else None,
                sound=bytes.fromhex(found["sound"]) if "sound" in found else None,
                start=float(found.get("start", 0.0)),
                end=float(found["end"]) if "end" in found else None,
                weight=float(found["weight"]),
            )
            chips.append(Chip(example, str(found["label"])))
    return words, tuple(chips)


def question_label(text: str) -> str:
    """What write_question gave, on one line for a person: rain + anvil.wav − reverb."""
    words, chips = read_question(text)
    return " ".join(part for part in (words, *map(chip_text, chips)) if part)


def _short(label: str, most: int) -> str:
    return label if len(label) <= most else f"{label[: most // 2]}…{label[-most // 2 + 1 :]}"
