"""The graph on disk: `index.hnsw` and `index.header`, which says what it belongs to.

The header is a line of JSON and the projection's basis as float32. It names size and CRC-32 of
`index.hnsw`, so two files that do not belong together, as after a crash between the two
replacements, are seen like damaged ones.
"""

import json
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundsearch.index.graph import EF_CONSTRUCTION, Graph, M, measured
from soundsearch.index.projection import Projection
from soundsearch.index.vectors import Vectors

_FORMAT = 1
_GRAPH, _HEADER = "index.hnsw", "index.header"


class UnusableError(Exception):
    """Says why a snapshot can't be used."""


@dataclass
class Indexed:
    """A graph and the projection of its rows. lost: sum of the squared length that they lost."""

    graph: Graph
    projection: Projection
    lost: float = 0.0


def exists(folder: Path) -> bool:
    return (folder / _HEADER).exists() or (folder / _GRAPH).exists()


def save(folder: Path, indexed: Indexed, vectors: Vectors, model_id: str) -> None:
    """Replaces the snapshot. Raises OSError: the old one stays then, or, where the second of both
    files could not be replaced, none."""
    graph_new, header_new = folder / f"{_GRAPH}.new", folder / f"{_HEADER}.new"
    graph, basis = indexed.graph, np.ascontiguousarray(indexed.projection.basis, "<f4").tobytes()
    try:
        size, crc = graph.save(graph_new)
        header = {
            **_belongs(vectors, model_id),
            "dims": graph.dim,
            "held": len(graph),
            "count": graph.covered,
            "rows": vectors.fingerprint(graph.covered),
            "size": size,
            "crc": crc,
            "basis_crc": zlib.crc32(basis),
            "kept": indexed.projection.kept,
            "lost": indexed.lost,
        }
        with open(header_new, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + basis)
            file.flush()
            os.fsync(file.fileno())
        os.replace(graph_new, folder / _GRAPH)
        os.replace(header_new, folder / _HEADER)
    except BaseException:
        for path in (graph_new, header_new):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def load(
    folder: Path, vectors: Vectors, model_id: str, is_ended: Callable[[], bool] = lambda: False
) -> Indexed:
    """Raises UnusableError for a snapshot that is not there, damaged, or of something else, and
    soon after is_ended() turned true."""
    try:
        line, _, basis = (folder / _HEADER).read_bytes().partition(b"\n")
        header = json.loads(line)
        if {name: header.get(name) for name in _belongs(vectors, model_id)} != _belongs(
            vectors, model_id
        ):
            raise UnusableError("it belongs to another model or version")
        dims, count, held = (int(header[name]) for name in ("dims", "count", "held"))
        if zlib.crc32(basis) != header["basis_crc"]:
            raise UnusableError("its header is damaged")
        matrix = np.frombuffer(basis, "<f4").reshape(vectors.dim, dims - 1)
        if count > len(vectors) or vectors.fingerprint(count) != header["rows"]:
            raise UnusableError("it was made from other vectors")
        if measured(folder / _GRAPH, is_ended) != (header["size"], header["crc"]):
            raise UnusableError("it is damaged")
        return Indexed(
            Graph.load(folder / _GRAPH, dims, held, count),
            Projection(matrix, float(header["kept"])),
            float(header["lost"]),
        )
    except FileNotFoundError:
        raise UnusableError("a part of it is missing") from None
    except OSError as error:
        raise UnusableError(f"it can't be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UnusableError("its header is damaged") from None


def _belongs(vectors: Vectors, model_id: str) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "model": model_id,
        "dim": vectors.dim,
        "M": M,
        "ef_construction": EF_CONSTRUCTION,
    }
