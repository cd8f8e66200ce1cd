"""How a file's texts fit a query, by its words alone."""

from collections.abc import Mapping
from typing import NamedTuple

from soundsearch.audio.tags import split_words
from soundsearch.search.query import Query
from soundsearch.search.vocabulary import HELD, Meaning

FIELDS = ("name", "folder", "meta", "ucs")
FIELD_WEIGHTS = (1.0, 0.8, 0.7, 0.6)
TAG_WEIGHT = 0.9
Tagged = Mapping[str, frozenset[int]]
_WordsOfFile = tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
_Fit = tuple[float, tuple[tuple[str, str], ...], tuple[str, ...], bool]


class NameHit(NamedTuple):
    """A file and how its texts fit the query.

    score: 0…1; found: (word of the file, where it stands), in the query's order; words: those of
    the file's name, to be marked; all_found: every word of the query is there; path_length: of
    the absolute path.
    """

    file_id: int
    sound_id: int
    score: float
    found: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    all_found: bool
    path_length: int
    name: str

    @property
    def order(self) -> tuple[float, int, str, int]:
        """The best first, then the shorter path, then the name."""
        return -self.score, self.path_length, self.name, self.file_id


class Row(NamedTuple):
    """A file as it is read for scoring; path_length in its root; the last four: FIELDS."""

    file_id: int
    sound_id: int
    root_id: int
    path_length: int
    display_name: str
    name: str
    folder: str
    meta: str
    ucs: str


class Scorer:
    """Scores texts against one query.

    tagged: the sounds whose tags hold a word of the query, by word. root_lengths: of each root's
    path, by id.
    """

    def __init__(
        self,
        query: Query,
        meanings: list[Meaning],
        tagged: Tagged,
        root_lengths: Mapping[int, int],
    ) -> None:
        self._meanings = meanings
        self._total = sum(meaning.rarity for meaning in meanings)
        self._terms: dict[str, list[tuple[int, float]]] = {}
        for number, meaning in enumerate(meanings):
            for term, fit in meaning.fits.items():
                self._terms.setdefault(term, []).append((number, fit))
        self._asked = frozenset(self._terms)
        self._tagged = [tagged.get(meaning.word, frozenset()) for meaning in meanings]
        self._any_tagged = frozenset[int]().union(*self._tagged)
        # Many files share a folder, and most hold the same few words of the query.
        self._folders: dict[str, frozenset[str]] = {}
        self._known: dict[_WordsOfFile, _Fit] = {}
        self._root_lengths = root_lengths
        self._phrases = [f" {' '.join(split_words(text))} " for text in query.phrases]
        self._phrases = [phrase for phrase in self._phrases if phrase.strip()]
        excluded = (f" {' '.join(split_words(text))} " for text in query.excluded)
        self._excluded = [text for text in excluded if text.strip()]
        self._phrase_words = frozenset(word for text in self._phrases for word in text.split())

    def score(self, row: Row) -> NameHit | None:
        """None when a phrase is missing or something excluded is there."""
        if (self._phrases or self._excluded) and not self._passes(row):
            return None
        words = (
            self._asked.intersection(row.name.split()),
            self._in_folder(row.folder),
            self._in(row.meta),
            self._in(row.ucs),
        )
        tagged = row.sound_id in self._any_tagged
        fit = None if tagged else self._known.get(words)
        if fit is None:
            fit = self._fit(words, row.sound_id if tagged else None)
            if not tagged:
                self._known[words] = fit
        score, found, marked, all_found = fit
        return NameHit(
            row.file_id,
            row.sound_id,
            score,
            self._where_phrases_stand(row) + found if self._phrases else found,
            marked,
            all_found,
            self._root_lengths.get(row.root_id, 0) + row.path_length,
            row.display_name,
        )

    def _fit(self, words: _WordsOfFile, tagged: int | None) -> _Fit:
        """Of files that hold these words in their texts, and of a sound that has tags."""
        best = [0.0] * len(self._meanings)
        where = [("", "")] * len(self._meanings)
        held = [False] * len(self._meanings)
        for found, field, weight in zip(words, FIELDS, FIELD_WEIGHTS, strict=True):
            for word in sorted(found):  # sets have no order: of equal ones the first
                for number, fit in self._terms[word]:
                    held[number] = held[number] or fit >= HELD
                    if fit * weight > best[number]:
                        best[number], where[number] = fit * weight, (word, field)
        for number, sounds in enumerate(self._tagged):
            if tagged in sounds:
                held[number] = True
                if best[number] < TAG_WEIGHT:
                    best[number], where[number] = TAG_WEIGHT, (self._meanings[number].word, "tag")
        reached = sum(
            meaning.rarity * value for meaning, value in zip(self._meanings, best, strict=True)
        )
        return (
            # A phrase is a condition: every file that gets here holds it.
            reached / self._total if self._total else float(bool(self._phrases)),
            tuple(dict.fromkeys(found for found in where if found[0])),
            tuple(sorted(words[0] | self._phrase_words)),
            all(held),
        )

    def _passes(self, row: Row) -> bool:
        # A phrase stands in one text; no words of ours hold a line break.
        text = f" {row.name} \n {row.folder} \n {row.meta} \n {row.ucs} "
        return all(phrase in text for phrase in self._phrases) and not any(
            excluded in text for excluded in self._excluded
        )

    def _where_phrases_stand(self, row: Row) -> tuple[tuple[str, str], ...]:
        texts = zip((row.name, row.folder, row.meta, row.ucs), FIELDS, strict=True)
        padded = [(f" {text} ", field) for text, field in texts]
        return tuple(
            (phrase.strip(), next(field for text, field in padded if phrase in text))
            for phrase in self._phrases
        )

    def _in(self, text: str) -> frozenset[str]:
        return self._asked.intersection(text.split()) if text else frozenset()

    def _in_folder(self, text: str) -> frozenset[str]:
        found = self._folders.get(text)
        if found is None:
            found = self._folders[text] = self._in(text)
        return found
