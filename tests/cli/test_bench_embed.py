"""`bench embed` on a small model: what it tells, not how fast."""

from pathlib import Path

import pytest

from tests.cli.test_commands import Shell
from tests.models.small import small_model


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "data")


def test_a_passt_is_compared_with_hear21passt(shell: Shell) -> None:
    small_model(shell.data / "models" / "small", padding="segment")
    figures = shell.json("bench", "embed", "--model", "small", "--device", "cpu")["embed"]
    assert figures["model"] == "small"
    assert figures["used"] in ("float32", "bfloat16")
    for way in ("float32", "bfloat16", "hear21passt float32"):
        assert figures[f"{way}, s of sound/s"] > 0
    assert figures["least cosine of hear21passt"] > 0.99999
    assert figures["least cosine of bfloat16"] > 0.99
    assert figures["times hear21passt"] > 0
    assert figures["matrix rate in float32, GFLOP/s"] > 0
    assert figures["share of it in float32"] >= 0


def test_a_network_that_never_runs_in_bfloat16(shell: Shell) -> None:
    audio = {"network": "starter", "widths": [4, 8, 8, 16]}
    small_model(shell.data / "models" / "own", name="own", kind="cnn", audio=audio)
    figures = shell.json("bench", "embed", "--model", "own", "--device", "cpu")["embed"]
    assert figures["used"] == "float32"
    assert figures["float32, s of sound/s"] > 0
    assert not any("bfloat16" in name or "hear21passt" in name for name in figures)
    assert figures["matrix rate in float32, GFLOP/s"] > 0


def test_without_that_model(shell: Shell) -> None:
    assert "no model named x" in shell("bench", "embed", "--model", "x", code=1).stderr
