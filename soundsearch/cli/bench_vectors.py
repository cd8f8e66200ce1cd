"""Rows and queries for `bench index`: a model's, or made up where there is none.

Texts do not lie where sounds lie. What is made up keeps that: its rows have clusters in directions
of falling weight around a common mean, its queries a mean and noise of their own.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundsearch.errors import UserError

if TYPE_CHECKING:
    from soundsearch.models.encoder import DualEncoder

TEMPLATES = ("{}", "the sound of {}", "a recording of {}", "{} sample", "{} in the distance")
_AROUND = 0.4  # length of what is added to a model's rows: differences of two of its rows,
_WHITE = 0.15  # and noise in all directions
_TOGETHER = 16  # sounds embedded in one call
_LONGEST = 10.0  # seconds of a changed version


@dataclass(frozen=True)
class Material:
    """Unit vectors: rows float32 (N, D) and queries float32 (Q, D); source: what they are."""

    rows: np.ndarray
    queries: np.ndarray
    source: str

    def queries_in(self, dim: int) -> np.ndarray:
        """float32 (Q, dim)"""
        return _unit(_turned(self.queries, dim))

    def rows_in(self, dim: int, count: int, seed: int = 0) -> Iterator[np.ndarray]:
        """`count` rows in blocks float32 (n, dim): those there are, then ones around them."""
        random = np.random.default_rng(seed)
        rows = _turned(self.rows, dim)
        made = min(count, len(rows))
        yield _unit(rows[random.permutation(len(rows))[:made]])
        while made < count:
            some = min(10_000, count - made)
            at, one, other = random.integers(0, len(rows), (3, some))
            apart = rows[one] - rows[other]
            apart *= _AROUND / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-6)
            white = random.standard_normal((some, dim), np.float32) * np.float32(_WHITE / dim**0.5)
            yield _unit(rows[at] + apart + white)
            made += some


def made_up(dim: int = 1024, clusters: int = 4_000, queries: int = 200) -> Material:
    """20,000 rows and their queries, always the same."""
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.normal(size=(dim, dim)))[0].astype(np.float32)
    weights = np.arange(1, dim + 1) ** -0.6
    weights = (weights / np.linalg.norm(weights)).astype(np.float32)
    centres = random.standard_normal((clusters, dim), np.float32) * weights
    popular = random.pareto(1.2, clusters) + 0.2
    at = random.choice(clusters, 20_000, p=popular / popular.sum())
    near = random.standard_normal((len(at), dim), np.float32) * weights
    rows = (centres[at] + 0.6 * near) @ turn.T + 0.6 * turn[0]
    own = random.standard_normal(dim, np.float32)
    said = 0.5 * centres[random.integers(0, clusters, queries)]
    said += 0.5 * random.standard_normal((queries, dim), np.float32) * weights
    apart = 0.4 * random.standard_normal((queries, dim), np.float32) / dim**0.5
    texts = said @ turn.T + 0.8 * own / np.linalg.norm(own) + apart
    return Material(_unit(rows), _unit(texts), "made-up rows in clusters, queries apart from them")


def read(file: Path, queries_only: bool = False) -> Material:
    """What `save` wrote; without rows when they are not wanted. Raises UserError."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            queries = stored["queries"]
            rows = np.empty((0, queries.shape[-1])) if queries_only else stored["rows"]
            source = str(stored["source"])
        if rows.ndim != 2 or queries.ndim != 2 or rows.shape[1] != queries.shape[1]:
            raise ValueError("rows and queries do not fit together")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The vectors can't be read from {file} ({error})") from None
    return Material(_unit(rows.astype(np.float32)), _unit(queries.astype(np.float32)), source)


def save(material: Material, file: Path) -> None:
    """rows and queries as float16."""
    try:
        np.savez(
            file,
            rows=material.rows.astype(np.float16),
            queries=material.queries.astype(np.float16),
            source=np.array(material.source),
        )
    except OSError as error:
        raise UserError(f"The vectors can't be written to {file} ({error.strerror})") from None


def embed(encoder: "DualEncoder", clips: Path, queries: Path, versions: int) -> Material:
    """All clips of a table, each also in `versions` - 1 changed forms and mixtures, and the
    queries of another within templates. Raises UserError."""
    from soundsearch.audio.decode import DecodeError, load_mono
    from soundsearch.training.augment import vary
    from soundsearch.training.data import read_clips, read_queries

    table = read_clips(clips)
    asked = list(dict.fromkeys(query.text for query in read_queries(queries)))
    length = int(_LONGEST * encoder.rate)
    parts: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    before = np.zeros(encoder.rate, np.float32)
    for number, clip in enumerate(table):
        try:
            sound = load_mono(str(clip.file), encoder.rate)
        except DecodeError:
            continue
        waiting.append(sound)
        for version in range(1, versions):
            other = before if version % 2 else None
            waiting.append(vary(sound, other, -6.0, length, encoder.rate, [number, version]))
        before = sound
        if len(waiting) >= _TOGETHER:
            parts.append(encoder.embed_audio(waiting)[0])
            waiting = []
            if number % 50 == 0 and sys.stderr.isatty():
                print(f"\r{number} of {len(table)} clips", end="", file=sys.stderr)
    if waiting:
        parts.append(encoder.embed_audio(waiting)[0])
    if not parts or not asked:
        raise UserError(f"There is nothing to embed in {clips} and {queries}")
    texts = [template.format(text) for text in asked for template in TEMPLATES]
    rows = np.concatenate(parts)
    source = f"{encoder.model_id}: {len(table)} clips, {versions} versions each"
    return Material(rows, encoder.embed_text(texts), source)


def _turned(rows: np.ndarray, dim: int) -> np.ndarray:
    """Rows (n, d) in `dim` dimensions: turned into more without a change of any cosine, or
    projected onto a random part of fewer."""
    given = rows.shape[1]
    if given == dim:
        return rows
    random = np.random.default_rng(1)
    turn = np.linalg.qr(random.normal(size=(max(given, dim), min(given, dim))))[0]
    return np.ascontiguousarray(rows @ (turn.T if dim > given else turn), np.float32)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return (rows / lengths).astype(np.float32)
