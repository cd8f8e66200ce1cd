"""Labelled sounds and queries, read from plain CSV files, and the split of the training rows.

Columns of the clips: path (beside the CSV), split (train/dev), set, label, tags, licence, author,
source_repo, ship (yes/no). Columns of the queries: query, set ("all" or one set), kind, relevant
(paths, `;` between).
"""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from soundsearch.errors import UserError


@dataclass(frozen=True)
class Clip:
    """One labelled sound. path: as in the CSV; file: where it lies."""

    path: str
    file: Path
    split: str
    set: str
    label: str
    tags: str
    licence: str
    author: str
    source: str
    ship: bool


@dataclass(frozen=True)
class LabelledQuery:
    """A query, the pool it is asked in and the paths of the clips that are right."""

    text: str
    pool: str
    kind: str
    relevant: frozenset[str]


def read_clips(table: Path) -> list[Clip]:
    """All rows of a clips CSV in their order. Raises UserError when it can't be read."""
    return [
        Clip(
            row["path"],
            table.parent / row["path"],
            row["split"],
            row["set"],
            row["label"].strip(),
            row["tags"].strip(),
            row["licence"],
            row["author"],
            row["source_repo"],
            row["ship"] == "yes",
        )
        for row in _rows(table, ("path", "split", "set", "label", "tags", "source_repo", "ship"))
    ]


def read_queries(table: Path) -> list[LabelledQuery]:
    """All rows of a query CSV. Raises UserError when it can't be read."""
    return [
        LabelledQuery(row["query"], row["set"], row["kind"], frozenset(row["relevant"].split(";")))
        for row in _rows(table, ("query", "set", "kind", "relevant"))
    ]


def _rows(table: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with open(table, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or [])]
            if missing:
                raise UserError(f"{table} has no column {', '.join(missing)}")
            return list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The table {table} can't be read ({error})") from None


def training_clips(clips: list[Clip]) -> list[Clip]:
    """Rows that may be learnt from and shipped: split train, ship yes, with a label."""
    return [clip for clip in clips if clip.split == "train" and clip.ship and clip.label]


def hold_out(clips: list[Clip], share: float = 0.08) -> tuple[list[Clip], list[Clip]]:
    """(to learn from, to validate on): whole sources, about `share` of the clips.

    The choice depends only on the names of the sources. Sources of more than half of the share
    stay in training: losing one would cost whole kinds of sound.
    """
    sizes = Counter(clip.source for clip in clips)
    wanted = share * len(clips)
    held: set[str] = set()
    count = 0
    for source in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if sizes[source] <= wanted / 2 and count + sizes[source] <= wanted:
            held.add(source)
            count += sizes[source]
    learn = [clip for clip in clips if clip.source not in held]
    return learn, [clip for clip in clips if clip.source in held]
