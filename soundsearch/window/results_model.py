"""The rows of the list: keys of sounds, and the matches that are known so far.

A row is known by the key of its sound, never by its number. Rows of a long list (a whole folder)
are asked for when they are painted.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)

from soundsearch.search.ranking import Match

MATCH = Qt.ItemDataRole.UserRole
INDENT = Qt.ItemDataRole.UserRole + 1

_log = logging.getLogger(__name__)
_NONE: Mapping[int, tuple[int, ...]] = MappingProxyType({})
_Index = QModelIndex | QPersistentModelIndex


def key_of(match: Match) -> int:
    """What stays the same while rows move, whichever of its places a sound is shown by."""
    return match.sound_id


def is_scored(match: Match) -> bool:
    """False for a row of a folder that is only browsed."""
    return match.sound is not None or match.name_score is not None


def _browsed(match: Match) -> Match:
    """The row without what it had to do with a question."""
    none: dict[str, Any] = {"sound": None, "name_score": None, "cosine": None}
    return replace(match, strength=0.0, why="", start=0.0, words=(), **none)


def shown_path(path: bytes) -> str:
    """The path as text: bytes that are no text become question marks in a diamond."""
    return path.decode("utf-8", "replace")


def merge(shown: Sequence[int], new: Sequence[int], held: int | None) -> list[int]:
    """The new order, but nothing moves down to the row that the person looks at.

    shown and new are keys, held is the key of the selected row or None. Rows of `shown` up to and
    with the held one keep their places if the new answer still has them; the rest follows in the
    new order. Without a held row the new order is taken as it is.
    """
    if held is None or held not in shown or held not in new:
        return list(new)
    wanted = set(new)
    kept = [key for key in shown[: shown.index(held) + 1] if key in wanted]
    stays = set(kept)
    return kept + [key for key in new if key not in stays]


def spoken_duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} minutes {rest} seconds"


def time_text(seconds: float) -> str:
    """84 ms, 2.31 s, from a minute up 4:12 or 1:02:03."""
    if seconds < 0.0995:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def sentence(match: Match, favourite: bool) -> str:
    """What a screen reader says of a row."""
    parts = [match.name, f"in {match.folder}" if match.folder else ""]
    parts.append(spoken_duration(match.duration) if match.duration else "")
    if is_scored(match):
        parts.append(f"match {round(match.strength * 100)} percent")
    parts.append(match.why)
    parts.append("favourite" if favourite else "")
    parts.append("" if match.state in ("ok", "silent") else match.state)
    return ", ".join(part for part in parts if part)


class ResultsModel(QAbstractTableModel):
    """One column; `wanted` carries the keys (list of int) of painted rows that aren't known."""

    wanted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.favourites: set[int] = set()
        self._keys: list[int] = []
        self._rows: dict[int, int] | None = {}  # key -> row, made when needed
        self._matches: dict[int, Match] = {}
        self._takes: dict[int, list[int]] = {}  # open groups: key -> keys of the rows below
        self._members: Mapping[int, tuple[int, ...]] = _NONE  # of a browsed list's rows
        self._old: set[int] = set()  # keys of known rows that are to be read anew
        self._missing: dict[int, None] = {}
        self._asked: set[int] = set()
        self._broken = False
        self._ask_soon = QTimer(self)
        self._ask_soon.setSingleShot(True)
        self._ask_soon.setInterval(0)
        self._ask_soon.timeout.connect(self._ask)

    # What is shown.

    def show_matches(
        self, matches: Iterable[Match], held: int | None = None, keep_open: bool = False
    ) -> None:
        """Replaces the list; with `held` (a key), nothing above that row moves (see merge).
        keep_open: open groups stay open where their heads are still there."""
        self._members = _NONE
        found = {key_of(match): match for match in matches}
        takes = {take for below in self._takes.values() for take in below}
        keys = merge([key for key in self._keys if key not in takes], list(found), held)
        self._replace(keys, found, keep_open)
        self._old = set()

    def show_keys(
        self,
        keys: Sequence[int],
        members: Mapping[int, tuple[int, ...]] = _NONE,
        keep_open: bool = False,
    ) -> None:
        """Replaces the list by sounds whose rows are asked for when they are painted; those that
        are known are shown as they were until then.
        members: the other takes that some rows stand for."""
        known = self._matches if len(self._matches) < 5000 else {}
        self._members = members
        there = {key: self._standing(_browsed(match)) for key, match in known.items()}
        self._replace(list(keys), there, keep_open)
        self._old = set(there)

    def _standing(self, match: Match) -> Match:
        """A row of a browsed list, with the takes that it stands for."""
        members = self._members.get(key_of(match), ())
        return replace(match, takes=1 + len(members), members=members)

    def fill(self, matches: Iterable[Match]) -> None:
        """Rows that were asked for; those of a list that has been replaced since are ignored."""
        for match in matches:
            if key_of(match) in self._asked:
                self._matches[key_of(match)] = self._standing(match)
        self._old -= self._asked
        self._asked.clear()
        if self._keys:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._keys) - 1, 0))

    def open_takes(self, key: int, takes: Sequence[Match]) -> None:
        """Shows the other takes of a sound below it."""
        row = self.row_of(key)
        news = [match for match in takes if self.row_of(key_of(match)) is None]
        if row is None or key in self._takes or not news:
            return
        self.beginInsertRows(QModelIndex(), row + 1, row + len(news))
        below = [key_of(match) for match in news]
        self._keys[row + 1 : row + 1] = below
        self._matches.update((key_of(match), match) for match in news)
        self._takes[key] = below
        self._rows = None
        self.endInsertRows()
        self._changed(key)

    def close_takes(self, key: int) -> int:
        """Closes the group that `key` opened or stands in; returns the key of its head."""
        key = next((head for head, below in self._takes.items() if key in below), key)
        below = self._takes.pop(key, [])
        row = self.row_of(key)
        if below and row is not None:
            self.beginRemoveRows(QModelIndex(), row + 1, row + len(below))
            del self._keys[row + 1 : row + 1 + len(below)]
            self._rows = None
            self.endRemoveRows()
            self._changed(key)
        return key

    def set_favourites(self, sounds: set[int]) -> None:
        changed = self.favourites ^ sounds
        self.favourites = set(sounds)
        for key in changed:
            self._changed(key)

    # Questions.

    def match_at(self, row: int) -> Match | None:
        return self._matches.get(self._keys[row]) if 0 <= row < len(self._keys) else None

    def key(self, row: int) -> int | None:
        return self._keys[row] if 0 <= row < len(self._keys) else None

    def row_of(self, key: int | None) -> int | None:
        if key is None:
            return None
        if self._rows is None:
            self._rows = {key: row for row, key in enumerate(self._keys)}
        return self._rows.get(key)

    def row_standing_for(self, key: int | None) -> int | None:
        """The row of a sound, or the row that it is a take of."""
        row = self.row_of(key)
        if row is not None or key is None:
            return row
        return next(
            (
                place
                for place, head in enumerate(self._keys)
                if (match := self._matches.get(head)) is not None and key in match.members
            ),
            None,
        )

    def is_take(self, key: int) -> bool:
        """Whether the row stands below the head of an open group."""
        return any(key in below for below in self._takes.values())

    def head_of(self, key: int | None) -> int | None:
        """The head of the open group in which a row stands; else the row itself."""
        return next((head for head, below in self._takes.items() if key in below), key)

    def is_open(self, key: int) -> bool:
        return key in self._takes

    def open_groups(self) -> set[int]:
        return set(self._takes)

    def rowCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._keys)

    def columnCount(self, parent: _Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 1

    def flags(self, index: _Index) -> Qt.ItemFlag:
        flag = Qt.ItemFlag
        return flag.ItemIsEnabled | flag.ItemIsSelectable | flag.ItemNeverHasChildren

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Never raises: an exception here would come back with every cell and repaint."""
        if role not in _ROLES or not index.isValid() or index.row() >= len(self._keys):
            return None
        try:
            return self._value(self._keys[index.row()], role)
        except Exception:
            if not self._broken:
                self._broken = True
                _log.exception("A row can't be shown")
            return "" if role != MATCH else None

    def _value(self, key: int, role: int) -> Any:
        match = self._matches.get(key)
        if (match is None or key in self._old) and key not in self._asked:
            self._missing[key] = None
            self._ask_soon.start()
        if match is None:
            return "…" if role == Qt.ItemDataRole.DisplayRole else None
        if role == MATCH:
            return match
        if role == INDENT:
            return self.is_take(key)
        if role == Qt.ItemDataRole.DisplayRole:
            return match.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return shown_path(match.path)
        return sentence(match, match.sound_id in self.favourites)

    def _ask(self) -> None:
        missing = list(self._missing)
        self._missing.clear()
        self._asked.update(missing)
        if missing:
            self.wanted.emit(missing)

    def _changed(self, key: int) -> None:
        row = self.row_of(key)
        if row is not None:
            self.dataChanged.emit(self.index(row, 0), self.index(row, 0))

    def _replace(self, keys: list[int], matches: dict[int, Match], keep_open: bool = False) -> None:
        takes = self._still_open(set(keys), matches) if keep_open else {}
        if takes:
            keys = [row for key in keys for row in (key, *takes.get(key, ()))]
            below = {take: self._matches[take] for group in takes.values() for take in group}
            matches = {**below, **matches}
        if keys == self._keys and takes == self._takes:
            # The usual case while a search is refined: nothing moves, only values change.
            self._matches = matches
            if keys:
                self.dataChanged.emit(self.index(0, 0), self.index(len(keys) - 1, 0))
            return
        self.beginResetModel()
        self._keys, self._matches, self._rows = keys, matches, None
        self._takes = takes
        self._missing.clear()
        self._asked.clear()
        self.endResetModel()

    def _still_open(self, heads: set[int], matches: dict[int, Match]) -> dict[int, list[int]]:
        """The open groups of a new list: what the head still stands for, and has no own row."""
        found = {}
        for head, below in self._takes.items():
            match = matches.get(head)
            members = set(match.members) if match is not None else set()
            kept = [take for take in below if take in members and take not in heads]
            if kept:
                found[head] = kept
        return found


_ROLES = frozenset(
    int(role)
    for role in (
        Qt.ItemDataRole.DisplayRole,
        Qt.ItemDataRole.ToolTipRole,
        Qt.ItemDataRole.AccessibleTextRole,
        MATCH,
        INDENT,
    )
)
