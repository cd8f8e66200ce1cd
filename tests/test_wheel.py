"""The wheel, installed elsewhere, brings its resources with it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_resources_enter_the_wheel(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheels, place = tmp_path / "wheels", tmp_path / "place"
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = wheels.glob("soundsearch-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(place), str(wheel)], check=True)
    code = "from soundsearch.paths import resources; print(resources())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(place)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = Path(done.stdout.strip())
    assert found == place / "soundsearch" / "resources"
    here = {p.relative_to(ROOT / "resources") for p in (ROOT / "resources").rglob("*")}
    assert {p.relative_to(found) for p in found.rglob("*")} == {
        path for path in here if "__pycache__" not in path.parts
    }
