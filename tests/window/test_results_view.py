import os

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication

from soundsearch.window.palette import DARK
from soundsearch.window.results_model import ResultsModel
from soundsearch.window.results_view import ResultsView, file_url, files_data
from soundsearch.window.row_delegate import (
    duration_text,
    format_text,
    lay_out,
    marked_spans,
)
from soundsearch.window.waveform import Envelopes
from tests.window.conftest import ODD_NAMES, make_match, until


@pytest.fixture
def view(qtbot) -> ResultsView:
    model = ResultsModel()
    view = ResultsView(DARK, Envelopes())
    view.setModel(model)
    model.setParent(view)
    qtbot.addWidget(view)
    view.resize(900, 400)
    model.show_matches(
        [make_match(number, takes=3 if number == 2 else 1) for number in range(1, 30)]
    )
    view.show()
    return view


def middle_of(view: ResultsView, row: int) -> QPoint:
    return view.visualRect(view.results().index(row, 0)).center()


def send_mouse(view: ResultsView, kind: QEvent.Type, point: QPoint, pressed: bool = True) -> None:
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
    held = Qt.MouseButton.LeftButton if pressed else Qt.MouseButton.NoButton
    event = QMouseEvent(
        kind,
        QPointF(point),
        QPointF(view.viewport().mapToGlobal(point)),
        button,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(view.viewport(), event)


@pytest.mark.parametrize(
    ("name", "words", "spans"),
    [
        ("Metallic_Hit_07", ("metallic", "hit"), [(0, 8), (9, 12)]),
        ("hithit", ("hit",), [(0, 6)]),
        ("Türe", ("türe",), [(0, 4)]),
        ("İstanbul", ("stan",), [(1, 5)]),  # its first letter gets longer in lower case
        ("Kïck 01", ("kick",), [(0, 4)]),  # as it is looked for, without accents
        ("Ki\u0308ck 01", ("kick",), [(0, 5)]),  # the same in macOS's spelling
        ("rain", ("snow", ""), []),
        ("kick drum", ("kick", "ick d"), [(0, 6)]),
    ],
)
def test_matched_words_are_marked(name: str, words: tuple[str, ...], spans: list) -> None:
    assert marked_spans(name, words) == spans


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("width", [300, 360, 420, 480, 620, 720, 800, 1240, 2400])
def test_the_parts_of_a_row_never_overlap(width: int, compact: bool) -> None:
    layout = lay_out(QRect(0, 46, width, 46), compact)
    parts = [layout.star, layout.name, layout.wave, layout.bar, layout.duration, layout.form]
    there = [part for part in parts if part.width() > 0]
    for left, right in zip(there, there[1:], strict=False):
        assert left.right() <= right.left()
    assert there[-1].right() <= width
    assert layout.name.width() > 100
    assert all(part.top() >= 46 and part.bottom() <= 92 for part in there)


def test_what_stands_at_the_right(qapp) -> None:
    long = make_match(1, start=7.0, duration=252.0)
    assert duration_text(long) == "7.00 s of 4:12"
    assert duration_text(make_match(1, duration=1.84)) == "1.84 s"
    assert format_text(make_match(1)) == "WAV 24 · 48k"
    assert format_text(make_match(1, sample_format="vorbis", format="ogg")) == "OGG · 48k"
    assert format_text(make_match(1, channels=6)) == "WAV 24 · 48k · 6 ch"
    assert format_text(make_match(1, channels=1)) == "WAV 24 · 48k · mono"


def test_a_click_selects_when_it_is_released(view: ResultsView, qtbot) -> None:
    chosen: list[int] = []
    view.chosen.connect(chosen.append)
    send_mouse(view, QEvent.Type.MouseButtonPress, middle_of(view, 3))
    assert chosen == []
    send_mouse(view, QEvent.Type.MouseMove, middle_of(view, 3) + QPoint(3, 2))
    send_mouse(view, QEvent.Type.MouseButtonRelease, middle_of(view, 3) + QPoint(3, 2), False)
    assert chosen == [3]
    assert view.selected_rows() == [3]


def test_six_pixels_are_a_drag_that_selects_nothing(view: ResultsView, monkeypatch) -> None:
    dragged: list[list[bytes]] = []
    monkeypatch.setattr(
        view,
        "drag_from",
        lambda point: dragged.append([match.path for match in view.dragged_matches(point)]),
    )
    view.go_to(1)
    for step in (0, 3, 5):
        kind = QEvent.Type.MouseMove if step else QEvent.Type.MouseButtonPress
        send_mouse(view, kind, middle_of(view, 4) + QPoint(step, 0))
    assert dragged == []
    send_mouse(view, QEvent.Type.MouseMove, middle_of(view, 4) + QPoint(6, 0))
    send_mouse(view, QEvent.Type.MouseMove, middle_of(view, 4) + QPoint(60, 0))
    send_mouse(view, QEvent.Type.MouseButtonRelease, middle_of(view, 4) + QPoint(60, 0), False)
    assert dragged == [[b"/sounds/5.wav"]]
    assert view.selected_rows() == [1]


def test_a_drag_from_the_selection_takes_all_of_it(view: ResultsView) -> None:
    view.go_to(1)
    view.go_to(3, extend=True)
    taken = [match.sound_id for match in view.dragged_matches(middle_of(view, 2))]
    assert taken == [2, 3, 4]


def test_what_is_away_is_not_dragged(view: ResultsView) -> None:
    view.results().show_matches(
        [make_match(1, state="offline"), make_match(2, state="missing"), make_match(3)]
    )
    view.selectAll()
    assert [m.sound_id for m in view.dragged_matches(middle_of(view, 0))] == [3]


def test_a_drag_carries_urls_of_local_files() -> None:
    paths = [os.path.join("/My Sounds", name) for name in ODD_NAMES]
    data = files_data([os.fsencode(path) for path in paths])
    assert [url.toLocalFile() for url in data.urls()] == paths
    encoded = bytes(data.data("text/uri-list").data()).decode()
    assert "file:///My%20Sounds/kick%20%231%20100%25.wav" in encoded
    assert "\nbreak" not in encoded.replace("\r\n", "|")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_that_are_no_text_are_dragged_by_their_bytes() -> None:
    url = file_url(b"/sounds/b\xe9ll #1.wav")
    assert bytes(url.toEncoded().data()) == b"file:///sounds/b%E9ll%20%231.wav"
    assert isinstance(url, QUrl)


def test_the_drag_picture_is_sharp(view: ResultsView) -> None:
    picture = view.row_delegate.drag_picture([make_match(1)], 2.0)
    assert picture.devicePixelRatio() == 2.0
    assert picture.width() == 520


def test_the_star_and_the_takes_are_clicked_without_selecting(view: ResultsView, qtbot) -> None:
    rect = view.visualRect(view.results().index(1, 0))
    layout = lay_out(rect, False)
    with qtbot.waitSignal(view.star_clicked) as seen:
        qtbot.mouseClick(
            view.viewport(), Qt.MouseButton.LeftButton, pos=layout.star.center().toPoint()
        )
    assert seen.args == [1]
    match = view.results().match_at(1)
    assert match is not None
    pill = view.row_delegate.pill(match, layout)
    with qtbot.waitSignal(view.takes_clicked) as seen:
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=pill.center().toPoint())
    assert seen.args == [1]
    assert view.selected_rows() == []


def key_event(key: Qt.Key, repeat: bool = False, kind=QEvent.Type.KeyPress) -> QKeyEvent:
    return QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, "", repeat)


def test_a_held_arrow_plays_only_where_it_ends(view: ResultsView) -> None:
    chosen: list[int] = []
    view.chosen.connect(chosen.append)
    QApplication.sendEvent(view, key_event(Qt.Key.Key_Down))
    assert chosen == [0]
    for _ in range(5):
        QApplication.sendEvent(view, key_event(Qt.Key.Key_Down, repeat=True))
    assert chosen == [0]
    assert view.selected_rows() == [5]
    QApplication.sendEvent(view, key_event(Qt.Key.Key_Down, kind=QEvent.Type.KeyRelease))
    assert chosen == [0, 5]


def test_keys_move_within_the_list(view: ResultsView, qtbot) -> None:
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert view.selected_rows() == [28]
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.selected_rows() == [28]
    qtbot.keyClick(view, Qt.Key.Key_Home)
    qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected_rows() == [0, 1, 2]
    qtbot.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected_rows() == [0, 1]
    qtbot.keyClick(view, Qt.Key.Key_PageDown)
    assert view.selected_rows()[0] > 5


def test_a_hundred_thousand_rows_cost_only_what_is_painted(qtbot) -> None:
    model = ResultsModel()
    view = ResultsView(DARK, Envelopes())
    view.setModel(model)
    model.setParent(view)
    qtbot.addWidget(view)
    view.resize(900, 400)
    asked: set[int] = set()
    model.wanted.connect(asked.update)
    model.show_keys(range(1, 100_001))
    view.show()
    view.scrollToBottom()
    qtbot.wait(50)
    assert 100_000 in asked
    assert len(asked) < 100


def test_the_row_under_the_mouse_is_lit(open_window, qtbot) -> None:
    one = open_window(auto_play=False)
    view = one.window.view
    place = view.visualRect(view.results().index(2, 0)).center()

    def ground() -> str:
        return view.viewport().grab().toImage().pixelColor(place.x(), place.y() - 20).name()

    assert ground() == one.window.theme.ground
    qtbot.mouseMove(view.viewport(), place)
    until(lambda: ground() == one.window.theme.hover)
