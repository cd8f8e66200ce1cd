"""Finding by name: SQLite's full text for candidates, a vocabulary in memory for what was meant.

The name score is the share of the query's words that a file's texts hold, each word weighted by
its rarity in the library, by where it stands (file name, tags, folder, metadata, UCS category)
and by how well it fits (the word itself, a form or the beginning of it, a part, one typo).
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from soundsearch.audio.tags import split_words
from soundsearch.search.filters import SHOWN_STATES, any_of, as_phrase, conditions, prepare
from soundsearch.search.query import Query
from soundsearch.search.scoring import NameHit, Row, Scorer, Tagged
from soundsearch.search.vocabulary import HELD, Meaning, Vocabulary

# Files whose texts are read and scored. When more hold the words, those with the most and rarest
# words in their names are taken, among equal ones those that came into the library first.
CANDIDATES = 400
GATHERED = 4_000  # files among which the candidates are chosen, those of the rarest words first
# fmt: off
STOP_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "into", "is", "it", "its", "of",
    "on", "or", "some", "that", "the", "this", "to", "with",
))
# fmt: on


@dataclass(frozen=True)
class NameHits:
    """hits: the best first. complete: no file that holds a word was left out."""

    hits: tuple[NameHit, ...] = ()
    complete: bool = True


_ROW = (
    "SELECT f.id, f.sound_id, f.root_id, length(f.path), f.name, n.name, n.folder, n.meta, n.ucs"
    " FROM files f JOIN names n ON n.rowid = f.id"
    f" WHERE f.sound_id IS NOT NULL AND f.state IN {SHOWN_STATES}"
)


class Names:
    """Searches the `names` table of a library. One thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        prepare(db)
        self._version: tuple[int, int] | None = None
        self._vocabulary = Vocabulary(db)
        self._hidden = np.empty(0, np.int64)
        self._root_lengths: dict[int, int] = {}
        self._passing: tuple[object, np.ndarray, np.ndarray] | None = None

    def hits(
        self, query: Query, chosen: Iterable[int] | None = None, tagged: Tagged | None = None
    ) -> NameHits:
        """Files that hold words of the query and pass its filters, at most CANDIDATES.

        chosen: the sounds that tags and favourites leave, None when they filter nothing. tagged:
        the sounds whose tags hold a word of the query, by word.
        """
        self._refresh()
        meanings = self._meanings(query)
        if not meanings and not query.phrases:
            return NameHits()
        passing = self._passing_files(query, chosen)
        if passing is not None and len(passing) <= CANDIDATES:
            ids, complete = passing, True
        else:
            ids, complete = self._candidates(query, meanings, passing)
        scorer = self._scorer(query, tagged or {})
        found = [scorer.score(row) for row in self._rows("f.id", ids)]
        if tagged:
            asked = (tagged.get(meaning.word, frozenset()) for meaning in meanings)
            sounds = sorted(frozenset[int]().union(*asked))[:CANDIDATES]
            known = set(ids.tolist())
            rows = self._rows("f.sound_id", sounds, passing)
            found += [scorer.score(row) for row in rows if row.file_id not in known]
        hits = [hit for hit in found if hit is not None and hit.score]
        return NameHits(tuple(sorted(hits, key=lambda hit: hit.order)), complete)

    def score(
        self,
        query: Query,
        sound_ids: Sequence[int],
        chosen: Iterable[int] | None = None,
        tagged: Tagged | None = None,
    ) -> list[NameHit]:
        """How the files of these sounds fit by name, the best first, if only with score 0.

        Files that don't pass filters, phrases and exclusions are left out.
        """
        self._refresh()
        passing = self._passing_files(query, chosen)
        scorer = self._scorer(query, tagged or {})
        found = (scorer.score(row) for row in self._rows("f.sound_id", sound_ids, passing))
        return sorted((hit for hit in found if hit is not None), key=lambda hit: hit.order)

    def passing_sounds(
        self,
        query: Query,
        chosen: Iterable[int] | None = None,
        exclusions: bool = False,
        tagged: Tagged | None = None,
    ) -> np.ndarray | None:
        """The sounds that filters and phrases leave: int64 ids, sorted; None: all.

        exclusions: also without those of which every file is excluded.
        """
        self._refresh()
        excluded = self.excluded(query) if exclusions else []
        hidden = _sounds_of(excluded, tagged)
        if self._passing_files(query, chosen, excluded, hidden) is None:
            return None
        assert self._passing is not None
        return self._passing[2]

    def words(self, query: Query) -> list[str]:
        """The words of the query that tell something, as they stand in the library's texts."""
        words = [word for text in query.words for word in split_words(text)]
        return list(dict.fromkeys([w for w in words if w not in STOP_WORDS] or words))

    def excluded(self, query: Query) -> list[str]:
        """What must not stand in texts, split into words; of single words their forms too.

        What a search for the word would count as that word is hidden, but not what only holds it
        or is a letter off.
        """
        found: list[str] = []
        if query.excluded:
            self._refresh()
        for text in query.excluded:
            words = split_words(text)
            if words:
                found.append(" ".join(words))
            if len(words) == 1:
                found += self._vocabulary.forms(words[0])
        return list(dict.fromkeys(found))

    def conditions(
        self, query: Query, chosen: Iterable[int] | None, tagged: Tagged | None = None
    ) -> tuple[str, tuple[object, ...]]:
        """SQL behind WHERE … that files f and sounds s pass, exclusions included."""
        excluded = self.excluded(query)
        return conditions(query, chosen, excluded, _sounds_of(excluded, tagged))

    def browse(
        self,
        query: Query,
        chosen: Iterable[int] | None,
        limit: int,
        tagged: Tagged | None = None,
    ) -> list[int]:
        """Sound ids in the order of their files' names."""
        where, values = self.conditions(query, chosen, tagged)
        rows = self._db.execute(
            "SELECT f.sound_id FROM files f JOIN sounds s ON s.id = f.sound_id"
            f" WHERE f.state IN {SHOWN_STATES}{where}"
            " ORDER BY f.name COLLATE NOCASE, f.folder, f.id LIMIT ?",
            (*values, 2 * limit),
        )
        return list(dict.fromkeys(row[0] for row in rows))[:limit]

    def _refresh(self) -> None:
        version = (self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes)
        self._vocabulary.refresh(version)
        if version == self._version:
            return
        self._version = version
        self._passing = None
        self._root_lengths = dict(self._db.execute("SELECT id, length(path) + 1 FROM roots"))
        self._hidden = self._ids(
            f"SELECT id FROM files WHERE state NOT IN {SHOWN_STATES} ORDER BY id"
        )

    def _meanings(self, query: Query) -> list[Meaning]:
        words = self.words(query)
        typed = [word for text in query.words[-1:] for word in split_words(text)][-1:]
        return [self._vocabulary.meaning(word, [word] == typed) for word in words]

    def _scorer(self, query: Query, tagged: Tagged) -> Scorer:
        split = (split_words(phrase) for phrase in query.phrases)
        phrases = {" ".join(w): self._vocabulary.phrase_rarity(w) for w in split if w}
        return Scorer(
            self._meanings(query), phrases, self.excluded(query), tagged, self._root_lengths
        )

    def _passing_files(
        self,
        query: Query,
        chosen: Iterable[int] | None,
        excluded: Iterable[str] = (),
        hidden: Collection[int] = (),
    ) -> np.ndarray | None:
        """Ids of the files that filters and phrases leave, sorted; None: all. The last answer is
        kept, for filters stay while words are typed."""
        where, values = conditions(query, chosen, excluded, hidden)
        if not where:
            return None
        if self._passing is None or self._passing[0] != (where, values):
            # Facts of sounds narrow most and have an index of their own: begin there.
            facts = "s.seconds" in where or "s.samplerate" in where or "s.channels" in where
            if facts and "f.folder" not in where and "f.name" not in where:
                tables = "sounds s CROSS JOIN files f ON f.sound_id = s.id"
            elif "s." in where:
                tables = "files f JOIN sounds s ON s.id = f.sound_id"
            else:
                tables = "files f"
            rows = self._db.execute(
                f"SELECT f.id, f.sound_id FROM {tables} WHERE f.sound_id IS NOT NULL{where}",
                values,
            ).fetchall()
            table = np.array(rows, np.int64).reshape(-1, 2)
            shown = table[~_among(table[:, 0], self._hidden)]
            self._passing = (where, values), np.sort(shown[:, 0]), np.unique(shown[:, 1])
        return self._passing[1]

    def _candidates(
        self, query: Query, meanings: list[Meaning], passing: np.ndarray | None
    ) -> tuple[np.ndarray, bool]:
        """File ids that promise most, and whether they are all that hold a word."""
        groups = sorted((m for m in meanings if m.fits), key=lambda m: m.files)
        without = any_of(self.excluded(query))
        phrases = [as_phrase(phrase) for phrase in query.phrases if split_words(phrase)]
        tiers = [_tiers(group) for group in groups]
        if len(groups) > 1:
            # Files that hold everything come first, and need not have the rarest word in the name.
            every = " AND ".join(f"({any_of(group.fits)})" for group in groups)
            worth = sum(group.rarity for group in groups)
            tiers.insert(0, [(worth, f"name : ({every})"), (0.8 * worth, every)])
        if phrases:  # every file that passes holds them: the last resort
            tiers.append([(0.0, " AND ".join(phrases))])
        left = GATHERED
        complete = True
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for tier in tiers:
            ids: list[np.ndarray] = []
            worths: list[np.ndarray] = []
            for worth, match in tier:
                # Nothing decides between files that hold as much: no more than can be scored.
                most = min(left, CANDIDATES if len(groups) < 2 or tier is tiers[0] else left)
                some, all_of_them = self._matching(match, without, passing, most)
                left -= len(some)
                complete = complete and all_of_them
                ids.append(some)
                worths.append(np.full(len(some), worth))
            # A file counts once for a word: where it fits best, which was asked for first.
            once, first = np.unique(np.concatenate(ids), return_index=True)
            found.append((once, np.concatenate(worths)[first]))
        if not found:
            return np.empty(0, np.int64), complete
        every_id, at = np.unique(np.concatenate([ids for ids, _ in found]), return_inverse=True)
        if len(every_id) <= CANDIDATES:
            return every_id, complete
        total = np.bincount(at, np.concatenate([worths for _, worths in found]))
        return every_id[np.lexsort((every_id, -total))[:CANDIDATES]], False

    def _matching(
        self, match: str, without: str, passing: np.ndarray | None, limit: int
    ) -> tuple[np.ndarray, bool]:
        """At most `limit` ids of shown files that match and pass, and whether these are all."""
        if limit <= 0:
            return np.empty(0, np.int64), False
        cursor = self._db.execute(
            "SELECT rowid FROM names WHERE names MATCH ?",
            (f"({match}) NOT ({without})" if without else match,),
        )
        found = [np.empty(0, np.int64)]
        left = limit
        while left >= 0:
            asked = left + 1 if passing is None else 10_000
            read = np.fromiter(chain.from_iterable(islice(cursor, asked)), np.int64)
            ids = read[~_among(read, self._hidden)]
            found.append(ids if passing is None else ids[_among(ids, passing)])
            left -= len(found[-1])
            if len(read) < asked:
                break
        cursor.close()
        return np.concatenate(found)[:limit], left >= 0

    def _rows(
        self, column: str, ids: Iterable[int] | np.ndarray, passing: np.ndarray | None = None
    ) -> list[Row]:
        rows = self._db.execute(
            f"{_ROW} AND {column} IN (SELECT value FROM json_each(?))",
            (json.dumps([int(i) for i in ids]),),
        ).fetchall()
        if passing is not None and rows:
            passes = _among(np.array([row[0] for row in rows], np.int64), passing)
            rows = [row for row, passed in zip(rows, passes.tolist(), strict=True) if passed]
        return [Row._make(row) for row in rows]

    def _ids(self, sql: str) -> np.ndarray:
        return np.array(self._db.execute(sql).fetchall(), np.int64).reshape(-1)


def _sounds_of(texts: Iterable[str], tagged: Tagged | None) -> frozenset[int]:
    return frozenset[int]().union(*((tagged or {}).get(text, ()) for text in texts))


def _tiers(meaning: Meaning) -> list[tuple[float, str]]:
    """(worth, full-text expression), the best first: in names, elsewhere, less likely words."""
    sure = [term for term, fit in meaning.fits.items() if fit >= HELD]
    unsure = [term for term, fit in meaning.fits.items() if fit < HELD]
    tiers = []
    if sure:
        tiers.append((meaning.rarity, f"name : ({any_of(sure)})"))
        tiers.append((0.75 * meaning.rarity, f"{{folder meta ucs}} : ({any_of(sure)})"))
    if unsure:
        tiers.append((0.4 * meaning.rarity, any_of(unsure)))
    return tiers


def _among(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """bool, for each value whether it stands in the sorted array `among`."""
    if not len(among):
        return np.zeros(len(values), bool)
    return among[np.minimum(np.searchsorted(among, values), len(among) - 1)] == values
