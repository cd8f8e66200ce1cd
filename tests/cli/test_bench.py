"""`bench` on small numbers: what it reports, not how fast this machine is."""

from pathlib import Path

import pytest

from soundsearch.cli import bench


@pytest.mark.parametrize("what", ["names", "rescan", "open"])
def test_what_is_measured_is_made_apart(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measuring process finds what another one made, so its memory is its own."""
    for number in ("NAMED_FILES", "LISTED_FILES", "OPENED_SOUNDS"):
        monkeypatch.setattr(bench, number, 300)
    make, measure = bench._MEASURES[what]
    make(tmp_path, None)
    figures = measure(tmp_path, None)
    assert all(value >= 0 for value in figures.values())
    assert 0 < figures.get("files", figures.get("sounds")) <= 300
