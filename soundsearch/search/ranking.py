"""The one `rank`: by name alone at once, by name and sound when the model has answered."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.search import marks
from soundsearch.search.names import NameHits, Names
from soundsearch.search.query import Query
from soundsearch.search.scoring import NameHit
from soundsearch.search.takes import Alike, alike_by_length, fold, siblings, stem

# combined = 1 - (1 - 0.9 name)(1 - sound): measured best among the fusions that were tried.
NAME_WEIGHT = 0.9
PLAYABLE = ("ok", "silent")
_MOST_LOOKED = 2_000  # sounds, until exclusions are asked for the other way round
_SPARE = 30  # sounds beyond those wanted: some lie nowhere any more
_ENOUGH = 100  # rows, whatever takes were folded: more sounds are looked through for fewer only
_MOST_FOLDED = 4_000  # sounds that are looked through for so many rows of takes
_TOGETHER = 100  # rows whose places are read at once


@dataclass(frozen=True)
class SoundScores:
    """How the sounds of the library fit the query by sound.

    sound_ids int64 (N,), sorted; cosines float32 (N,); strengths float32 (N,) in 0…1; threshold:
    below it nothing really matches, None while that is not known; starts float32 (N,): seconds to
    each sound's best moment, None: the beginnings. alike: which sounds are like another, None: not
    known. more: gives the scores of other sounds where only the best are here, of very many the
    best among them; None: all are here. moment: seconds to a sound's best moment among all its
    segments, by identity; None where those of `starts` are all that is known.
    """

    sound_ids: np.ndarray
    cosines: np.ndarray
    strengths: np.ndarray
    threshold: float | None = None
    starts: np.ndarray | None = None
    alike: Alike | None = None
    more: "Callable[[np.ndarray], SoundScores] | None" = None
    moment: Callable[[bytes], float | None] | None = None

    def including(self, sound_ids: np.ndarray) -> "SoundScores":
        """With these sounds too; see `more`."""
        missing = sound_ids[self.of(sound_ids) < 0]
        if self.more is None or not len(missing):
            return self
        others = self.more(missing)
        ids, at = np.unique(np.concatenate([self.sound_ids, others.sound_ids]), return_index=True)
        starts = None
        if self.starts is not None and others.starts is not None:
            starts = np.concatenate([self.starts, others.starts])[at]
        return replace(
            self,
            sound_ids=ids,
            cosines=np.concatenate([self.cosines, others.cosines])[at],
            strengths=np.concatenate([self.strengths, others.strengths])[at],
            starts=starts,
        )

    def of(self, sound_ids: np.ndarray) -> np.ndarray:
        """Positions of sounds in these arrays, -1 for sounds without a vector."""
        if not len(self.sound_ids):
            return np.full(len(sound_ids), -1)
        at = np.minimum(np.searchsorted(self.sound_ids, sound_ids), len(self.sound_ids) - 1)
        return np.where(self.sound_ids[at] == sound_ids, at, -1)


@dataclass(frozen=True)
class Match:
    """One sound in an answer, shown by its best place.

    path: absolute, bytes; strength: combined, 0…1, of which sound and name_score are the parts
    (None where unknown); why: for a person; start: seconds of the best moment; places: how many
    files hold the sound; takes: how many takes this row stands for; members: the sounds of the
    others, by name; words: of the name, to mark.
    """

    path: bytes
    name: str
    folder: str
    sound_id: int
    file_id: int
    identity: bytes
    strength: float
    sound: float | None
    name_score: float | None
    cosine: float | None
    why: str
    start: float
    duration: float
    samplerate: int
    channels: int
    format: str
    sample_format: str
    loudness: float | None
    peak: float
    onset: float
    state: str
    places: int = 1
    takes: int = 1
    members: tuple[int, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Matches, best first. total: how many sounds were found, before takes were folded and the
    answer cut."""

    matches: tuple[Match, ...] = ()
    nothing_matches: bool = False
    total: int = 0


def rank(
    query: Query,
    library: Library,
    names: Names,
    sound: SoundScores | None = None,
    k: int = 20,
    chosen: Iterable[int] | None = None,
    by_name: bool = True,
    userdata: UserData | None = None,
    takes: bool = False,
) -> Answer:
    """The best k rows, fewer but at least 100 where takes fold.

    sound: how all sounds fit by sound; without it the answer is by name. chosen: the sounds to
    choose from, None: all. userdata: its tags are searched beside the names, and filters by tags
    and favourites are applied. takes: every take in a row of its own; else takes that sound alike
    are one row, but not where an empty query browses. Deterministic: equal strengths stand by
    length of path, then name.
    """
    allowed = None if chosen is None else sorted(set(chosen))
    tagged = None
    if userdata is not None:
        allowed = marks.chosen(query, library, userdata, allowed)
        tagged = marks.tagged(names.words(query) + names.excluded(query), library, userdata)
    if query.browses:
        ids = names.browse(query, allowed, k, tagged)
        return Answer(tuple(_matches(library, [_Scored(i, 0.0) for i in ids])), False, len(ids))
    named = names.hits(query, allowed, tagged) if by_name else NameHits()
    best: dict[int, NameHit] = {}
    for hit in named.hits:
        best.setdefault(hit.sound_id, hit)
    heard = _Heard(query, names, sound, allowed, tagged, by_name) if sound is not None else None
    alike = heard.scores.alike if heard is not None else alike_by_length(library.db)
    wanted, enough = k + _SPARE, k
    while True:
        scored = _by_name(best) if heard is None else _fused(best, heard, wanted)
        if takes or alike is None:
            matches = list(islice(_matches(library, scored.rows), k))
        else:
            matches, enough = _folded(library, scored.rows, alike, k), min(k, _ENOUGH)
        if len(matches) >= enough or not scored.more or wanted > _MOST_FOLDED:
            break
        wanted *= 4
    if heard is not None and heard.scores.moment is not None:
        matches = [_with_moment(match, heard.scores.moment) for match in matches]
    if not takes and alike is not None:
        narrows = query.filters or query.phrases or query.excluded or allowed is not None

        def passing(sounds: list[int]) -> list[int]:
            hits = names.score(query, sounds, allowed, tagged) if narrows and sounds else ()
            passed = {hit.sound_id for hit in hits}
            return [one for one in sounds if one in passed] if narrows else sounds

        matches = _with_members(library, matches, alike, passing)
    return Answer(tuple(matches), scored.nothing, scored.total)


@dataclass(frozen=True)
class _Scored:
    """A row of the answer: strength, and what it is made of."""

    sound_id: int
    strength: float
    hit: NameHit | None = None
    sound: float | None = None
    cosine: float | None = None
    start: float = 0.0


@dataclass
class _Heard:
    """The sounds that pass a query, by how they sound."""

    query: Query
    names: Names
    scores: SoundScores
    chosen: list[int] | None
    tagged: Mapping[str, frozenset[int]] | None
    by_name: bool

    def best(self, count: int) -> list[NameHit]:
        """The best `count` sounds or some more, each by the file that fits best by name.

        Sounds are looked at in the order of their strength until enough pass.
        """
        if count <= 0:
            return []
        allowed = self.names.passing_sounds(self.query, self.chosen)
        positions = self._positions(allowed)
        looked = 2 * count
        narrowed = not self.query.excluded
        passed: dict[int, NameHit] = {}
        while True:
            if looked > _MOST_LOOKED and not narrowed:
                # Nearly everything is excluded: ask the other way round.
                narrowed = True
                allowed = self.names.passing_sounds(self.query, self.chosen, True, self.tagged)
                positions, looked = self._positions(allowed), 2 * count
            pool = self._strongest(positions, looked)
            for hit in self.names.score(self.query, pool.tolist(), self.chosen, self.tagged):
                passed.setdefault(hit.sound_id, hit)
            if len(passed) >= count or looked >= len(positions):
                return list(passed.values())
            looked *= 4

    def _positions(self, allowed: np.ndarray | None) -> np.ndarray:
        if allowed is None:
            return np.arange(len(self.scores.sound_ids))
        self.scores = self.scores.including(allowed)
        positions = self.scores.of(allowed)
        return positions[positions >= 0]

    def _strongest(self, positions: np.ndarray, count: int) -> np.ndarray:
        """Ids of the `count` strongest and of those that are as strong as the last of them."""
        strengths = self.scores.strengths[positions]
        if count < len(positions):
            border = np.partition(strengths, len(strengths) - count)[len(strengths) - count]
            sure = positions[strengths > border]
            equal = positions[strengths == border][: count - len(sure)]
            positions = np.concatenate([sure, equal])
        return self.scores.sound_ids[positions]


@dataclass(frozen=True)
class _Ranked:
    """rows: best first; more: there may be others; nothing: nothing really matches."""

    rows: list[_Scored]
    total: int
    nothing: bool
    more: bool = False


def _by_name(named: dict[int, NameHit]) -> _Ranked:
    rows = [_Scored(hit.sound_id, NAME_WEIGHT * hit.score, hit) for hit in named.values()]
    return _Ranked(rows, len(rows), not rows)


def _fused(named: dict[int, NameHit], heard: _Heard, wanted: int) -> _Ranked:
    """Every name candidate gets its sound score, the best by sound get their name score."""
    by_sound = heard.best(wanted)
    hits = dict(named)
    for hit in by_sound:
        hits.setdefault(hit.sound_id, hit)
    pool = np.fromiter(hits, np.int64, len(hits))
    scores = heard.scores = heard.scores.including(pool)
    at = scores.of(pool)
    strengths = np.zeros(len(pool))
    strengths[at >= 0] = scores.strengths[at[at >= 0]]
    best = max((float(strengths[i]) for i in range(len(pool))), default=0.0)
    name_scores = np.array([hits[i].score if heard.by_name else 0.0 for i in pool.tolist()])
    combined = 1.0 - (1.0 - NAME_WEIGHT * name_scores) * (1.0 - strengths)
    order = sorted(
        range(len(pool)),
        key=lambda i: (-round(float(combined[i]), 6), *hits[int(pool[i])].order[1:]),
    )
    rows = []
    for i in order:
        hit = hits[int(pool[i])]
        row = int(at[i])
        rows.append(
            _Scored(
                sound_id=hit.sound_id,
                strength=float(combined[i]),
                hit=hit if hit.score and heard.by_name else None,
                sound=float(strengths[i]) if row >= 0 else None,
                cosine=float(scores.cosines[row]) if row >= 0 else None,
                start=float(scores.starts[row]) if row >= 0 and scores.starts is not None else 0.0,
            )
        )
    all_words = heard.by_name and any(hit.all_found for hit in hits.values())
    nothing = scores.threshold is not None and best < scores.threshold and not all_words
    return _Ranked(rows, len(order), nothing, len(by_sound) >= wanted)


def _folded(library: Library, rows: list[_Scored], alike: Alike, k: int) -> list[Match]:
    """The best k rows, of takes that sound alike only the best one."""
    matches: list[Match] = []

    def keys() -> Iterator[tuple[tuple[bytes, str], int]]:
        for match in _matches(library, rows):
            matches.append(match)
            yield (os.path.dirname(match.path), stem(match.name)), match.sound_id

    groups = fold(keys(), alike, k)
    return [matches[group[0]] for group in groups]


def _with_moment(match: Match, moment: Callable[[bytes], float | None]) -> Match:
    start = moment(match.identity) if match.sound is not None else None
    return match if start is None else replace(match, start=start)


def _with_members(
    library: Library,
    matches: list[Match],
    alike: Alike,
    passing: Callable[[list[int]], list[int]],
) -> list[Match]:
    """With the other takes in their folders, whether those were among the best or not.

    passing: those of some sounds that the query's filters and exclusions leave.
    """
    shown = {match.sound_id for match in matches}
    done = []
    for match in matches:
        others = siblings(library.db, match.path, match.name, match.folder, match.sound_id)
        others = passing([other for other in others if other not in shown])
        like = alike(match.sound_id, others) if others else ()
        members = tuple(other for other, same in zip(others, like, strict=True) if same)
        shown.update(members)
        done.append(replace(match, takes=1 + len(members), members=members))
    return done


def _matches(library: Library, rows: Sequence[_Scored]) -> Iterator[Match]:
    """Row by row, without those that lie nowhere any more."""
    for first in range(0, len(rows), _TOGETHER):
        yield from _matches_of(library, rows[first : first + _TOGETHER])


def _matches_of(library: Library, rows: Sequence[_Scored]) -> Iterator[Match]:
    places = library.places([row.sound_id for row in rows])
    for row in rows:
        here = [p for p in places.get(row.sound_id, []) if p.state not in ("missing", "failed")]
        if not here:
            continue
        # The place whose name matched, when it can be played as well as the best one.
        best = here[0]
        hit = row.hit
        if hit is not None:
            named = next((p for p in here if p.id == hit.file_id), best)
            if (named.state in PLAYABLE) >= (best.state in PLAYABLE):
                best = named
        assert best.identity is not None
        yield Match(
            path=best.place,
            name=best.name,
            folder=best.folder,
            sound_id=row.sound_id,
            file_id=best.id,
            identity=best.identity,
            strength=row.strength,
            sound=row.sound,
            name_score=hit.score if hit else None,
            cosine=row.cosine,
            why=_why(row),
            start=row.start,
            duration=best.seconds or 0.0,
            samplerate=best.samplerate or 0,
            channels=best.channels or 0,
            format=best.container or "",
            sample_format=best.sample_format or "",
            loudness=best.loudness,
            peak=best.peak or 0.0,
            onset=best.onset or 0.0,
            state=best.state,
            places=len(here),
            words=hit.words if hit else (),
        )


_WHERE = {
    "name": "name",
    "tag": "tag",
    "folder": "folder",
    "meta": "text in the file",
    "ucs": "UCS category",
}


def _why(row: _Scored) -> str:
    """ "name: kick, drum · folder: loops · sound 83%"."""
    parts = []
    if row.hit is not None:
        for field, label in _WHERE.items():
            words = [word for word, where in row.hit.found if where == field]
            if words:
                parts.append(f"{label}: {', '.join(words)}")
    if row.sound is not None and not (parts and row.sound < 0.005):  # "0%" explains nothing
        parts.append(f"sound {100 * row.sound:.0f}%")
    return " · ".join(parts)
