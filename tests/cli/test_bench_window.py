"""The measuring of the window runs to its end and gives every figure; how large is no test's."""

import argparse
from pathlib import Path

import pytest

from soundsearch.cli import bench_window


def test_every_figure_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench_window, "SOUNDS", 300)
    monkeypatch.setattr(bench_window, "BURSTS", 600)
    monkeypatch.setattr(bench_window, "STARTS", 0)
    monkeypatch.setattr(bench_window, "KEYS", 3)
    monkeypatch.setattr(bench_window, "QUERIES", ("rain",))
    args = argparse.Namespace(data=str(tmp_path / "none"), model=None, device="cpu")
    figures = bench_window.measure_window(tmp_path, args)
    assert figures["torch in the window"] is False
    assert figures["keystrokes"] == 4
    assert figures["arrow keys"] == 3
    assert figures["callbacks"] > 10
    assert figures["keystrokes while indexing"] == 4
    assert figures["arrow keys while indexing"] == 3
    assert not [name for name, value in figures.items() if value is None]
    assert set(bench_window.MEANING) <= set(figures)
