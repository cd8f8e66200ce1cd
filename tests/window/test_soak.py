"""The whole program, used at random: no exception, no growing memory, nothing left behind."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.library.catalog import Library
from tests.models.small import small_model
from tests.window.conftest import until

ROOT = Path(__file__).parent.parent.parent
SOUNDS = ROOT / "tests" / "sounds"
SMALL = {"kind": "cnn", "audio": {"widths": [4, 8, 8, 8], "dim": 24}}
SHORT, LONG = 20.0, 300.0  # seconds
FIRST_PART = 600.0  # seconds at most, in which memory may grow
GROWTH = 50.0  # megabytes
SEED = 11


def make_sounds(folder: Path) -> None:
    """Takes, odd names, broken files, some noise."""
    chance = np.random.default_rng(SEED)
    names = [f"step_{number:02}.wav" for number in range(12)]
    names += ["kick #1 100%.wav", "türe größer.wav", "line\nbreak 🥁.wav", "long noise.wav"]
    for name in names:
        seconds = 25.0 if name.startswith("long") else 0.2 + chance.random()
        noise = chance.normal(0, 0.1, round(seconds * 44100))
        soundfile.write(folder / name, noise.astype(np.float32), 44100, subtype="PCM_16")
    for file in SOUNDS.iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def contents(folder: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha1(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())
    }


def with_mark(mark: str) -> list[int]:
    """Processes that have the mark in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux lists them")
def test_anything_at_any_time(tmp_path: Path, long: bool, request: pytest.FixtureRequest) -> None:
    seconds = request.config.getoption("--soak") or (LONG if long else SHORT)
    data, folder, temporary = (tmp_path / name for name in ("data", "Sounds", "tmp"))
    for place in (folder, temporary):
        place.mkdir()
    make_sounds(folder)
    before = contents(folder)
    for number, name in enumerate(("one", "two")):
        small_model(data / "models" / name, seed=number, name=name, **SMALL)
    task = {
        "seconds": seconds,
        "seed": SEED,
        "folder": str(folder),
        "data": str(data),
        "models": ["one", "two"],
        "sources": [str(SOUNDS / name) for name in ("bell 16bit.wav", "bell.flac", "text.wav")],
        "answer": str(tmp_path / "answer.json"),
    }
    (tmp_path / "task.json").write_text(json.dumps(task))
    mark = f"SOAK={uuid.uuid4()}"
    name, value = mark.split("=")
    code = "import sys; from tests.window.soak import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, str(tmp_path / "task.json")),
            *("--data", str(data), "--device", "cpu"),
        ],
        env={
            **os.environ,
            name: value,
            "QT_QPA_PLATFORM": "offscreen",
            "SOUNDSEARCH_OUTPUT": "silent",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
        },
        capture_output=True,
        text=True,
        timeout=seconds + 300,
    )
    log = (data / "log.txt").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stderr
    for told in (done.stderr, log):
        for trouble in ("Traceback", "leaked", " ERROR ", "QObject"):
            assert trouble not in told, told[-6000:]
    until(lambda: not with_mark(mark))
    assert list(temporary.iterdir()) == []
    assert [file for file in data.rglob("*") if file.suffix in (".part", ".new")] == []
    assert contents(folder) == before
    with Library.open(data) as library:
        assert library.counts()["files"] >= len(before)
    seen = json.loads((tmp_path / "answer.json").read_text())
    print(json.dumps(seen["done"]))
    first = min(FIRST_PART, seconds / 2)
    for process in ("window", "worker", "player") if long else ("window",):
        early, late = (
            max(one.get(process, 0.0) for one in seen["memory"] if (one["at"] > first) == is_late)
            for is_late in (False, True)
        )
        print(f"{process}: {early:.0f} MB in the first {first:.0f} s, then {late:.0f} MB")
        assert late - early < GROWTH, process
