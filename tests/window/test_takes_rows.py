"""Takes in the list: one row with a count, opened and closed by keys."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.window.conftest import Open, until

STEPS = tuple(f"Steps/footstep #{number:02d} ü 🥁.wav" for number in range(1, 5))
OTHERS = ("footstep on gravel.wav", "kick.wav")


@pytest.fixture
def opened(open_window: Callable[..., Open]) -> Open:
    opened = open_window((*STEPS, *OTHERS), auto_play=False)
    opened.window.bar.field.setText("footstep")
    opened.window.bar.field.textEdited.emit("footstep")
    until(lambda: opened.window.model.rowCount() < len(STEPS + OTHERS))
    return opened


def names(opened: Open) -> list[str]:
    return opened.names()


def test_keys_open_step_over_and_close(opened: Open) -> None:
    window, field = opened.window, opened.window.bar.field
    folded = names(opened)
    heads = [name for name in folded if "#" in name]
    row = folded.index(heads[0])
    head = window.model.match_at(row)
    assert head is not None
    takes = head.takes
    assert takes > 1
    assert len(heads) + takes - 1 >= 2
    window.view.go_to(row)
    QTest.keyClick(field, Qt.Key.Key_Down)  # closed: one step over all of them
    if row + 1 < len(folded):
        assert window.view.currentIndex().row() == row + 1
        QTest.keyClick(field, Qt.Key.Key_Up)
    field.setCursorPosition(len(field.text()))
    QTest.keyClick(field, Qt.Key.Key_Right)
    until(lambda: window.model.rowCount() == len(folded) + takes - 1)
    assert names(opened)[row + 1 : row + takes] == sorted(names(opened)[row + 1 : row + takes])
    QTest.keyClick(field, Qt.Key.Key_Down)  # open: into them
    assert window.model.head_of(window.model.key(window.view.currentIndex().row())) == (
        head.sound_id
    )
    QTest.keyClick(field, Qt.Key.Key_Left)  # from inside
    assert names(opened) == folded
    assert window.view.currentIndex().row() == row
    QTest.keyClick(field, Qt.Key.Key_Left)  # nothing to close: the caret moves
    assert field.cursorPosition() == len(field.text()) - 1


def test_the_group_stays_open_when_the_library_changes(opened: Open) -> None:
    window = opened.window
    folded = names(opened)
    row = next(place for place, name in enumerate(folded) if "#" in name)
    window.view.go_to(row)
    window.listing.open_takes()
    until(lambda: window.model.rowCount() > len(folded))
    before = names(opened)
    window.view.go_to(row + 2)
    current = window.model.key(row + 2)
    window._ask_again(fresh=False)
    QTest.qWait(100)
    assert names(opened) == before
    assert window.model.key(window.view.currentIndex().row()) == current
