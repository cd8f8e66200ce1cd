"""How well a model finds: labelled clips and queries, by sound, by name and both together.

Each query is asked within its pool: the dev clips of one set, or all of them.
"""

import csv
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from soundsearch.audio.decode import DecodeError, load_mono
from soundsearch.audio.facts import Facts
from soundsearch.errors import UserError
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Record, State
from soundsearch.scan.naming import file_words
from soundsearch.search.calibration import Calibration
from soundsearch.search.names import Names
from soundsearch.search.query import Query
from soundsearch.search.ranking import NAME_WEIGHT
from soundsearch.training.calibrate import (
    Reliability,
    caught_against_false_alarms,
    reliability,
)
from soundsearch.training.data import Clip, LabelledQuery
from soundsearch.training.metrics import NAMES, Interval, interval, macro_mean, query_metrics

_TOGETHER = 32  # clips embedded in one call
_WITHOUT_TAGS: dict[str, str] = {}


class Embeds(Protocol):
    """What is needed of a model: see models.encoder.DualEncoder."""

    @property
    def rate(self) -> int: ...

    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, Any]: ...

    def embed_text(self, texts: list[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class Asked:
    """The queries with their pools over clips. rows: clips of each query's pool int (n,);
    relevant: of these the right ones bool (n,)."""

    queries: list[LabelledQuery]
    rows: list[np.ndarray]
    relevant: list[np.ndarray]

    @property
    def pools(self) -> np.ndarray:
        return np.array([query.pool for query in self.queries])

    @property
    def kinds(self) -> np.ndarray:
        return np.array([query.kind for query in self.queries])


@dataclass(frozen=True)
class Measured:
    """One way of ranking. values: metric → float64 (Q,), in the order of the queries."""

    values: dict[str, np.ndarray]
    pools: np.ndarray
    kinds: np.ndarray

    @property
    def macro(self) -> dict[str, float]:
        return {name: macro_mean(self.values[name], self.pools) for name in NAMES}

    @property
    def macro_interval(self) -> Interval:
        return interval(self.values["mAP@10"], self.pools)

    def by(self, groups: np.ndarray) -> dict[str, Interval]:
        """mAP@10 of each group with its interval."""
        values = self.values["mAP@10"]
        return {str(g): interval(values[groups == g]) for g in np.unique(groups)}

    @property
    def paraphrases(self) -> float:
        """mAP@10 of paraphrases over that of class names, within the pools that hold both."""
        values, shares = self.values["mAP@10"], []
        for pool in np.unique(self.pools):
            names = values[(self.pools == pool) & (self.kinds == "class name")]
            others = values[(self.pools == pool) & (self.kinds == "paraphrase")]
            if len(names) and len(others):
                shares.append((others.mean(), names.mean()))
        total = sum(name for _, name in shares)
        return float(sum(other for other, _ in shares) / total) if total else 0.0


@dataclass(frozen=True)
class Report:
    """What was measured. ways: "by sound", "by name", "fused" → Measured.

    alarms: (false alarms, caught) pairs of "nothing really matches" at thresholds chosen on these
    queries; threshold: the model's own, threshold_rates: the same pair at it.
    """

    ways: dict[str, Measured]
    queries: list[LabelledQuery]
    strength: Reliability
    alarms: list[tuple[float, float]]
    threshold: float | None = None
    threshold_rates: tuple[float, float] | None = None

    def worst(self, count: int = 20, way: str = "by sound") -> list[tuple[LabelledQuery, float]]:
        values = self.ways[way].values["mAP@10"]
        order = np.argsort(values, kind="stable")[:count]
        return [(self.queries[i], float(values[i])) for i in order]


def ask(clips: Sequence[Clip], queries: Sequence[LabelledQuery]) -> Asked:
    """Queries over clips. Queries without a right clip in their pool are left out.

    Raises UserError when none is left.
    """
    paths = np.array([clip.path for clip in clips])
    sets = np.array([clip.set for clip in clips])
    kept, rows, relevant = [], [], []
    for query in queries:
        pool = np.arange(len(clips)) if query.pool == "all" else np.flatnonzero(sets == query.pool)
        right = np.isin(paths[pool], sorted(query.relevant))
        if right.any():
            kept.append(query)
            rows.append(pool)
            relevant.append(right)
    if not kept:
        raise UserError("None of the queries has a right clip", "Do both tables belong together?")
    return Asked(kept, rows, relevant)


def embed_clips(
    encoder: Embeds, files: Sequence[Path], on_progress: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Whole-sound vectors of files: float32 (N, D). Raises UserError for one that can't be read."""
    parts = []
    for first in range(0, len(files), _TOGETHER):
        some = files[first : first + _TOGETHER]
        try:
            sounds = [load_mono(os.fsencode(file), encoder.rate) for file in some]
        except DecodeError as error:
            raise UserError(f"A clip can't be read: {error.reason}") from None
        parts.append(encoder.embed_audio(sounds)[0])
        on_progress(first + len(some))
    return np.concatenate(parts)


def measure(asked: Asked, scores: Sequence[np.ndarray]) -> Measured:
    """scores: of each query's pool, float (n,)."""
    found = [
        query_metrics(row[None], right[None])
        for row, right in zip(scores, asked.relevant, strict=True)
    ]
    values = {name: np.array([one[name][0] for one in found]) for name in NAMES}
    return Measured(values, asked.pools, asked.kinds)


def evaluate(
    texts: np.ndarray,
    sounds: np.ndarray,
    asked: Asked,
    calibration: Calibration,
    names: Sequence[str] | None = None,
) -> Report:
    """The whole report. texts float32 (Q, D), sounds (N, D); names: file names of the clips, for
    the ways that use them; half of the clips then keep theirs."""
    cosines = [sounds[rows] @ text for rows, text in zip(asked.rows, texts, strict=True)]
    strengths = [
        calibration.strength(row, text, len(row)) for row, text in zip(cosines, texts, strict=True)
    ]
    ways = {"by sound": measure(asked, cosines)}
    if names is not None:
        named = name_scores(asked, names)
        fused = [
            1.0 - (1.0 - NAME_WEIGHT * name) * (1.0 - strength)
            for name, strength in zip(named, strengths, strict=True)
        ]
        ways |= {"by name": measure(asked, named), "fused": measure(asked, fused)}
    each = list(zip(cosines, asked.relevant, texts, strict=True))
    best = np.array([calibration.standing(row, text, len(row)) for row, _, text in each])
    # With its right sounds taken out the pool is smaller, too.
    without = np.array(
        [calibration.standing(row[~right], text, int((~right).sum())) for row, right, text in each]
    )
    rates = None
    if calibration.threshold is not None:
        limit = calibration.threshold
        rates = (float((best < limit).mean()), float((without < limit).mean()))
    return Report(
        ways,
        asked.queries,
        reliability(np.concatenate(strengths), np.concatenate(asked.relevant)),
        caught_against_false_alarms(best, without),
        calibration.threshold,
        rates,
    )


def file_names(table: Path) -> dict[str, str]:
    """Path → the file name that a clip once had, of a clips CSV that tells (`original_file`)."""
    with open(table, encoding="utf-8", newline="") as file:
        return {row["path"]: row.get("original_file") or "" for row in csv.DictReader(file)}


def name_scores(asked: Asked, names: Sequence[str]) -> list[np.ndarray]:
    """Name scores 0…1 of each query's pool, by the real name search over a library whose files
    are called like the clips; every second clip, chosen by hash, has a name that says nothing."""
    with tempfile.TemporaryDirectory() as place:
        root_folder = Path(place) / "sounds"
        root_folder.mkdir()
        with Library.open(Path(place) / "data", write=True) as library:
            root = library.add_root(os.fsencode(root_folder))
            facts = Facts(1, 44100, 1, "pcm_16", "wav", None, 0.1, b"", False, 0.0)
            identities = [number.to_bytes(16, "big") for number in range(len(names))]
            library.record(
                Record(
                    root.id, os.fsencode(f"{number}/{_shown(name)}"), 1, 1, None, State.OK,
                    identity=identity, facts=facts, tags=_WITHOUT_TAGS,
                )
                for number, (name, identity) in enumerate(zip(names, identities, strict=True))
            )  # fmt: skip
            # The numbered folders only keep equal names apart.
            library.name_files(lambda name, folder, tags: file_words(name, "", tags))
            ids = np.array([library.sound_by_identity(i).id for i in identities])  # type: ignore[union-attr]
            search = Names(library.db)
            return [
                _scores(search, query.text, ids[rows])
                for query, rows in zip(asked.queries, asked.rows, strict=True)
            ]


def _shown(name: str) -> str:
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    hidden = int(digest, 16) % 2 == 0 or not name
    return f"{digest}.wav" if hidden else os.path.basename(name)


def _scores(search: Names, text: str, ids: np.ndarray) -> np.ndarray:
    best: dict[int, float] = {}
    for hit in search.hits(Query(words=tuple(text.split())), ids.tolist()).hits:
        best[hit.sound_id] = max(hit.score, best.get(hit.sound_id, 0.0))
    return np.array([best.get(int(i), 0.0) for i in ids])
