"""A folder of damaged sounds: the scan ends, every file has a state, memory stays small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory as Unix does")
def test_every_file_has_a_state(tmp_path: Path, long: bool) -> None:
    count = 2000 if long else 100
    done = subprocess.run(
        [sys.executable, "-m", "tests.scan.damaged_sounds", str(count), "1", str(tmp_path / "x")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(found)
    assert found["files"] == count == sum(found["states"].values())
    assert set(found["states"]) <= {"ok", "silent", "failed"}
    assert found["states"]["ok"] > count // 4
    assert all(reason and "\n" not in reason for reason in found["reasons"])
    assert not any("Error" in reason for reason in found["reasons"]), "a fault of ours"
    assert found["embedded again"] == 0
    assert found["memory"] < 400
    assert found["memory of a decoder"] < 400
