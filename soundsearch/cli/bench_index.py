"""`soundsearch bench index`: how fast the nearest of many rows are found, and what that costs."""

import argparse
import re
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundsearch.cli.output import remark
from soundsearch.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from soundsearch.index.vectors import Vectors

# The last: 600,000 sounds, and as many segments of the long ones.
SIZES = "100000x1024,300000x1024,1000000x256,600000+600000x1024"
_K = 10
_MODEL = "bench"
_PATIENCE = 7_200.0  # seconds for a graph


@dataclass(frozen=True)
class _Size:
    sounds: int
    segments: int
    dim: int

    @property
    def rows(self) -> int:
        return self.sounds + self.segments

    def __str__(self) -> str:
        segments = f" + {self.segments:,}" if self.segments else ""
        return f"{self.sounds:,}{segments} x {self.dim}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("index")
    group.add_argument(
        "--sizes",
        default=SIZES,
        metavar="LIST",
        help="SOUNDSxDIM or SOUNDS+SEGMENTSxDIM, with commas between (%(default)s)",
    )
    group.add_argument("--vectors", metavar="FILE.npz", help="rows and queries saved before")
    group.add_argument("--clips", metavar="CSV", help="embed these clips with the model in use")
    group.add_argument("--queries", metavar="CSV", help="and these queries")
    group.add_argument(
        "--versions", type=int, default=5, metavar="N", help="of each clip, changed and mixed (5)"
    )
    group.add_argument(
        "--graph", action="store_true", help="also where comparing with all rows is the rule"
    )
    group.add_argument("--save", metavar="FILE.npz", help="keep what was embedded")


def measure_index(place: Path, args: argparse.Namespace) -> dict[str, Any]:
    """One entry a size. Raises UserError."""
    from soundsearch.index.vectors import IN_MEMORY

    sizes = [_size(text) for text in args.sizes.split(",")]
    file = _material(place, args)
    results: dict[str, Any] = {}
    for size in sizes:
        remark(f"{size}: writing and building", args.quiet)
        _needs_room(place, size)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            _apart(_write, Path(folder), size, file)
            in_memory = 0 if args.graph else IN_MEMORY
            figures = _apart(_build, Path(folder), size, in_memory)
            remark(f"{size}: searching", args.quiet)
            results[str(size)] = figures | _apart(_search, Path(folder), size, file, in_memory)
    return results


def _size(text: str) -> _Size:
    match = re.fullmatch(r"(\d+)(?:\+(\d+))?x(\d+)", text.strip())
    size = _Size(int(match[1]), int(match[2] or 0), int(match[3])) if match else None
    if size is None or size.sounds < 100 or size.dim < 8:
        raise UserError(f"{text} is no size", "Give one like 100000x1024 or 600000+600000x1024")
    return size


def _material(place: Path, args: argparse.Namespace) -> Path:
    from soundsearch.cli import bench_vectors

    if args.vectors:
        bench_vectors.read(Path(args.vectors))
        return Path(args.vectors)
    file = Path(args.save or place / "material.npz")
    if args.clips or args.queries:
        from soundsearch.models.catalog import find
        from soundsearch.models.encoder import load_model
        from soundsearch.paths import data_folder

        if not (args.clips and args.queries) or args.versions < 1:
            raise UserError("--clips and --queries are given together, --versions from 1 up")
        entry = find(data_folder(args.data), args.model)
        if entry is None:
            raise UserError("No model is installed, so the clips can't be embedded")
        remark("Embedding the clips…", args.quiet)
        encoder = load_model(entry.folder, args.device)
        material = bench_vectors.embed(encoder, Path(args.clips), Path(args.queries), args.versions)
    else:
        material = bench_vectors.made_up()
    bench_vectors.save(material, file)
    return file


def _needs_room(place: Path, size: _Size) -> None:
    needed = size.rows * (2 * size.dim + 24 + 2 * 1_024)  # a snapshot and its successor
    if shutil.disk_usage(place).free < needed:
        raise UserError(f"{size} needs {needed / 1e9:.1f} GB for temporary files")


def _apart(work: Any, *arguments: Any) -> dict[str, Any]:
    """In a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        figures: dict[str, Any] = pool.submit(work, *arguments).result()
        return figures


def _write(folder: Path, size: _Size, file: Path) -> dict[str, Any]:
    import numpy as np

    from soundsearch.cli import bench_vectors
    from soundsearch.index.vectors import WHOLE, Vectors

    material = bench_vectors.read(file)
    with Vectors.open(folder, size.dim, write=True) as vectors:
        for block in material.rows_in(size.dim, size.rows):
            first = len(vectors)
            # As a scan writes them: the segments of a sound before the sound.
            at = np.arange(first, first + len(block))
            is_whole = (at + 1) * size.sounds // size.rows > at * size.sounds // size.rows
            numbers = (at * size.sounds // size.rows).tolist()
            identities = [(n * 0x9E3779B97F4A7C15 % 2**128).to_bytes(16, "big") for n in numbers]
            starts = np.where(is_whole, np.float32(WHOLE), at.astype(np.float32))
            vectors.append(identities, starts, block)
    return {}


def _build(folder: Path, size: _Size, in_memory: int) -> dict[str, Any]:
    """Makes and saves the graph, if there is one for so many rows."""
    from soundsearch.cli.bench import peak_memory
    from soundsearch.index import snapshot
    from soundsearch.index.neighbours import Neighbours
    from soundsearch.index.vectors import Vectors

    figures: dict[str, Any] = {}
    with Vectors.open(folder, size.dim, write=True, in_memory=in_memory) as vectors:
        near = Neighbours(vectors, _MODEL, write=True)
        began = time.perf_counter()
        near.settle(wait=True)
        built = time.perf_counter() - began
        near.close()
        if vectors.is_large:
            figures["graph, built and saved s"] = round(built, 1)
            figures["building: resident MB at most"] = peak_memory()
            graph = snapshot.load(folder, vectors, _MODEL)
            began = time.perf_counter()
            snapshot.save(folder, graph, vectors, _MODEL)
            figures["snapshot s"] = round(time.perf_counter() - began, 2)
            figures["snapshot MB"] = round((folder / "index.hnsw").stat().st_size / 1e6)
            figures["dimensions of the graph"] = graph.graph.dim
            figures["squared length kept"] = round(graph.projection.kept, 3)
    return figures


def _search(folder: Path, size: _Size, file: Path, in_memory: int) -> dict[str, Any]:
    """Opens what `_build` left, asks, and compares with all rows."""
    import numpy as np

    from soundsearch.cli import bench_vectors
    from soundsearch.cli.bench import peak_memory, quantile
    from soundsearch.index.neighbours import Neighbours
    from soundsearch.index.vectors import Vectors

    material = bench_vectors.read(file, queries_only=True)
    queries, source = material.queries_in(size.dim), material.source
    queries = queries[np.linspace(0, len(queries) - 1, min(200, len(queries))).astype(int)]
    before = peak_memory()
    began = time.perf_counter()
    vectors = Vectors.open(folder, size.dim, in_memory=in_memory)
    opened = time.perf_counter()
    near = Neighbours(vectors, _MODEL)
    figures: dict[str, Any] = {"source": source, "vectors open s": round(opened - began, 2)}
    if vectors.is_large:
        asked = time.perf_counter()
        near.nearest(queries[:1], _K, exact=True)
        figures["before the graph is there: one search s"] = round(time.perf_counter() - asked, 2)
        while near.covered < len(vectors) and time.perf_counter() - opened < _PATIENCE:
            time.sleep(0.01)
        figures["graph there s"] = round(time.perf_counter() - opened, 2)
    near.nearest(queries[:5], _K)
    seconds, found, bare = [], [], []
    for query in queries:
        asked = time.perf_counter()
        rows, _ = near.nearest(query[None], _K)
        seconds.append(time.perf_counter() - asked)
        found.append(rows[0])
        if not vectors.is_large:
            asked = time.perf_counter()
            vectors.matrix @ query
            bare.append(time.perf_counter() - asked)
    figures["median ms"] = round(1e3 * quantile(seconds, 0.5), 2)
    figures["95th percentile ms"] = round(1e3 * quantile(seconds, 0.95), 2)
    if bare:
        figures["bare matrix-vector product, median ms"] = round(1e3 * quantile(bare, 0.5), 2)
        figures["ratio to it"] = round(quantile(seconds, 0.5) / quantile(bare, 0.5), 2)
    figures["resident MB at most"] = peak_memory()
    figures["of these before opening"] = before
    figures[f"recall@{_K}"] = round(_recall(vectors, queries, found), 4)
    near.close()
    return figures


def _recall(vectors: "Vectors", queries: "np.ndarray", found: "list[np.ndarray]") -> float:
    """The share of the nearest _K that was found, by comparing with every row."""
    import numpy as np

    best = np.full((len(queries), _K), -np.inf, np.float32)
    for first in range(0, len(vectors), 16_384):
        for _, block in vectors.blocks(first, min(first + 16_384, len(vectors))):
            together = np.concatenate([best, queries @ block.T], axis=1)
            best = np.partition(together, together.shape[1] - _K, axis=1)[:, -_K:]
    least = best.min(axis=1) - 1e-5  # one of two equal ones is as good as the other
    hits = [
        (vectors.take(rows) @ query >= low).sum()
        for rows, query, low in zip(found, queries, least, strict=True)
    ]
    return float(np.sum(hits)) / best.size
