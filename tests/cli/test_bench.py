"""`bench` on small numbers: what it reports, not how fast this machine is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def bench_json(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "soundsearch", "bench", *arguments, "--json", "--quiet"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "data")], capture_output=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("what", ["names", "rescan", "open"])
def test_as_many_files_are_made_as_wanted(what: str, tmp_path: Path) -> None:
    figures = bench_json(tmp_path, what, "--files", "300")[what]
    assert all(value >= 0 for value in figures.values())
    assert 250 < figures.get("files", figures.get("sounds")) <= 300


def test_a_scan_is_compared_with_the_model_alone(tmp_path: Path) -> None:
    sounds = Path(__file__).parents[1] / "sounds"
    figures = bench_json(tmp_path, "throughput", "--folder", str(sounds))["throughput"]
    assert figures["model"] == "starter"
    assert figures["seconds of sound"] > 1
    share = figures["scan, s of sound/s"] / figures["model alone, s of sound/s"]
    assert figures["share of the model alone"] == pytest.approx(share, abs=0.02)


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
