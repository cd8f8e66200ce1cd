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
        found = int(self._find(np.frombuffer(identity, _KEY))[0])
        return None if found < 0 else found

    def many(self, joined: bytes) -> np.ndarray:
        """int64 (n,): rows of n identities of 16 bytes each, -1 where there is none."""
        newest = dict(self._newest)
        rows = self._find(np.frombuffer(joined, _KEY))
        if newest:
            at = range(0, len(joined), 16)
            late = np.fromiter(
                (newest.get(joined[i : i + 16], -1) for i in at), np.int64, len(rows)
            )
            rows = np.where(late >= 0, late, rows)
        return rows

    def rows(self) -> np.ndarray:
        """int64 (n,), sorted: the row of every identity."""
        newest = dict(self._newest)
        keys, rows = self._table
        if newest:
            keys, rows = _merged(keys, rows, newest)
        return np.sort(rows)

    def _find(self, keys: np.ndarray) -> np.ndarray:
        known, rows = self._table
        if not len(known):
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[at] == keys, rows[at], -1)

    def _sort(self, keys: np.ndarray, rows: np.ndarray) -> None:
        table = _merged(*self._table, self._newest)
        self._table = _newest_of_each(
            np.concatenate([table[0], keys]), np.concatenate([table[1], rows])
        )
        self._newest = {}


def _merged(
    keys: np.ndarray, rows: np.ndarray, newest: dict[bytes, int]
) -> tuple[np.ndarray, np.ndarray]:
    late = np.frombuffer(b"".join(newest), _KEY)
    late_rows = np.fromiter(newest.values(), np.int64, len(newest))
    return _newest_of_each(np.concatenate([keys, late]), np.concatenate([rows, late_rows]))


def _newest_of_each(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted by key, each once: the last of equal ones."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    last = np.ones(len(keys), bool)
    last[:-1] = keys[1:] != keys[:-1]
    return keys[last], rows[last]
