"""The library's words in memory: which of them a word of a query may stand for."""

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

# How well a word of the library fits a word of the query. The last two columns: when the library
# has the query's word itself, longer words are less likely meant ("rain" in "train").
EXACT = 1.0
FORM = 0.9  # kick and kicks, dripping and drip
BEGINNING, BEGINNING_BESIDE = 0.9, 0.7
PART, PART_BESIDE = 0.6, 0.4
TYPO = 0.6
HELD = 0.6  # from here on the word counts as being there
PREFIX_FROM = 3  # letters from which the last word also stands for longer ones
PART_FROM = 4
TYPO_FROM = 4
MOST_MEANINGS = 40  # library words that one query word may stand for, the most frequent ones
_MOST_KEPT = 500  # meanings, for words stay while others are typed
_READ_SHARE = 0.05  # of the time may go into reading the words again while a scan adds some
_READ_FREELY = 0.05  # seconds: a library that is read as fast as this is always read again


@dataclass(frozen=True)
class Meaning:
    """A word of the query with the library's words that it may stand for.

    fits: 0…1 by word; files: in how many files they stand (at most); rarity: weight of the word.
    """

    word: str
    fits: dict[str, float]
    files: int
    rarity: float


class Vocabulary:
    """The words of the `names` table. One thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._version: tuple[int, int] | None = None
        self._current = False  # the words are those of the library at the last refresh
        self._read_at = self._read_took = 0.0
        self._files = 0
        self._counts: dict[str, int] = {}
        self._by_length: dict[int, list[str]] = {}
        self._joined = "\n"
        self._meanings: dict[tuple[str, bool], Meaning] = {}

    def refresh(self, version: tuple[int, int]) -> None:
        """Reads the words again if the library changed; while it keeps changing, now and then.

        Whole words are looked up, so only what they may stand for can be a moment old.
        """
        began = time.monotonic()
        rested = began - self._read_at > self._read_took / _READ_SHARE
        self._current = version == self._version
        if self._current:
            return
        self._meanings.clear()
        if not (rested or self._read_took < _READ_FREELY):
            return
        rows = self._db.execute("SELECT term, doc FROM names_vocab").fetchall()
        self._counts = dict(rows)
        self._by_length = {}
        for word in self._counts:
            self._by_length.setdefault(len(word), []).append(word)
        self._joined = "\n".join(["", *self._counts, ""])
        self._files = self._db.execute("SELECT count(*) FROM files").fetchone()[0]
        self._version = version
        self._current = True
        self._read_at = time.monotonic()
        self._read_took = self._read_at - began

    def meaning(self, word: str, last: bool) -> Meaning:
        """last: the word may still be being typed."""
        if len(self._meanings) > _MOST_KEPT:
            self._meanings.clear()
        if (word, last) not in self._meanings:
            self._meanings[word, last] = self._find(word, last)
        return self._meanings[word, last]

    def forms(self, word: str) -> tuple[str, ...]:
        """Other forms of a word that stood in the library at the last refresh: kicks for kick."""
        return tuple(sorted(form for form in _forms(word) if self._count(form)))

    def rarity(self, files: int) -> float:
        """The weight of a word that stands in so many files."""
        return math.log(1.0 + (self._files + 1) / (files + 1))

    def phrase_rarity(self, words: Sequence[str]) -> float:
        """The weight of words side by side."""
        return sum(self.rarity(self._count(word)) for word in words)

    def _find(self, word: str, last: bool) -> Meaning:
        own = self._count(word)
        fits = {word: EXACT} if own else {}
        longer: dict[str, float] = {}
        least = PART_FROM if word.isascii() else 2  # scripts without spaces have short words
        if len(word) >= least and not word.isdecimal():
            fit = PART_BESIDE if own else PART
            longer = dict.fromkeys(self._containing(word), fit)
        if last and len(word) >= min(PREFIX_FROM, least):
            fit = BEGINNING_BESIDE if own else BEGINNING
            longer |= dict.fromkeys(self._containing("\n" + word), fit)
        forms = [form for form in _forms(word) if form in self._counts]
        longer |= dict.fromkeys(forms, FORM)
        if not (own or forms) and len(word) >= TYPO_FROM:
            longer = dict.fromkeys(self._near(word), TYPO) | longer
        best = sorted(longer.items(), key=lambda item: (-item[1], -self._count(item[0]), item[0]))
        for term, fit in best[:MOST_MEANINGS]:
            fits.setdefault(term, fit)
        files = sum(self._count(term) for term in fits)
        # What the word may also stand for must not make it common.
        seen = own or min(files, self._files)
        return Meaning(word, fits, files, self.rarity(seen))

    def _count(self, word: str) -> int:
        """In how many files a whole word stands."""
        if word in self._counts or self._current:
            return self._counts.get(word, 0)
        row = self._db.execute("SELECT doc FROM names_vocab WHERE term = ?", (word,)).fetchone()
        return row[0] if row else 0

    def _containing(self, part: str) -> Iterator[str]:
        """Words that contain `part`; a leading newline means that they begin with it."""
        text = self._joined
        at = text.find(part)
        while at >= 0:
            begin = text.rfind("\n", 0, at + 1) + 1
            end = text.index("\n", at + 1)
            yield text[begin:end]
            at = text.find(part, end)

    def _near(self, word: str) -> list[str]:
        """Words that one letter more, less, another or two in changed order make of it."""
        found: list[str] = []
        for length in range(len(word) - 1, len(word) + 2):
            near = process.extract(
                word,
                self._by_length.get(length, []),
                scorer=DamerauLevenshtein.distance,
                score_cutoff=1,
                limit=MOST_MEANINGS,
            )
            found += [term for term, _, _ in near]
        return found


_HISSING = ("s", "x", "z", "ch", "sh", "o")  # what takes -es in the plural


def _forms(word: str) -> set[str]:
    """Other forms of an English word, and many that are none: the library's words decide."""
    stems = {word}
    for ending in ("s", "es", "ed", "ing"):
        stem = word.removesuffix(ending)
        if ending == "s" and stem.endswith("s"):  # bass is no plural
            continue
        if ending == "es" and not stem.endswith(_HISSING):  # nor is tapes one of tap
            continue
        if len(stem) >= 3 and stem != word:
            stems |= {stem, stem + "e"} if ending != "s" else {stem}
            if ending in ("ed", "ing") and stem[-1] == stem[-2]:
                stems.add(stem[:-1])
    forms = {stem + ending for stem in stems for ending in ("", "s", "ed", "ing")}
    forms |= {stem + "es" for stem in stems if stem.endswith(_HISSING)}
    forms |= {stem[:-1] + ending for stem in stems if stem[-1] == "e" for ending in ("ed", "ing")}
    forms |= {stem + stem[-1] + ending for stem in stems for ending in ("ed", "ing")}
    return {form for form in forms if len(form) >= 3 and len(word) >= 3} - {word}
