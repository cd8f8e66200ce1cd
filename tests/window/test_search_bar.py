import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QInputMethodEvent, QKeyEvent
from PySide6.QtWidgets import QApplication

from soundsearch.search.query import Example, parse
from soundsearch.window.filters import CHANNELS, DURATIONS, FORMATS, RATES, FiltersPopup
from soundsearch.window.palette import DARK
from soundsearch.window.search_bar import Asked, Chip, SearchBar


@pytest.fixture
def bar(qtbot) -> SearchBar:
    bar = SearchBar(DARK)
    qtbot.addWidget(bar)
    bar.resize(700, 40)
    bar.show()
    return bar


def test_words_chips_and_filters_make_one_query() -> None:
    like = Example(path=b"/a/anvil.wav")
    query = Asked("metal hit", (Chip(like, "anvil.wav"),), "dur:<2").query('folder:"Old Drums"')
    assert query.words == ("metal", "hit")
    assert query.examples == (like,)
    assert query.filters == parse('dur:<2 folder:"Old Drums"').filters


def test_filters_alone_browse() -> None:
    assert Asked("", (), "dur:<2 is:fav").browses
    assert Asked("ch:2").browses
    assert not Asked("kick").browses
    assert not Asked("", (Chip(Example(path=b"/a"), "a"),)).browses


def test_names_are_asked_with_every_key_and_sounds_when_the_typing_rests(bar, qtbot) -> None:
    typed: list[str] = []
    rested: list[str] = []
    bar.typed.connect(lambda asked: typed.append(asked.text))
    bar.paused.connect(lambda asked: rested.append(asked.text))
    qtbot.keyClicks(bar.field, "rain")
    assert typed == ["r", "ra", "rai", "rain"]
    assert rested == []
    qtbot.waitUntil(lambda: bool(rested))
    assert rested == ["rain"]


def test_back_and_forward_through_searches(bar, qtbot) -> None:
    for text in ("kick", "snare", "rain"):
        bar.ask(Asked(text))
    bar.go_back()
    bar.go_back()
    assert bar.field.text() == "kick"
    bar.go_forward()
    assert bar.field.text() == "snare"
    bar.ask(Asked("bell"))
    bar.go_forward()  # a new search ends what lay ahead
    assert bar.field.text() == "bell"
    bar.go_back()
    assert bar.field.text() == "snare"


def test_an_example_stands_once_and_can_be_turned_and_removed(bar, qtbot) -> None:
    bar.add_chip(Chip(Example(path=b"/a"), "a.wav"))
    bar.add_chip(Chip(Example(path=b"/a", weight=-1.0), "a.wav"))
    assert [chip.example.weight for chip in bar.asked().chips] == [-1.0]
    bar.remove_chip("a.wav")
    assert bar.asked().chips == ()


def test_keys_of_the_list_leave_the_field(bar, qtbot) -> None:
    field = bar.field
    field.setText("abc")
    with qtbot.waitSignal(field.moved):
        qtbot.keyClick(field, Qt.Key.Key_Down)
    with qtbot.waitSignal(field.entered):
        qtbot.keyClick(field, Qt.Key.Key_Return)
    with qtbot.waitSignal(field.toggled):
        qtbot.keyClick(field, Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    with qtbot.waitSignal(field.opened):
        qtbot.keyClick(field, Qt.Key.Key_Right)  # the caret stands at the end
    qtbot.keyClick(field, Qt.Key.Key_Left)
    assert field.cursorPosition() == 2
    with qtbot.assertNotEmitted(field.opened):
        qtbot.keyClick(field, Qt.Key.Key_Right)
    assert field.cursorPosition() == 3
    qtbot.keyClick(field, Qt.Key.Key_Space)
    assert field.text() == "abc "


def test_while_an_input_method_composes_keys_belong_to_it(bar, qtbot) -> None:
    moved: list[QKeyEvent] = []
    bar.field.moved.connect(moved.append)
    bar.field.setFocus()
    QApplication.sendEvent(bar.field, QInputMethodEvent("かん", []))
    qtbot.keyClick(bar.field, Qt.Key.Key_Down)
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert moved == []
    QApplication.sendEvent(bar.field, QInputMethodEvent("", []))
    qtbot.keyClick(bar.field, Qt.Key.Key_Down)
    assert len(moved) == 1


@pytest.mark.parametrize("choices", [DURATIONS, FORMATS, CHANNELS, RATES])
def test_every_filter_means_something(choices) -> None:
    for _, text in choices:
        query = parse(text)
        assert query.words == ()
        assert bool(query.filters) == bool(text)


def test_the_popup_shows_what_it_gave(qtbot) -> None:
    popup = FiltersPopup()
    qtbot.addWidget(popup)
    popup.show_filters('dur:1-5 format:wav folder:"Old Drums" is:fav')
    assert popup.filters() == 'dur:1-5 format:wav folder:"Old Drums" is:fav'
    assert popup.count() == 4
    popup.show_filters("")
    assert popup.filters() == ""
    with qtbot.waitSignal(popup.filters_changed) as seen:
        popup.favourite.click()
    assert seen.args == ["is:fav"]
