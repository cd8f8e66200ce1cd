"""Backups of user.db, and what happens when it is damaged."""

import hashlib
import sqlite3
import time
from pathlib import Path

from soundsearch.errors import UserError
from soundsearch.library.database import DamagedError, copy_database, open_database, set_aside
from soundsearch.library.schema import USER_MIGRATIONS

KEPT_BACKUPS = 5

# What makes a backup worth keeping: what was made, not where it lies or what was searched lately.
_MADE = (
    "SELECT identity, favourite, rating FROM sounds WHERE favourite OR rating ORDER BY 1",
    "SELECT s.identity, t.tag FROM tags t JOIN sounds s ON s.id = t.sound_id ORDER BY 1, 2",
    "SELECT c.name, s.identity, i.position FROM collections c LEFT JOIN items i"
    " ON i.collection_id = c.id LEFT JOIN sounds s ON s.id = i.sound_id ORDER BY 1, 3",
    "SELECT text, name FROM searches WHERE name IS NOT NULL ORDER BY 1",
)


def open_whole(file: Path, write: bool) -> sqlite3.Connection:
    """Opens user.db and reads all of it, which is little. Raises DamagedError, UserError."""
    if file.exists() and not file.stat().st_size and _backups(file):
        raise DamagedError  # cut to nothing: SQLite would take it for a new one
    db = open_database(file, USER_MIGRATIONS, write, wal=False)
    try:
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise DamagedError
        db.execute("SELECT count(*) FROM sounds").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        db.close()
        raise DamagedError from error
    except DamagedError:
        db.close()
        raise
    return db


def _backups(file: Path) -> list[Path]:
    """Newest first; the names begin with the time."""
    return sorted((file.parent / "backups").glob("user-*.db"), reverse=True)


def restore(file: Path) -> str:
    """Sets a damaged user.db aside and puts the newest good backup in its place; the notice."""
    aside = set_aside(file)
    for backup in _backups(file):
        try:
            source = open_whole(backup, write=False)
        except (DamagedError, UserError):
            continue
        try:
            copy_database(source, file)
        finally:
            source.close()
        made = time.strftime("%d %B %Y, %H:%M", time.localtime(backup.stat().st_mtime))
        return (
            f"Favourites and tags were damaged and come from the backup of {made} now."
            f" The damaged file is {aside.name}."
        )
    return f"Favourites and tags were damaged and no backup is there. They are in {aside.name}."


def keep_backup(db: sqlite3.Connection, file: Path) -> None:
    digest = hashlib.blake2b(digest_size=6)
    empty = True
    for query in _MADE:
        for row in db.execute(query):
            digest.update(repr(row).encode())
            empty = False
        digest.update(b"|")
    mark = digest.hexdigest()
    kept = _backups(file)
    if empty or (kept and kept[0].stem.endswith(mark)):
        return
    folder = file.parent / "backups"
    folder.mkdir(exist_ok=True)
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 10**9))
    copy_database(db, folder / f"user-{stamp}-{now // 10**6 % 1000:03}-{mark}.db")
    for old in _backups(file)[KEPT_BACKUPS:]:
        old.unlink(missing_ok=True)
