"""From a sound's identity to the row of its vector, in 24 bytes a sound."""

import numpy as np

_KEY = "S16"  # of one width everywhere, so zeros at the end are bytes like others
_LOOSE = 8_192  # newest entries kept apart until they are worth a sort


class Lookup:
    """identity (16 bytes) → row; what is put later replaces what is there.

    One thread puts, any number look up.
    """

    def __init__(self) -> None:
        self._table = np.empty(0, _KEY), np.empty(0, np.int64)  # sorted keys, rows
        self._newest: dict[bytes, int] = {}

    def put(self, identities: np.ndarray, rows: np.ndarray) -> None:
        """identities (n,) of 16 raw bytes each, rows int64 (n,)."""
        if len(rows) > _LOOSE:
            self._sort(np.ascontiguousarray(identities).view(_KEY), rows)
            return
        joined = identities.tobytes()
        for i, row in enumerate(rows.tolist()):
            self._newest[joined[16 * i : 16 * i + 16]] = row
        if len(self._newest) > _LOOSE:
            self._sort(np.empty(0, _KEY), np.empty(0, np.int64))

    def get(self, identity: bytes) -> int | None:
        row = self._newest.get(identity)
        if row is not None:
            return row
        found = int(_found(*self._table, np.frombuffer(identity, _KEY))[0])
        return None if found < 0 else found

    def many(self, joined: bytes) -> np.ndarray:
        """int64 (n,): rows of n identities of 16 bytes each, -1 where there is none."""
        newest = dict(self._newest)  # before the table: an entry moves from here to there
        asked = np.frombuffer(joined, _KEY)
        rows = _found(*self._table, asked)
        if newest:
            late = _found(*_of_newest(newest), asked)
            rows = np.where(late >= 0, late, rows)
        return rows

    def rows(self) -> np.ndarray:
        """int64 (n,), sorted: the row of every identity."""
        newest = dict(self._newest)
        keys, rows = self._table
        if newest:
            keys, rows = _merged(keys, rows, newest)
        return np.sort(rows)

    def _sort(self, keys: np.ndarray, rows: np.ndarray) -> None:
        table = _merged(*self._table, self._newest)
        self._table = _newest_of_each(
            np.concatenate([table[0], keys]), np.concatenate([table[1], rows])
        )
        self._newest = {}


def _found(keys: np.ndarray, rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """int64 (n,): the rows of the asked keys, -1 where there is none. keys: sorted."""
    if not len(keys):
        return np.full(len(asked), -1, np.int64)
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, rows[at], -1)


def _of_newest(newest: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray]:
    """Sorted keys, and their rows."""
    keys = np.frombuffer(b"".join(newest), _KEY)
    rows = np.fromiter(newest.values(), np.int64, len(newest))
    order = np.argsort(keys)
    return keys[order], rows[order]


def _merged(
    keys: np.ndarray, rows: np.ndarray, newest: dict[bytes, int]
) -> tuple[np.ndarray, np.ndarray]:
    late, late_rows = _of_newest(newest)
    return _newest_of_each(np.concatenate([keys, late]), np.concatenate([rows, late_rows]))


def _newest_of_each(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted by key, each once: the last of equal ones."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    last = np.ones(len(keys), bool)
    last[:-1] = keys[1:] != keys[:-1]
    return keys[last], rows[last]
