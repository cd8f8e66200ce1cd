"""A query's filters, phrases and exclusions as conditions of SQL."""

import json
import sqlite3
from collections.abc import Collection, Iterable

from soundsearch.audio.tags import split_words
from soundsearch.library.database import fold
from soundsearch.search.query import Filters, Query, Range

# Each folder is folded once, not once for each of its files.
_FOLDED_FOLDERS = (
    "WITH once AS MATERIALIZED (SELECT DISTINCT folder FROM files),"
    " known AS MATERIALIZED (SELECT folder, fold(folder) AS folded FROM once)"
    " SELECT folder FROM known"
)
SHOWN_STATES = "('ok', 'silent', 'offline', 'online')"


def prepare(db: sqlite3.Connection) -> None:
    """Gives a connection the function `fold` that `conditions` uses."""
    db.create_function("fold", 1, fold, deterministic=True)


def conditions(
    query: Query,
    chosen: Iterable[int] | None,
    excluded: Iterable[str] = (),
    hidden: Collection[int] = (),
) -> tuple[str, tuple[object, ...]]:
    """SQL behind WHERE … for a query's filters and phrases, on files f and sounds s of a connection
    that `prepare` saw.

    chosen: the sounds that tags and favourites leave, None: all. excluded: words and phrases, split
    already, that must not stand in a file's texts; hidden: sounds to leave out.
    """
    parts: list[str] = []
    values: list[object] = []
    for phrase in query.phrases:
        if split_words(phrase):
            parts.append("f.id IN (SELECT rowid FROM names WHERE names MATCH ?)")
            values.append(as_phrase(phrase))
    if text := any_of(excluded):
        parts.append("f.id NOT IN (SELECT rowid FROM names WHERE names MATCH ?)")
        values.append(text)
    if hidden:
        parts.append("f.sound_id NOT IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(sorted(hidden)))
    _filter_conditions(query.filters, parts, values)
    if chosen is not None:
        parts.append("f.sound_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps([int(i) for i in chosen]))
    return "".join(f" AND {part}" for part in parts), tuple(values)


def as_phrase(text: str) -> str:
    """A full-text expression for words that stand side by side in this order."""
    return '"' + " ".join(split_words(text)) + '"'


# Endings by which a container is known, too.
_CONTAINERS = {"aif": "aiff", "aifc": "aiff", "wave": "wav", "oga": "ogg"}


def any_of(texts: Iterable[str]) -> str:
    """A full-text expression for any of some words and phrases, which are split already."""
    return " OR ".join(f'"{text}"' for text in texts)


def _filter_conditions(filters: Filters, parts: list[str], values: list[object]) -> None:
    if filters.duration is not None:
        _range_condition("s.seconds", filters.duration, parts, values)
    for column, wanted in (("s.samplerate", filters.rates), ("s.channels", filters.channels)):
        if wanted:
            parts.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
    if filters.formats:
        # aif, aiff and the like: what the person types may be the ending or the container.
        either = "s.container = ? OR f.name LIKE ? ESCAPE '\\'"
        parts.append("(" + " OR ".join([either] * len(filters.formats)) + ")")
        for name in filters.formats:
            values.extend((_CONTAINERS.get(name, name), f"%.{_like(name)}"))
    if filters.folders:
        within = " OR ".join(["instr(folded, ?)"] * len(filters.folders))
        parts.append(f"f.folder IN ({_FOLDED_FOLDERS} WHERE {within})")
        values.extend(fold(folder) for folder in filters.folders)


def _range_condition(column: str, wanted: Range, parts: list[str], values: list[object]) -> None:
    if wanted.low is not None:
        parts.append(f"{column} {'>' if wanted.open_low else '>='} ?")
        values.append(wanted.low)
    if wanted.high is not None:
        parts.append(f"{column} {'<' if wanted.open_high else '<='} ?")
        values.append(wanted.high)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
