"""`soundsearch bench throughput`: how much of the model's own speed a scan reaches."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError

_TOGETHER = 8  # segments that the model alone is given at once


def measure_throughput(place: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Scans a folder into a library below `place` with the model in use, and gives the same
    segments, decoded before, to the model alone. Raises UserError."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from soundsearch.cli.bench_data import bring_model
    from soundsearch.demo import synth

    data = place / "data"
    entry = bring_model(data, args)
    if entry is None:
        raise UserError("No model is installed", "soundsearch models list tells what can be had")
    sounds = Path(args.folder) if args.folder else place / "Sounds"
    if not args.folder:
        synth.write(sounds)
    figures: dict[str, Any] = {"model": entry.name}
    for step in (_scan, _alone):  # a process each, as if the other had not been
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            figures |= pool.submit(step, data, sounds, entry.name, args.device).result()
    share = figures["scan, s of sound/s"] / figures["model alone, s of sound/s"]
    return figures | {"share of the model alone": round(share, 3)}


def _scan(data: Path, sounds: Path, model: str, device: str) -> dict[str, Any]:
    from soundsearch.worker.engine import Engine

    with Engine(data, model=model, device=device, write=True) as engine:
        engine.encoder  # noqa: B018  loads it
        report = engine.scan([str(sounds)])
    if not report.embedded:
        raise UserError(f"There is nothing to embed in {sounds}")
    return {
        "files": report.files,
        "seconds of sound": round(report.audio_seconds, 1),
        "scan, s of sound/s": round(report.audio_seconds / report.seconds, 2),
    }


def _alone(data: Path, sounds: Path, model: str, device: str) -> dict[str, Any]:
    """The segments that the scan heard, in its order, are decoded first."""
    from soundsearch.audio.decode import load_mono
    from soundsearch.library.catalog import Library
    from soundsearch.models.catalog import find
    from soundsearch.models.encoder import load_model

    entry = find(data, model)
    assert entry is not None
    encoder = load_model(entry.folder, device)
    length = round(encoder.segment_seconds * encoder.rate)
    segments = []
    with Library.open(data) as library:
        ids = [row[0] for row in library.db.execute("SELECT id FROM sounds WHERE NOT silent")]
        for places in library.places(ids).values():
            sound = load_mono(os.fsdecode(places[0].place), encoder.rate)
            segments += [sound[at : at + length] for at in range(0, len(sound), length)]
    encoder.segment_features(segments[:_TOGETHER])
    began = time.perf_counter()
    for at in range(0, len(segments), _TOGETHER):
        encoder.segment_features(segments[at : at + _TOGETHER])
    seconds = time.perf_counter() - began
    heard = sum(map(len, segments)) / encoder.rate
    return {"model alone, s of sound/s": round(heard / seconds, 2)}
