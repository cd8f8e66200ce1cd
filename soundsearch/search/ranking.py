"""The one `rank`: by name alone at once, by name and sound when the model has answered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.search import marks
from soundsearch.search.names import NameHits, Names
from soundsearch.search.query import Query
from soundsearch.search.scoring import NameHit

# combined = 1 - (1 - 0.9 name)(1 - sound): measured best among the fusions that were tried.
NAME_WEIGHT = 0.9
PLAYABLE = ("ok", "silent")
_MOST_LOOKED = 2_000  # sounds, until exclusions are asked for the other way round


@dataclass(frozen=True)
class SoundScores:
    """How every sound of the library fits the query by sound.

    sound_ids int64 (N,), sorted; cosines float32 (N,); strengths float32 (N,) in 0…1; threshold:
    below it nothing really matches, None while that is not known; starts float32 (N,): seconds to
    each sound's best moment, None: the beginnings.
    """

    sound_ids: np.ndarray
    cosines: np.ndarray
    strengths: np.ndarray
    threshold: float | None = None
    starts: np.ndarray | None = None

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
    files hold the sound; takes: how many takes this row stands for; words: of the name, to mark.
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
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Matches, best first. total: how many sounds were found before the cut."""

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
) -> Answer:
    """The best k sounds.

    sound: how all sounds fit by sound; without it the answer is by name. chosen: the sounds to
    choose from, None: all. userdata: its tags are searched beside the names, and filters by tags
    and favourites are applied. Deterministic: equal strengths stand by length of path, then name.
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
    if sound is None:
        rows = [_Scored(hit.sound_id, NAME_WEIGHT * hit.score, hit) for hit in best.values()]
        return Answer(tuple(_matches(library, rows[:k])), not rows, len(rows))
    heard = _Heard(query, names, sound, allowed, tagged, by_name)
    return _fused(library, best, heard, k)


@dataclass(frozen=True)
class _Scored:
    """A row of the answer: strength, and what it is made of."""

    sound_id: int
    strength: float
    hit: NameHit | None = None
    sound: float | None = None
    cosine: float | None = None
    start: float = 0.0


@dataclass(frozen=True)
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


def _fused(library: Library, named: dict[int, NameHit], heard: _Heard, k: int) -> Answer:
    """Every name candidate gets its sound score, the best by sound get their name score."""
    # More than k: sounds that lie nowhere any more drop out below.
    by_sound = heard.best(k + 30)
    hits = dict(named)
    for hit in by_sound:
        hits.setdefault(hit.sound_id, hit)
    scores = heard.scores
    pool = np.fromiter(hits, np.int64, len(hits))
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
    for i in order[:k]:
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
    return Answer(tuple(_matches(library, rows)), nothing, len(order))


def _matches(library: Library, rows: list[_Scored]) -> Iterable[Match]:
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
    if row.sound is not None:
        parts.append(f"sound {100 * row.sound:.0f}%")
    return " · ".join(parts)
