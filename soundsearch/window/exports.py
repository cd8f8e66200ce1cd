"""The folder of regions that were dragged out: how large it is, and cleaning it when asked."""

import contextlib
from pathlib import Path
from typing import NamedTuple

FOLDER = "exports"  # in the data folder


class Size(NamedTuple):
    files: int
    bytes: int

    def __str__(self) -> str:
        if not self.files:
            return "none"
        size, unit = float(self.bytes), "bytes"
        for larger in ("kB", "MB", "GB"):
            if size < 1000:
                break
            size, unit = size / 1000, larger
        amount = f"{size:.0f}" if unit == "bytes" or size >= 100 else f"{size:.1f}"
        return f"{self.files:,} file{'' if self.files == 1 else 's'}, {amount} {unit}"


def size_of(folder: Path) -> Size:
    """Of the WAV files in it; nothing else in there is ours."""
    sizes = []
    for file in _files(folder):
        with contextlib.suppress(OSError):
            sizes.append(file.stat().st_size)
    return Size(len(sizes), sum(sizes))


def clean(folder: Path) -> Size:
    """Deletes them; what is left, because other programs hold it."""
    for file in _files(folder):
        with contextlib.suppress(OSError):
            file.unlink()
    return size_of(folder)


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [p for p in folder.iterdir() if p.suffix == ".wav" and p.is_file()]
    return []
