"""Finding by name: SQLite's full text for candidates, a vocabulary in memory for what was meant.

The name score is the share of the query's words that a file's texts hold, each word weighted by
its rarity in the library, by where it stands (file name, folder, metadata, UCS category) and by
how well it fits (the word itself, its beginning, a part of a longer word, one typo).
"""

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from soundsearch.audio.tags import split_words
from soundsearch.search.query import Filters, Query, Range

FIELDS = ("name", "folder", "meta", "ucs")
FIELD_WEIGHTS = (1.0, 0.8, 0.7, 0.6)
EXACT, BEGINNING, PART, TYPO = 1.0, 0.9, 0.75, 0.6
PREFIX_FROM = 3  # letters from which the last word also stands for longer ones
PART_FROM = 4
TYPO_FROM = 4
MOST_EXPANSIONS = 40  # vocabulary words that one query word may stand for, the most frequent ones
CANDIDATES = 1000  # files that are scored; of a word in more files than that, some are left out
SHOWN_STATES = "('ok', 'silent', 'offline', 'online')"
# fmt: off
STOP_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of",
    "on", "or", "some", "that", "the", "this", "to", "with",
))
# fmt: on


@dataclass(frozen=True)
class NameHit:
    """A file that holds words of the query. score: 0…1; found: query word → where it stands."""

    file_id: int
    sound_id: int
    score: float
    found: tuple[tuple[str, str], ...]
    words: tuple[str, ...]  # the words of the file's name that matched, to be marked
    all_found: bool
    path_length: int
    name: str


@dataclass(frozen=True)
class _Meant:
    """A word of the query with the vocabulary words that it stands for, and how well they fit."""

    word: str
    fits: dict[str, float]
    files: int
    rarity: float

    @property
    def match(self) -> str:
        return " OR ".join(f'"{term}"' for term in self.fits)


class Names:
    """Searches the `names` table of a library. One thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._version: tuple[int, int] | None = None
        self._files = 0
        self._counts: dict[str, int] = {}
        self._vocabulary: list[str] = []
        self._joined = ""

    def hits(
        self, query: Query, chosen: Iterable[int] | None = None, limit: int = CANDIDATES
    ) -> list[NameHit]:
        """Files that hold words of the query and pass its filters, best first, at most `limit`.

        chosen: sound ids that tags and favourites leave, None when they filter nothing.
        """
        self._refresh()
        meant = self._meanings(query)
        if not meant and not query.phrases:
            return []
        where, values = conditions(query, chosen)
        found = self._candidates(query, [m for m in meant if m.fits], where, values, limit)
        hits = [_score(row, meant, query.phrases) for row in found]
        hits.sort(key=lambda hit: (-hit.score, hit.path_length, hit.name, hit.file_id))
        return hits

    def allowed(self, query: Query, chosen: Iterable[int] | None = None) -> np.ndarray | None:
        """The sounds that filters, phrases and exclusions leave: int64 ids, sorted; None: all."""
        where, values = conditions(query, chosen)
        if not where:
            return None
        rows = self._db.execute(
            "SELECT DISTINCT f.sound_id FROM files f JOIN sounds s ON s.id = f.sound_id"
            f" WHERE f.state IN {SHOWN_STATES}{where} ORDER BY 1",
            values,
        )
        return np.array([row[0] for row in rows], np.int64)

    def browse(self, query: Query, chosen: Iterable[int] | None, limit: int) -> list[int]:
        """Sound ids in the order of their files' names."""
        where, values = conditions(query, chosen)
        rows = self._db.execute(
            "SELECT f.sound_id FROM files f JOIN sounds s ON s.id = f.sound_id"
            f" WHERE f.state IN {SHOWN_STATES}{where}"
            " ORDER BY f.name COLLATE NOCASE, f.folder, f.id LIMIT ?",
            (*values, 2 * limit),
        )
        return list(dict.fromkeys(row[0] for row in rows))[:limit]

    def _refresh(self) -> None:
        """Reads the vocabulary again when the database has changed."""
        version = (
            self._db.execute("PRAGMA data_version").fetchone()[0],
            self._db.total_changes,
        )
        if version == self._version:
            return
        self._version = version
        rows = self._db.execute("SELECT term, doc FROM names_vocab").fetchall()
        self._counts = dict(rows)
        self._vocabulary = list(self._counts)
        self._joined = "\n".join(["", *self._vocabulary, ""])
        self._files = self._db.execute("SELECT count(*) FROM names").fetchone()[0]

    def _meanings(self, query: Query) -> list[_Meant]:
        words = [word for text in query.words for word in split_words(text)]
        telling = [word for word in words if word not in STOP_WORDS] or words
        return [self._meaning(word, last=word is words[-1]) for word in dict.fromkeys(telling)]

    def _meaning(self, word: str, last: bool) -> _Meant:
        fits: dict[str, float] = {}
        if word in self._counts:
            fits[word] = EXACT
        longer: dict[str, float] = {}
        if last and len(word) >= PREFIX_FROM:
            longer |= dict.fromkeys(self._containing("\n" + word), BEGINNING)
        if len(word) >= PART_FROM:
            longer = dict.fromkeys(self._containing(word), PART) | longer
        if len(word) >= TYPO_FROM and not fits:
            near = process.extract(
                word,
                self._vocabulary,
                scorer=DamerauLevenshtein.distance,
                score_cutoff=1,
                limit=MOST_EXPANSIONS,
            )
            longer = {term: TYPO for term, _, _ in near} | longer
        best = sorted(longer.items(), key=lambda item: (-item[1], -self._counts[item[0]], item[0]))
        for term, fit in best[:MOST_EXPANSIONS]:
            fits.setdefault(term, fit)
        files = sum(self._counts[term] for term in fits)
        # The rarity of the word itself: what it may also stand for must not make it common.
        own = self._counts.get(word) or min(files, self._files)
        return _Meant(word, fits, files, math.log(1.0 + (self._files + 1) / (own + 1)))

    def _containing(self, part: str) -> Iterator[str]:
        """Vocabulary words that contain `part`; a leading newline means that they begin with it."""
        text = self._joined
        at = text.find(part)
        while at >= 0:
            begin = text.rfind("\n", 0, at + 1) + 1
            end = text.index("\n", at + 1)
            if end > begin:
                yield text[begin:end]
            at = text.find(part, end)

    def _candidates(
        self,
        query: Query,
        meant: list[_Meant],
        where: str,
        values: tuple[object, ...],
        limit: int,
    ) -> list[tuple[object, ...]]:
        """Rows to score: files that hold everything first, then those with the rarest words."""
        groups = sorted(meant, key=lambda m: m.files)
        asked: list[str] = []
        if len(groups) > 1:
            asked.append(" AND ".join(f"({m.match})" for m in groups))
        # Names are looked through before other texts, so that a cut leaves the better ones.
        for group in groups:
            asked += [f"name : ({group.match})", f"({group.match})"]
        if not groups:
            asked = [_phrase(phrase) for phrase in query.phrases[:1]]
        rows: dict[int, tuple[object, ...]] = {}
        for match in asked:
            if len(rows) >= limit:
                break
            found = self._db.execute(
                "SELECT f.id, f.sound_id, length(f.path), f.name,"
                " n.name, n.folder, n.meta, n.ucs"
                " FROM names n JOIN files f ON f.id = n.rowid JOIN sounds s ON s.id = f.sound_id"
                f" WHERE names MATCH ? AND f.state IN {SHOWN_STATES}{where} LIMIT ?",
                (match, *values, limit),
            )
            for row in found:
                if len(rows) >= limit:
                    break
                rows.setdefault(row[0], row)
        return list(rows.values())


def _score(row: tuple, meant: list[_Meant], phrases: tuple[str, ...]) -> NameHit:  # type: ignore[type-arg]
    file_id, sound_id, path_length, name, *texts = row
    fields = [text.split() for text in texts]
    reached = total = 0.0
    found: list[tuple[str, str]] = []
    marked: list[str] = [word for phrase in phrases for word in split_words(phrase)]
    for group in meant:
        best, where = 0.0, ""
        for words, field_weight, field in zip(fields, FIELD_WEIGHTS, FIELDS, strict=True):
            for word in words:
                fit = group.fits.get(word)
                if fit is None:
                    continue
                if field == "name":
                    marked.append(word)
                if fit * field_weight > best:
                    best, where = fit * field_weight, field
        total += group.rarity
        if best:
            reached += group.rarity * best
            found.append((group.word, where))
    # A phrase is a condition: every candidate holds it.
    score = reached / total if total else 1.0
    return NameHit(
        file_id=file_id,
        sound_id=sound_id,
        score=score,
        found=tuple(found),
        words=tuple(dict.fromkeys(marked)),
        all_found=len(found) == len(meant),
        path_length=path_length,
        name=name,
    )


def _phrase(text: str) -> str:
    return '"' + " ".join(split_words(text)) + '"'


def conditions(query: Query, chosen: Iterable[int] | None) -> tuple[str, tuple[object, ...]]:
    """SQL behind WHERE … for a query's filters, phrases and exclusions, on files f and sounds s."""
    parts: list[str] = []
    values: list[object] = []
    for phrase in query.phrases:
        if split_words(phrase):
            parts.append("f.id IN (SELECT rowid FROM names WHERE names MATCH ?)")
            values.append(_phrase(phrase))
    for text in query.excluded:
        if split_words(text):
            parts.append("f.id NOT IN (SELECT rowid FROM names WHERE names MATCH ?)")
            values.append(_phrase(text))
    _filter_conditions(query.filters, parts, values)
    if chosen is not None:
        parts.append("f.sound_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps([int(i) for i in chosen]))
    return "".join(f" AND {part}" for part in parts), tuple(values)


def _filter_conditions(filters: Filters, parts: list[str], values: list[object]) -> None:
    if filters.duration is not None:
        _range_condition("s.seconds", filters.duration, parts, values)
    for column, wanted in (("s.samplerate", filters.rates), ("s.channels", filters.channels)):
        if wanted:
            parts.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
    if filters.formats:
        # aif, aiff and the like: what the person types may be the ending or the container.
        parts.append(
            "("
            + " OR ".join(
                "s.container = ? OR lower(f.name) LIKE ? ESCAPE '\\'" for _ in filters.formats
            )
            + ")"
        )
        for name in filters.formats:
            values.extend((name, f"%.{_like(name)}"))
    if filters.folders:
        parts.append(
            "(" + " OR ".join("f.folder LIKE ? ESCAPE '\\'" for _ in filters.folders) + ")"
        )
        values.extend(f"%{_like(folder)}%" for folder in filters.folders)


def _range_condition(column: str, wanted: Range, parts: list[str], values: list[object]) -> None:
    if wanted.low is not None:
        parts.append(f"{column} {'>' if wanted.open_low else '>='} ?")
        values.append(wanted.low)
    if wanted.high is not None:
        parts.append(f"{column} {'<' if wanted.open_high else '<='} ?")
        values.append(wanted.high)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
