"""What is asked of the library and of the person's data: functions that run on the Reader's
thread. Without a library they answer as for an empty one."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from soundsearch.errors import UserError
from soundsearch.library.catalog import Library
from soundsearch.search import marks
from soundsearch.search.filters import SHOWN_STATES
from soundsearch.search.query import Query
from soundsearch.search.ranking import Answer, Match, rank
from soundsearch.search.takes import alike_in, fold, stem, without_numbers
from soundsearch.window.bridge import Desk
from soundsearch.window.made import Made, made
from soundsearch.window.sidebar import Place
from soundsearch.window.waveform import Envelope, read_envelope

_ORDERS = {
    "duration": "min(s.seconds), min(f.name COLLATE NOCASE)",
    "-duration": "min(s.seconds) DESC, min(f.name COLLATE NOCASE)",
    "date": "max(f.added) DESC, min(f.name COLLATE NOCASE)",
}

FEW = 20_000  # sounds; of more, all files are read


@dataclass(frozen=True)
class Overview:
    """folders: how many files lie in each display folder itself; favourites: sound ids."""

    places: tuple[Place, ...] = ()
    folders: Mapping[str, int] = field(default_factory=dict)
    files: int = 0
    failed: int = 0
    favourites: frozenset[int] = frozenset()
    made: Made = Made()


@dataclass(frozen=True)
class Browsed:
    """keys: the ids of the rows' sounds, in order; takes: of rows that stand for several takes,
    the others; sounds: how many there are with these."""

    keys: tuple[int, ...] = ()
    takes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sounds: int = 0


def overview(desk: Desk) -> Overview:
    if desk.library is None:
        return Overview(made=made(desk))
    db = desk.library.db
    files = dict(
        db.execute(
            f"SELECT root_id, count(*) FROM files WHERE state IN {SHOWN_STATES} GROUP BY root_id"
        )
    )
    places = tuple(
        Place(os.fsdecode(root.path), root.name, root.state, files.get(root.id, 0))
        for root in desk.library.roots()
    )
    folders = dict(
        db.execute(
            f"SELECT folder, count(*) FROM files WHERE state IN {SHOWN_STATES} GROUP BY folder"
        )
    )
    (failed,) = db.execute("SELECT count(*) FROM files WHERE state = 'failed'").fetchone()
    return Overview(places, folders, sum(files.values()), failed, favourites(desk), made(desk))


def envelopes(desk: Desk, sounds: Sequence[int]) -> dict[int, Envelope]:
    """The envelopes of sounds by id; sounds without one are left out."""
    if desk.library is None:
        return {}
    rows = desk.library.db.execute(
        "SELECT sound_id, points FROM envelopes WHERE sound_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(sounds)),),
    )
    return {sound: read_envelope(points) for sound, points in rows}


def failures(desk: Desk) -> list[tuple[str, str]]:
    """(path, reason) of the files that could not be used."""
    found = desk.library.failures() if desk.library is not None else []
    return [(os.fsdecode(one.path), one.reason or "") for one in found]


def rank_by_name(desk: Desk, query: Query, order: str, k: int) -> Answer:
    """The instant answer, without the worker."""
    if desk.library is None or desk.names is None:
        return Answer()
    answer = rank(query, desk.library, desk.names, k=k, userdata=desk.person)
    return in_order(desk, answer, order)


def in_order(desk: Desk, answer: Answer, order: str) -> Answer:
    """The answer's matches in another order than the best first."""
    matches = list(answer.matches)
    if order == "name":
        matches.sort(key=lambda match: match.name.casefold())
    elif order in ("duration", "-duration"):
        sign = -1 if order[0] == "-" else 1
        matches.sort(key=lambda match: sign * match.duration)
    elif order == "date" and desk.library is not None:
        added = dict(
            desk.library.db.execute(
                "SELECT id, added FROM files WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps([match.file_id for match in matches]),),
            )
        )
        matches.sort(key=lambda match: -(added.get(match.file_id) or 0.0))
    return replace(answer, matches=tuple(matches))


def browse(desk: Desk, query: Query, order: str) -> Browsed:
    """All sounds that pass the query's filters, in order; takes are one row."""
    ids = _browsed(desk, query, order)
    return _folded(desk.library, ids) if desk.library is not None else Browsed()


def _folded(library: Library, ids: Sequence[int]) -> Browsed:
    """Takes as the search folds them by name and length, if all have numbers and not only these."""
    takes: dict[int, tuple[int, ...]] = {}
    below: set[int] = set()
    for group in _of_one_stem(library, ids):
        alike = alike_in(_lengths(library, group))
        for head, *others in fold(((0, sound) for sound in group), alike):
            if others:
                takes[group[head]] = tuple(group[other] for other in others)
                below.update(takes[group[head]])
    return Browsed(tuple(sound for sound in ids if sound not in below), takes, len(ids))


def _of_one_stem(library: Library, ids: Sequence[int]) -> list[list[int]]:
    """Sounds in the order of `ids` whose names differ by numbers only, two or more in a folder."""
    few = len(ids) < FEW
    rows = library.db.execute(
        f"SELECT sound_id, folder, name, root_id FROM files WHERE state IN {SHOWN_STATES}"
        + (" AND sound_id IN (SELECT value FROM json_each(?))" if few else "")
        + " ORDER BY id DESC",  # the oldest file of a sound counts
        (json.dumps(ids),) if few else (),
    )
    # Most names have no like: a rough look first, since this is done for whole libraries. It goes
    # along with the rows, so that a newer question interrupts it.
    wanted = set(ids)
    places: dict[int, tuple[str, str, int]] = {}
    seen: dict[tuple[str, str], int] = {}
    rough: set[int] = set()
    for sound, folder, name, root in rows:
        if sound in wanted:
            places[sound] = (folder, name, root)
            first = seen.setdefault((folder, without_numbers(name)), sound)
            if first != sound:
                rough.update((first, sound))
    groups: dict[tuple[int, str, str], list[int]] = {}
    for sound in ids:
        if sound not in rough:
            continue
        folder, name, root = places[sound]
        if own := stem(name):
            groups.setdefault((root, folder, own), []).append(sound)
    return [group for group in groups.values() if len(group) > 1]


def _lengths(library: Library, sounds: Sequence[int]) -> dict[int, float]:
    return dict(
        library.db.execute(
            "SELECT id, seconds FROM sounds WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(sounds),),
        )
    )


def _browsed(desk: Desk, query: Query, order: str) -> list[int]:
    if desk.library is None or desk.names is None:
        return []
    chosen = tagged = None
    if desk.person is not None:
        chosen = marks.chosen(query, desk.library, desk.person)
        tagged = marks.tagged(desk.names.excluded(query), desk.library, desk.person)
    if order not in _ORDERS:
        return desk.names.browse(query, chosen, 10_000_000, tagged)
    where, values = desk.names.conditions(query, chosen, tagged)
    rows = desk.library.db.execute(
        "SELECT f.sound_id FROM files f JOIN sounds s ON s.id = f.sound_id"
        f" WHERE f.state IN {SHOWN_STATES}{where} GROUP BY f.sound_id ORDER BY {_ORDERS[order]}",
        values,
    )
    return [row[0] for row in rows]


def rows(desk: Desk, sounds: Sequence[int]) -> list[Match]:
    """Sounds by id, as rows that match nothing in particular."""
    if desk.library is None or desk.names is None:
        return []
    answer = rank(Query(), desk.library, desk.names, k=len(sounds), chosen=sounds, takes=True)
    return list(answer.matches)


def favourites(desk: Desk) -> frozenset[int]:
    """The sounds of the library that are favourites."""
    if desk.library is None or desk.person is None:
        return frozenset()
    return _sounds(desk, desk.person.favourites())


def set_favourites(desk: Desk, matches: Sequence[Match], favourite: bool) -> frozenset[int]:
    """Keeps them, and returns all favourites."""
    if desk.person is None:
        raise UserError("Favourites can't be kept", "log.txt in the data folder has the reason")
    for match in matches:
        desk.person.set_favourite(match.identity, match.path, favourite)
    return favourites(desk)


def takes(desk: Desk, match: Match) -> list[Match]:
    """The other takes that a row stands for, by name."""
    return rows(desk, match.members)


def _sounds(desk: Desk, identities: Iterable[bytes]) -> frozenset[int]:
    assert desk.library is not None
    found = (desk.library.sound_by_identity(identity) for identity in identities)
    return frozenset(sound.id for sound in found if sound is not None)
