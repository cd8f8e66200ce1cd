"""Takes: `footstep_01 … 40` of one folder that sound alike stand in one row of an answer."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np

from soundsearch.search.filters import SHOWN_STATES

# Alike(head, others): of each other sound whether it sounds like the head; ids of sounds.
Alike = Callable[[int, Sequence[int]], Sequence[bool]]

LENGTH_RATIO = 2.0  # of 311 pairs of takes of labelled clips, 95% lie within

_NUMBERS = re.compile(r"[\W_]*\d+[\W_]*")


def stem(name: str) -> str:
    """What takes have in common: the file's name without extension, numbers and what joins them.

    "Kick_01 (2).wav" → "Kick"; "" for a name of numbers alone.
    """
    return without_numbers(os.path.splitext(name)[0]).strip()


def without_numbers(name: str) -> str:
    """Names of one stem that have numbers and the same extension become the same."""
    return _NUMBERS.sub(" ", name)


def fold(
    rows: Iterable[tuple[Hashable, int]], alike: Alike, most: int | None = None
) -> list[list[int]]:
    """Groups of takes as positions in `rows`, each group's first row being its head.

    rows: (folder and stem, sound id), best first. A row joins the first group of its folder and
    stem whose head it sounds like, else it is a head itself; ends when there would be more than
    `most` heads. Deterministic.
    """
    groups: list[list[int]] = []
    heads: dict[Hashable, list[tuple[int, list[int]]]] = {}
    for position, (key, sound_id) in enumerate(rows):
        here = heads.setdefault(key, [])
        group = next((g for head, g in here if alike(head, [sound_id])[0]), None)
        if group is not None:
            group.append(position)
            continue
        if most is not None and len(groups) == most:
            break
        groups.append([position])
        here.append((sound_id, groups[-1]))
    return groups


def siblings(
    db: sqlite3.Connection, path: bytes, name: str, folder: str, sound_id: int
) -> list[int]:
    """Ids of the other sounds with files in the same folder and of the same stem, by name.

    path: absolute, of the sound's file; name, folder: as they are displayed.
    """
    own, place = stem(name), os.path.dirname(path)
    begin = re.split(r"[\W_]*\d", os.path.splitext(name)[0], maxsplit=1)[0]
    rows = db.execute(
        "SELECT f.sound_id, f.name, r.path, f.path FROM files f JOIN roots r ON r.id = f.root_id"
        " WHERE f.folder = ? AND substr(f.name, 1, ?) = ? AND f.sound_id IS NOT NULL"
        f" AND f.state IN {SHOWN_STATES} ORDER BY f.name COLLATE NOCASE, f.id",
        (folder, len(begin), begin),
    )
    found = (
        other
        for other, display, root, relative in rows
        if stem(display) == own and os.path.dirname(os.path.join(root, relative)) == place
    )
    return [other for other in dict.fromkeys(found) if other != sound_id]


def alike_by_length(db: sqlite3.Connection) -> Alike:
    """For answers by name alone, which know no vectors: sounds whose lengths differ little."""

    def alike(head: int, others: Sequence[int]) -> Sequence[bool]:
        seconds = dict(
            db.execute(
                "SELECT id, seconds FROM sounds WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps([head, *others]),),
            )
        )
        return alike_in(seconds)(head, others)

    return alike


def alike_in(seconds: Mapping[int, float]) -> Alike:
    """Sounds whose lengths differ little, by lengths that are known already."""

    def alike(head: int, others: Sequence[int]) -> list[bool]:
        own = seconds.get(head, 0.0)
        return [_near(own, seconds.get(other, 0.0)) for other in others]

    return alike


def alike_by_vector(
    whole_of: Callable[[list[int]], np.ndarray],
    take: Callable[[np.ndarray], np.ndarray],
    least: float,
) -> Alike:
    """Sounds whose vectors have at least a cosine of `least`.

    whole_of(ids of sounds) -> their rows, int64, -1 for none; take(rows) -> unit vectors float32.
    """

    def alike(head: int, others: Sequence[int]) -> list[bool]:
        rows = whole_of([head, *others])
        if rows[0] < 0:
            return [False] * len(others)
        there = np.flatnonzero(rows >= 0)  # the head among them
        vectors = take(rows[there])
        like = np.zeros(len(rows), bool)
        like[there] = vectors @ vectors[0] >= least
        return like[1:].tolist()

    return alike


def _near(a: float, b: float) -> bool:
    return max(a, b) <= LENGTH_RATIO * min(a, b)
