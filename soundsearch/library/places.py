"""The sounds of which a person said anything: where each lay last, and how what was said follows
a sound when it moves or changes.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from soundsearch.library.database import transaction
from soundsearch.library.rows import Change, display_text


class Place(NamedTuple):
    """Where a sound lay last: absolute path (bytes) and display name."""

    path: bytes
    name: str


class Places:
    """The table `sounds` of user.db. One thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def places(self) -> dict[bytes, Place]:
        """Where every sound lay last, by identity."""
        rows = self.db.execute("SELECT identity, path, name FROM sounds")
        return {identity: Place(path, name) for identity, path, name in rows}

    def set_places(self, places: Mapping[bytes, bytes]) -> None:
        """Identity → absolute path, as Library.places_of gives them; unknown sounds are ignored."""
        known = self.places()
        moved = [
            (path, display_text(os.path.basename(path)), identity)
            for identity, path in places.items()
            if identity in known and known[identity].path != path
        ]
        if moved:
            with transaction(self.db):
                self.db.executemany(
                    "UPDATE sounds SET path = ?, name = ? WHERE identity = ?", moved
                )

    def follow(self, changes: Iterable[Change]) -> None:
        """Content at known paths became other sounds: what was said goes along."""
        with transaction(self.db):
            for change in changes:
                self.rename_sound(change.old, change.new, change.path, change.elsewhere)

    def rename_sound(self, old: bytes, new: bytes, path: bytes, elsewhere: bool = False) -> None:
        """What was said of `old` counts for `new`, which lies at its path now.

        elsewhere: `old` still lies at another place. Then it keeps what was said of it, and
        `new` gets the same only if it was said of this path.
        """
        with transaction(self.db):
            row = self.db.execute(
                "SELECT id, path FROM sounds WHERE identity = ?", (old,)
            ).fetchone()
            if row is None or old == new or (elsewhere and row[1] != path):
                return
            to = self._sound(new, path)
            self.db.execute(
                "UPDATE sounds SET favourite = coalesce(sounds.favourite, old.favourite),"
                " rating = coalesce(sounds.rating, old.rating)"
                " FROM (SELECT favourite, rating FROM sounds WHERE id = ?) AS old"
                " WHERE sounds.id = ?",
                (row[0], to),
            )
            self.db.execute(
                "INSERT OR IGNORE INTO tags (sound_id, tag) SELECT ?, tag FROM tags"
                " WHERE sound_id = ?",
                (to, row[0]),
            )
            self.db.execute(
                "INSERT OR IGNORE INTO items (collection_id, sound_id, position)"
                " SELECT collection_id, ?, position FROM items WHERE sound_id = ?",
                (to, row[0]),
            )
            self._write_tag_words(to)
            if not elsewhere:
                self._forget(row[0])

    @contextlib.contextmanager
    def _changing(self, identity: bytes, path: bytes | None = None) -> Iterator[int]:
        """One change to a sound: its row is there, its words follow, an empty row goes."""
        with transaction(self.db):
            sound_id = self._sound(identity, path)
            yield sound_id
            self._write_tag_words(sound_id)
            if not self._said(sound_id):
                self._forget(sound_id)

    def _sound(self, identity: bytes, path: bytes | None) -> int:
        place = path or b""
        self.db.execute(
            "INSERT INTO sounds (identity, path, name) VALUES (?, ?, ?) ON CONFLICT (identity)"
            " DO UPDATE SET path = excluded.path, name = excluded.name WHERE excluded.path != x''",
            (identity, place, display_text(os.path.basename(place))),
        )
        row = self.db.execute("SELECT id FROM sounds WHERE identity = ?", (identity,)).fetchone()
        return int(row[0])

    def _said(self, sound_id: int) -> bool:
        row = self.db.execute(
            "SELECT favourite IS NOT NULL OR rating IS NOT NULL"
            " OR EXISTS (SELECT 1 FROM tags WHERE sound_id = sounds.id)"
            " OR EXISTS (SELECT 1 FROM items WHERE sound_id = sounds.id)"
            " FROM sounds WHERE id = ?",
            (sound_id,),
        ).fetchone()
        return bool(row[0])

    def _forget(self, sound_id: int) -> None:
        self.db.execute("DELETE FROM tag_words WHERE rowid = ?", (sound_id,))
        for table, column in (("tags", "sound_id"), ("items", "sound_id"), ("sounds", "id")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (sound_id,))

    def _write_tag_words(self, sound_id: int) -> None:
        self.db.execute("DELETE FROM tag_words WHERE rowid = ?", (sound_id,))
        rows = self.db.execute("SELECT tag FROM tags WHERE sound_id = ?", (sound_id,)).fetchall()
        if rows:
            self.db.execute(
                "INSERT INTO tag_words (rowid, words) VALUES (?, ?)",
                (sound_id, " ".join(tag for (tag,) in rows)),
            )
