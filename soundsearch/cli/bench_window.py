"""`soundsearch bench window`: the window as a person has it before them, timed from outside and,
by `bench_probe`, from inside its process."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError

SOUNDS = 100_000
BURSTS = 8_000  # sounds that are new, to be indexed while keys are pressed
BURST_SECONDS = 2.0
STARTS = 3
KEYS = 60
START_SECONDS = 120.0
LONGEST = 1800.0
QUERIES = (
    *("kick", "deep kick hard", "rain street", "church bell", "metallic", "snrae", "pad warm"),
    *("forest amb", "tight snare short", "glass", "ambiense forest", "vinyl noise"),
    *("hat closed", "low drone", "water", "footstep gravel", "laser", "crowd", "thunder far"),
    *("door slam", "engine idle", "bright pluck", "wind", "sub bass", "paper", "alarm clock"),
)

# What each figure means, for the table.
MEANING = {
    "window up ms": "start of the process to the first whole paint, median of the starts",
    "window up, largest ms": "the slowest of the starts",
    "sound search ready ms": "start of the process to the painted sound matches of the last query",
    "torch in the window": "whether the window's process ever imported torch",
    "names 95% ms": "key pressed to painted name matches, nothing else going on",
    "names while indexing 95% ms": "the same while new sounds are indexed",
    "sounds 95% ms": "end of the pause after the last key to painted sound matches",
    "sounds while indexing 95% ms": "the same while new sounds are indexed",
    "arrow key 95% ms": "arrow key to the first sample handed to the open stream",
    "arrow key while indexing 95% ms": "the same while new sounds are indexed",
    "late callbacks": "blocks that the silent stream took after the next was due, of all blocks",
    "late callbacks while indexing": "the same while new sounds are indexed",
    "event loop 99.9% ms": "how late the window's event loop was while indexing",
    "event loop largest ms": "the longest such delay",
    "memory MB": "of the window's process, at the end",
    "peak memory MB": "the most memory that the process had",
}


def measure_window(place: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Starts the real program on a made-up library of 100,000 sounds below `place`, a few times,
    then types and plays in it, first at rest, then while it indexes.

    Raises UserError when the window can't be started or stops to answer.
    """
    from soundsearch.cli.bench_data import bring_model

    data = place / "data"
    model = bring_model(data, args)
    _fill(place, data, model)
    task = {
        "queries": QUERIES,
        "keys": KEYS,
        "folder": str(place / "New"),
        "pause": _pause(),
    }
    starts = [_run(place, data, model, args, {**task, "only_start": True}) for _ in range(STARTS)]
    last = _run(place, data, model, args, {**task, "only_start": False})
    return _figures([*starts, last])


def _fill(place: Path, data: Path, model: Any) -> None:
    from soundsearch.cli.bench_data import noise_bursts, random_vectors, synthetic_library
    from soundsearch.library.catalog import Library
    from soundsearch.settings import Settings, save_settings

    synthetic_library(data, SOUNDS, folder=place / "Sounds")
    noise_bursts(place / "New", BURSTS, BURST_SECONDS)
    if model is not None:
        with Library.open(data) as library:
            random_vectors(data / "embeddings" / model.model_id, library, model.dim)
    save_settings(replace(Settings(), last_search=QUERIES[0]), data)


def _pause() -> int:
    from soundsearch.window.search_bar import PAUSE

    return PAUSE


def _run(
    place: Path, data: Path, model: Any, args: argparse.Namespace, task: dict[str, Any]
) -> dict[str, Any]:
    """One life of the window; what its probe found."""
    from soundsearch.window.display import why_no_window

    answer = place / "answer.json"
    answer.unlink(missing_ok=True)
    options = ["--data", str(data), "--device", args.device]
    options += ["--model", model.name] if model is not None else []
    environment = {**os.environ, "SOUNDSEARCH_OUTPUT": "silent"}
    if why_no_window():
        environment["QT_QPA_PLATFORM"] = "offscreen"
    given = place / "task.json"
    given.write_text(json.dumps({**task, "answer": str(answer), "started": time.monotonic()}))
    process = subprocess.Popen(
        [sys.executable, "-m", "soundsearch.cli.bench_probe", str(given), *options],
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    try:
        process.wait(START_SECONDS if task["only_start"] else LONGEST)
    except subprocess.TimeoutExpired:
        raise UserError("The window didn't come to an end of what was to be measured") from None
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
    if not answer.exists():
        raise UserError(f"The window ended early (exit code {process.returncode})")
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise UserError(f"The window couldn't be measured: {found['error']}")
    return found


def _figures(runs: list[dict[str, Any]]) -> dict[str, Any]:
    from soundsearch.cli.bench import quantile

    def ms(values: list[float], share: float) -> float | None:
        return round(1e3 * quantile(values, share), 1) if values else None

    last = runs[-1]
    idle, scan = last["idle"], last["scan"]
    ready = [run["ready"] for run in runs if "ready" in run]
    return {
        "platform": last["platform"],
        "sounds": SOUNDS,
        "starts": len(runs),
        "window up ms": ms([run["up"] for run in runs], 0.5),
        "window up, largest ms": ms([run["up"] for run in runs], 1.0),
        "sound search ready ms": ms(ready, 0.5),
        "torch in the window": any(run["torch"] for run in runs),
        "names 95% ms": ms(idle["names"], 0.95),
        "names while indexing 95% ms": ms(scan["names"], 0.95),
        "keystrokes": len(idle["names"]),
        "keystrokes while indexing": len(scan["names"]),
        "sounds 95% ms": ms(idle["sounds"], 0.95),
        "sounds while indexing 95% ms": ms(scan["sounds"], 0.95),
        "arrow key 95% ms": ms(idle["keys"], 0.95),
        "arrow key while indexing 95% ms": ms(scan["keys"], 0.95),
        "arrow keys": len(idle["keys"]),
        "arrow keys while indexing": len(scan["keys"]),
        "late callbacks": idle["blocks"][1],
        "callbacks": idle["blocks"][0],
        "late callbacks while indexing": scan["blocks"][1],
        "callbacks while indexing": scan["blocks"][0],
        "event loop 99.9% ms": ms(last["delays"], 0.999),
        "event loop largest ms": ms(last["delays"], 1.0),
        "memory MB": last["memory"].get("now"),
        "peak memory MB": last["memory"]["peak"],
    }
