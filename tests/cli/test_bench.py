"""`bench` on small numbers: what it reports, not how fast this machine is."""

import subprocess
import sys
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


def test_without_the_module_resource_other_figures_remain() -> None:
    """As on Windows."""
    code = (
        "import sys; sys.modules['resource'] = None\n"
        "from soundsearch.cli import bench, bench_embed, bench_index, bench_probe\n"
        "nowhere = bench.Path('/nowhere'); bench.Path = lambda place: nowhere\n"
        "assert bench.memory_figure('MB') == bench.memory_figure('MB', of_children=True) == {}\n"
        "assert bench._cpu_seconds() > 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
