"""The tables of library.db and user.db, and the steps from one version to the next.

A migration is a function that is never changed once released; the number of those that ran
stands in PRAGMA user_version.
"""

import sqlite3
from collections.abc import Iterable

LIBRARY_VERSION_1 = (
    """CREATE TABLE roots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL UNIQUE,   -- absolute, os.fsencode
        volume TEXT NOT NULL,        -- a hint, "" where unknown
        state TEXT NOT NULL,         -- ok, offline
        added REAL NOT NULL          -- Unix time
    )""",
    """CREATE TABLE sounds (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        identity BLOB NOT NULL UNIQUE,
        frames INTEGER NOT NULL,
        samplerate INTEGER NOT NULL,
        channels INTEGER NOT NULL,
        seconds REAL NOT NULL,
        sample_format TEXT NOT NULL,
        container TEXT NOT NULL,
        loudness REAL,               -- LUFS, NULL for silence
        peak REAL NOT NULL,
        onset REAL NOT NULL,
        silent INTEGER NOT NULL,
        tags TEXT NOT NULL           -- JSON object of texts; last, since it may be long
    )""",
    "CREATE INDEX sounds_facts ON sounds (seconds, samplerate, channels, container)",
    "CREATE TABLE envelopes (sound_id INTEGER PRIMARY KEY, points BLOB NOT NULL)",
    # Ids are never used again (AUTOINCREMENT): others keep them while files come and go.
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        root_id INTEGER NOT NULL,
        path BLOB NOT NULL,          -- relative to the root, os.fsencode
        name TEXT NOT NULL,          -- for display
        folder TEXT NOT NULL,        -- for display, with the root's name, "/" between
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ends BLOB,                   -- BLAKE2b-128 of the first and last 64 KiB
        sound_id INTEGER,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        retry INTEGER NOT NULL,
        added REAL NOT NULL,
        named INTEGER NOT NULL,      -- 0 while its row in names is missing or old
        UNIQUE (root_id, path)
    )""",
    "CREATE INDEX files_sound ON files (sound_id)",
    "CREATE INDEX files_state ON files (root_id, state)",
    "CREATE INDEX files_folder ON files (folder, root_id)",
    "CREATE INDEX files_failed ON files (id) WHERE state = 'failed'",
    "CREATE INDEX files_unnamed ON files (id) WHERE named = 0",
    # The table keeps its own text: an entry can only be taken out of the index by its old text.
    # Marks belong to words (Devanagari vowels), accents are folded by split_words already.
    """CREATE VIRTUAL TABLE names USING fts5 (
        name, folder, meta, ucs,
        tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
    )""",
    "CREATE VIRTUAL TABLE names_vocab USING fts5vocab (names, row)",
)

USER_VERSION_1 = (
    """CREATE TABLE sounds (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        identity BLOB NOT NULL UNIQUE,
        path BLOB NOT NULL,          -- where it lay last, absolute
        name TEXT NOT NULL,
        favourite REAL,              -- since when (Unix time)
        rating INTEGER               -- 1 to 5
    )""",
    """CREATE TABLE tags (
        sound_id INTEGER NOT NULL,
        tag TEXT NOT NULL COLLATE NOCASE,
        PRIMARY KEY (sound_id, tag)
    ) WITHOUT ROWID""",
    "CREATE INDEX tags_tag ON tags (tag)",
    # rowid = sounds.id
    """CREATE VIRTUAL TABLE tag_words USING fts5 (
        words, tokenize = "unicode61 remove_diacritics 2 categories 'L* N* M* Co'"
    )""",
    "CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, added REAL)",
    """CREATE TABLE items (
        collection_id INTEGER NOT NULL,
        sound_id INTEGER NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (collection_id, sound_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE searches (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE,
        name TEXT,                   -- NULL: only typed
        used REAL NOT NULL
    )""",
)


def _all(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        db.execute(statement)


def _library_1(db: sqlite3.Connection) -> None:
    _all(db, LIBRARY_VERSION_1)


def _user_1(db: sqlite3.Connection) -> None:
    _all(db, USER_VERSION_1)


LIBRARY_MIGRATIONS = (_library_1,)
USER_MIGRATIONS = (_user_1,)
