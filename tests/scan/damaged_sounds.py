"""Sounds with bytes flipped, cut, repeated, mixed up, and headers that lie; by a seed.

As a module it scans them: python -m tests.scan.damaged_sounds COUNT SEED NEW_FOLDER prints as
JSON the states of the files, the reasons of those that failed, and the peak memory in MB.
"""

import json
import random
import struct
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

SOUNDS = Path(__file__).parent.parent / "sounds"
LIES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
MARKS = (b"fmt ", b"data", b"LIST", b"bext", b"iXML", b"COMM", b"SSND", b"fLaC", b"OggS", b"moov",
         b"mdat", b"stsz", b"stco", b"desc", b"pakt", b"ID3", b"TAG", b"ds64", b"fact")  # fmt: skip

Damage = Callable[[bytearray, random.Random], bytes]


def _flip(sound: bytearray, chance: random.Random) -> bytes:
    end = chance.choice((64, 512, len(sound)))
    for _ in range(chance.choice((1, 3, 20, 300))):
        sound[chance.randrange(min(end, len(sound)))] = chance.randrange(256)
    return bytes(sound)


def _cut(sound: bytearray, chance: random.Random) -> bytes:
    return bytes(sound[: chance.randrange(len(sound))])


def _zero(sound: bytearray, chance: random.Random) -> bytes:
    at = chance.randrange(len(sound))
    return bytes(sound[:at]) + bytes(len(sound) - at)


def _lie(sound: bytearray, chance: random.Random) -> bytes:
    """Numbers behind the marks of chunks, pages and boxes, or anywhere in the head."""
    places = [at + len(mark) for mark in MARKS if (at := sound.find(mark)) >= 0]
    for _ in range(chance.randint(1, 4)):
        at = chance.choice(places) + chance.choice((0, 0, 2, 4, 6, 8)) if places else 0
        if not places or chance.random() < 0.3:
            at = chance.randrange(min(len(sound), 128))
        form = chance.choice(("<I", ">I", "<H", ">H"))
        number = chance.choice((*LIES, chance.getrandbits(32)))
        packed = struct.pack(form, number & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
        sound[at : at + len(packed)] = packed[: max(0, len(sound) - at)]
    return bytes(sound)


def _repeat(sound: bytearray, chance: random.Random) -> bytes:
    first, last = sorted(chance.choices(range(len(sound)), k=2))
    return bytes(sound[:last] + sound[first:last] * chance.choice((1, 2, 30)) + sound[last:])


def _leave_out(sound: bytearray, chance: random.Random) -> bytes:
    first = chance.randrange(len(sound))
    del sound[first : first + chance.choice((1, 2, 13, 1000))]
    return bytes(sound)


def _mix(sound: bytearray, chance: random.Random) -> bytes:
    """Begins as one sound and goes on as another."""
    other = chance.choice(_sources()).read_bytes()
    return bytes(sound[: chance.randrange(len(sound))]) + other[chance.randrange(len(other)) :]


DAMAGES: tuple[Damage, ...] = (_flip, _cut, _zero, _lie, _lie, _repeat, _leave_out, _mix)


def _sources() -> list[Path]:
    return sorted(path for path in SOUNDS.iterdir() if path.stat().st_size > 200)


def damaged_sounds(folder: Path, count: int, seed: int) -> None:
    """Writes `count` of them; one in five was damaged twice, one in ten has another's ending."""
    chance = random.Random(seed)
    sources = _sources()
    folder.mkdir(parents=True)
    for number in range(count):
        source = chance.choice(sources)
        sound = source.read_bytes()
        for _ in range(1 + (chance.random() < 0.2)):
            sound = chance.choice(DAMAGES)(bytearray(sound or b"0"), chance)
        ending = chance.choice(sources).suffix if chance.random() < 0.1 else source.suffix
        (folder / f"{number:04} {source.stem}{ending}").write_bytes(sound)


def main(count: int, seed: int, place: Path) -> None:
    from soundsearch.cli.bench import peak_memory
    from tests.scan.place import Place

    damaged_sounds(place / "Sounds", count, seed)
    scanned = Place(place / "data")
    report = scanned.scan(place / "Sounds")
    failures = scanned.read(lambda library: library.failures())
    print(
        json.dumps(
            {
                "files": report.files,
                "states": scanned.states(),
                "reasons": Counter(failure.reason for failure in failures),
                "seconds": round(report.seconds, 1),
                "memory": peak_memory(),
                "memory of a decoder": peak_memory(of_children=True),
                "embedded again": scanned.scan().embedded,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
