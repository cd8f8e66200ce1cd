"""The gain that matches loudness."""

import math
import pickle

import pytest

from soundsearch.player.messages import Play, match_gain


def decibels(gain: float) -> float:
    return 20 * math.log10(gain)


@pytest.mark.parametrize(
    ("loudness", "peak_db", "expected_db"),
    [
        (-30.0, -20.0, 12.0),  # there is room
        (-8.0, 0.0, -10.0),  # louder than the target
        (-30.0, -6.0, 5.0),  # the peak may only reach -1 dBFS
        (-18.0, 3.0, -4.0),  # a float file above full scale
        (-60.0, -50.0, 24.0),  # nearly silent: not all of the noise
    ],
)
def test_gain_reaches_the_target_unless_the_peak_forbids_it(
    loudness: float, peak_db: float, expected_db: float
) -> None:
    gain = match_gain(loudness, 10 ** (peak_db / 20))
    assert decibels(gain) == pytest.approx(expected_db, abs=1e-6)


def test_gain_of_what_has_no_loudness() -> None:
    assert match_gain(None, 0.001) == 1.0
    assert match_gain(-math.inf, 0.0) == 1.0
    assert decibels(match_gain(None, 1.0)) == pytest.approx(-1)


def test_another_target() -> None:
    assert decibels(match_gain(-30.0, 0.01, target=-23.0)) == pytest.approx(7)


def test_messages_travel() -> None:
    play = Play(1, b"/a \xff#%.wav", 0.5, None, True, 0.3)
    assert pickle.loads(pickle.dumps(play)) == play
