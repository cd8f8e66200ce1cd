"""Reading the library: what scans compare with, and what results and lists show."""

import json
import os
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from soundsearch.library import roots as folders
from soundsearch.library.rows import (
    Failure,
    FileRow,
    KnownFile,
    Root,
    Sound,
    State,
)

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


class Contents:
    """What stands in a library's database. One thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def roots(self) -> list[Root]:
        return folders.all_roots(self.db)

    def root(self, root_id: int) -> Root:
        return next(root for root in self.roots() if root.id == root_id)

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

    # Sounds and results.

    def sound_by_identity(self, identity: bytes) -> Sound | None:
        row = self.db.execute(
            f"SELECT {_SOUND} FROM sounds s WHERE identity = ?", (identity,)
        ).fetchone()
        return Sound._make(row) if row else None

    def sound_identities(self, after: int = -1) -> tuple["array[int]", bytes]:
        """All sounds, or those that came after one (an id): ids (N,) int64, and their identities,
        16 bytes each in one string. Sounds stay, so what was read once holds.

        Sorted by identity. For NumPy: np.frombuffer(ids, np.int64) and
        np.frombuffer(identities, "V16"). About 0.2 s for 300,000.
        """
        where = f"WHERE id > {after}" if after >= 0 else ""  # without: the index has all
        rows = self.db.execute(
            f"SELECT id, identity FROM sounds {where} ORDER BY identity"
        ).fetchall()
        return array("q", (row[0] for row in rows)), b"".join([row[1] for row in rows])

    def present_identities(self) -> list[bytes]:
        """Of the sounds that lie somewhere."""
        rows = self.db.execute(
            "SELECT identity FROM sounds WHERE id IN (SELECT sound_id FROM files)"
        )
        return [row[0] for row in rows]

    def sound_lengths(self) -> dict[bytes, float]:
        """Identity → seconds, of the sounds that lie somewhere and aren't silent."""
        rows = self.db.execute(
            "SELECT identity, seconds FROM sounds"
            " WHERE NOT silent AND id IN (SELECT sound_id FROM files)"
        )
        return dict(rows.fetchall())

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
