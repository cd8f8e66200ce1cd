"""kill -9 at any moment of a scan costs nothing but the time of what was in hand."""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from soundsearch.scan import pipeline
from tests.scan.crashing import ROOT, Content, assert_same, content, mixed_folder, slow_encoder
from tests.scan.place import Place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")


@dataclass(frozen=True)
class Undisturbed:
    """A folder, what a scan of it makes, the seconds that this takes; moments: how often another
    scan is to be cut."""

    folder: Path
    content: Content
    seconds: float
    moments: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, long: bool) -> Undisturbed:
    top = tmp_path_factory.mktemp("undisturbed")
    moments = 20 if long else 5
    mixed_folder(top / "Sounds", 12 * moments)
    place = Place(top / "data")
    place.encoder = slow_encoder()
    seconds = place.scan(top / "Sounds").seconds
    return Undisturbed(top / "Sounds", content(place.data, place.vectors()), seconds, moments)


def children(process: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = (line.split() for line in found.stdout.splitlines())
    return [int(pid) for pid, parent in pairs if int(parent) == process]


def is_there(pid: int) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_the_scanning_process(tmp_path: Path, whole: Undisturbed) -> None:
    moments = whole.moments
    place = Place(tmp_path / "data")
    command = [sys.executable, "-m", "tests.scan.crashing", str(place.data), str(whole.folder)]
    chance = random.Random(1)
    done: list[int] = []
    for moment in range(moments):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if moment % 5 == 4:  # while it starts
                time.sleep(chance.uniform(0, 1.0))
            else:
                for line in process.stdout:
                    done.append(int(line))
                    # Every fifth one is cut after a commit, however slow the machine is.
                    if done[-1] or moment % 5 != 3:
                        break
                time.sleep(chance.uniform(0, 1.5 * whole.seconds / moments))
            family = children(process.pid)
            process.kill()
            done += [int(line) for line in process.stdout.read().split()]
        until = time.monotonic() + 20
        while any(map(is_there, family)):  # decoders end when their pipe does
            assert time.monotonic() < until
            time.sleep(0.05)
    assert any(done), "every cut fell before the first commit"
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    assert_same(whole.content, content(place.data, place.vectors()))
    assert place.scan().embedded == 0


def test_decoders(tmp_path: Path, whole: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "COMMIT_SECONDS", 0.02)
    chance = random.Random(2)
    # Two deaths a scan: by a third one a file might rightly have failed.
    for number in range(-(-whole.moments // 2)):
        kill_two_decoders(tmp_path / f"data {number}", whole, chance)


def kill_two_decoders(data: Path, whole: Undisturbed, chance: random.Random) -> None:
    place = Place(data)
    place.encoder = slow_encoder()
    done = [0]
    thread = threading.Thread(
        target=place.scan,
        args=(whole.folder,),
        kwargs={"on_progress": lambda progress: done.append(progress.done)},
        daemon=True,
    )
    thread.start()
    killed = 0
    before = 0
    while thread.is_alive() and killed < 2:
        # Between two deaths the file that was read again gets its chance.
        decoders = multiprocessing.active_children()
        if not decoders or done[-1] < before + 2 * len(decoders) + 2:
            time.sleep(0.01)
            continue
        time.sleep(chance.uniform(0, 0.1))
        before = done[-1]
        pid = chance.choice(decoders).pid
        assert pid is not None
        with contextlib.suppress(ProcessLookupError):  # it had just come to its end
            os.kill(pid, signal.SIGKILL)
            killed += 1
    thread.join(120)
    assert killed > 1
    assert_same(whole.content, content(place.data, place.vectors()))
