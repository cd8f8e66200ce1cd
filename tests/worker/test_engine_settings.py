"""What the person set counts for every scan, whoever asks for it."""

import shutil
from pathlib import Path

import pytest

from soundsearch.scan import pipeline
from soundsearch.settings import Settings, save_settings
from soundsearch.worker.engine import Engine

BELL = Path(__file__).parent.parent / "sounds" / "bell 16bit.wav"


def test_patterns_and_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, data = tmp_path / "Sounds", tmp_path / "data"
    for name in ("a.wav", "Old Backups/b.wav", "c.tmp.wav", "Töne #1/d.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BELL, folder / name)
    counts: list[int] = []
    decoders = pipeline.Decoders

    def counting(count: int, *more: object) -> object:
        counts.append(count)
        return decoders(count, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "Decoders", counting)
    save_settings(Settings(exclude="old backups\n*.tmp.wav", cores=1), data)
    with Engine(data, model="", write=True) as engine:
        assert engine.scan([str(folder)]).files == 2
        assert counts == [1]
        save_settings(Settings(), data)
        assert engine.scan([]).files == 4
