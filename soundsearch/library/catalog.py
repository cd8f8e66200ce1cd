"""library.db: which files lie where, and which sounds they hold.

A cache of what the folders contain. One process writes, under the data folder's lock; readers
need none.
"""

import contextlib
import json
import os
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError
from soundsearch.library import roots as folders
from soundsearch.library.database import (
    DamagedError,
    is_damage,
    open_database,
    set_aside,
    transaction,
)
from soundsearch.library.lock import DataLock
from soundsearch.library.rows import (
    Change,
    FactsLike,
    Failure,
    FileRow,
    KnownFile,
    Record,
    Root,
    Sound,
    State,
    Words,
    display_folder,
    display_text,
)
from soundsearch.library.schema import LIBRARY_MIGRATIONS

WordsOf = Callable[[str, str, Mapping[str, str]], Words]

_DAMAGED = "The library's database is damaged"
_SOUND = (
    "s.id, s.identity, s.frames, s.samplerate, s.channels, s.seconds, s.sample_format,"
    " s.container, s.loudness, s.peak, s.onset, s.silent"
)
_FILE = (
    "f.id, f.root_id, r.path, f.path, f.name, f.folder, f.size, f.mtime_ns, f.state, f.reason,"
    " f.sound_id, s.identity, s.frames, s.samplerate, s.channels, s.seconds, s.sample_format,"
    " s.container, s.loudness, s.peak, s.onset"
    " FROM files f JOIN roots r ON r.id = f.root_id LEFT JOIN sounds s ON s.id = f.sound_id"
)
# What a file is again when it comes back unchanged.
_STATE_BACK = (
    "CASE WHEN sound_id IS NULL THEN 'failed' ELSE"
    " (SELECT CASE silent WHEN 0 THEN 'ok' ELSE 'silent' END FROM sounds WHERE id = sound_id) END"
)


class Library:
    """The library of one data folder. A context manager; one thread at a time.

    db: the connection, which refuses to write when opened for reading. notice: what the person
    should be told about opening it, or "".
    """

    def __init__(self, data: Path, db: sqlite3.Connection, lock: DataLock | None) -> None:
        self.data = data
        self.db = db
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
        damaged = isinstance(error, sqlite3.Error) and is_damage(error)
        self.close()
        if damaged:
            # The next writer sets it aside; found in use, for opening looks at the ends only.
            with contextlib.suppress(OSError):
                (self.data / "library.damaged").touch()
            raise UserError(_DAMAGED, "Run soundsearch scan: it is built again") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes or none."""
        with transaction(self.db):
            yield

    # Roots.

    def roots(self) -> list[Root]:
        return folders.all_roots(self.db)

    def root(self, root_id: int) -> Root:
        return next(root for root in self.roots() if root.id == root_id)

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

    def known_files(self, root_id: int) -> dict[bytes, KnownFile]:
        """All files of a root by their relative path."""
        rows = self.db.execute(
            "SELECT id, path, size, mtime_ns, state, sound_id, retry,"
            " sound_id IS NOT NULL OR reason != '' FROM files WHERE root_id = ?",
            (root_id,),
        )
        return {row[1]: KnownFile._make(row) for row in rows}

    def ends(self, file_ids: Sequence[int]) -> dict[int, bytes | None]:
        """The hash of the first and last 64 KiB of files, as recorded."""
        rows = self.db.execute(
            "SELECT id, ends FROM files WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(file_ids)),),
        )
        return dict(rows)

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

    # Sounds and results.

    def sound_by_identity(self, identity: bytes) -> Sound | None:
        row = self.db.execute(
            f"SELECT {_SOUND} FROM sounds s WHERE identity = ?", (identity,)
        ).fetchone()
        return Sound._make(row) if row else None

    def sound_identities(self) -> tuple["array[int]", bytes]:
        """All sounds: ids (N,) int64, and their identities, 16 bytes each in one string.

        Sorted by identity. For NumPy: np.frombuffer(ids, np.int64) and
        np.frombuffer(identities, "V16"). About 0.2 s for 300,000.
        """
        rows = self.db.execute("SELECT id, identity FROM sounds ORDER BY identity").fetchall()
        return array("q", (row[0] for row in rows)), b"".join([row[1] for row in rows])

    def files(self, file_ids: Sequence[int]) -> dict[int, FileRow]:
        """Files with the facts of their sounds, by id; ids that don't exist are left out."""
        rows = self.db.execute(
            f"SELECT {_FILE} WHERE f.id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(file_ids)),),
        )
        return {row[0]: FileRow._make(row) for row in rows}

    def places(self, sound_ids: Sequence[int]) -> dict[int, list[FileRow]]:
        """All files of each sound, those that can be opened first, then by length of the path.

        Sounds that lie nowhere are left out.
        """
        rows = self.db.execute(
            f"SELECT {_FILE} WHERE f.sound_id IN (SELECT value FROM json_each(?))"
            " ORDER BY f.state NOT IN ('ok', 'silent'), length(r.path) + length(f.path),"
            " f.name, f.id",
            (json.dumps(list(sound_ids)),),
        )
        found: dict[int, list[FileRow]] = {}
        for row in rows:
            place = FileRow._make(row)
            assert place.sound_id is not None
            found.setdefault(place.sound_id, []).append(place)
        return found

    def places_of(self, identities: Iterable[bytes]) -> dict[bytes, bytes]:
        """The best place (absolute path) of sounds by identity; unknown ones are left out."""
        ids = [sound.id for i in identities if (sound := self.sound_by_identity(i)) is not None]
        best = (rows[0] for rows in self.places(ids).values())
        return {row.identity: row.place for row in best if row.identity is not None}

    def file_at(self, path: bytes | str) -> FileRow | None:
        """The file at an absolute path, if the library knows it."""
        path = os.path.abspath(os.fsencode(path))
        for root in self.roots():
            relative = folders.relative_to(path, root.path)
            if relative:
                row = self.db.execute(
                    f"SELECT {_FILE} WHERE f.root_id = ? AND f.path = ?", (root.id, relative)
                ).fetchone()
                if row:
                    return FileRow._make(row)
        return None

    def envelope(self, sound_id: int) -> bytes | None:
        """int8 triples (minimum, maximum, RMS; 127 = full scale), row-major (points, 3)."""
        row = self.db.execute(
            "SELECT points FROM envelopes WHERE sound_id = ?", (sound_id,)
        ).fetchone()
        return row[0] if row else None

    def tags(self, sound_id: int) -> dict[str, str]:
        """Every text found in the sound's files."""
        row = self.db.execute("SELECT tags FROM sounds WHERE id = ?", (sound_id,)).fetchone()
        return json.loads(row[0]) if row else {}

    # What `library` and `failures` show.

    def counts(self) -> dict[str, Any]:
        """{"roots": [{"path" bytes, "state", "files"}], "files", "sounds", "states": {…}}."""
        by_root: dict[int, int] = {}
        states: dict[str, int] = {}
        for root_id, state, count in self.db.execute(
            "SELECT root_id, state, count(*) FROM files GROUP BY root_id, state"
        ):
            by_root[root_id] = by_root.get(root_id, 0) + count
            states[state] = states.get(state, 0) + count
        return {
            "roots": [
                {"path": root.path, "state": root.state, "files": by_root.get(root.id, 0)}
                for root in self.roots()
            ],
            "files": sum(states.values()),
            "sounds": self.db.execute("SELECT count(DISTINCT sound_id) FROM files").fetchone()[0],
            "states": {str(s): states[s] for s in State if s in states},
        }

    def failures(self) -> list[Failure]:
        """Files that can't be used, by path."""
        rows = self.db.execute(
            "SELECT r.path, f.path, f.reason, f.retry FROM files f JOIN roots r"
            " ON r.id = f.root_id WHERE f.state = 'failed' ORDER BY r.path, f.path"
        )
        return [
            Failure(os.path.join(root, path), reason, bool(retry))
            for root, path, reason, retry in rows
        ]


def _as_json(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(tags), ensure_ascii=True, sort_keys=True)
