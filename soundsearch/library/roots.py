"""The folders of a library: adding, taking out, and telling that they stand elsewhere.

Folders are compared by device and inode where they exist, so that symlinks, letter case and
several names of one place don't matter; else by their absolute path.
"""

import contextlib
import os
import re
import sqlite3
import sys
import time
from pathlib import Path

from soundsearch.errors import UserError
from soundsearch.library.rows import Root, display_folder, display_text

_SEPARATOR = os.fsencode(os.sep)
_Key = tuple[int, int]


def all_roots(db: sqlite3.Connection) -> list[Root]:
    rows = db.execute("SELECT id, path, volume, state, added FROM roots ORDER BY path")
    return [Root(*row) for row in rows]


def add(db: sqlite3.Connection, path: bytes | str, data: Path) -> Root:
    folder = _absolute(path)
    if not os.path.isdir(folder):
        what = "is not a folder" if os.path.exists(folder) else "does not exist"
        raise UserError(f"{display_text(folder)} {what}", "Give a folder of sounds")
    above = _lineage(folder)
    if data.exists() and _key(os.fsencode(data)) == above[0]:
        raise UserError(f"{display_text(folder)} is SoundSearch's own data folder")
    roots = all_roots(db)
    for root in roots:
        key = _key(root.path)
        if (key is not None and key in above) or relative_to(folder, root.path) is not None:
            return root
    root_id = insert(db, folder)
    for child in roots:
        inside = _path_inside(child.path, folder, above[0])
        if inside:
            _move_rows(db, child.id, b"", root_id, inside)
            db.execute("DELETE FROM roots WHERE id = ?", (child.id,))
    return next(root for root in all_roots(db) if root.id == root_id)


def insert(db: sqlite3.Connection, path: bytes) -> int:
    cursor = db.execute(
        "INSERT INTO roots (path, volume, state, added) VALUES (?, ?, 'ok', ?)",
        (path, volume_of(path), time.time()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def remove(db: sqlite3.Connection, path: bytes | str) -> None:
    folder = _absolute(path)
    root = _root_at(db, folder)
    if root is None:
        for other in all_roots(db):
            if relative_to(folder, other.path):
                raise UserError(
                    f"{display_text(folder)} is part of {display_text(other.path)}",
                    "Remove that folder, or exclude this one in the settings",
                )
        raise UserError(f"{display_text(folder)} is not in the library", _known_roots(db))
    own = {"root": root.id}
    for table, rows in _OF_ROOT.items():
        # Until the connection ends; ids are never used again, so that all fits back.
        empty = f"removed_{table} AS SELECT {rows} AND false"
        db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {empty}", own)
        db.execute(f"INSERT INTO removed_{table} SELECT {rows}", own)
    db.execute(
        "DELETE FROM names WHERE rowid IN (SELECT id FROM files WHERE root_id = ?)", (root.id,)
    )
    db.execute("DELETE FROM files WHERE root_id = ?", (root.id,))
    db.execute("DELETE FROM roots WHERE id = ?", (root.id,))


_OF_ROOT = {
    "names": "rowid AS rowid_, name, folder, meta, ucs FROM main.names"
    " WHERE rowid IN (SELECT id FROM main.files WHERE root_id = :root)",
    "files": "* FROM main.files WHERE root_id = :root",
    "roots": "* FROM main.roots WHERE id = :root",
}


def bring_back(db: sqlite3.Connection, path: bytes | str) -> bool:
    """Puts a root back that this connection removed, with all that was known of its files."""
    if not db.execute("SELECT 1 FROM temp.sqlite_schema WHERE name = 'removed_roots'").fetchone():
        return False
    folder = _absolute(path)
    row = db.execute("SELECT id FROM removed_roots WHERE path = ?", (folder,)).fetchone()
    if row is None:
        return False
    free = not any(
        relative_to(folder, other.path) is not None or relative_to(other.path, folder) is not None
        for other in all_roots(db)
    )
    if free:
        db.execute("INSERT INTO roots SELECT * FROM removed_roots WHERE id = ?", row)
        db.execute(
            "INSERT INTO names (rowid, name, folder, meta, ucs) SELECT * FROM removed_names"
            " WHERE rowid_ IN (SELECT id FROM removed_files WHERE root_id = ?)",
            row,
        )
        db.execute("INSERT INTO files SELECT * FROM removed_files WHERE root_id = ?", row)
    db.execute(
        "DELETE FROM removed_names WHERE rowid_ IN"
        " (SELECT id FROM removed_files WHERE root_id = ?)",
        row,
    )
    db.execute("DELETE FROM removed_files WHERE root_id = ?", row)
    db.execute("DELETE FROM removed_roots WHERE id = ?", row)
    return free


def relocate(db: sqlite3.Connection, old: bytes | str, new: bytes | str) -> None:
    old_folder, new_folder = _absolute(old), _absolute(new)
    source = _holder(db, old_folder)
    if source is None:
        raise UserError(f"{display_text(old_folder)} is not in the library", _known_roots(db))
    root, prefix = source
    if prefix and not _any_below(db, root.id, prefix):
        raise UserError(f"No file of {display_text(old_folder)} is in the library")
    target = _holder(db, new_folder)
    if target is not None and (target[0].id != root.id or prefix):
        _move_rows(db, root.id, prefix, target[0].id, target[1])
        if not prefix:
            db.execute("DELETE FROM roots WHERE id = ?", (root.id,))
        return
    if not prefix:
        db.execute(
            "UPDATE roots SET path = ?, volume = ?, state = 'ok' WHERE id = ?",
            (new_folder, volume_of(new_folder), root.id),
        )
        _move_rows(db, root.id, b"", root.id, b"")
        root_id = root.id
    else:
        root_id = insert(db, new_folder)
        _move_rows(db, root.id, prefix, root_id, b"")
    above = _lineage(new_folder)
    for child in all_roots(db):
        inside = _path_inside(child.path, new_folder, above[0]) if above else None
        if child.id != root_id and inside:
            _move_rows(db, child.id, b"", root_id, inside)
            db.execute("DELETE FROM roots WHERE id = ?", (child.id,))


def salvage(file: Path) -> list[bytes]:
    """The roots' paths that can still be read from a damaged library."""
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
        db = sqlite3.connect(file.absolute().as_uri() + "?mode=ro", uri=True)
        try:
            return [bytes(row[0]) for row in db.execute("SELECT path FROM roots ORDER BY id")]
        finally:
            db.close()
    return []


def relative_to(path: bytes, folder: bytes) -> bytes | None:
    """b"" for the folder itself, None for what isn't in it. By text alone."""
    if path == folder:
        return b""
    start = folder if folder.endswith(_SEPARATOR) else folder + _SEPARATOR
    return path[len(start) :] if path.startswith(start) else None


def volume_of(path: bytes) -> str:
    """What tells the volume of a folder from others, also when it is mounted elsewhere; or "".

    Windows: the volume's serial number. Linux: the file system's UUID. Elsewhere unknown.
    """
    try:
        device = os.stat(path).st_dev
    except OSError:
        return ""
    if sys.platform == "win32":
        return f"{device:x}"
    with contextlib.suppress(OSError), os.scandir("/dev/disk/by-uuid") as entries:
        for entry in entries:
            if entry.stat().st_rdev == device:
                return entry.name
    return ""


def mounted() -> list[tuple[bytes, str]]:
    """(mount point or drive, its volume as by volume_of) of what is mounted and can be told apart.

    Linux and Windows; elsewhere nothing is known of volumes.
    """
    if sys.platform == "win32":
        import ctypes

        drives = ctypes.windll.kernel32.GetLogicalDrives()
        places = [f"{chr(65 + n)}:\\".encode() for n in range(26) if drives >> n & 1]
    else:
        places = []
        with contextlib.suppress(OSError), open("/proc/self/mountinfo", "rb") as mounts:
            places = [_unescaped(line.split(b" ")[4]) for line in mounts]
    found = ((place, volume_of(place)) for place in places)
    return [(place, volume) for place, volume in found if volume]


def _unescaped(path: bytes) -> bytes:
    """A path of mountinfo, in which white space and backslashes are octal numbers."""
    return re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), path)


def _absolute(path: bytes | str) -> bytes:
    return os.path.abspath(os.path.expanduser(os.fsencode(path)))


def _key(path: bytes) -> _Key | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _lineage(path: bytes) -> list[_Key]:
    """Device and inode of a folder and of those above it, nearest first; [] when it is away."""
    real = os.path.realpath(path)
    keys = []
    while True:
        key = _key(real)
        if key is None:
            return []
        keys.append(key)
        above = os.path.dirname(real)
        if above == real:
            return keys
        real = above


def _path_inside(path: bytes, folder: bytes, key: _Key) -> bytes | None:
    """The relative path of `path` in a folder with this key, None when it lies elsewhere."""
    real = os.path.realpath(path)
    above = _lineage(path)
    if key in above:
        depth = above.index(key)
        return _SEPARATOR.join(real.split(_SEPARATOR)[-depth:]) if depth else b""
    return relative_to(path, folder)


def _root_at(db: sqlite3.Connection, folder: bytes) -> Root | None:
    key = _key(folder)
    roots = all_roots(db)
    by_text = next((root for root in roots if root.path == folder), None)
    if by_text or key is None:
        return by_text
    return next((root for root in roots if _key(root.path) == key), None)


def _holder(db: sqlite3.Connection, folder: bytes) -> tuple[Root, bytes] | None:
    """The root that holds a folder, by text, and the folder's path in it."""
    exact = _root_at(db, folder)
    if exact is not None:
        return exact, b""
    for root in all_roots(db):
        inside = relative_to(folder, root.path)
        if inside:
            return root, inside
    return None


def _known_roots(db: sqlite3.Connection) -> str:
    roots = [display_text(root.path) for root in all_roots(db)]
    return "Its folders are: " + ", ".join(roots) if roots else "It has no folders yet"


def _below(prefix: bytes) -> tuple[bytes, bytes]:
    """Bounds of the relative paths in a folder."""
    return prefix + _SEPARATOR, prefix + bytes([_SEPARATOR[0] + 1])


def _any_below(db: sqlite3.Connection, root_id: int, prefix: bytes) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM files WHERE root_id = ? AND path > ? AND path < ? LIMIT 1",
            (root_id, *_below(prefix)),
        ).fetchone()
        is not None
    )


def _move_rows(
    db: sqlite3.Connection, from_root: int, prefix: bytes, to_root: int, inside: bytes
) -> None:
    """Files below `prefix` of one root become files below `inside` of another (or the same).

    Where both know a path, the target's row stays. Names are written anew by the next scan.
    """
    where, bounds = "root_id = ?", [from_root]
    if prefix:
        where, bounds = "root_id = ? AND path > ? AND path < ?", [from_root, *_below(prefix)]  # type: ignore[list-item]
    rows = db.execute(f"SELECT id, path FROM files WHERE {where}", bounds).fetchall()
    root = next(root for root in all_roots(db) if root.id == to_root)
    for file_id, path in rows:
        rest = path[len(prefix) + 1 :] if prefix else path
        place = os.path.join(inside, rest) if inside else rest
        known = db.execute(
            "SELECT id FROM files WHERE root_id = ? AND path = ?", (to_root, place)
        ).fetchone()
        if known and known[0] != file_id:
            db.execute("DELETE FROM names WHERE rowid = ?", (file_id,))
            db.execute("DELETE FROM files WHERE id = ?", (file_id,))
            continue
        folder = display_folder(root, place)
        db.execute(
            "UPDATE files SET root_id = ?, path = ?, named = named AND folder = ?, folder = ?,"
            " state = CASE state WHEN 'offline' THEN CASE WHEN sound_id IS NULL THEN 'failed'"
            " ELSE (SELECT CASE silent WHEN 0 THEN 'ok' ELSE 'silent' END FROM sounds"
            " WHERE sounds.id = sound_id) END ELSE state END WHERE id = ?",
            (to_root, place, folder, folder, file_id),
        )
