"""Scans that are killed: a folder to scan, a process that scans it, and what a library holds.

As a module it is the process: python -m tests.scan.crashing DATA FOLDER
"""

import os
import shutil
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent.parent
SOUNDS = ROOT / "tests" / "sounds"
COMMIT_SECONDS = 0.1  # instead of 1: cuts fall between more commits
SEGMENT_SECONDS = 0.004  # that the stand-in for a model takes, so that there is a time to cut

# The rows of each table, and the vectors by identity and start.
Content = tuple[dict[str, list[tuple]], dict[tuple[bytes, float], np.ndarray]]


def mixed_folder(folder: Path, count: int) -> None:
    """`count` sounds, of which some are long (heard in two passes), copies, silent or broken."""
    import soundfile

    random = np.random.default_rng(3)
    for number in range(count):
        place = folder / f"Part {number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        seconds = 12.0 if number % 15 == 7 else random.uniform(0.2, 2.5)
        level = np.repeat(random.uniform(0.01, 0.5, int(seconds * 4) + 1), 2000)
        sound = level * random.normal(0, 0.3, len(level))
        soundfile.write(place / f"noise {number:03}.flac", sound, 8000)
    for number in range(count // 10):
        source = folder / f"Part {number % 3}" / f"noise {number:03}.flac"
        shutil.copy(source, folder / f"copy {number}.flac")
    for file in SOUNDS.iterdir():
        shutil.copy(file, folder / file.name)
    shutil.copy(SOUNDS / "silence.wav", folder / "silence again.wav")
    shutil.copy(SOUNDS / "text.wav", folder / "text again.wav")


def content(data: Path, vectors: Any) -> Content:
    """The tables of a library without its own ids; and the vectors of each (identity, start)."""
    from soundsearch.library.catalog import Library

    with Library.open(data) as library:
        tables = {
            "files": "SELECT r.path, f.path, f.name, f.folder, f.size, f.mtime_ns, f.ends,"
            " s.identity, f.state, f.reason, f.retry, f.named FROM files f"
            " JOIN roots r ON r.id = f.root_id LEFT JOIN sounds s ON s.id = f.sound_id ORDER BY 2",
            "sounds": "SELECT s.identity, frames, samplerate, channels, seconds, sample_format,"
            " container, loudness, peak, onset, silent, tags, points FROM sounds s"
            " JOIN envelopes e ON e.sound_id = s.id ORDER BY 1",
            "names": "SELECT f.path, n.name, n.folder, n.meta, n.ucs FROM names n"
            " JOIN files f ON f.id = n.rowid ORDER BY 1",
        }
        rows = {name: library.db.execute(query).fetchall() for name, query in tables.items()}
    belongs = vectors.owners() >= 0
    starts, identities = vectors.starts, vectors.identities
    found = {
        (identities[row].tobytes(), float(starts[row])): np.array(vectors.matrix[row], np.float32)
        for row in np.flatnonzero(belongs).tolist()
    }
    return rows, found


def assert_same(one: Content, other: Content) -> None:
    for name, rows in one[0].items():
        differing = [pair for pair in zip(rows, other[0][name], strict=True) if pair[0] != pair[1]]
        assert not differing, (name, differing[:2])
    assert set(one[1]) == set(other[1])
    for key, vector in one[1].items():
        against = other[1][key]
        cosine = vector @ against / (np.linalg.norm(vector) * np.linalg.norm(against))
        assert cosine > 0.9999, key


def slow_encoder() -> Any:
    from tests.scan.spectral_encoder import SpectralEncoder

    class Slow(SpectralEncoder):
        def segment_features(self, segments: list[np.ndarray]) -> np.ndarray:
            time.sleep(SEGMENT_SECONDS * len(segments))
            return super().segment_features(segments)

    return Slow()


def spectral_model(data: Path) -> str:
    """Puts a model folder into a data folder that `serve` takes for the stand-in; its id."""
    import json

    folder = data / "models" / "spectral"
    folder.mkdir(parents=True)
    settings = {"name": "spectral", "kind": "spectral", "dim": 16, "rate": 8000}
    settings |= {"segment_seconds": 1.0, "hash": "0" * 32}
    (folder / "model.json").write_text(json.dumps(settings))
    (folder / "weights.safetensors").write_bytes(b"none")
    (folder.parent / "in use").write_text("spectral")
    return "spectral-" + "0" * 10


def serve(pipe: Connection, data: str, model: str | None, device: str) -> None:
    """What the worker's process runs: the real server with the stand-in for a model, no torch."""
    encoders = ModuleType("soundsearch.models.encoder")
    encoders.load_model = lambda folder, device: slow_encoder()  # type: ignore[attr-defined]
    sys.modules["soundsearch.models.encoder"] = encoders
    from soundsearch.scan import pipeline
    from soundsearch.worker import server

    pipeline.COMMIT_SECONDS = COMMIT_SECONDS
    server.serve(pipe, Path(data), model, device)


def main() -> None:
    from soundsearch.scan import pipeline
    from tests.scan.place import Place

    pipeline.COMMIT_SECONDS = COMMIT_SECONDS
    place = Place(Path(sys.argv[1]))
    place.encoder = slow_encoder()

    def told(progress: pipeline.Progress) -> None:
        if progress.files:
            os.write(1, b"%d\n" % progress.done)

    place.scan(Path(sys.argv[2]), on_progress=told)


if __name__ == "__main__":
    main()
