import pytest
from PySide6.QtCore import Qt

from soundsearch.window.results_model import MATCH, ResultsModel, is_scored, merge, time_text
from tests.window.conftest import make_match


@pytest.mark.parametrize(
    ("shown", "new", "held", "result"),
    [
        ([1, 2, 3], [3, 2, 1], None, [3, 2, 1]),
        ([1, 2, 3], [9, 3, 8, 2, 1], 2, [1, 2, 9, 3, 8]),  # what is above stays
        ([1, 2, 3], [9, 3, 2], 2, [2, 9, 3]),  # what the answer hasn't any more goes
        ([1, 2, 3], [4, 5], 2, [4, 5]),  # the held one is gone
        ([], [1], 7, [1]),
    ],
)
def test_nothing_moves_above_the_held_row(shown, new, held, result) -> None:
    assert merge(shown, new, held) == result


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0002, "1 ms"), (0.084, "84 ms"), (0.0999, "0.10 s"), (0.5, "0.50 s")),
        *((59.99, "59.99 s"), (59.996, "1:00"), (252, "4:12"), (3723, "1:02:03")),
    ],
)
def test_times_as_they_are_read(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_rows_are_found_by_their_sound(qapp) -> None:
    model = ResultsModel()
    model.show_matches([make_match(5), make_match(3)])
    assert [model.key(row) for row in range(2)] == [5, 3]
    assert model.row_of(3) == 1
    assert model.row_of(99) is None
    model.show_matches([make_match(3), make_match(8), make_match(5)])
    assert model.row_of(3) == 0


def test_only_painted_rows_are_asked_for(qtbot) -> None:
    model = ResultsModel()
    asked: list[list[int]] = []
    model.wanted.connect(asked.append)
    model.show_keys(list(range(1, 100_001)))
    with qtbot.waitSignal(model.wanted):
        for row in (10, 11, 10):
            assert model.index(row, 0).data(MATCH) is None
            assert model.index(row, 0).data() == "…"
    assert asked == [[11, 12]]
    model.fill([make_match(11), make_match(12)])
    assert model.index(10, 0).data() == "sound 11"
    qtbot.wait(20)
    assert asked == [[11, 12]]


def test_rows_that_come_late_change_no_other_list(qtbot) -> None:
    model = ResultsModel()
    model.show_keys([1, 2])
    with qtbot.waitSignal(model.wanted):
        model.index(0, 0).data(MATCH)
    model.show_matches([make_match(1, why="sound 83%")])
    model.fill([make_match(1, why="")])
    assert model.index(0, 0).data(MATCH).why == "sound 83%"


def test_a_browsed_list_shows_nothing_of_the_question_before(qtbot) -> None:
    model = ResultsModel()
    told = {"why": "name: kick · sound 83%", "words": ("kick",), "start": 7.0, "name_score": 1.0}
    model.show_matches([make_match(1, **told)])
    model.show_keys([1, 2])
    row = model.index(0, 0).data(MATCH)
    assert (row.why, row.words, row.start) == ("", (), 0.0)
    assert not is_scored(row)


def test_rows_that_are_known_are_shown_at_once_and_read_anew(qtbot) -> None:
    model = ResultsModel()
    model.show_matches([make_match(1, "old name")])
    asked: list[list[int]] = []
    model.wanted.connect(asked.append)
    with qtbot.waitSignal(model.wanted):
        model.show_keys([1, 2])
        assert model.index(0, 0).data() == "old name"
    assert asked == [[1]]
    model.fill([make_match(1, "new name")])  # it was renamed meanwhile
    assert model.index(0, 0).data() == "new name"
    qtbot.wait(20)
    assert asked == [[1]]


def test_data_never_raises(qapp, caplog) -> None:
    model = ResultsModel()
    broken = make_match(1, name="x")
    object.__setattr__(broken, "duration", "long")
    model.show_matches([broken])
    for _ in range(3):
        spoken = model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
        assert spoken == ""
    assert len(caplog.records) == 1


def test_takes_open_below_their_row_and_close(qapp) -> None:
    model = ResultsModel()
    model.show_matches([make_match(1, takes=3), make_match(2)])
    model.open_takes(1, [make_match(7), make_match(8)])
    assert [model.key(row) for row in range(model.rowCount())] == [1, 7, 8, 2]
    assert model.is_take(7)
    assert not model.is_take(2)
    assert model.close_takes(8) == 1  # from inside the group
    assert [model.key(row) for row in range(model.rowCount())] == [1, 2]


def test_a_row_is_one_spoken_sentence(qapp) -> None:
    model = ResultsModel()
    model.show_matches([make_match(1, name="bell", strength=0.83)])
    model.set_favourites({1})
    spoken = model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == ("bell, in Sounds/Loops, 2.0 seconds, match 83 percent, sound 50%, favourite")


def test_five_thousand_signals(qapp) -> None:
    # PySide6 6.12 lost a reference to True with each emit on Python 3.11 and ended the program.
    from PySide6.QtCore import QObject, Signal

    class Sender(QObject):
        told = Signal(bool)

    seen = []
    sender = Sender()
    sender.told.connect(seen.append)
    for _ in range(5000):
        sender.told.emit(True)
    assert len(seen) == 5000


def test_an_open_group_stays_open_while_the_same_question_is_answered(qapp) -> None:
    model = ResultsModel()
    head = make_match(1, takes=4, members=(7, 8, 9))
    model.show_matches([head, make_match(2)])
    model.open_takes(1, [make_match(7), make_match(8), make_match(9)])
    # Another row came, one take isn't alike any more, and another has a row of its own.
    model.show_matches(
        [make_match(3), make_match(1, takes=3, members=(7, 8)), make_match(8)], keep_open=True
    )
    assert [model.key(row) for row in range(model.rowCount())] == [3, 1, 7, 8]
    assert model.open_groups() == {1}
    assert model.head_of(7) == 1
    assert model.head_of(8) == 8
    taken = model.match_at(2)
    assert taken is not None
    assert taken.name == "sound 7"
    # The head is gone, and its group with it.
    model.show_matches([make_match(3)], keep_open=True)
    assert not model.open_groups()
    assert model.rowCount() == 1


def test_another_question_closes_groups(qapp) -> None:
    model = ResultsModel()
    model.show_matches([make_match(1, takes=2, members=(7,))])
    model.open_takes(1, [make_match(7)])
    model.show_matches([make_match(1, takes=2, members=(7,))])
    assert model.rowCount() == 1


def test_a_sound_is_found_in_the_row_that_stands_for_it(qapp) -> None:
    model = ResultsModel()
    model.show_matches([make_match(2), make_match(1, takes=2, members=(7,))])
    assert model.row_standing_for(7) == 1
    assert model.row_standing_for(2) == 0
    assert model.row_standing_for(99) is None
    assert model.row_standing_for(None) is None
