"""Takes in the list: one row with a count, opened and closed by keys."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest

from tests.window.conftest import Open, until

STEPS = tuple(f"Steps/footstep #{number:02d} ü 🥁.wav" for number in range(1, 5))
NONE = Qt.KeyboardModifier.NoModifier
OTHERS = ("footstep on gravel.wav", "kick.wav")


@pytest.fixture
def opened(open_window: Callable[..., Open]) -> Open:
    opened = open_window((*STEPS, *OTHERS), auto_play=False)
    opened.window.bar.field.setText("footstep")
    opened.window.bar.field.textEdited.emit("footstep")
    until(lambda: "match" in opened.window.count.text())
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


NUMBERED = ("01.wav", "02.wav")
SAME_NAMES = ("Wood/step 1.wav", "Stone/step 2.wav")


def test_takes_are_one_row_where_a_folder_is_browsed(open_window: Callable[..., Open]) -> None:
    opened = open_window((*NUMBERED, *SAME_NAMES, *STEPS, "kick.wav"), auto_play=False)
    window = opened.window
    # By length (7 of them are 5 to 8 s, within a factor of two), not across folders, and not
    # for names that are numbers alone.
    until(lambda: len(opened.names()) == window.model.rowCount())
    assert set(opened.names()) == {
        *("01.wav", "02.wav", "step 1.wav", "step 2.wav", "kick.wav"),
        STEPS[0].partition("/")[2],
    }
    assert window.count.text().startswith("9 sounds")
    row = opened.names().index(STEPS[0].partition("/")[2])
    head = window.model.match_at(row)
    assert head is not None
    assert head.takes == 4
    window.view.go_to(row)
    window.listing.open_takes()
    until(lambda: window.model.rowCount() == 9)
    assert opened.names()[row : row + 4] == [name.partition("/")[2] for name in STEPS]
    window.view.go_to(row + 2)
    taken = window.model.key(row + 2)
    window.refresh()  # the library changed: the group stays open, the row current
    QTest.qWait(100)
    assert window.model.rowCount() == 9
    assert window.model.key(window.view.currentIndex().row()) == taken
    window.listing.close_takes_or_ignore(QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Left, NONE))
    assert window.model.rowCount() == 6


def test_takes_are_one_row_in_every_order(
    open_window: Callable[..., Open],
) -> None:
    opened = open_window(STEPS, auto_play=False)
    window = opened.window
    assert window.model.rowCount() < len(STEPS)
    window._sort_changed("duration")
    until(lambda: "shortest" in window.count.text())
    assert window.model.rowCount() < len(STEPS)
    assert window.count.text().startswith(f"{len(STEPS)} sounds")
