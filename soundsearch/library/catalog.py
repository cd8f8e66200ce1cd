"""library.db: which files lie where, and which sounds they hold.

A cache of what the folders contain. One process writes, under the data folder's lock; readers
need none.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from soundsearch.errors import UserError
from soundsearch.library import roots as folders
from soundsearch.library.contents import Contents
from soundsearch.library.database import (
    DamagedError,
    advice,
    is_damage,
    open_database,
    set_aside,
    transaction,
)
from soundsearch.library.lock import DataLock
from soundsearch.library.rows import (
    Change,
    FactsLike,
    Record,
    Root,
    State,
    Words,
    display_folder,
    display_text,
)
from soundsearch.library.schema import LIBRARY_MIGRATIONS

WordsOf = Callable[[str, str, Mapping[str, str]], Words]

_DAMAGED = "The library's database is damaged"
# What a file is again when it comes back unchanged.
_STATE_BACK = (
    "CASE WHEN sound_id IS NULL THEN 'failed' ELSE"
    " (SELECT CASE silent WHEN 0 THEN 'ok' ELSE 'silent' END FROM sounds WHERE id = sound_id) END"
)


class Library(Contents):
    """The library of one data folder. A context manager; one thread at a time.

    db: the connection, which refuses to write when opened for reading. notice: what the person
    should be told about opening it, or "".
    """

    def __init__(self, data: Path, db: sqlite3.Connection, lock: DataLock | None) -> None:
        self.data = data
        super().__init__(db)
        self.notice = ""
        self._lock = lock

    @classmethod
    def open(cls, data: Path, write: bool = False, doing: str = "another command") -> "Library":
        """Opens it; a writer also creates it. doing: what others are told while we hold the lock.

        Raises UserError: no library yet (reader), in use (writer), made by a newer program,
        damaged (reader; a writer sets the file aside and begins a new one with the same roots).
        """
        file = data / "library.db"
        if not write:
            try:
                return cls(data, open_database(file, LIBRARY_MIGRATIONS, write=False), None)
            except DamagedError as error:
                raise UserError(_DAMAGED, "Run soundsearch scan: it is built again") from error
        lock = DataLock(data, doing)
        try:
            return cls._open_for_writing(data, file, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_for_writing(cls, data: Path, file: Path, lock: DataLock) -> "Library":
        found_damaged = file.with_name("library.damaged")
        try:
            if found_damaged.exists():
                raise DamagedError
            return cls(data, open_database(file, LIBRARY_MIGRATIONS, write=True), lock)
        except DamagedError:
            kept = folders.salvage(file)
            aside = set_aside(file) if file.exists() else None
            found_damaged.unlink(missing_ok=True)
            library = cls(data, open_database(file, LIBRARY_MIGRATIONS, write=True), lock)
            for path in kept:
                folders.insert(library.db, path)
            library.notice = f"{_DAMAGED} and is built again by a scan; embeddings are kept." + (
                f" The old file is {aside.name}." if aside else ""
            )
            return library

    def close(self) -> None:
        self.db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        if error is not None:
            self._raise_advice(error)

    def _raise_advice(self, error: BaseException) -> None:
        """Raises a UserError if a person can do something about it."""
        if is_damage(error):
            # The next writer sets it aside; found in use, for opening looks at the ends only.
            with contextlib.suppress(OSError):
                (self.data / "library.damaged").touch()
            raise UserError(_DAMAGED, "Run soundsearch scan: it is built again") from error
        if isinstance(error, sqlite3.Error):
            told = advice(error, self.data / "library.db")
            if told is not None:
                raise told from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes or none. Raises UserError for a full disk and the like."""
        try:
            with transaction(self.db):
                yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._raise_advice(error)
            raise

    # Roots.

    def add_root(self, path: bytes | str) -> Root:
        """Adds a folder; returns the root that holds it, which may be an older, larger one.

        A folder that contains roots takes them over with all that is known of their files.
        Raises UserError when it is no folder, or SoundSearch's own.
        """
        with self.transaction():
            return folders.add(self.db, path, self.data)

    def remove_root(self, path: bytes | str) -> None:
        """Forgets a root and its files; its sounds' facts stay. UserError when it is none."""
        with self.transaction():
            folders.remove(self.db, path)

    def bring_back_root(self, path: bytes | str) -> bool:
        """Undoes remove_root, as long as the library stays open: nothing is read again, and the
        folder may be away. False when there is nothing to bring back."""
        with self.transaction():
            return folders.bring_back(self.db, path)

    def relocate(self, old: bytes | str, new: bytes | str) -> None:
        """What lay in `old`, a root or a folder in one, lies in `new` now.

        Nothing is read. Raises UserError when nothing of `old` is known.
        """
        with self.transaction():
            folders.relocate(self.db, old, new)

    def set_root_offline(self, root_id: int) -> None:
        """Its folder is away or suddenly empty: its files wait."""
        with self.transaction():
            self.db.execute("UPDATE roots SET state = 'offline' WHERE id = ?", (root_id,))
            self.db.execute(
                "UPDATE files SET state = 'offline' WHERE root_id = ? AND state != 'missing'"
                " AND state != 'offline'",
                (root_id,),
            )

    def set_root_ok(self, root_id: int, volume: str | None = None) -> None:
        with self.transaction():
            self.db.execute(
                "UPDATE roots SET state = 'ok', volume = coalesce(?, volume) WHERE id = ?",
                (volume, root_id),
            )

    # What a scan compares and writes.

    def record(self, entries: Iterable[Record]) -> list[Change]:
        """Writes files that were read, new or changed, in one transaction.

        Returns the paths whose content became another sound, for UserData.follow. The words of
        the files are written by name_files. Raises ValueError for an unknown sound without facts.
        """
        changes = []
        with self.transaction():
            roots = {root.id: root for root in self.roots()}
            for entry in entries:
                change = self._record(roots[entry.root_id], entry)
                if change is not None:
                    changes.append(change)
        return [Change(path, old, new, self._lies_somewhere(old)) for path, old, new in changes]

    def _record(self, root: Root, entry: Record) -> tuple[bytes, bytes, bytes] | None:
        before = self.db.execute(
            "SELECT f.id, f.sound_id, s.identity FROM files f LEFT JOIN sounds s"
            " ON s.id = f.sound_id WHERE f.root_id = ? AND f.path = ?",
            (entry.root_id, entry.path),
        ).fetchone()
        old_sound, old_identity = (before[1], before[2]) if before else (None, None)
        sound_id = None
        if entry.identity is not None:
            same = entry.identity == old_identity
            sound_id = self._keep_sound(entry.identity, entry.facts, entry.tags, same)
        elif entry.state is State.ONLINE:
            sound_id = old_sound  # still what we knew
        values = (
            entry.size, entry.mtime_ns, entry.ends, sound_id, entry.state, entry.reason,
            int(entry.retry),
        )  # fmt: skip
        if before:
            self.db.execute(
                "UPDATE files SET size = ?, mtime_ns = ?, ends = ?, sound_id = ?, state = ?,"
                " reason = ?, retry = ?, named = named AND ? WHERE id = ?",
                (*values, sound_id == old_sound, before[0]),
            )
        else:
            self.db.execute(
                "INSERT INTO files (size, mtime_ns, ends, sound_id, state, reason, retry,"
                " root_id, path, name, folder, added, named) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,0)",
                (
                    *values, root.id, entry.path, display_text(os.path.basename(entry.path)),
                    display_folder(root, entry.path), time.time(),
                ),
            )  # fmt: skip
        if old_identity and entry.identity and old_identity != entry.identity:
            return os.path.join(root.path, entry.path), old_identity, entry.identity
        return None

    def _keep_sound(
        self,
        identity: bytes,
        facts: FactsLike | None,
        tags: Mapping[str, str] | None,
        same_file: bool,
    ) -> int:
        known = self.db.execute(
            "SELECT id, tags FROM sounds WHERE identity = ?", (identity,)
        ).fetchone()
        if known is None:
            if facts is None:
                raise ValueError("a new sound needs its facts")
            return self._insert_sound(identity, facts, tags or {})
        sound_id, old_text = known
        if tags is not None:
            # A copy adds its texts to the sound's; the file itself, edited, replaces them.
            text = _as_json(tags if same_file else {**json.loads(old_text), **tags})
            if text != old_text:
                self.db.execute("UPDATE sounds SET tags = ? WHERE id = ?", (text, sound_id))
                self.db.execute("UPDATE files SET named = 0 WHERE sound_id = ?", (sound_id,))
        return int(sound_id)

    def _insert_sound(self, identity: bytes, facts: FactsLike, tags: Mapping[str, str]) -> int:
        cursor = self.db.execute(
            "INSERT INTO sounds (identity, frames, samplerate, channels, seconds, sample_format,"
            " container, loudness, peak, onset, silent, tags) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                identity, facts.frames, facts.samplerate, facts.channels,
                facts.frames / facts.samplerate, facts.sample_format, facts.container,
                facts.loudness, facts.peak, facts.onset, int(facts.silent), _as_json(tags),
            ),
        )  # fmt: skip
        sound_id = cursor.lastrowid
        assert sound_id is not None
        self.db.execute("INSERT INTO envelopes VALUES (?, ?)", (sound_id, facts.envelope))
        return sound_id

    def _lies_somewhere(self, identity: bytes) -> bool:
        return (
            self.db.execute(
                "SELECT 1 FROM files WHERE sound_id = (SELECT id FROM sounds WHERE identity = ?)"
                " AND state != 'missing' LIMIT 1",
                (identity,),
            ).fetchone()
            is not None
        )

    def mark(self, file_ids: Iterable[int], state: State) -> None:
        """Missing, offline or online: nothing was read."""
        with self.transaction():
            self.db.executemany(
                "UPDATE files SET state = ? WHERE id = ?", ((state, i) for i in file_ids)
            )

    def bring_back(self, file_ids: Iterable[int]) -> None:
        """Files that were away and are there again, unchanged."""
        with self.transaction():
            self.db.executemany(
                f"UPDATE files SET state = {_STATE_BACK} WHERE id = ?", ((i,) for i in file_ids)
            )

    def touch(self, files: Iterable[tuple[int, int]]) -> None:
        """(file id, mtime in ns): another time, the same content."""
        with self.transaction():
            self.db.executemany(
                "UPDATE files SET mtime_ns = ? WHERE id = ?", ((mtime, i) for i, mtime in files)
            )

    def move(self, moves: Sequence[tuple[int, int, bytes, int]]) -> list[Change]:
        """(file id, root id, relative path, mtime in ns): known content at a new place.

        What was known at a place that another file takes over is forgotten; it comes back as a
        Change, since what a person said of a place follows the place.
        """
        if not moves:
            return []
        roots = {root.id: root for root in self.roots()}
        moving = {move[0] for move in moves}
        changes = []
        with self.transaction():
            # Out of each other's way first: a and b may have changed places.
            self.db.executemany(
                "UPDATE files SET path = CAST('/' || id AS BLOB) WHERE id = ?",
                ((i,) for i in moving),
            )
            for file_id, root_id, path, mtime_ns in moves:
                taken = self.db.execute(
                    "SELECT f.id, s.identity, f.state FROM files f LEFT JOIN sounds s"
                    " ON s.id = f.sound_id WHERE f.root_id = ? AND f.path = ?",
                    (root_id, path),
                ).fetchone()
                root = roots[root_id]
                if taken:
                    self.forget([taken[0]])
                    new = self.db.execute(
                        "SELECT s.identity FROM files f JOIN sounds s ON s.id = f.sound_id"
                        " WHERE f.id = ?",
                        (file_id,),
                    ).fetchone()
                    if taken[1] and new and new[0] != taken[1] and taken[2] != State.MISSING:
                        changes.append((os.path.join(root.path, path), taken[1], new[0]))
                self.db.execute(
                    "UPDATE files SET root_id = ?, path = ?, name = ?, folder = ?, mtime_ns = ?,"
                    f" named = 0, state = {_STATE_BACK} WHERE id = ?",
                    (
                        root_id, path, display_text(os.path.basename(path)),
                        display_folder(root, path), mtime_ns, file_id,
                    ),
                )  # fmt: skip
        return [Change(path, old, new, self._lies_somewhere(old)) for path, old, new in changes]

    def forget(self, file_ids: Iterable[int]) -> None:
        """Takes files out of the library; their sounds' facts stay."""
        with self.transaction():
            for file_id in file_ids:
                self.db.execute("DELETE FROM names WHERE rowid = ?", (file_id,))
                self.db.execute("DELETE FROM files WHERE id = ?", (file_id,))

    def name_files(self, words_of: WordsOf, batch: int = 1000) -> int:
        """Writes the words of files whose name, folder or texts are new; returns how many.

        words_of(name, folder, tags) -> Words; scan.naming.file_words is the one.
        """
        count = 0
        while True:
            with self.transaction():
                rows = self.db.execute(
                    "SELECT f.id, f.name, f.folder, s.tags FROM files f LEFT JOIN sounds s"
                    " ON s.id = f.sound_id WHERE f.named = 0 LIMIT ?",
                    (batch,),
                ).fetchall()
                for file_id, name, folder, tags in rows:
                    words = words_of(name, folder, json.loads(tags) if tags else {})
                    self.db.execute(
                        "INSERT OR REPLACE INTO names (rowid, name, folder, meta, ucs)"
                        " VALUES (?, ?, ?, ?, ?)",
                        (file_id, *words),
                    )
                self.db.executemany(
                    "UPDATE files SET named = 1 WHERE id = ?", ((row[0],) for row in rows)
                )
            count += len(rows)
            if len(rows) < batch:
                return count


def _as_json(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(tags), ensure_ascii=True, sort_keys=True)
