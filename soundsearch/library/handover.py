"""Sounds and lists of them that go out to other places: copies in a folder, a table as CSV."""

import contextlib
import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundsearch.errors import UserError
from soundsearch.library.rows import display_text

COLUMNS = (
    *("name", "path", "folder", "seconds", "samplerate", "channels", "format"),
    *("favourite", "rating", "tags"),
)


@dataclass(frozen=True)
class Copied:
    """files: the new ones; failed: (path, reason) of those that could not be copied."""

    files: tuple[bytes, ...] = ()
    failed: tuple[tuple[bytes, str], ...] = ()


def refuse_sample_folder(target: Path, roots: Iterable[bytes]) -> None:
    """Raises UserError when `target` lies in a folder of samples, which are never written to."""
    place = os.path.realpath(os.fsencode(target))
    for root in roots:
        inside = os.path.realpath(root)
        with contextlib.suppress(ValueError):  # other drives
            if os.path.commonpath([place, inside]) == inside:
                raise UserError(
                    f"{target} is in a folder of samples, which SoundSearch never writes to",
                    "Choose another folder",
                )


def copy_sounds(
    paths: Sequence[bytes],
    folder: Path,
    roots: Iterable[bytes],
    told: Callable[[int], bool] = lambda done: True,
) -> Copied:
    """Copies files into a folder under names that are free there; nothing is overwritten.

    told: called with the number of files done, ends the copying by False. Raises UserError when
    the folder lies in one of `roots` or can't be made.
    """
    refuse_sample_folder(folder, roots)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} can't be made ({error.strerror})") from error
    files, failed = [], []
    for done, path in enumerate(paths):
        if not told(done):
            break
        try:
            files.append(_copy(path, os.fsencode(folder)))
        except OSError as error:
            failed.append((path, error.strerror or str(error)))
    return Copied(tuple(files), tuple(failed))


def write_list(file: Path, rows: Iterable[Mapping[str, object]], roots: Iterable[bytes]) -> int:
    """Writes a table of COLUMNS for spreadsheets; how many rows. The file is replaced in one step.

    Raises UserError when it can't be written or lies in one of `roots`.
    """
    refuse_sample_folder(file, roots)
    count = 0
    try:
        handle, name = tempfile.mkstemp(".new", ".list-", file.parent)
        try:
            # The mark at the start tells spreadsheets that it is UTF-8.
            with open(handle, "w", encoding="utf-8-sig", newline="") as out:
                table = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
                table.writeheader()
                for row in rows:
                    table.writerow(row)
                    count += 1
            os.replace(name, file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise UserError(f"{file} can't be written ({error.strerror})") from error
    return count


def list_row(path: bytes, **values: object) -> dict[str, object]:
    """One row of a table; the path as text."""
    return {"path": display_text(path), **values}


def _copy(path: bytes, folder: bytes) -> bytes:
    stem, ending = os.path.splitext(os.path.basename(path))
    number = 1
    with open(path, "rb") as source:
        while True:
            extra = b"" if number == 1 else b" (%d)" % number
            target = os.path.join(folder, stem + extra + ending)
            try:
                out = open(target, "xb")  # noqa: SIM115
                break
            except FileExistsError:
                number += 1
        try:
            with out:
                shutil.copyfileobj(source, out, 1 << 20)
            status = os.fstat(source.fileno())
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise
    return target
