"""How far the sounds of a model were heard, by its `rows` alone."""

from pathlib import Path

import numpy as np

from soundsearch.index.files import RECORD
from soundsearch.index.vectors import WHOLE


def heard(folder: Path) -> dict[bytes, bool]:
    """Identity → whether all of the sound was heard, for sounds that have a vector.

    folder: `embeddings/<model id>`; one that is not there holds none. Vectors are not read.
    """
    file = folder / "rows"
    if not file.exists():
        return {}
    data = file.read_bytes()
    records = np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD)
    records = records[records["start"] < 0]
    joined = np.ascontiguousarray(records["identity"]).tobytes()
    complete = (records["start"] == WHOLE).tolist()
    return {joined[16 * at : 16 * at + 16]: whole for at, whole in enumerate(complete)}
