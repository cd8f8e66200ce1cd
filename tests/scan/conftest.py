"""What the tests of scans share."""

from pathlib import Path

import pytest

from tests.scan.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data")
