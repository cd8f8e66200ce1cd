"""Chooses how much nearer a moment must be than whole sounds are (`search.moments`), and how like
takes are (`search.takes`), for one model.

Both are measured on labelled clips and stored in the model's calibration.json.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundsearch.audio.decode import load_mono
from soundsearch.index.vectors import WHOLE
from soundsearch.scan.segments import representatives
from soundsearch.search.moments import best_moments
from soundsearch.search.takes import stem
from soundsearch.training.data import Clip
from soundsearch.training.evaluate import Embeds

MARGINS = np.round(np.arange(0.0, 0.51, 0.01), 2)
JOINED = (15.0, 90.0)  # seconds of a long recording
_TOGETHER = 8  # sounds embedded in one call


@dataclass(frozen=True)
class Choice:
    """margin: the best one; curve: mAP at each of MARGINS; wholes: mAP by the vectors of whole
    sounds alone; recordings, clips, queries: how many."""

    margin: float
    curve: np.ndarray
    wholes: float
    recordings: int
    clips: int
    queries: int


def margin(encoder: Embeds, clips: Sequence[Clip], seed: int = 0) -> Choice:
    """m of score = max(whole, best segment - m), by the mAP of the labels as queries.

    The pool: half of the clips as they are, the other half joined into recordings of 15 to 90
    seconds. Right are the clips of a label and the recordings that hold one of them. Of
    margins that do equally well the largest, which leaves whole sounds the most.
    """
    random = np.random.default_rng(seed)
    labelled = [clip for clip in clips if clip.label]
    order = random.permutation(len(labelled))
    single = [labelled[i] for i in order[: len(order) // 2]]
    joined = _recordings([labelled[i] for i in order[len(order) // 2 :]], encoder.rate, random)
    owners: list[int] = []
    starts: list[float] = []
    rows: list[np.ndarray] = []
    labels: list[frozenset[str]] = []
    parts = [((clip.label,), _load(clip, encoder.rate)) for clip in single]
    sounds = [*parts, *joined]
    for first in range(0, len(sounds), _TOGETHER):
        some = sounds[first : first + _TOGETHER]
        vectors, segments = encoder.embed_audio([samples for _, samples in some])
        for (held, _), vector, own in zip(some, vectors, segments, strict=True):
            moments = own[representatives(own)] if len(own) > 1 else own[:0]
            owners += [len(labels)] * (len(moments) + 1)
            starts += [*range(len(moments)), WHOLE]
            rows += [*moments, vector]
            labels.append(frozenset(held))
    asked = sorted({label for held in labels for label in held})
    relevant = np.array([[label in held for held in labels] for label in asked])
    cosines = encoder.embed_text(asked) @ np.stack(rows).T  # (Q, R)
    who, when = np.array(owners, np.int64), np.array(starts, np.float32)

    def quality(m: float) -> float:
        scores = np.stack([best_moments(who, when, row, m)[1] for row in cosines])
        return float(np.mean([_precision(*pair) for pair in zip(scores, relevant, strict=True)]))

    curve = np.array([quality(float(m)) for m in MARGINS])
    best = int(np.flatnonzero(curve >= curve.max() - 1e-9).max())
    wholes = quality(np.inf)
    return Choice(
        float(MARGINS[best]), curve, wholes, len(joined), len(single), len(asked)
    )  # fmt: skip


def take_cosine(vectors: np.ndarray, labels: Sequence[str], names: Sequence[str]) -> float | None:
    """The cosine that best parts takes from others that are only named like them, or None.

    vectors: unit vectors (N, D) of clips; labels: what they are; names: their former paths. Pairs
    of one folder and stem are takes when their labels are equal. Groups of names count by their
    clips, not by their pairs. None where one kind of pair is missing.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for at, name in enumerate(names):
        if name:
            folder, file = os.path.split(name)
            groups.setdefault((folder, stem(file)), []).append(at)
    values: list[np.ndarray] = []
    takes: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for rows in groups.values():
        if len(rows) > 1:
            first, second = np.triu_indices(len(rows), 1)
            cosines = vectors[rows] @ vectors[rows].T
            values.append(cosines[first, second])
            own = np.array([labels[row] for row in rows])
            takes.append(own[first] == own[second])
            weights.append(np.full(len(first), 2.0 / len(rows)))
    if not values:
        return None
    cosine, take, weight = map(np.concatenate, (values, takes, weights))
    if take.all() or not take.any():
        return None
    order = np.argsort(-cosine, kind="stable")
    right = np.cumsum(np.where(take, weight, 0.0)[order]) / weight[take].sum()
    wrong = np.cumsum(np.where(take, 0.0, weight)[order]) / weight[~take].sum()
    return float(cosine[order][int(np.argmax(right - wrong))])


def _precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Average precision over all right sounds; equal scores stand in their order."""
    places = np.flatnonzero(relevant[np.argsort(-scores, kind="stable")]) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())


def _load(clip: Clip, rate: int) -> np.ndarray:
    return load_mono(os.fsencode(clip.file), rate)


def _recordings(
    clips: Sequence[Clip], rate: int, random: np.random.Generator
) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """(labels, samples) of recordings that clips were joined into, one after the other."""
    made: list[tuple[tuple[str, ...], np.ndarray]] = []
    parts: list[np.ndarray] = []
    labels: list[str] = []
    wanted = random.uniform(*JOINED)
    for clip in clips:
        parts.append(_load(clip, rate))
        labels.append(clip.label)
        if sum(map(len, parts)) >= wanted * rate:
            made.append((tuple(labels), np.concatenate(parts)))
            parts, labels, wanted = [], [], random.uniform(*JOINED)
    return made
