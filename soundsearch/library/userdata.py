"""user.db: what a person said of sounds. The only file in the data folder that can't be made again.

Everything belongs to a sound by its identity (16 bytes), with the place and name where it lay
last. Several processes may use it at once.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from soundsearch.errors import UserError
from soundsearch.library.backups import keep_backup, open_whole, restore
from soundsearch.library.database import (
    DamagedError,
    copy_database,
    fold,
    transaction,
)
from soundsearch.library.places import Places
from soundsearch.library.schema import USER_MIGRATIONS

RECENT_SEARCHES = 50


class Marks(NamedTuple):
    """What a person said of one sound; rating 0 = none, else 1 to 5."""

    favourite: bool
    rating: int
    tags: tuple[str, ...]


class Collection(NamedTuple):
    id: int
    name: str
    sounds: int


class Search(NamedTuple):
    """name: "" for one that was only typed lately."""

    text: str
    name: str
    used: float


class UserData(Places):
    """A context manager; one thread at a time. notice: what the person must be told, or ""."""

    def __init__(self, db: sqlite3.Connection, notice: str = "") -> None:
        super().__init__(db)
        self.notice = notice

    @classmethod
    def open(cls, data: Path, write: bool = True) -> "UserData":
        """Opens or creates it, and keeps a backup if it differs from the newest one.

        write=False leaves nothing behind: it is empty while there is none yet. A damaged file is
        set aside and the newest good backup takes its place (see notice). Raises UserError for
        one that was made by a newer program.
        """
        file = data / "user.db"
        if not write and not file.exists():
            db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            for migration in USER_MIGRATIONS:
                migration(db)
            db.execute("PRAGMA query_only = 1")
            return cls(db)
        if write:
            data.mkdir(parents=True, exist_ok=True)
        notice = ""
        try:
            db = open_whole(file, write)
        except DamagedError:
            notice = restore(file)
            db = open_whole(file, write)
        if write:
            with contextlib.suppress(OSError, sqlite3.Error):  # a full disk stops nobody
                keep_backup(db, file)
        return cls(db, notice)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> "UserData":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Favourites, ratings, tags. path: where the sound lies now, absolute.

    def set_favourite(self, identity: bytes, path: bytes, favourite: bool) -> None:
        with self._changing(identity, path) as sound_id:
            self.db.execute(
                "UPDATE sounds SET favourite = ? WHERE id = ?",
                (time.time() if favourite else None, sound_id),
            )

    def favourites(self) -> set[bytes]:
        """Identities."""
        rows = self.db.execute("SELECT identity FROM sounds WHERE favourite IS NOT NULL")
        return {row[0] for row in rows}

    def set_rating(self, identity: bytes, path: bytes, rating: int) -> None:
        """1 to 5, 0 takes it away."""
        if not 0 <= rating <= 5:
            raise ValueError("a rating is 0 to 5")
        with self._changing(identity, path) as sound_id:
            self.db.execute("UPDATE sounds SET rating = ? WHERE id = ?", (rating or None, sound_id))

    def ratings(self) -> dict[bytes, int]:
        return dict(self.db.execute("SELECT identity, rating FROM sounds WHERE rating IS NOT NULL"))

    def add_tag(self, identity: bytes, path: bytes, tag: str) -> None:
        """Letter case doesn't matter: the first spelling of a tag stays."""
        tag = _one_line(tag)
        if not tag:
            raise UserError("A tag needs a letter or digit")
        with self._changing(identity, path) as sound_id:
            self._insert_tag(sound_id, tag)

    def remove_tag(self, identity: bytes, tag: str) -> None:
        with self._changing(identity) as sound_id:
            here = self.db.execute("SELECT tag FROM tags WHERE sound_id = ?", (sound_id,))
            self.db.executemany(
                "DELETE FROM tags WHERE sound_id = ? AND tag = ?",
                [(sound_id, known) for (known,) in here if fold(known) == fold(_one_line(tag))],
            )

    def tags(self) -> dict[str, int]:
        """All tags and on how many sounds they are."""
        return dict(
            self.db.execute("SELECT min(tag), count(*) FROM tags GROUP BY tag ORDER BY tag")
        )

    def with_tag(self, tag: str) -> set[bytes]:
        """Identities of the sounds that have exactly this tag, whatever its letter case."""
        return {
            identity
            for spelling in self._spellings(_one_line(tag))
            for (identity,) in self.db.execute(
                "SELECT s.identity FROM tags t JOIN sounds s ON s.id = t.sound_id WHERE t.tag = ?",
                (spelling,),
            )
        }

    def tagged_with_words(self, words: Sequence[str]) -> dict[str, set[bytes]]:
        """For each word, the sounds in whose tags a word begins with it."""
        found = {}
        for word in words:
            phrase = '"' + word.replace('"', " ").replace("\x00", " ") + '"*'
            rows = self.db.execute(
                "SELECT s.identity FROM tag_words w JOIN sounds s ON s.id = w.rowid"
                " WHERE tag_words MATCH ?",
                (phrase,),
            )
            found[word] = {row[0] for row in rows}
        return found

    def marks(self, identities: Iterable[bytes]) -> dict[bytes, Marks]:
        """Of those sounds of which anything was said."""
        found = {}
        for identity in identities:
            row = self.db.execute(
                "SELECT id, favourite, rating FROM sounds WHERE identity = ?", (identity,)
            ).fetchone()
            if row:
                tags = self.db.execute(
                    "SELECT tag FROM tags WHERE sound_id = ? ORDER BY tag", (row[0],)
                )
                found[identity] = Marks(
                    row[1] is not None, row[2] or 0, tuple(tag for (tag,) in tags)
                )
        return found

    # Collections: sounds in the person's order.

    def add_collection(self, name: str) -> int:
        """Its id, also when one of this name is there already."""
        name = _one_line(name)
        if not name:
            raise UserError("A collection needs a name")
        with transaction(self.db):
            self.db.execute(
                "INSERT OR IGNORE INTO collections (name, added) VALUES (?, ?)",
                (name, time.time()),
            )
            row = self.db.execute("SELECT id FROM collections WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def rename_collection(self, collection: int, name: str) -> None:
        try:
            with transaction(self.db):
                self.db.execute(
                    "UPDATE collections SET name = ? WHERE id = ?", (_one_line(name), collection)
                )
        except sqlite3.IntegrityError:
            raise UserError(
                f"There is a collection {name} already", "Choose another name"
            ) from None

    def remove_collection(self, collection: int) -> None:
        with transaction(self.db):
            self.db.execute("DELETE FROM items WHERE collection_id = ?", (collection,))
            self.db.execute("DELETE FROM collections WHERE id = ?", (collection,))

    def collections(self) -> list[Collection]:
        rows = self.db.execute(
            "SELECT c.id, c.name, count(i.sound_id) FROM collections c LEFT JOIN items i"
            " ON i.collection_id = c.id GROUP BY c.id ORDER BY c.name COLLATE NOCASE"
        )
        return [Collection(*row) for row in rows]

    def collect(self, collection: int, identity: bytes, path: bytes) -> None:
        """Puts a sound at the end of a collection, unless it is in it."""
        with self._changing(identity, path) as sound_id:
            self.db.execute(
                "INSERT OR IGNORE INTO items (collection_id, sound_id, position) VALUES (?, ?,"
                " (SELECT coalesce(max(position), 0) + 1 FROM items WHERE collection_id = ?))",
                (collection, sound_id, collection),
            )

    def take_out(self, collection: int, identity: bytes) -> None:
        with self._changing(identity) as sound_id:
            self.db.execute(
                "DELETE FROM items WHERE collection_id = ? AND sound_id = ?",
                (collection, sound_id),
            )

    def collected(self, collection: int) -> list[bytes]:
        """Identities in order."""
        rows = self.db.execute(
            "SELECT s.identity FROM items i JOIN sounds s ON s.id = i.sound_id"
            " WHERE i.collection_id = ? ORDER BY i.position",
            (collection,),
        )
        return [row[0] for row in rows]

    # Searches.

    def remember_search(self, text: str) -> None:
        """Puts a query among the recent ones, of which the last 50 are kept."""
        with transaction(self.db):
            self.db.execute(
                "INSERT INTO searches (text, used) VALUES (?, ?)"
                " ON CONFLICT (text) DO UPDATE SET used = excluded.used",
                (text, time.time()),
            )
            self.db.execute(
                "DELETE FROM searches WHERE name IS NULL AND id NOT IN (SELECT id FROM searches"
                " WHERE name IS NULL ORDER BY used DESC, id DESC LIMIT ?)",
                (RECENT_SEARCHES,),
            )

    def save_search(self, text: str, name: str) -> None:
        """Keeps a query under a name; an empty name lets it go."""
        with transaction(self.db):
            self.db.execute(
                "INSERT INTO searches (text, name, used) VALUES (?, ?, ?)"
                " ON CONFLICT (text) DO UPDATE SET name = excluded.name",
                (text, _one_line(name) or None, time.time()),
            )

    def searches(self) -> list[Search]:
        """Saved and recent, newest first."""
        rows = self.db.execute(
            "SELECT text, coalesce(name, ''), used FROM searches ORDER BY used DESC, id DESC"
        )
        return [Search(*row) for row in rows]

    def forget_recent_searches(self) -> None:
        with transaction(self.db):
            self.db.execute("DELETE FROM searches WHERE name IS NULL")

    # Copies.

    def export(self, file: Path) -> None:
        """Writes all of it to a file, which another SoundSearch can merge."""
        try:
            copy_database(self.db, file)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{file} can't be written ({error})") from error

    def merge(self, file: Path) -> None:
        """Adds what an exported file holds; nothing that is here is changed or lost.

        Raises UserError when it is no such file.
        """
        try:
            if not file.is_file():
                raise DamagedError
            other = open_whole(file, write=False)
        except DamagedError:
            raise UserError(f"{file} holds no favourites and tags of SoundSearch") from None
        try:
            with transaction(self.db):
                self._merge(other)
        finally:
            other.close()

    def _insert_tag(self, sound_id: int, tag: str) -> None:
        known = self.db.execute("SELECT tag FROM tags WHERE tag = ? LIMIT 1", (tag,)).fetchone()
        spelling = known[0] if known else next(iter(self._spellings(tag)), tag)
        self.db.execute(
            "INSERT OR IGNORE INTO tags (sound_id, tag) VALUES (?, ?)", (sound_id, spelling)
        )

    def _spellings(self, tag: str) -> list[str]:
        """The known tags that are this one but for case; SQLite itself folds ASCII only."""
        wanted = fold(tag)
        tags = self.db.execute("SELECT DISTINCT tag FROM tags ORDER BY tag")
        return [known for (known,) in tags if fold(known) == wanted]

    def _merge(self, other: sqlite3.Connection) -> None:
        ids = {}
        for old, identity, path, favourite, rating in other.execute(
            "SELECT id, identity, path, favourite, rating FROM sounds"
        ):
            known = self.db.execute(
                "SELECT path FROM sounds WHERE identity = ?", (identity,)
            ).fetchone()
            ids[old] = self._sound(identity, known[0] if known else path)
            self.db.execute(
                "UPDATE sounds SET favourite = coalesce(favourite, ?),"
                " rating = coalesce(rating, ?) WHERE id = ?",
                (favourite, rating, ids[old]),
            )
        for old, tag in other.execute("SELECT sound_id, tag FROM tags"):
            self._insert_tag(ids[old], tag)
        for sound_id in ids.values():
            self._write_tag_words(sound_id)
        for old, name in other.execute("SELECT id, name FROM collections").fetchall():
            collection = self.add_collection(name)
            for (sound,) in other.execute(
                "SELECT sound_id FROM items WHERE collection_id = ? ORDER BY position", (old,)
            ):
                self.db.execute(
                    "INSERT OR IGNORE INTO items (collection_id, sound_id, position) VALUES (?, ?,"
                    " (SELECT coalesce(max(position), 0) + 1 FROM items WHERE collection_id = ?))",
                    (collection, ids[sound], collection),
                )
        self.db.executemany(
            "INSERT INTO searches (text, name, used) VALUES (?, ?, ?) ON CONFLICT (text)"
            " DO UPDATE SET name = coalesce(searches.name, excluded.name)",
            other.execute("SELECT text, name, used FROM searches"),
        )


def _one_line(text: str) -> str:
    return " ".join(text.replace("\x00", " ").split())
