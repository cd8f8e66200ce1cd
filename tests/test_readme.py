"""README tells pip users to install what the package depends on."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def name(requirement: str) -> str:
    found = re.match(r'"?([A-Za-z0-9_-]+)', requirement)
    assert found
    return found[1].lower()


def test_the_pip_lines_bring_every_dependency() -> None:
    lines = re.findall(r"^pip install (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    first, second, third = (line.split() for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {name(requirement) for requirement in project["dependencies"]}
    assert {name(word) for word in first[2:]} == needed - {"hear21passt"}
    assert second[-2:] == ["--no-deps", "hear21passt"]
    assert third == ["--no-deps", "."]
    assert all((ROOT / line[1]).exists() for line in (first, second))
