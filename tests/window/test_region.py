"""The region in the strip: selecting by mouse and keys, what is played, saved and pulled out."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from soundsearch.player.messages import Detailed, Exported, Failed, Spectrum
from soundsearch.window.palette import DARK
from soundsearch.window.region import ROWS
from soundsearch.window.wave_view import WaveView
from tests.window.conftest import Open, until
from tests.window.test_waveform import envelope

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot) -> WaveView:
    view = WaveView(DARK)
    qtbot.addWidget(view)
    view.resize(400, 60)
    view.set_sound(envelope(400), 10.0)
    return view


def move(view: WaveView, x: int) -> None:
    """With the button held, which QTest can't."""
    point = QPointF(x, 30)
    event = QMouseEvent(
        QEvent.Type.MouseMove, point, view.mapToGlobal(point), LEFT, LEFT, Qt.KeyboardModifier(0)
    )
    QApplication.sendEvent(view, event)


def drag(view: WaveView, begin: int, end: int) -> None:
    QTest.mousePress(view, LEFT, pos=QPoint(begin, 30))
    for x in (begin + (end - begin) // 2, end):
        move(view, x)
    QTest.mouseRelease(view, LEFT, pos=QPoint(end, 30))


def test_dragging_selects_in_both_directions_and_a_click_does_not(view: WaveView) -> None:
    chosen: list = []
    sought: list = []
    view.region_chosen.connect(chosen.append)
    view.seek.connect(sought.append)
    drag(view, 100, 200)
    assert chosen[-1] == pytest.approx((2.5, 5.0), abs=0.03)
    drag(view, 360, 300)
    assert chosen[-1] == pytest.approx((7.5, 9.0), abs=0.03)
    assert not sought
    QTest.mouseClick(view, LEFT, pos=QPoint(80, 30))
    assert sought == [pytest.approx(2.0, abs=0.03)]
    assert view.region == pytest.approx((7.5, 9.0), abs=0.03)
    drag(view, -50, 2000)
    assert view.region == (0.0, 10.0)


def test_the_ends_of_a_region_are_pulled(view: WaveView) -> None:
    view.set_region((2.0, 6.0))
    drag(view, 240, 320)
    assert view.region == pytest.approx((2.0, 8.0), abs=0.1)
    drag(view, 80, 360)  # beyond the other end
    assert view.region == pytest.approx((8.0, 9.0), abs=0.1)


def test_pulling_the_inside_wants_a_drag_and_changes_nothing(view: WaveView) -> None:
    wanted: list = []
    view.drag_wanted.connect(lambda: wanted.append(view.pulling))
    view.set_region((2.0, 6.0))
    QTest.mousePress(view, LEFT, pos=QPoint(150, 30))
    move(view, 153)
    assert not wanted
    for x in (156, 170, 190):
        move(view, x)
    assert wanted == [True]
    QTest.mouseRelease(view, LEFT, pos=QPoint(190, 30))
    assert not view.pulling
    assert view.region == (2.0, 6.0)


def test_keys_tune_the_region_finer_when_zoomed(view: WaveView) -> None:
    keys, modifiers = Qt.Key, Qt.KeyboardModifier
    view.set_region((2.0, 6.0))
    QTest.keyClick(view, keys.Key_Right)
    assert view.region == pytest.approx((2.05, 6.05))
    QTest.keyClick(view, keys.Key_Left, modifiers.ShiftModifier)
    assert view.region == pytest.approx((2.05, 6.0))
    QTest.keyClick(view, keys.Key_Left, modifiers.ControlModifier)
    assert view.region == pytest.approx((2.0, 6.0))
    view.set_view(1.5, 2.5)
    QTest.keyClick(view, keys.Key_Right, modifiers.ControlModifier)
    assert view.region == pytest.approx((2.005, 6.0))
    view.set_region((5.999, 6.0))
    QTest.keyClick(view, keys.Key_Right, modifiers.ControlModifier)
    assert view.region is None  # nothing is left of it
    QTest.keyClick(view, keys.Key_A, modifiers.ControlModifier)
    assert view.region == (1.5, 2.5)
    QTest.keyClick(view, keys.Key_Escape)
    assert view.region is None


def test_zoom_keeps_the_place_and_stays_inside(view: WaveView) -> None:
    view.zoom(4.0, around=2.0)
    assert view.view == pytest.approx((1.5, 4.0))
    assert view.second_at(80) == pytest.approx(2.0)
    view.zoom(1e9, around=2.0)
    assert view.view[1] - view.view[0] == pytest.approx(0.02)
    view.zoom(0.001)
    assert view.view == (0.0, 10.0)
    for start, end in ((-5.0, 3.0), (9.0, 30.0)):
        view.set_view(start, end)
        assert 0 <= view.view[0] < view.view[1] <= 10
        view.grab()


def test_a_zoomed_view_shows_its_own_seconds(view: WaveView) -> None:
    points = np.zeros((400, 3), np.int8)
    points[200:] = (-100, 100, 50)
    view.set_sound(points, 10.0)
    view.set_view(5.0, 6.0)
    seen, peak = view.seen() or (None, 0)
    assert seen is not None
    assert seen[:, 1].min() == 100
    fine = envelope(77)
    view.show_detail((5.0, 6.0), fine)
    assert view.seen() == (fine, peak)
    view.set_view(1.0, 2.0)
    seen, peak = view.seen() or (None, 0)
    assert seen is not None
    assert seen.max() == 0
    assert peak == 100  # quiet places stay low


def test_a_spectrogram_is_drawn_in_the_place_of_the_waveform(view: WaveView) -> None:
    pixels = np.zeros((ROWS, 50), np.uint8)
    pixels[: ROWS // 2] = 255
    view.show_spectrum(view.view, pixels)
    image = view.grab().toImage()
    ratio = image.devicePixelRatio()
    upper, lower = (image.pixelColor(round(200 * ratio), round(y * ratio)) for y in (12, 50))
    assert upper.name() == DARK.text
    assert lower.name() == DARK.sunken
    view.show_spectrum(view.view, None)
    view.grab()


def select(window: Open, seconds: tuple[float, float] = (0.25, 0.5)) -> None:
    """The first row, and a region of it."""
    window.window.view.go_to(0)
    window.window.panel.waveform.choose(seconds)


def test_the_region_is_what_is_played(open_window: Callable[..., Open]) -> None:
    opened = open_window(auto_play=False)
    select(opened)
    opened.window.audition.toggle()
    path, start = opened.player.played[-1]
    assert start == 0.25
    opened.window.panel.waveform.choose((0.3, 0.6))
    assert opened.player.of("set_region")[-1] == [0.3, 0.6]
    opened.window.panel.speed.click()
    assert opened.player.of("set_pace")[-1] == [0.5, False]
    opened.window.panel.reverse.click()
    assert opened.player.of("set_pace")[-1] == [0.5, True]
    # Escape in the field: the region first, then the search.
    opened.window.bar.field.setText("x")
    opened.window.keys.escape()
    assert opened.window.panel.waveform.region is None
    assert opened.window.bar.field.text() == "x"
    opened.window.keys.escape()
    assert opened.window.bar.field.text() == ""
    # The same sound once more keeps its region; another one has none.
    select(opened)
    opened.window.listing.play_again()
    assert opened.window.audition.region == (0.25, 0.5)
    assert opened.player.played[-1][1] == 0.25
    opened.window.view.go_to(1)
    assert opened.window.audition.region is None


def test_saving_asks_the_player_and_copies_the_file(
    open_window: Callable[..., Open], tmp_path: Path
) -> None:
    opened = open_window(auto_play=False)
    select(opened)
    region = opened.window.region
    region.save()
    path, start, end, folder = opened.player.of("export")[-1]
    match = opened.window.audition.match
    assert match is not None
    assert (path, start, end) == (match.path, 0.25, 0.5)
    assert folder == os.fsencode(opened.data / "exports")
    file = opened.data / "exports" / "kick #1 100% 🥁.wav"
    file.parent.mkdir()
    file.write_bytes(b"RIFF")
    region.take(Exported(len(opened.player.calls), os.fsencode(file), 100))
    assert opened.window.notice.isVisible()
    assert opened.window.notice.action.text() == "Show"  # where it was saved
    urls = QGuiApplication.clipboard().mimeData().urls()
    assert [url.toLocalFile() for url in urls] == [str(file)]
    region.save()  # it is there already
    assert len(opened.player.of("export")) == 1
    file.unlink()  # by hand, or by a program that cleans
    region.save()
    assert len(opened.player.of("export")) == 2
    opened.window.panel.waveform.choose((0.25, 0.75))
    region.save()
    assert len(opened.player.of("export")) == 3
    region.take(Failed(len(opened.player.calls), "no room"))
    assert "no room" in opened.window.notice.text.text()


def test_a_drag_begins_when_the_file_is_finished(
    open_window: Callable[..., Open], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = open_window(auto_play=False)
    select(opened, (0.2, 0.8))
    begun: list[bytes] = []
    region, view = opened.window.region, opened.window.panel.waveform
    monkeypatch.setattr(
        "soundsearch.window.region.QDrag.exec",
        lambda drag, *actions: begun.append(drag.mimeData().urls()[0].toLocalFile()),
    )
    x = round(view.x_of(0.5))
    QTest.mousePress(view, LEFT, pos=QPoint(x, 30))
    move(view, x + 20)
    assert not begun
    region.take(Exported(len(opened.player.calls), b"/exports/a.wav", 9))
    assert begun == ["/exports/a.wav"]
    # Let go before it was finished: nothing begins, and the file is there for the next try.
    view.choose((0.1, 0.9))
    QTest.mousePress(view, LEFT, pos=QPoint(x, 30))
    move(view, x + 20)
    QTest.mouseRelease(view, LEFT, pos=QPoint(x + 20, 30))
    region.take(Exported(len(opened.player.calls), os.fsencode(tmp_path / "b.wav"), 9))
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    assert len(begun) == 1
    QTest.mousePress(view, LEFT, pos=QPoint(x, 30))
    move(view, x + 20)
    assert begun[1:] == [str(tmp_path / "b.wav")]


def test_the_region_is_an_example(open_window: Callable[..., Open]) -> None:
    opened = open_window(auto_play=False)
    select(opened)
    opened.window.region.add_example(-1.0)
    (chip,) = opened.window.bar.asked().chips
    match = opened.window.audition.match
    assert match is not None
    example = chip.example
    assert (example.sound, example.start, example.end) == (match.identity, 0.25, 0.5)
    assert example.weight == -1.0


def test_pictures_are_asked_for_what_is_seen(open_window: Callable[..., Open]) -> None:
    opened = open_window(auto_play=False)
    opened.window.view.go_to(0)
    view, region = opened.window.panel.waveform, opened.window.region
    view.set_view(0.2, 0.4)
    until(lambda: bool(opened.player.of("detail")))
    assert opened.player.of("detail")[-1][1:3] == [0.2, 0.4]
    region.take(Detailed(len(opened.player.calls), envelope(90).tobytes()))
    assert len((view.seen() or ([], 0))[0]) == 90
    opened.window.panel.spectrogram.click()
    until(lambda: bool(opened.player.of("spectrogram")))
    columns = opened.player.of("spectrogram")[-1][3]
    before = view.grab().toImage()
    region.take(Spectrum(len(opened.player.calls), bytes([200]) * columns * ROWS))
    assert view.grab().toImage() != before
    opened.window.panel.spectrogram.click()
    assert not opened.window.settings.spectrogram


def test_typing_over_the_waveform_reaches_the_field(open_window: Callable[..., Open]) -> None:
    opened = open_window(auto_play=False)
    opened.window.view.go_to(0)
    view = opened.window.panel.waveform
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert opened.window.view.currentIndex().row() == 1
    QTest.keyClick(view, Qt.Key.Key_K)
    assert opened.window.bar.field.text() == "k"
