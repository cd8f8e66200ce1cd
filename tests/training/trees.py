"""Small data sets with real audio, in the layouts in which the large ones are published."""

import csv
import json
from pathlib import Path

import numpy as np
import soundfile

from tests.training.sounds import RATE, render

KINDS = ("dog barking", "rain falling", "church bell", "kick drum", "siren wailing", "cat purring")


def write_sound(file: Path, label: str, number: int, seconds: float = 1.0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, render(label, number, seconds), RATE)


def clotho_tree(folder: Path, split: str, recordings: int = 12, seconds: float = 1.0) -> Path:
    """Recordings of KINDS with five captions each, and their keywords."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(folder / f"clotho_captions_{split}.csv", "w", newline="", encoding="utf-8") as one,
        open(folder / f"clotho_metadata_{split}.csv", "w", newline="", encoding="latin-1") as two,
    ):
        captions, metadata = csv.writer(one), csv.writer(two)
        captions.writerow(["file_name", *(f"caption_{i}" for i in range(1, 6))])
        metadata.writerow(
            ["file_name", "keywords", "sound_id", "sound_link", "start_end_samples",
             "manufacturer", "license"]
        )  # fmt: skip
        for number in range(recordings):
            kind = KINDS[number % len(KINDS)]
            name = f"{kind.title()} é {number}.wav"
            write_sound(folder / split / name, kind, number, seconds)
            captions.writerow([name, *(f"A {kind}, take {i}." for i in range(1, 6))])
            metadata.writerow([name, ";".join(kind.split()), number, "", "", "café", ""])
    return folder


def variations_of(folder: Path, split: str, file: Path) -> Path:
    """Five variations of every caption of a Clotho tree."""
    with open(folder / f"clotho_captions_{split}.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    captions = [(row["file_name"], row[f"caption_{i}"]) for row in rows for i in range(1, 6)]
    entries = [
        {
            "idx": i,
            "path": f"/somewhere/{split}/{name}",
            "caption": caption,
            "query": "",
            "response": "",
            "variations": [f"{caption} reworded {k}" for k in range(5)],
            "finish_reason": "stop",
            "usage": {},
        }
        for i, (name, caption) in enumerate(captions)
    ]
    file.write_text(json.dumps(entries))
    return file


def audiocaps_tree(folder: Path) -> tuple[Path, Path]:
    """Two recordings a split, val with two captions each; one of train is not there."""
    audio = folder / "audio"
    (folder / "dataset").mkdir(parents=True)
    number = 0
    for split in ("train", "val", "test"):
        with open(folder / "dataset" / f"{split}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["audiocap_id", "youtube_id", "start_time", "caption"])
            for i in range(2):
                name = f"{split}{i}".ljust(11, "x")
                for k in range(2 if split == "val" else 1):
                    writer.writerow([number, name, 30, f"{KINDS[i]} {k}"])
                    number += 1
                if (split, i) != ("train", 1):
                    form = {"train": f"Y{name}.wav", "val": f"{name}_30.wav", "test": f"{name}.wav"}
                    write_sound(audio / f"part{i}" / form[split], KINDS[i], number)
    return folder, audio


def wavcaps_tree(folder: Path) -> tuple[Path, Path]:
    """Three recordings a source, the third not there; the first of two sources blacklisted."""
    audio = folder / "audio"
    tables = {
        "FreeSound": ("fsd_final", ["101", "102", "103"]),
        "BBC_Sound_Effects": ("bbc_final", ["NHU1", "NHU2", "NHU3"]),
        "SoundBible": ("sb_final", ["7", "8", "9"]),
        "AudioSet_SL": ("as_final", [f"Yabcdefghij{i}.wav" for i in range(3)]),
    }
    for source, (table, ids) in tables.items():
        place = folder / "json_files" / source
        place.mkdir(parents=True)
        data = [
            {"id": name, "caption": f"{KINDS[i]} of {source}.", "duration": 1.0}
            for i, name in enumerate(ids)
        ]
        (place / f"{table}.json").write_text(
            json.dumps({"num_captions_per_audio": 1, "data": data})
        )
        for i, name in enumerate(ids[:2]):
            write_sound(audio / source / "deep" / f"{name.removesuffix('.wav')}.flac", KINDS[i], i)
    black = folder / "json_files" / "blacklist"
    black.mkdir()
    (black / "blacklist_exclude_test_ac.json").write_text(
        json.dumps({"AudioSet": ["Yabcdefghij0.wav"], "FreeSound": [101]})
    )
    return folder, audio


def long_sound(file: Path, seconds: float) -> np.ndarray:
    """A ramp from 0 to 1 (float, so that a place is told by its value); the samples."""
    samples = np.linspace(0.0, 1.0, int(seconds * RATE), dtype=np.float32)
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    return samples
