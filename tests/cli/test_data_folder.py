"""A data folder that is read-only, full, damaged or of a newer version, through the command line:
one line, nothing lost, and what can be built again is built again."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from tests.cli.test_commands import SOUNDS, Shell

IDENTITY = b"i" * 16


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """With two sounds scanned, and something that the person made."""
    sounds, shell = tmp_path / "Sounds", Shell(tmp_path / "data")
    sounds.mkdir()
    for name in ("bell.flac", "bell 16bit.wav"):
        shutil.copy2(SOUNDS / name, sounds / name)
    shell("scan", str(sounds))
    with UserData.open(shell.data) as person:
        person.add_tag(IDENTITY, b"/s/x.wav", "warm")
    UserData.open(shell.data).close()  # keeps a backup
    return shell


def tags(shell: Shell) -> dict[str, int]:
    with UserData.open(shell.data) as person:
        return person.tags()


def one_line(done: "subprocess.CompletedProcess[str]", says: str) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith("soundsearch: ")]
    assert done.stderr.splitlines()[-1:] == lines, done.stderr
    assert says in lines[0]


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Root may write whatever the modes say: there the folder is mounted over itself."""
    if os.geteuid() == 0:
        mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
        if mounted.returncode:
            pytest.skip("root can't be kept from writing here")
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
def test_read_only(shell: Shell) -> None:
    before = sorted(path.name for path in shell.data.iterdir())
    with read_only(shell.data):
        assert len(shell.json("search", "bell")["results"]) == 2
        assert shell.json("library")["files"] == 2
        one_line(shell("scan", code=1), "can't be written")
        assert sorted(path.name for path in shell.data.iterdir()) == before
    assert shell.json("scan")["unchanged"] == 2
    assert tags(shell) == {"warm": 1}


@contextlib.contextmanager
def small_disk(folder: Path, free: int) -> Iterator[Callable[[], None]]:
    """The folder on a disk of its own with so many bytes free; what it gives makes it large."""
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.mkdir()
    size = free + sum(4096 + file.stat().st_size for file in kept.rglob("*"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield (
            lambda: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True) and None
        )
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk(shell: Shell, tmp_path: Path) -> None:
    for name in ("bell.ogg", "bell.mp3", "bell.caf", "bell.aiff"):
        shutil.copy2(SOUNDS / name, tmp_path / "Sounds" / name)
    with small_disk(shell.data, free=16_384) as enlarge:
        one_line(shell("scan", code=1), "There is no room left")
        assert len(shell.json("search", "bell 16bit")["results"]) >= 1
        enlarge()
        report = shell.json("scan")
        assert (report["files"], report["failed"]) == (6, 0)
        assert shell.json("library")["states"] == {"ok": 6}
        assert tags(shell) == {"warm": 1}


@pytest.mark.parametrize("how", ["noise", "half"])
def test_a_damaged_library(shell: Shell, how: str) -> None:
    damage(shell.data / "library.db", how)
    one_line(shell("search", "bell", code=1), "damaged")
    assert "is built again" in shell("scan", "--verbose").stderr
    if how == "noise":  # not even its folders could be read
        shell("scan", str(shell.data.parent / "Sounds"))
    assert len(shell.json("search", "bell")["results"]) == 2
    assert tags(shell) == {"warm": 1}
    assert len(list(shell.data.glob("library.damaged-*.db"))) == 1


@pytest.mark.parametrize("how", ["noise", "half"])
def test_damaged_data_of_the_person(shell: Shell, how: str) -> None:
    damage(shell.data / "user.db", how)
    done = shell("scan")
    assert "come from the backup" in done.stderr
    assert tags(shell) == {"warm": 1}
    assert len(list(shell.data.glob("user.damaged-*.db"))) == 1


def test_a_newer_version_of_the_persons_data(shell: Shell) -> None:
    with contextlib.closing(sqlite3.connect(shell.data / "user.db")) as db:
        db.execute("PRAGMA user_version = 999")
    content = (shell.data / "user.db").read_bytes()
    for arguments in (("search", "bell"), ("scan",)):
        one_line(shell(*arguments, code=1), "user.db was made by a newer SoundSearch")
    assert (shell.data / "user.db").read_bytes() == content
    with Library.open(shell.data, write=True) as library:  # nobody holds the lock
        assert library.counts()["files"] == 2


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    half = len(content) // 2
    file.write_bytes(os.urandom(len(content)) if how == "noise" else content[:half] + bytes(half))
