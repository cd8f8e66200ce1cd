"""The demo's synthesised sounds as clips to learn from, made with other seeds than the demo's."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import soundfile

from soundsearch.audio.tags import split_words
from soundsearch.demo import synth
from soundsearch.errors import UserError

DEMO_SEED = 0  # of the sounds that people get; these are never learnt from
_COLUMNS = (
    *("path", "split", "set", "label", "tags", "original_file", "licence", "author"),
    *("source_repo", "ship"),
)
_ARTICLE = re.compile(r"^(a|an|the|some)\s+", re.IGNORECASE)


def write_clips(folder: Path, seeds: Sequence[int]) -> Path:
    """Renders all sounds with each seed as FLAC below `folder`, with a table like the others'.

    Sounds that are there already are kept. Returns the table. Raises UserError for the demo's own
    seed.
    """
    if DEMO_SEED in seeds:
        raise UserError(f"Seed {DEMO_SEED} makes the demo's own sounds", "Choose other seeds")
    descriptions = synth.descriptions()
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in seeds:
        for number, name in enumerate(synth.names()):
            path = f"{seed}/{number:03d}.flac"
            target = folder / path
            if not target.exists():
                target.parent.mkdir(exist_ok=True)
                unfinished = target.with_suffix(".part")
                sound = synth.render_one(name, seed)
                soundfile.write(unfinished, sound, synth.RATE, format="FLAC", subtype="PCM_16")
                unfinished.replace(target)
            label = _ARTICLE.sub("", descriptions[name])
            tags = " ".join(dict.fromkeys(split_words(Path(name).stem)))
            rows.append(
                (path, "train", "synthesised", label, tags, name, "CC0-1.0", "SoundSearch",
                 "SoundSearch's synthesised sounds", "yes")
            )  # fmt: skip
    table = folder / "clips.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    return table
