"""Libraries made up for measuring: names as sample packs, collections of effects and field
recordings have them, over a vocabulary with a long tail."""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from soundsearch.library.catalog import Library
    from soundsearch.library.rows import Record
    from soundsearch.models.catalog import ModelEntry

_DRUMS = (
    "kick snare hat clap tom ride crash rim shaker perc cymbal bongo conga clave cowbell "
    "tambourine snap fill break cajon djembe tabla taiko timpani triangle"
)
_TONES = (
    "bass lead pad pluck chord arp synth keys piano guitar strings brass organ bell vocal flute "
    "sub stab drone texture sax choir harp marimba rhodes riser impact sweep noise"
)
_MANNERS = (
    "hard soft deep dry wet long short tight open closed big small dark bright warm dirty clean "
    "punchy analog vinyl lofi distorted reverse low high fat dusty crispy round wide mono stereo "
    "processed raw layered filtered slow fast heavy light metallic wooden gritty airy"
)
_PLACES = (
    "street station forest harbour kitchen church tunnel stairwell garden market river beach "
    "factory office garage playground cafe airport meadow cellar bridge museum attic square"
)
_KEYS = ("C", "Cmin", "Dmin", "D#", "Emin", "F", "F#min", "G", "Gmin", "Amin", "A#", "Bmin")
_SYLLABLES = (
    "ka ro mi ta len dor vi sa no pel gra tu bel ory zan fi quo ster lin ham ber ix to ne lo ra "
    "wick ul mar den sol py ve cha ry ost ek ja mon thi"
)
_TAIL = 60_000  # made-up words: packs, people, places, products
_ENDINGS = ("wav", "wav", "wav", "wav", "aif", "flac", "mp3", "ogg")
_FILES_A_FOLDER = 60
_LINKS = 1000  # to one file; NTFS takes no more
NameOf: TypeAlias = Callable[[], str]


@dataclass(frozen=True)
class _Facts:
    frames: int
    samplerate: int
    channels: int
    container: str
    sample_format: str = "pcm_24"
    loudness: float | None = -20.0
    peak: float = 0.5
    envelope: bytes = bytes(90)
    silent: bool = False
    onset: float = 0.0


def synthetic_library(path: Path, files: int, seed: int = 0, folder: Path | None = None) -> None:
    """Makes `library.db` in the data folder `path` with `files` files that exist nowhere, or, with
    a `folder`, lie there: all of them one short sound, under names with any ending.

    One file in twenty is a copy of another, one in four holds texts. Takes some 0.2 ms a file, on
    disk 0.4. Raises UserError when another program writes there.
    """
    from soundsearch.library import roots
    from soundsearch.library.catalog import Library
    from soundsearch.scan.naming import file_words

    with Library.open(path, write=True, doing="a measurement") as library:
        with library.transaction():
            place = os.fsencode(folder) if folder else b"/Sounds"
            root_id = roots.insert(library.db, place)
        entries = _records(root_id, files, Random(seed))
        if folder:
            entries = _on_disk(entries, folder)
        while batch := list(islice(entries, 5000)):
            library.record(batch)
        library.name_files(file_words, batch=5000)


def random_vectors(folder: Path, library: "Library", dim: int) -> None:
    """Makes `vectors.f16` and `rows` with a random unit vector for each sound of a library."""
    import numpy as np

    from soundsearch.index.vectors import WHOLE, Vectors

    _, joined = library.sound_identities()
    identities = [joined[at : at + 16] for at in range(0, len(joined), 16)]
    random = np.random.default_rng(0)
    with Vectors.open(folder, dim, write=True) as vectors:
        for first in range(0, len(identities), 10_000):
            some = identities[first : first + 10_000]
            rows = random.normal(size=(len(some), dim)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            vectors.append(some, np.full(len(some), WHOLE, np.float32), rows)


def noise_bursts(folder: Path, count: int, seconds: float) -> None:
    """Writes `count` sounds that differ, forty in a folder: mono, 16 bit, 22,050 Hz."""
    import numpy as np
    import soundfile

    random, rate = np.random.default_rng(0), 22_050
    noise = random.normal(0, 0.1, round(rate * seconds) + count)
    fall = np.exp(-np.linspace(0, 8, round(rate * seconds)))
    for number in range(count):
        sound = fall * noise[number : number + len(fall)]
        takes = folder / f"{number // 40:03}"
        takes.mkdir(parents=True, exist_ok=True)
        soundfile.write(takes / f"burst {number:05}.wav", sound, rate)


def _on_disk(records: Iterator["Record"], folder: Path) -> Iterator["Record"]:
    """Puts files where the records say they are, as links to one sound where links can be made."""
    first = folder.with_name(f"{folder.name} 0")
    noise_bursts(first, 1, 1.0)
    (source,) = first.rglob("*.wav")
    for number, record in enumerate(records):
        file = folder / os.fsdecode(record.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if number % _LINKS == 0:
            source = Path(shutil.copyfile(source, first / f"{number}.wav"))
        if not file.exists():
            try:
                os.link(source, file)
            except OSError:
                shutil.copyfile(source, file)
        status = file.stat()
        yield replace(record, size=status.st_size, mtime_ns=status.st_mtime_ns)


def _records(root_id: int, files: int, random: Random) -> Iterator["Record"]:
    from soundsearch.library.rows import Record, State

    names = _Names(random)
    identities: list[bytes] = []
    for number in range(files):
        if number % _FILES_A_FOLDER == 0:
            kind = random.choice((names.pack, names.pack, names.effects, names.field))
            folder, name_of = kind()
        ending = random.choice(_ENDINGS)
        name = f"{name_of()}_{number % _FILES_A_FOLDER + 1:02}.{ending}"
        if identities and random.random() < 0.05:
            identity = random.choice(identities)
        else:
            identity = random.randbytes(16)
            identities.append(identity)
        rate = random.choice((44_100, 44_100, 48_000, 96_000))
        yield Record(
            root_id=root_id,
            path=f"{folder}/{number // 5000}/{name}".encode(),
            size=100_000 + number,
            mtime_ns=10**18 + number,
            ends=None,
            state=State.OK,
            identity=identity,
            facts=_Facts(
                int(rate * random.lognormvariate(0.5, 1.2)) + 1,
                rate,
                random.choice((1, 2, 2)),
                "aiff" if ending == "aif" else ending,
            ),
            tags=names.texts() if random.random() < 0.25 else {},
        )


class _Names:
    """Draws folders and names."""

    def __init__(self, random: Random) -> None:
        from soundsearch.paths import resources

        self._random = random
        ucs = json.loads((resources() / "ucs.json").read_text(encoding="utf-8"))
        self._categories = [(cat_id, words.split()) for cat_id, words in ucs.items()]
        syllables = _SYLLABLES.split()
        self._tail = ["".join(random.choices(syllables, k=1 + i % 4)) for i in range(_TAIL)]
        self._drums, self._tones = _DRUMS.split(), _TONES.split()
        self._manners, self._places = _MANNERS.split(), _PLACES.split()

    def pack(self) -> tuple[str, NameOf]:
        """Drum and synth samples: "Sonory Vol 3/Drums/Kicks", "SNRY_Kick_Hard_Punchy_128_03"."""
        random, (maker, title) = self._random, (self._rare(), self._rare())
        kind, whats = random.choice(
            (("Drums", self._drums), ("Synths", self._tones), ("Loops", self._tones))
        )
        what = random.choice(whats)
        short = maker[:4].upper()

        def name_of() -> str:
            manners = "_".join(m.capitalize() for m in random.sample(self._manners, 2))
            start = random.choice((f"{short}_{what.capitalize()}", f"{what.capitalize()}"))
            if kind == "Loops":
                return f"{start} Loop {random.randint(80, 175)}bpm {random.choice(_KEYS)} {manners}"
            return f"{start}_{manners}"

        folder = f"{maker.capitalize()} {title.capitalize()} Vol {random.randint(1, 9)}"
        return f"Sample Packs/{folder}/{kind}/{what.capitalize()}s", name_of

    def effects(self) -> tuple[str, NameOf]:
        """Effects after the Universal Category System: "WATRSplsh_Splash Deep Wet_Ada_07"."""
        random, author = self._random, self._rare()
        cat_id, words = random.choice(self._categories)

        def name_of() -> str:
            said = [*random.sample(words, min(2, len(words))), random.choice(self._manners)]
            return f"{cat_id}_{' '.join(said).title()}_{author.capitalize()}"

        return f"Sound Effects/{author.capitalize()}/{words[0].capitalize()}", name_of

    def field(self) -> tuple[str, NameOf]:
        """Recordings: "2014-03-27 Lendor market, rain on wooden roof"."""
        random, town = self._random, self._rare().capitalize()
        year = random.randint(1998, 2026)

        def name_of() -> str:
            date = f"{year}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
            heard = random.choice(random.choice(self._categories)[1])
            place, manner = random.choice(self._places), random.choice(self._manners)
            return f"{date} {town} {place}, {heard} {manner}"

        return f"Field Recordings/{year}/{town}", name_of

    def texts(self) -> dict[str, str]:
        random = self._random
        words = random.choice(self._categories)[1]
        said = [
            *random.choices(words, k=4),
            random.choice(self._manners),
            random.choice(self._places),
        ]
        return {
            "description": f"{' '.join(said)} recorded at {self._rare()}",
            "originator": f"{self._rare()} {self._rare()}",
        }

    def _rare(self) -> str:
        """A word of the tail: few are seen often, most once."""
        return self._tail[int(_TAIL * self._random.random() ** 2)]


def bring_model(data: Path, args: argparse.Namespace) -> "ModelEntry | None":
    """The model that is in use, made known to a new data folder; None when there is none."""
    from soundsearch.models import catalog
    from soundsearch.paths import data_folder

    entry = catalog.find(data_folder(args.data), args.model)
    if entry is None:
        return None
    models = data / "models"
    models.mkdir(parents=True)
    try:
        os.symlink(entry.folder, models / entry.folder.name, target_is_directory=True)
    except OSError:
        shutil.copytree(entry.folder, models / entry.folder.name)
    return entry
