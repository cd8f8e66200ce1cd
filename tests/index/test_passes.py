"""What `library` tells of how far sounds were heard."""

from pathlib import Path

import numpy as np

from soundsearch.index.passes import heard
from soundsearch.index.vectors import FIRST_PASS, WHOLE, Vectors


def test_the_newest_row_of_a_whole_sound_counts(tmp_path: Path) -> None:
    assert heard(tmp_path / "nowhere") == {}
    a, b, c = (bytes([i]) * 16 for i in (1, 2, 3))
    starts = np.array([0.0, 20.0, FIRST_PASS, FIRST_PASS, WHOLE, 0.0, WHOLE], np.float32)
    with Vectors.open(tmp_path, 4, write=True) as vectors:
        vectors.append([a, a, a, b, c, a, a], starts, np.eye(7, 4, dtype=np.float32) + 0.1)
    assert heard(tmp_path) == {a: True, b: False, c: True}
    with open(tmp_path / "rows", "ab") as file:
        file.write(b"cut")
    assert heard(tmp_path) == {a: True, b: False, c: True}
