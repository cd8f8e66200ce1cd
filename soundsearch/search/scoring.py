"""How a file's texts fit a query, by its words alone."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from soundsearch.search.vocabulary import HELD, Meaning

FIELDS = ("name", "folder", "meta", "ucs")
FIELD_WEIGHTS = (1.0, 0.8, 0.7, 0.6)
TAG_WEIGHT = 0.9
Tagged = Mapping[str, frozenset[int]]
_WordsOfFile = tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
# The weight that was reached, then a NameHit's found, words and all_found.
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

    phrases: those of the query, split into words, and the weight of each. excluded: words and
    phrases, split too, that must stand nowhere. tagged: the sounds whose tags hold a word of the
    query or something excluded, by it. root_lengths: of each root's path, by id.
    """

    def __init__(
        self,
        meanings: list[Meaning],
        phrases: Mapping[str, float],
        excluded: Iterable[str],
        tagged: Tagged,
        root_lengths: Mapping[int, int],
    ) -> None:
        self._meanings = meanings
        self._total = sum(meaning.rarity for meaning in meanings) + sum(phrases.values())
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
        self._phrases = [(f" {text} ", weight) for text, weight in phrases.items()]
        excluded = tuple(excluded)
        self._excluded = [f" {text} " for text in excluded]
        self._hidden = frozenset[int]().union(*(tagged.get(text, ()) for text in excluded))

    def score(self, row: Row) -> NameHit | None:
        """None when a phrase is missing or something excluded is there."""
        if row.sound_id in self._hidden:
            return None
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
        reached, found, marked, all_found = fit
        if self._phrases:
            reached, found, marked = self._with_phrases(row, reached, found, marked)
        return NameHit(
            row.file_id,
            row.sound_id,
            reached / self._total if self._total else 0.0,
            found,
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
            reached,
            tuple(dict.fromkeys(found for found in where if found[0])),
            tuple(sorted(words[0])),
            all(held),
        )

    def _passes(self, row: Row) -> bool:
        # A phrase stands in one text; no words of ours hold a line break.
        text = f" {row.name} \n {row.folder} \n {row.meta} \n {row.ucs} "
        return all(phrase in text for phrase, _ in self._phrases) and not any(
            excluded in text for excluded in self._excluded
        )

    def _with_phrases(
        self, row: Row, reached: float, found: tuple[tuple[str, str], ...], marked: tuple[str, ...]
    ) -> tuple[float, tuple[tuple[str, str], ...], tuple[str, ...]]:
        """Phrases, which every row that gets here holds, count where they stand."""
        padded = [f" {text} " for text in (row.name, row.folder, row.meta, row.ucs)]
        places = []
        for phrase, weight in self._phrases:
            field = next(field for field, text in enumerate(padded) if phrase in text)
            reached += weight * FIELD_WEIGHTS[field]
            places.append((phrase.strip(), FIELDS[field]))
            if field == 0:
                marked = tuple(sorted({*marked, *phrase.split()}))
        return reached, (*places, *found), marked

    def _in(self, text: str) -> frozenset[str]:
        return self._asked.intersection(text.split()) if text else frozenset()

    def _in_folder(self, text: str) -> frozenset[str]:
        found = self._folders.get(text)
        if found is None:
            found = self._folders[text] = self._in(text)
        return found
