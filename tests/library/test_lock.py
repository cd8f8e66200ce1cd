"""One writer: seen from other processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.library.catalog import Library

HOLD = """
import sys, pathlib
from soundsearch.library.catalog import Library
library = Library.open(pathlib.Path(sys.argv[1]), write=True, doing="a scan")
print("held", flush=True)
sys.stdin.read()
"""


def hold(data: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_writer_is_told_who_writes_and_readers_need_no_lock(tmp_path: Path) -> None:
    with hold(tmp_path) as holder:
        with pytest.raises(UserError, match=rf"in use by a scan, process {holder.pid}"):
            Library.open(tmp_path, write=True)
        with Library.open(tmp_path) as reader:
            assert reader.roots() == []
        holder.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        holder.wait()
    # The system has freed the lock; what the dead one left beside it bothers nobody.
    with Library.open(tmp_path, write=True) as library:
        assert library.roots() == []


def test_twice_in_one_process(tmp_path: Path) -> None:
    first = Library.open(tmp_path, write=True, doing="first")
    with pytest.raises(UserError, match="in use by first"):
        Library.open(tmp_path, write=True)
    first.close()
    Library.open(tmp_path, write=True).close()


def test_a_failed_opening_frees_the_lock(tmp_path: Path) -> None:
    with Library.open(tmp_path, write=True) as library:
        library.db.execute("PRAGMA user_version = 999")
    for _ in range(2):
        with pytest.raises(UserError, match="newer"):
            Library.open(tmp_path, write=True)
