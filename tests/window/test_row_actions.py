"""Favourites and ratings: a failed write is taken back and told, a removal can be undone."""

import sys
from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt

from soundsearch.library.userdata import UserData
from tests.cli.test_data_folder import read_only
from tests.window.conftest import Open, make_match, until


def press(opened: Open, qtbot, key: Qt.Key) -> None:
    qtbot.keyClick(opened.window, key, Qt.KeyboardModifier.ControlModifier)


def click_undo(opened: Open, qtbot) -> None:
    notice = opened.window.notice
    until(lambda: notice.isVisible() and notice.action.text() == "Undo")
    qtbot.mouseClick(notice.action, Qt.MouseButton.LeftButton)


@pytest.fixture
def opened(open_window: Callable[..., Open]) -> Open:
    """With all its rows selected."""
    one = open_window(auto_play=False)
    one.window.view.go_to(0)
    one.window.view.selectAll()
    return one


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
def test_a_star_that_cannot_be_kept_is_taken_back(opened: Open, qtbot) -> None:
    until(lambda: (opened.data / "user.db").exists())
    star, notice = opened.window.view.row_delegate, opened.window.notice
    with read_only(opened.data):
        press(opened, qtbot, Qt.Key.Key_D)
        assert len(star.favourites) == 6
        until(notice.isVisible)
        assert "user.db can't be written" in notice.text.text()
        until(lambda: not star.favourites)
    press(opened, qtbot, Qt.Key.Key_D)
    until(lambda: len(kept(opened, UserData.favourites)) == 6)
    with read_only(opened.data):
        press(opened, qtbot, Qt.Key.Key_D)
        assert not star.favourites
        until(lambda: len(star.favourites) == 6)


def kept(opened: Open, what: Callable) -> object:
    with UserData.open(opened.data, write=False) as person:
        return what(person)


def test_favourites_that_were_removed_come_back(opened: Open, qtbot) -> None:
    star = opened.window.view.row_delegate
    press(opened, qtbot, Qt.Key.Key_D)
    assert not opened.window.notice.isVisible()
    until(lambda: len(kept(opened, UserData.favourites)) == 6)
    press(opened, qtbot, Qt.Key.Key_D)
    until(lambda: not kept(opened, UserData.favourites))
    assert opened.window.notice.text.text() == "6 favourites removed"
    click_undo(opened, qtbot)
    assert len(star.favourites) == 6
    until(lambda: len(kept(opened, UserData.favourites)) == 6)


def test_ratings_that_were_removed_come_back(opened: Open, qtbot) -> None:
    view, shown = opened.window.view, opened.window.view.row_delegate
    press(opened, qtbot, Qt.Key.Key_0)  # there is none yet
    view.go_to(1)
    press(opened, qtbot, Qt.Key.Key_4)
    view.go_to(2)
    press(opened, qtbot, Qt.Key.Key_2)
    until(lambda: sorted(shown.ratings.values()) == [2, 4])
    assert not opened.window.notice.isVisible()
    before = dict(shown.ratings)
    view.selectAll()
    press(opened, qtbot, Qt.Key.Key_0)
    until(lambda: not shown.ratings)
    assert opened.window.notice.text.text() == "2 ratings removed"
    click_undo(opened, qtbot)
    until(lambda: shown.ratings == before)
    assert sorted(kept(opened, UserData.ratings).values()) == [2, 4]


def test_silence_is_no_example(opened: Open, qtbot) -> None:
    view, bar = opened.window.view, opened.window.bar
    silence = make_match(2, "room tone", state="silent")
    opened.window.model.show_matches([make_match(1, "kick"), silence])
    view.selectAll()
    press(opened, qtbot, Qt.Key.Key_L)
    assert [chip.label for chip in bar.asked().chips] == ["kick"]
    assert opened.window.notice.text.text() == "room tone is silent: no sound is like it"
    opened.window.audition.show(silence, play=False)
    opened.window.panel.waveform.choose((0.5, 1.0))
    opened.window.region.add_example(1.0)
    assert [chip.label for chip in bar.asked().chips] == ["kick"]
