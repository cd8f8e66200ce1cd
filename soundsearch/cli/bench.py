"""`soundsearch bench [what]`: how fast this machine is at what people wait for."""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundsearch.cli import bench_index
from soundsearch.cli.bench_embed import measure_embed
from soundsearch.cli.bench_throughput import measure_throughput
from soundsearch.cli.bench_window import MEANING, measure_window
from soundsearch.cli.output import print_json, remark
from soundsearch.errors import UserError

OPENED_DIM = 256
QUERIES = (
    "kick", "snare", "kick drum", "deep kick hard", "rain street", "tight snare short",
    "bass C", "pad warm dark", "metallic", "guitar", "processed raw", "church bell",
    "kic", "snar", "perc loo", "forest amb", "garag", "synth le", "mus", "airpo",
    "snrae", "guitr", "kichen", "metalic hit", "tamborine", "ambiense forest", "orgn", "vynil",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure on this machine: names (search by name), rescan (an unchanged tree), scan "
        "(decoding and facts, without a model), open (a library), window (the whole program with "
        "the model in use: start, answers to keys, memory), or all of these; index (the nearest of "
        "many vectors; half an hour and more); embed (how much sound a second the model hears); "
        "throughput (a scan with the model in use, beside the model alone)."
    )
    others = ("window", "index", "embed", "throughput", "all")
    parser.add_argument("what", nargs="?", default="all", choices=(*_MEASURES, *others))
    parser.add_argument(
        "--folder", metavar="DIR", help="real sounds for scan and throughput (default: the demo)"
    )
    parser.add_argument(
        "--files",
        type=int,
        metavar="N",
        help="for names, rescan and open (300,000 or 100,000)",
    )
    bench_index.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    results: dict[str, Any] = {}
    for what in (*_MEASURES, "window") if args.what == "all" else (args.what,):
        remark(f"Measuring {what}…", args.quiet)
        with tempfile.TemporaryDirectory(prefix="soundsearch-bench-") as place:
            if what == "index":
                for size, figures in bench_index.measure_index(Path(place), args).items():
                    results[f"{what} {size}"] = figures
            elif what == "embed":
                results[what] = measure_embed(args)
            elif what == "window":
                results[what] = measure_window(Path(place), args)
            elif what == "throughput":
                results[what] = measure_throughput(Path(place), args)
            else:
                results[what] = _in_own_processes(what, Path(place), args)
    if args.json:
        print_json(results)
        return 0
    for what, figures in results.items():
        print(what)
        for name, value in figures.items():
            shown = f"{value:,}" if isinstance(value, int) else "–" if value is None else value
            print(f"  {name:<34} {shown!s:<10} {MEANING.get(name, '')}".rstrip())
    return 0


@dataclass(frozen=True)
class _Subject:
    """What is measured. place: a folder of its own; files: how many are made up; folder: real
    sounds instead of the demo's."""

    place: Path
    files: int
    folder: str | None


def _in_own_processes(what: str, place: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What is measured is made in one fresh process and measured in another, so that the peak
    memory is that of the measured thing alone."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    subject = _Subject(place, args.files or _MEASURES[what][2], args.folder)
    figures: dict[str, Any] = {}
    for step in (_prepare, _measure):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            figures = pool.submit(step, what, subject).result()
    return figures


def _prepare(what: str, subject: _Subject) -> dict[str, Any]:
    _MEASURES[what][0](subject)
    return {}


def _measure(what: str, subject: _Subject) -> dict[str, Any]:
    figures = _MEASURES[what][1](subject)
    return figures | memory_figure("peak memory MB")


def peak_memory(of_children: bool = False) -> float | None:
    """The most memory that this process had so far, or the largest of its children, in MB.

    None: this system (Windows) doesn't tell.
    """
    status = Path("/proc/self/status")
    if not of_children and status.exists():
        # What Linux tells by getrusage holds the memory of whoever started this process, too.
        peak = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        if peak:
            return round(int(peak[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ImportError:
        return None
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(usage.ru_maxrss * unit / 1e6, 1)


def memory_figure(name: str, of_children: bool = False) -> dict[str, float]:
    """`peak_memory` under a name, or nothing where the system doesn't tell."""
    peak = peak_memory(of_children)
    return {} if peak is None else {name: peak}


def _many_names(subject: _Subject) -> None:
    from soundsearch.cli.bench_data import synthetic_library

    synthetic_library(subject.place, subject.files)


def _names(subject: _Subject) -> dict[str, Any]:
    from soundsearch.library.catalog import Library
    from soundsearch.search.names import Names
    from soundsearch.search.query import parse
    from soundsearch.search.ranking import rank

    with Library.open(subject.place) as library:
        names = Names(library.db)
        began = time.perf_counter()
        rank(parse("warm up"), library, names)
        first = time.perf_counter() - began
        seconds = []
        for _ in range(5):
            for query in QUERIES:
                began = time.perf_counter()
                rank(parse(query), library, names)
                seconds.append(time.perf_counter() - began)
    return {
        "files": subject.files,
        "queries": len(seconds),
        "median ms": round(1e3 * quantile(seconds, 0.5), 2),
        "95th percentile ms": round(1e3 * quantile(seconds, 0.95), 2),
        "largest ms": round(1e3 * max(seconds), 2),
        "first query, vocabulary read ms": round(1e3 * first, 1),
    }


def _known_tree(subject: _Subject) -> None:
    from soundsearch.audio.decode import AUDIO_EXTENSIONS
    from soundsearch.library.catalog import Library
    from soundsearch.library.rows import Record, State
    from soundsearch.scan.walk import plan

    root = subject.place / "Sounds"
    for number in range(subject.files // 100):
        below = root / f"Pack {number // 20:03}" / f"Folder {number:04}"
        below.mkdir(parents=True)
        for file in range(100):
            (below / f"Sound_{file:03}.wav").write_bytes(b"RIFF")
    with Library.open(subject.place / "data", write=True) as library:
        library.add_root(os.fsencode(root))
        found = plan(library, library.roots(), AUDIO_EXTENSIONS)
        library.record(
            Record(c.root_id, c.path, c.size, c.mtime_ns, None, State.FAILED, "made up")
            for c in found.to_read
        )


def _rescan(subject: _Subject) -> dict[str, Any]:
    from soundsearch.library.catalog import Library
    from soundsearch.scan.pipeline import scan

    with Library.open(subject.place / "data", write=True) as library:
        began = time.perf_counter()
        report = scan(library, None, None)
        seconds = time.perf_counter() - began
    if report.unchanged != subject.files // 100 * 100:
        raise UserError(f"The rescan saw {report.unchanged} unchanged files")
    return {"files": report.files, "seconds": round(seconds, 2)}


def _demo_sounds(subject: _Subject) -> None:
    from soundsearch.demo import synth

    if subject.folder is None:
        synth.write(subject.place / "Sounds")


def _scan(subject: _Subject) -> dict[str, Any]:
    from soundsearch.library.catalog import Library
    from soundsearch.scan.pipeline import scan

    sounds = Path(subject.folder) if subject.folder is not None else subject.place / "Sounds"
    before = _cpu_seconds()
    began = time.perf_counter()
    with Library.open(subject.place / "data", write=True) as library:
        library.add_root(os.fsencode(sounds))
        report = scan(library, None, None)
        audio = library.db.execute("SELECT sum(seconds) FROM sounds").fetchone()[0] or 0.0
    wall = time.perf_counter() - began
    cpu = _cpu_seconds() - before
    return {
        "files": report.files,
        "seconds of sound": round(audio, 1),
        "wall seconds": round(wall, 2),
        "CPU ms a file": round(1e3 * cpu / max(report.files, 1), 2),
        "allowed by 10 ms a file + 8 ms a second": round(10 + 8 * audio / max(report.files, 1), 2),
    } | memory_figure("peak memory MB of a decoder", of_children=True)


def _large_library(subject: _Subject) -> None:
    from soundsearch.cli.bench_data import random_vectors, synthetic_library
    from soundsearch.library.catalog import Library

    synthetic_library(subject.place, subject.files)
    with Library.open(subject.place) as library:
        random_vectors(subject.place / "vectors", library, OPENED_DIM)


def _open(subject: _Subject) -> dict[str, Any]:
    from soundsearch.index.vectors import Vectors
    from soundsearch.library.catalog import Library

    began = time.perf_counter()
    library = Library.open(subject.place)
    library.counts()
    opened = time.perf_counter() - began
    began = time.perf_counter()
    count = len(Vectors.open(subject.place / "vectors", OPENED_DIM))
    read = time.perf_counter() - began
    library.close()
    return {
        "sounds": count,
        "library ms": round(1e3 * opened, 1),
        f"vectors (D = {OPENED_DIM}) ms": round(1e3 * read, 1),
    }


def _cpu_seconds() -> float:
    """Of this process and of those children that have ended."""
    return sum(os.times()[:4])


def quantile(values: list[float], share: float) -> float:
    """The value that this share (0…1) of all lies below."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


# What makes the measured thing, what measures it, and how many files are made up.
_MEASURES: dict[
    str, tuple[Callable[[_Subject], None], Callable[[_Subject], dict[str, Any]], int]
] = {
    "names": (_many_names, _names, 300_000),
    "rescan": (_known_tree, _rescan, 100_000),
    "scan": (_demo_sounds, _scan, 0),
    "open": (_large_library, _open, 100_000),
}
