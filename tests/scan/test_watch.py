"""Watching real folders: what counts as a change, and what happens when watching can't work."""

import logging
import os
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundsearch.scan import watch as module
from soundsearch.scan.watch import Watch, is_remote


@pytest.fixture
def told() -> "queue.Queue[bytes]":
    return queue.Queue()


@pytest.fixture
def watch(told: "queue.Queue[bytes]", monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(module, "_STEP_SECONDS", 0.05)
    watch = Watch(told.put, {".wav", ".flac"}, quiet=0.2)
    yield watch
    watch.close()


def begin(watch: Watch, told: "queue.Queue[bytes]", *folders: Path) -> None:
    """Follows, and waits until a change in each is seen."""
    watch.follow(os.fsencode(folder) for folder in folders)
    waiting = {os.fsencode(folder) for folder in folders}
    until = time.monotonic() + 20
    while waiting:
        assert time.monotonic() < until
        for folder in waiting:
            (Path(os.fsdecode(folder)) / "first.wav").write_text(str(time.monotonic()))
        try:
            waiting.discard(told.get(timeout=1))
        except queue.Empty:
            continue
    time.sleep(0.4)
    while not told.empty():
        told.get()


def nothing(told: "queue.Queue[bytes]", seconds: float = 0.6) -> bool:
    try:
        told.get(timeout=seconds)
    except queue.Empty:
        return True
    return False


def test_a_change_of_a_sound_is_told_once(tmp_path: Path, watch: Watch, told) -> None:
    drums, bells = tmp_path / "Drüms", tmp_path / "Bells"
    for folder in (drums, bells):
        (folder / "deep").mkdir(parents=True)
    begin(watch, told, drums, bells)
    for name in ("a.wav", "b.WAV", "c.flac"):
        (drums / "deep" / name).write_text("x")
    assert told.get(timeout=10) == os.fsencode(drums)
    assert nothing(told)
    (bells / "new folder").mkdir()
    assert told.get(timeout=10) == os.fsencode(bells)
    (bells / "new folder" / "d.wav").write_text("x")
    assert told.get(timeout=10) == os.fsencode(bells)
    (drums / "deep").rename(drums / "moved")
    assert told.get(timeout=10) == os.fsencode(drums)
    (drums / "moved" / "a.wav").unlink()
    assert told.get(timeout=10) == os.fsencode(drums)


def test_other_files_and_reading_do_not_count(tmp_path: Path, watch: Watch, told) -> None:
    begin(watch, told, tmp_path)
    (tmp_path / "song.als").write_text("x")
    (tmp_path / "._a.wav").write_text("x")
    (tmp_path / "first.wav").read_text()
    assert nothing(told)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_a_name_that_is_no_text_is_a_change_too(tmp_path: Path, watch: Watch, told) -> None:
    begin(watch, told, tmp_path)
    with open(os.fsencode(tmp_path) + b"/\xff.wav", "wb") as file:
        file.write(b"x")
    assert told.get(timeout=10) == os.fsencode(tmp_path)
    time.sleep(0.3)
    (tmp_path / "after.wav").write_text("x")
    assert told.get(timeout=10) == os.fsencode(tmp_path)


def test_a_folder_that_is_not_followed_any_more_is_quiet(
    tmp_path: Path, watch: Watch, told
) -> None:
    begin(watch, told, tmp_path)
    watch.follow([])
    time.sleep(0.2)
    (tmp_path / "b.wav").write_text("x")
    assert nothing(told)


def test_another_folder_at_the_same_path_is_watched_anew(
    tmp_path: Path, watch: Watch, told
) -> None:
    folder = tmp_path / "Drive"
    folder.mkdir()
    begin(watch, told, folder)
    folder.rename(tmp_path / "unplugged")
    watch.follow([os.fsencode(folder)])  # it is away: nothing happens
    folder.mkdir()
    begin(watch, told, folder)
    (folder / "b.wav").write_text("x")
    assert told.get(timeout=10) == os.fsencode(folder)


CODE = """
import logging, os, resource, sys, time
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from soundsearch.scan.watch import Watch
import watchfiles, watchfiles.main
watch = Watch(print, {".wav"})
files = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (files - 1, files - 1))
for _ in range(3):
    watch.follow([os.fsencode(sys.argv[1])])
    time.sleep(0.3)
watch.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="uses Linux' limits")
def test_at_the_limit_one_line_is_logged(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 1
    assert "compared, not watched" in lines[0]


def test_a_network_drive_is_not_watched(tmp_path: Path, watch: Watch, told, monkeypatch, caplog):
    assert not is_remote(os.fsencode(tmp_path))
    monkeypatch.setattr(module, "is_remote", lambda folder: True)
    with caplog.at_level(logging.INFO, logger="soundsearch"):
        watch.follow([os.fsencode(tmp_path)])
        time.sleep(0.3)
        (tmp_path / "a.wav").write_text("x")
        assert nothing(told)
    assert "network drive" in caplog.text
