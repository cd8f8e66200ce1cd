"""The one `rank`: by name alone at once, by name and sound when the model has answered."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from soundsearch.library.catalog import Library
from soundsearch.library.rows import FileRow
from soundsearch.search.names import NameHit, Names
from soundsearch.search.query import Query

# combined = 1 - (1 - 0.9 name)(1 - sound): measured best among the fusions that were tried.
NAME_WEIGHT = 0.9
PLAYABLE = ("ok", "silent")


@dataclass(frozen=True)
class SoundScores:
    """How every sound of the library fits the query by sound.

    sound_ids int64 (N,), sorted; cosines float32 (N,); strengths float32 (N,) in 0…1; threshold:
    below it nothing really matches, None while that is not known.
    """

    sound_ids: np.ndarray
    cosines: np.ndarray
    strengths: np.ndarray
    threshold: float | None = None

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
) -> Answer:
    """The best k sounds.

    sound: how all sounds fit by sound; without it the answer is by name. chosen: the sounds that
    tags and favourites leave, None when they filter nothing. Deterministic: equal strengths stand
    by length of path, then name.
    """
    chosen = None if chosen is None else list(chosen)
    if query.browses:
        ids = names.browse(query, chosen, k)
        return Answer(
            tuple(_matches(library, [(i, 0.0, None, None) for i in ids])), False, len(ids)
        )
    best_by_name: dict[int, NameHit] = {}
    if by_name:
        for hit in names.hits(query, chosen):
            best_by_name.setdefault(hit.sound_id, hit)
    if sound is None:
        ranked = sorted(best_by_name.values(), key=_name_order)
        rows = [(h.sound_id, NAME_WEIGHT * h.score, h, None) for h in ranked]
        return Answer(tuple(_matches(library, rows[:k])), not rows, len(rows))
    return _fused(library, best_by_name, sound, names.allowed(query, chosen), k)


def _name_order(hit: NameHit) -> tuple[float, int, str, int]:
    return -hit.score, hit.path_length, hit.name, hit.file_id


def _fused(
    library: Library,
    by_name: dict[int, NameHit],
    sound: SoundScores,
    allowed: np.ndarray | None,
    k: int,
) -> Answer:
    positions = np.arange(len(sound.sound_ids)) if allowed is None else sound.of(allowed)
    positions = positions[positions >= 0]
    strengths = sound.strengths[positions]
    # Some more than k: sounds that lie nowhere any more drop out below.
    wanted = min(len(positions), 2 * k + 50)
    if 0 < wanted < len(positions):
        positions = positions[np.argpartition(-strengths, wanted - 1)[:wanted]]
    pool = np.union1d(sound.sound_ids[positions], np.fromiter(by_name, np.int64, len(by_name)))
    at = sound.of(pool)
    heard = np.where(at >= 0, sound.strengths[at] if len(sound.strengths) else 0.0, 0.0)
    named = np.array([by_name[i].score if i in by_name else 0.0 for i in pool.tolist()])
    combined = 1.0 - (1.0 - NAME_WEIGHT * named) * (1.0 - heard)
    places = _path_order(library, pool, combined, k)
    order = sorted(
        (i for i in range(len(pool)) if int(pool[i]) in places),
        key=lambda i: (-round(float(combined[i]), 6), places[int(pool[i])], int(pool[i])),
    )
    rows: list[tuple[int, float, NameHit | None, tuple[float, float] | None]] = []
    for i in order[:k]:
        sound_id = int(pool[i])
        score = (float(heard[i]), float(sound.cosines[at[i]])) if at[i] >= 0 else None
        rows.append((sound_id, float(combined[i]), by_name.get(sound_id), score))
    all_words = any(hit.all_found for hit in by_name.values())
    best = float(strengths.max()) if len(strengths) else 0.0
    nothing = sound.threshold is not None and best < sound.threshold and not all_words
    return Answer(tuple(_matches(library, rows)), nothing, len(order))


def _path_order(
    library: Library, pool: np.ndarray, combined: np.ndarray, k: int
) -> dict[int, tuple[int, str]]:
    """(length of path, name) of the sounds that can be among the first k; others are left out."""
    if len(pool) > 4 * k:
        border = np.partition(combined, len(pool) - 3 * k)[len(pool) - 3 * k]
        pool = pool[combined >= border]
    found = library.places(pool.tolist())
    return {i: (len(rows[0].place), rows[0].name) for i, rows in found.items() if _shown(rows)}


def _shown(rows: list[FileRow]) -> bool:
    return any(row.state not in ("missing", "failed") for row in rows)


def _matches(
    library: Library,
    rows: list[tuple[int, float, NameHit | None, tuple[float, float] | None]],
) -> Iterable[Match]:
    places = library.places([row[0] for row in rows])
    for sound_id, strength, hit, heard in rows:
        here = [p for p in places.get(sound_id, []) if p.state not in ("missing", "failed")]
        if not here:
            continue
        # The place whose name matched, when it can be played as well as the best one.
        best = here[0]
        if hit is not None:
            named = next((p for p in here if p.id == hit.file_id), best)
            if (named.state in PLAYABLE) >= (best.state in PLAYABLE):
                best = named
        assert best.identity is not None
        yield Match(
            path=best.place,
            name=best.name,
            folder=best.folder,
            sound_id=sound_id,
            file_id=best.id,
            identity=best.identity,
            strength=strength,
            sound=heard[0] if heard else None,
            name_score=hit.score if hit else None,
            cosine=heard[1] if heard else None,
            why=_why(hit, heard),
            start=0.0,
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


_WHERE = {"name": "name", "folder": "folder", "meta": "text in the file", "ucs": "UCS category"}


def _why(hit: NameHit | None, heard: tuple[float, float] | None) -> str:
    """ "name: kick, drum · folder: loops · sound 83%"."""
    parts = []
    if hit is not None:
        for field, label in _WHERE.items():
            words = [word for word, where in hit.found if where == field]
            if words:
                parts.append(f"{label}: {', '.join(words)}")
    if heard is not None:
        parts.append(f"sound {100 * heard[0]:.0f}%")
    return " · ".join(parts)
