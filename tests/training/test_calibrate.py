"""Calibration: fitted, written, read back by search, and how true it is."""

from pathlib import Path

import numpy as np
import pytest

from soundsearch.search.calibration import Calibration, standardise
from soundsearch.training.calibrate import (
    caught_against_false_alarms,
    draw_reliability,
    fit_curve,
    reliability,
    strengths_of,
    write_calibration,
)

KINDS, EACH, DIM = 30, 10, 24


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Queries, sounds around them, which belong together, and a background."""
    random = np.random.default_rng(seed)
    queries = unit(random.normal(size=(KINDS, DIM)))
    kinds = np.repeat(np.arange(KINDS), EACH)
    sounds = unit(queries[kinds] + 0.25 * random.normal(size=(len(kinds), DIM)))
    background = unit(random.normal(size=(200, DIM)))
    return queries, sounds, kinds == np.arange(KINDS)[:, None], background


def test_fitted_strength_is_the_chance_to_be_right(tmp_path: Path) -> None:
    queries, sounds, relevant, background = world(1)
    curve, threshold = fit_curve(queries, sounds, relevant, background)
    assert curve.a > 0
    write_calibration(tmp_path, background, (curve, threshold), curve, "made-up sounds")
    calibration = Calibration.load(tmp_path, DIM)
    assert calibration.threshold == pytest.approx(threshold)
    assert len(calibration.background) == 200
    queries, sounds, relevant, _ = world(2)
    strengths = strengths_of(calibration, queries @ sounds.T, queries)
    found = reliability(strengths, relevant)
    assert found.counts.sum() == strengths.size
    assert found.error < 0.03
    draw_reliability(found, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_an_example_never_finds_itself() -> None:
    _, sounds, _, background = world(3)
    kinds = np.repeat(np.arange(KINDS), EACH)
    same = kinds == kinds[:, None]
    alone, _ = fit_curve(sounds, sounds, same, background, own=np.arange(len(sounds)))
    with_self, _ = fit_curve(sounds, sounds, same, background)
    assert alone.a != with_self.a


def test_z_is_measured_over_the_background() -> None:
    queries, sounds, _, background = world(4)
    z = standardise(queries @ background.T, queries, background)
    np.testing.assert_allclose(np.sort(z, axis=1)[:, -2:].mean(1), 0, atol=1e-5)  # of 200
    np.testing.assert_allclose(z.std(1), 1, atol=1e-4)


def test_caught_against_false_alarms_by_hand() -> None:
    with_right = np.linspace(0.1, 1.0, 100)
    without = np.linspace(0.0, 0.4, 100)
    curve = dict(caught_against_false_alarms(with_right, without))
    assert sorted(curve) == list(curve)
    assert curve[0.1] == np.mean(without < np.quantile(with_right, 0.1))
    assert list(curve.values()) == sorted(curve.values())
