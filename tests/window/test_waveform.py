import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSize, Qt

from soundsearch.window.palette import DARK
from soundsearch.window.wave_view import WaveView
from soundsearch.window.waveform import (
    Envelopes,
    bars,
    draw_envelope,
    read_envelope,
)


def envelope(points: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    top = rng.integers(1, 127, points)
    return np.stack([-top, top, top // 2], 1).astype(np.int8)


def naive_bars(points: np.ndarray, count: int) -> np.ndarray:
    values = points.astype(float)
    peak = max(4.0, np.abs(values[:, :2]).max())
    found = []
    for bar in range(count):
        begin = bar * len(values) // count
        end = max(begin + 1, (bar + 1) * len(values) // count)
        part = values[begin:end]
        found.append((part[:, 0].min(), part[:, 1].max(), part[:, 2].max()))
    return np.array(found) / peak


@pytest.mark.parametrize(("points", "count"), [(1000, 50), (300, 299), (7, 7), (3, 20), (1, 1)])
def test_bars_hold_the_extremes_of_their_points(points: int, count: int) -> None:
    found = bars(envelope(points), count)
    np.testing.assert_allclose(found, naive_bars(envelope(points), count), rtol=1e-6)


def test_strange_bytes_give_an_empty_envelope() -> None:
    assert read_envelope(b"").shape == (0, 3)
    assert read_envelope(b"1234").shape == (0, 3)
    assert read_envelope(bytes(6)).shape == (2, 3)


@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.5, 2.0])
def test_a_waveform_has_all_the_pixels_of_the_screen(qapp, ratio: float) -> None:
    pixmap = draw_envelope(envelope(300), QSize(150, 28), "#ffffff", ratio)
    assert (pixmap.width(), pixmap.height()) == (round(150 * ratio), round(28 * ratio))
    assert pixmap.deviceIndependentSize().toSize() == QSize(150, 28)


def test_loud_places_are_drawn_higher_than_quiet_ones(qapp) -> None:
    points = np.zeros((100, 3), np.int8)
    points[:50] = (-120, 120, 60)
    points[50:] = (-12, 12, 6)
    image = draw_envelope(points, QSize(100, 40), "#ffffff", 1.0).toImage()

    def height(x: int) -> int:
        return sum(image.pixelColor(x, y).alpha() > 128 for y in range(40))

    assert max(height(x) for x in range(45)) > 34
    assert 1 <= max(height(x) for x in range(55, 100)) < 8


def test_each_sound_is_asked_for_once(qtbot) -> None:
    envelopes = Envelopes()
    asked: list[list[int]] = []
    envelopes.wanted.connect(asked.append)
    size = QSize(60, 20)
    with qtbot.waitSignal(envelopes.wanted):
        for _ in range(3):
            assert envelopes.pixmap(1, size, "#ffffff", 1.0) is None
            assert envelopes.pixmap(2, size, "#ffffff", 1.0) is None
    envelopes.pixmap(1, size, "#ffffff", 1.0)
    qtbot.wait(20)
    assert asked == [[1, 2]]
    envelopes.put({1: envelope(30)}, [1, 2])
    first = envelopes.pixmap(1, size, "#ffffff", 1.0)
    assert first is not None
    assert envelopes.pixmap(1, size, "#ffffff", 1.0) is first
    # A sound without an envelope isn't asked for again and again.
    assert envelopes.pixmap(2, size, "#ffffff", 1.0) is not None
    qtbot.wait(20)
    assert asked == [[1, 2]]


def test_a_click_seeks(qtbot) -> None:
    view = WaveView(DARK)
    qtbot.addWidget(view)
    view.resize(200, 60)
    view.set_sound(envelope(100), 10.0, best=4.0)
    with qtbot.waitSignal(view.seek) as seen:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 30))
    assert seen.args[0] == pytest.approx(5.0, abs=0.1)


def test_the_playhead_stands_where_it_was_told(qtbot) -> None:
    view = WaveView(DARK)
    qtbot.addWidget(view)
    view.resize(200, 60)
    view.set_sound(envelope(100), 10.0)
    view.set_playhead(2.5)
    image = view.grab().toImage()
    ratio = image.devicePixelRatio()
    column = [image.pixelColor(round(50 * ratio), y).name() for y in range(4)]
    assert column == [DARK.text] * 4
    view.set_playhead(99.0)  # beyond the end
    view.grab()
