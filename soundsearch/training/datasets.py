"""The paper's data sets in the layouts in which they are published.

Each function lists one set as items, a caption with its recording each. Recordings that are not
there are counted and left out: AudioCaps and WavCaps are never complete. A table that is named
but missing is an error.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soundsearch.audio.decode import AUDIO_EXTENSIONS
from soundsearch.errors import UserError

CLOTHO_SPLITS = ("development", "validation", "evaluation")
AUDIOCAPS_SPLITS = ("train", "val", "test")
# WavCaps' sources: the folder of their audio and of their table, and names of the table.
WAVCAPS = {
    "FreeSound": ("fsd_final", "fsd_final_2s"),
    "BBC_Sound_Effects": ("bbc_final",),
    "SoundBible": ("sb_final",),
    "AudioSet_SL": ("as_final",),
}
_BLACKLISTED = {"FreeSound": "FreeSound", "AudioSet_SL": "AudioSet"}


@dataclass(frozen=True)
class Item:
    """A caption and the recording that it belongs to.

    recording: the same for all captions of one recording; variations: the caption reworded.
    """

    file: Path
    caption: str
    recording: str
    variations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """Items of one set. missing: recordings that its tables name and that are not here; excluded:
    recordings left out because a blacklist names them."""

    name: str
    items: list[Item] = field(default_factory=list)
    missing: int = 0
    excluded: int = 0

    def __str__(self) -> str:
        recordings = len({item.recording for item in self.items})
        text = f"{self.name}: {len(self.items)} captions of {recordings} recordings"
        varied = sum(bool(item.variations) for item in self.items)
        text += f", {varied} captions with variations" if varied else ""
        text += f", {self.excluded} recordings excluded" if self.excluded else ""
        return text + (f", {self.missing} recordings missing" if self.missing else "")


def clotho(folder: Path, split: str, variations: Path | None = None) -> Listing:
    """ClothoV2, one of CLOTHO_SPLITS: `clotho_captions_<split>.csv` and `<split>/` in `folder`.

    One item a caption, five a recording. variations: a file that `read_variations` takes.
    """
    reworded = read_variations(variations) if variations else {}
    items, missing = [], 0
    for row in _rows(folder / f"clotho_captions_{split}.csv", ("file_name", "caption_1")):
        name = row["file_name"]
        file = folder / split / name
        if not file.is_file():
            missing += 1
            continue
        for number in range(1, 6):
            caption = row.get(f"caption_{number}")
            if caption:
                found = reworded.get((name, caption), ())
                items.append(Item(file, caption, f"clotho/{split}/{name}", found))
    return Listing(f"ClothoV2 {split}", items, missing)


def clotho_keywords(folder: Path, split: str) -> dict[str, tuple[str, ...]]:
    """File name → keywords, of `clotho_metadata_<split>.csv`."""
    table = folder / f"clotho_metadata_{split}.csv"
    rows = _rows(table, ("file_name", "keywords"), encoding="iso-8859-1")
    return {
        row["file_name"]: tuple(word.strip() for word in row["keywords"].split(";") if word.strip())
        for row in rows
    }


def read_variations(file: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """(file name, caption) → reworded captions, of ClothoV2_GPT's variations.json: a list of
    objects with `path`, `caption` and `variations`, and others that are not needed here."""
    found = _json(file)
    try:
        return {
            (re.split(r"[/\\]", entry["path"])[-1], entry["caption"]): tuple(entry["variations"])
            for entry in found
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"{file} is no list of variations ({error!r})") from None


def audiocaps(
    folder: Path,
    audio: Path,
    splits: Sequence[str] = AUDIOCAPS_SPLITS,
    one_caption: bool = True,
) -> Listing:
    """AudioCaps: `dataset/<split>.csv` in `folder`, the recordings anywhere below `audio`, named
    `Y<YouTube id>`, `<YouTube id>` or `<YouTube id>_<start>` with any extension.

    one_caption: the first of each recording only (val and test have five).
    """
    files = audio_by_stem(audio)
    items: list[Item] = []
    seen: set[str] = set()
    missing: set[str] = set()
    for split in splits:
        needed = ("youtube_id", "start_time", "caption")
        for row in _rows(folder / "dataset" / f"{split}.csv", needed):
            name, start = row["youtube_id"], row["start_time"]
            stems = (f"Y{name}", name, f"{name}_{start}")
            file = next((files[stem] for stem in stems if stem in files), None)
            if file is None:
                missing.add(name)
            elif not (one_caption and name in seen):
                items.append(Item(file, row["caption"], f"audiocaps/{name}"))
            seen.add(name)
    return Listing("AudioCaps", items, len(missing))


def wavcaps(
    folder: Path,
    audio: Path,
    sources: Iterable[str] = tuple(WAVCAPS),
    blacklists: Sequence[str] = (),
    excluded_freesound: Path | None = None,
) -> list[Listing]:
    """WavCaps, a listing a source: `json_files/<source>/<table>.json` in `folder`, the recordings
    anywhere below `audio/<source>`, named by id.

    blacklists: of `json_files/blacklist`, as "test_ac", "all_ac", "ub8k_esc50_vggsound";
    excluded_freesound: a CSV with a column `sound_id`, as DCASE publishes it.
    """
    banned = _blacklist(folder / "json_files" / "blacklist", blacklists)
    if excluded_freesound:
        rows = _rows(excluded_freesound, ("sound_id",))
        banned["FreeSound"] |= {row["sound_id"].strip() for row in rows}
    return [
        _wavcaps_source(folder, audio / source, source, banned.get(_BLACKLISTED.get(source, "")))
        for source in sources
    ]


def _wavcaps_source(folder: Path, audio: Path, source: str, banned: set[str] | None) -> Listing:
    if source not in WAVCAPS:
        raise UserError(f"WavCaps has no source {source}", f"Its sources: {', '.join(WAVCAPS)}")
    tables = [folder / "json_files" / source / f"{name}.json" for name in WAVCAPS[source]]
    table = next((table for table in tables if table.is_file()), tables[0])
    files = audio_by_stem(audio)
    items, missing, excluded = [], 0, 0
    try:
        for entry in _json(table)["data"]:
            name = _bare(entry["id"])
            if banned and _short(name) in banned:
                excluded += 1
            elif name not in files:
                missing += 1
            else:
                items.append(Item(files[name], entry["caption"], f"wavcaps/{source}/{name}"))
    except (KeyError, TypeError) as error:
        raise UserError(f"{table} is no table of WavCaps ({error!r})") from None
    return Listing(f"WavCaps {source}", items, missing, excluded)


def _blacklist(folder: Path, names: Sequence[str]) -> dict[str, set[str]]:
    banned: dict[str, set[str]] = {"AudioSet": set(), "FreeSound": set()}
    for name in names:
        for source, ids in _json(folder / f"blacklist_exclude_{name}.json").items():
            banned.setdefault(source, set()).update(_short(_bare(i)) for i in ids)
    return banned


def _bare(name: Any) -> str:
    """An id without the extension that AudioSet's have."""
    return str(name).removesuffix(".wav")


def _short(name: str) -> str:
    """A YouTube id without the Y in front, others as they are."""
    return name[1:] if len(name) == 12 and name.startswith("Y") else name


def audio_by_stem(folder: Path) -> dict[str, Path]:
    """Sound files anywhere below a folder, by name without extension; {} without the folder."""
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.suffix.lower() in AUDIO_EXTENSIONS:
            found.setdefault(file.stem, file)
    return found


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} can't be read ({error})") from None


def _rows(
    table: Path, needed: tuple[str, ...], encoding: str = "utf-8-sig"
) -> Iterator[dict[str, str]]:
    try:
        with open(table, encoding=encoding, newline="") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in needed if name not in (reader.fieldnames or [])]
            if lacking:
                raise UserError(f"{table} has no column {', '.join(lacking)}")
            yield from reader
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{table} can't be read ({error})") from None
