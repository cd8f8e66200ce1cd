"""From cosines to strengths, and query vectors of several parts."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundsearch.search.calibration import CHANCE, Calibration, Curve, fit
from soundsearch.search.examples import query_vector


def unit(random: np.random.Generator, *shape: int) -> np.ndarray:
    rows = random.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def test_the_query_vector_is_the_sum_by_spread() -> None:
    random = np.random.default_rng(0)
    background, words, example = unit(random, 100, 8), unit(random, 8), unit(random, 8)
    expected = words / np.std(background @ words) - 0.5 * example / np.std(background @ example)
    got = query_vector([(words, 1.0), (example, -0.5)], background)
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-5)


def test_fit_finds_the_curve_that_made_the_data() -> None:
    random = np.random.default_rng(1)
    true = Curve(1.3, -2.0, 0.4)
    z = random.normal(0.5, 1.5, 60_000)
    sounds = random.choice([10, 100, 1000, 10_000], len(z))
    chance = np.array([true.strength(z[sounds == n], n).mean() for n in (10, 10_000)])
    assert chance[0] > chance[1]
    p = np.empty(len(z))
    for n in np.unique(sounds):
        p[sounds == n] = true.strength(z[sounds == n], int(n))
    got = fit(z, sounds, random.random(len(z)) < p)
    assert (got.a, got.b, got.c) == pytest.approx((1.3, -2.0, 0.4), abs=0.08)


def test_a_models_own_calibration_is_used(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    background = unit(random, 300, 8)
    background.astype("<f2").tofile(tmp_path / "background.f16")
    stored = {"a": 1.0, "b": -1.0, "c": 0.1, "threshold": 0.2}
    (tmp_path / "calibration.json").write_text(json.dumps(stored))
    calibration = Calibration.load(tmp_path, 8)
    vector = unit(random, 8)
    cosines = np.array([-0.2, 0.1, 0.6], np.float32)
    over = background @ vector
    z = (cosines - np.sort(over)[-3:].mean()) / over.std()
    expected = 1 / (1 + np.exp(-(1.0 * z - 1.0 - 0.1 * np.log(50))))
    np.testing.assert_allclose(calibration.strength(cosines, vector, 50), expected, atol=2e-3)
    # The least strength is that of a sound that stands out just so far.
    assert calibration.threshold == 0.2
    least = calibration.least_strength(50)
    best = float(np.sort(over)[-3:].mean() + over.std() * (0.2 + CHANCE * np.log(50)))
    assert calibration.strength(np.array([best]), vector, 50)[0] == pytest.approx(least, abs=2e-3)
    assert calibration.standing(np.array([0.0, best]), vector, 50) == pytest.approx(0.2, abs=5e-3)


@pytest.mark.parametrize("content", [None, "{", '{"a": 1}', '{"a": 1, "b": 2, "c": 3}'])
def test_without_one_nothing_is_claimed(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "calibration.json").write_text(content)
    rows = unit(np.random.default_rng(3), 2000, 8)
    calibration = Calibration.load(tmp_path, 8, rows)
    assert calibration.threshold is None
    strengths = calibration.strength(np.linspace(-1, 1, 9), rows[0], 2000)
    assert np.all(np.diff(strengths) > 0)
    assert np.all((strengths >= 0) & (strengths <= 1))


@pytest.mark.parametrize("content", ['{"a": "x", "b": 2, "c": 3}', '{"a": 1, "b": 2, "c": [3]}'])
def test_one_that_holds_no_numbers_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "calibration.json").write_text(content)
    unit(np.random.default_rng(3), 20, 8).astype("<f2").tofile(tmp_path / "background.f16")
    calibration = Calibration.load(tmp_path, 8)
    assert not calibration.is_own
    assert np.isfinite(calibration.strength(np.array([0.5]), np.ones(8, np.float32), 9)).all()


@pytest.mark.parametrize("by_example", [False, True])
@pytest.mark.parametrize("sounds", [2, 10, 100, 1000, 20_000])
def test_without_one_chance_is_not_taken_for_a_match(
    tmp_path: Path, sounds: int, by_example: bool
) -> None:
    """The best of sounds that have nothing to do with the query, in libraries of any size."""
    random = np.random.default_rng(4)
    rows = unit(random, sounds, 64)
    calibration = Calibration.load(tmp_path, 64, rows)
    best = [
        calibration.strength(rows @ query, query, sounds, by_example).max()
        for query in unit(random, 40, 64)
    ]
    assert np.mean(best) < 0.35
    assert np.max(best) < 0.75


@pytest.mark.parametrize("by_example", [False, True])
@pytest.mark.parametrize("sounds", [300, 1000, 20_000])
def test_without_one_what_stands_out_of_many_is_strong(
    tmp_path: Path, sounds: int, by_example: bool
) -> None:
    random = np.random.default_rng(5)
    rows = unit(random, sounds, 64)
    query = rows[7] * 0.8 + unit(random, 64) * 0.6
    calibration = Calibration.load(tmp_path, 64, rows)
    strengths = calibration.strength(rows @ query, query, sounds, by_example)
    assert strengths.argmax() == 7
    assert strengths[7] > 0.75
    assert np.delete(strengths, 7).max() < 0.6


def test_sounds_that_are_all_the_same_match_nothing_surely(tmp_path: Path) -> None:
    row = unit(np.random.default_rng(6), 1, 8)
    for count in (2, 500):
        rows = np.repeat(row, count, axis=0)
        calibration = Calibration.load(tmp_path, 8, rows)
        strengths = calibration.strength(rows @ row[0], row[0], count)
        assert strengths.max() < 0.5


def test_fit_of_few_or_separable_samples_is_finite() -> None:
    z = np.array([-1.0, -0.5, 0.5, 2.0, 3.0, 4.0])
    sounds = np.full(6, 100)
    for relevant in (z > 1, np.zeros(6, bool), np.ones(6, bool)):
        curve = fit(z, sounds, relevant)
        assert np.isfinite([curve.a, curve.b, curve.c]).all()
    curve = fit(z, sounds, z > 1)
    strengths = curve.strength(z, 100)
    assert strengths[:3].max() < 0.5 < strengths[3:].min()


def test_opposite_parts_that_cancel_give_no_direction() -> None:
    vector = unit(np.random.default_rng(6), 8)
    background = unit(np.random.default_rng(7), 20, 8)
    assert not query_vector([(vector, 1.0), (vector, -1.0)], background).any()


def test_strength_is_the_same_however_many_are_asked_together(tmp_path: Path) -> None:
    rows = unit(np.random.default_rng(8), 400, 8)
    calibration = Calibration.load(tmp_path, 8, rows)
    cosines = rows @ rows[0]
    together = calibration.strength(cosines, rows[0], 400)
    alone = [calibration.strength(cosines[i : i + 1], rows[0], 400)[0] for i in range(0, 400, 40)]
    np.testing.assert_allclose(together[::40], alone, rtol=1e-6)
