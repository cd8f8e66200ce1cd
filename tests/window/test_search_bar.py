import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QInputMethodEvent, QKeyEvent
from PySide6.QtWidgets import QApplication

from soundsearch.search.query import Example, parse
from soundsearch.window.chips import WEIGHTS, Chip, ChipView, chip_text
from soundsearch.window.filters import CHANNELS, DURATIONS, FORMATS, RATES, FiltersPopup
from soundsearch.window.palette import DARK
from soundsearch.window.search_bar import Asked, SearchBar


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
    bar.remove_chip(bar.asked().chips[0])
    assert bar.asked().chips == ()


def test_two_sounds_of_one_name_are_two_examples(bar) -> None:
    bar.add_chip(Chip(Example(path=b"/a/kick.wav"), "kick.wav"))
    bar.add_chip(Chip(Example(path=b"/b/kick.wav"), "kick.wav"))
    bar.add_chip(Chip(Example(path=b"/b/kick.wav", start=0.5, end=1.0), "kick.wav"))
    assert len(bar.asked().chips) == 3
    bar.remove_chip(bar.asked().chips[1])
    assert [chip.example.path for chip in bar.asked().chips] == [b"/a/kick.wav", b"/b/kick.wav"]


def test_a_chip_by_mouse_and_keys(bar, qtbot) -> None:
    for name in ("anvil", "reverb", "line\nbreak 🥁 #%"):
        bar.add_chip(Chip(Example(path=name.encode()), name))

    def weights() -> list[float]:
        return [chip.example.weight for chip in bar.asked().chips]

    def shown() -> list[ChipView]:
        QApplication.processEvents()
        return [view for view in bar.findChildren(ChipView) if not view.isHidden()]

    qtbot.mouseClick(shown()[1], Qt.MouseButton.LeftButton)
    assert weights() == [1.0, -1.0, 1.0]
    shown()[1].setFocus()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up):
        qtbot.keyClick(shown()[1], key)
        assert shown()[1].hasFocus()  # the keyboard stays on the chip
    assert weights() == [1.0, -2.0, 1.0]
    assert chip_text(bar.asked().chips[1]) == "− 2× reverb"
    assert "\n" not in chip_text(bar.asked().chips[2])
    qtbot.keyClick(shown()[1], Qt.Key.Key_Delete)
    assert weights() == [1.0, 1.0]
    for _ in range(9):
        bar.add_chip(bar.asked().chips[0].stepped(1))
    assert weights()[0] == WEIGHTS[-1]
    assert [action.text() for action in shown()[0].menu().actions()][0] == "Less like this"
    query = bar.asked().query()
    assert [example.weight for example in query.examples] == [WEIGHTS[-1], 1.0]


def test_the_way_back_goes_through_examples_too(bar) -> None:
    bar.ask(Asked("metal"))
    chip = Chip(Example(path=b"/a"), "a")
    bar.add_chip(chip)
    bar.add_chip(chip.turned())
    bar.go_back()
    assert bar.asked().chips == (chip,)
    bar.go_back()
    assert bar.asked() == Asked("metal")
    bar.go_forward()
    bar.go_forward()
    assert bar.asked().chips == (chip.turned(),)


def test_many_chips_leave_room_for_words(bar) -> None:
    for number in range(5):
        bar.add_chip(Chip(Example(path=b"/%d" % number), f"a rather long name of a sound {number}"))
    assert bar.field.width() >= 60
    bar.resize(1100, 40)


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
