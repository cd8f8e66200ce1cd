"""What doctor says of broken sets."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from soundsearch.cli.doctor import device_check


def doctor(broken: Path, data: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "soundsearch", "doctor", "--data", str(data)],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")]),
        },
    )
    return done.stdout


def test_a_torchvision_that_breaks_transformers_is_named(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    said = doctor(tmp_path, tmp_path / "data")
    assert "MEND  torch extensions: torchvision" in said
    assert "pip uninstall torchvision" in said


def test_without_hnswlib_and_portaudio_it_says_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / "hnswlib.py").write_text("raise ImportError('not built')")
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    said = doctor(tmp_path, tmp_path / "data")
    assert "MEND  index: hnswlib is not installed" in said
    assert "MEND  sound output: PortAudio is missing" in said


def test_a_driver_that_is_too_old_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def available() -> bool:
        warnings.warn("The NVIDIA driver on your system is too old (found version 11040)")  # noqa: B028
        return False

    monkeypatch.setattr(torch.cuda, "is_available", available)
    check = device_check()
    assert not check.ok
    assert "CPU" in check.detail
    assert "driver" in check.fix


def test_a_broken_model_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "models" / "cut short"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{")
    assert "cut short" in doctor(tmp_path, tmp_path / "data")
