"""Opening SQLite files: journal mode, damage, versions. The one door for both databases."""

import contextlib
import os
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from soundsearch.errors import UserError

Migration = Callable[[sqlite3.Connection], None]

# What SQLite says of a file whose content is broken; anything else is no reason to set it aside.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DamagedError(Exception):
    """The file is no database, or its content is broken."""


def is_damage(error: BaseException) -> bool:
    """Whether a file's content is broken: SQLite says so, or texts or tables of ours are gone."""
    if isinstance(error, UnicodeDecodeError):
        return True  # Python could not even read SQLite's complaint, which quotes the content
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", None)  # absent where Python itself complains
    if code is not None and code & 0xFF in _DAMAGE:
        return True
    return any(text in str(error) for text in ("Could not decode to UTF-8", "no such table"))


def advice(error: sqlite3.Error, file: Path) -> UserError | None:
    """What a person can do about an error, or None where it is our fault."""
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return UserError(f"There is no room left for {file}", "Make room on its disk")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return UserError(f"{file} can't be written ({error})", "Look after its disk")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UserError(f"{file} is in use by another program", "Close it and try again")
    return None


def open_database(
    file: Path, migrations: Sequence[Migration], write: bool, wal: bool = True
) -> sqlite3.Connection:
    """Opens a database; a writer also creates it and brings it to the newest version.

    wal: readers go on while one writes; else a plain journal, always on disk when a write returns.

    The connection commits by itself outside of `transaction`. One thread at a time may use it.
    Raises DamagedError, and UserError for a version that is newer than this program, for a file
    that a reader finds too old or missing, and for a folder that can't be written.
    """
    db = None
    try:
        db = _connect(file, write)
        _refuse_newer(db, file, len(migrations))
        if write and wal:
            _choose_journal(db)
        _check(db)
        _bring_up_to_date(db, file, migrations, write)
        if not write:
            db.execute("PRAGMA query_only = 1")
    except BaseException as error:
        if db is not None:
            db.close()
        if is_damage(error):
            raise DamagedError(str(error)) from error
        if isinstance(error, sqlite3.Error):
            raise advice(error, file) or UserError(f"{file} can't be used ({error})") from error
        raise
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of the block or nothing; blocks may stand inside each other. Raises UserError for a full
    disk and the like (see advice)."""
    if db.in_transaction:
        yield db
        return
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    except BaseException as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            told = _advice_for(db, error)
            if told is not None:
                raise told from error
        raise


def _advice_for(db: sqlite3.Connection, error: sqlite3.Error) -> UserError | None:
    file = Path(db.execute("PRAGMA database_list").fetchone()[2])
    read_only = getattr(error, "sqlite_errorcode", -1) & 0xFF == sqlite3.SQLITE_READONLY
    # Writing where only reading was asked for would be a fault of ours.
    if read_only and not db.execute("PRAGMA query_only").fetchone()[0]:
        return UserError(f"{file} can't be written: it is read-only", "Allow writing to it")
    return advice(error, file)


def set_aside(file: Path) -> Path:
    """Renames a damaged database with its journals; returns its new place."""
    aside = file.with_name(f"{file.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{file.suffix}")
    number = 1
    while aside.exists():
        number += 1
        aside = aside.with_name(f"{file.stem}.damaged-{number}{file.suffix}")
    os.replace(file, aside)
    for journal in ("-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{file}{journal}", f"{aside}{journal}")
    return aside


def copy_database(db: sqlite3.Connection, to: Path) -> None:
    """A consistent copy, complete or not there at all."""
    unfinished = to.with_name(to.name + ".part")
    unfinished.unlink(missing_ok=True)
    target = sqlite3.connect(unfinished)
    try:
        db.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    finally:
        target.close()
    os.replace(unfinished, to)


def fold(text: str) -> str:
    """Text without case, for comparing: "GRÖSSE" and "Größe" are the same, composed or not."""
    return unicodedata.normalize("NFC", text).casefold()


def _connect(file: Path, write: bool) -> sqlite3.Connection:
    if not write and not file.exists():
        raise UserError("There is no library yet", "Scan a folder first: soundsearch scan FOLDER")
    if write:
        return _connection(file.absolute().as_uri() + "?mode=rwc")
    last: Exception | None = None
    # A reader of a WAL database writes its shared memory; on a read-only disk that can't be.
    for mode in ("mode=rw", "mode=ro", "mode=ro&immutable=1"):
        try:
            return _connection(f"{file.absolute().as_uri()}?{mode}")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_damage(error):
                raise
            last = error
    assert last is not None
    raise last


def _connection(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA cache_size = -32000")
        db.execute("PRAGMA foreign_keys = 0")
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # opening alone reads nothing
    except BaseException:
        db.close()
        raise
    return db


def _choose_journal(db: sqlite3.Connection) -> None:
    """WAL, so that readers go on during a scan; a plain journal where WAL can't work.

    Network drives accept the pragma and fail at the first write, therefore one is tried.
    """
    try:
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        _probe(db)
        if mode == "wal":
            db.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.OperationalError:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("PRAGMA journal_mode = DELETE")
        _probe(db)


def _probe(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute(f"PRAGMA user_version = {version}")
    db.execute("COMMIT")


def _check(db: sqlite3.Connection) -> None:
    """A quick look at both ends of every table; reading all would take too long at each start."""
    tables = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " AND sql NOT LIKE '%WITHOUT ROWID%' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    for (table,) in tables:
        for order in ("ASC", "DESC"):
            db.execute(f'SELECT * FROM "{table}" ORDER BY rowid {order} LIMIT 1').fetchone()


def _refuse_newer(db: sqlite3.Connection, file: Path, newest: int) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise UserError(
            f"{file} was made by a newer SoundSearch (version {version}, known here: {newest})",
            "Update SoundSearch, or choose another data folder with --data DIR",
        )


def _bring_up_to_date(
    db: sqlite3.Connection, file: Path, migrations: Sequence[Migration], write: bool
) -> None:
    newest = len(migrations)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == newest:
        return
    if not write:
        raise UserError(
            f"{file} was made by an older SoundSearch" if version else f"{file} is still empty",
            "Run soundsearch scan once",
        )
    if version:
        copy_database(db, file.with_name(f"{file.stem}.before-{newest}{file.suffix}"))
    for number in range(version, newest):
        with transaction(db):
            if db.execute("PRAGMA user_version").fetchone()[0] > number:
                continue  # another process was faster
            migrations[number](db)
            db.execute(f"PRAGMA user_version = {number + 1}")
