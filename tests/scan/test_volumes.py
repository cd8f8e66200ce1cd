"""A drive that comes back under another mount point or letter: its folders follow it."""

import os
import shutil
from pathlib import Path

import pytest

from soundsearch.library import roots as folders
from soundsearch.library.catalog import Library
from soundsearch.scan import walk
from soundsearch.scan.volumes import follow_volumes
from tests.scan.place import Place

SOUNDS = Path(__file__).parent.parent / "sounds"


class Drives:
    """Mount points and what is mounted there, as the system would tell."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top = top
        self.at: dict[str, str] = {}  # mount point → volume
        monkeypatch.setattr(folders, "volume_of", self.volume_of)
        monkeypatch.setattr(walk, "volume_of", self.volume_of)
        monkeypatch.setattr(
            folders, "mounted", lambda: [(os.fsencode(top / m), v) for m, v in self.at.items()]
        )

    def volume_of(self, path: bytes) -> str:
        if not os.path.exists(path):
            return ""
        held = [m for m in self.at if Path(os.fsdecode(path)).is_relative_to(self.top / m)]
        return self.at[max(held, key=len)] if held else "SYSTEM"

    def move(self, old: str, new: str) -> None:
        """The volume is mounted at `new`; an empty folder stays at `old`."""
        self.at[new] = self.at.pop(old)
        (self.top / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.top / old, self.top / new)
        (self.top / old).mkdir()


@pytest.fixture
def drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drives:
    folder = tmp_path / "media/ann/STICK/Samples/Bells"
    folder.mkdir(parents=True)
    for name in ("bell 16bit.wav", "bell.flac"):
        shutil.copy2(SOUNDS / name, folder / name)
    drives = Drives(tmp_path, monkeypatch)
    drives.at["media/ann/STICK"] = "1234-ABCD"
    return drives


def roots(place: Place) -> list[tuple[str, str]]:
    return place.read(lambda lib: [(os.fsdecode(r.path), r.state) for r in lib.roots()])


@pytest.mark.parametrize("root", ["Samples", ""])
def test_a_changed_mount_point_relocates_itself(place: Place, drives: Drives, root: str) -> None:
    old = drives.top / "media/ann/STICK" / root
    place.scan(old)
    drives.move("media/ann/STICK", "run/media/bob/STICK1")
    new = drives.top / "run/media/bob/STICK1" / root
    report = place.scan()
    assert report.relocated == [(os.fsencode(old), os.fsencode(new))]
    assert (report.embedded, report.missing, report.offline) == (0, 0, [])
    assert (report.unchanged, report.files) == (2, 2)
    assert roots(place) == [(str(new), "ok")]
    assert place.scan().relocated == []


def test_another_drive_at_the_old_place_changes_nothing_of_that(
    place: Place, drives: Drives
) -> None:
    place.scan(drives.top / "media/ann/STICK/Samples")
    drives.move("media/ann/STICK", "media/ann/STICK1")
    other = drives.top / "media/ann/STICK/Samples"
    other.mkdir()
    shutil.copy2(SOUNDS / "bell.ogg", other / "bell.ogg")
    drives.at["media/ann/STICK"] = "9999-FFFF"
    place.scan()
    assert roots(place) == [(str(drives.top / "media/ann/STICK1/Samples"), "ok")]


def test_a_drive_that_is_away_waits_and_a_copy_of_it_is_not_taken(
    place: Place, drives: Drives
) -> None:
    folder = drives.top / "media/ann/STICK/Samples"
    place.scan(folder)
    drives.move("media/ann/STICK", "copy")
    drives.at["copy"] = "5555-0000"
    assert place.scan().relocated == []
    assert roots(place) == [(str(folder), "offline")]


def test_a_root_stays_where_its_files_are(place: Place, drives: Drives) -> None:
    """Moved to a new disk under the old path; the old disk is mounted elsewhere."""
    folder = drives.top / "media/ann/STICK/Samples"
    place.scan(folder)
    shutil.copytree(drives.top / "media/ann/STICK", drives.top / "backup")
    drives.at = {"media/ann/STICK": "NEW", "backup": "1234-ABCD"}
    assert place.scan().relocated == []
    assert roots(place) == [(str(folder), "ok")]


def test_other_files_on_the_same_volume_are_not_taken(place: Place, drives: Drives) -> None:
    folder = drives.top / "media/ann/STICK/Samples"
    place.scan(folder)
    drives.move("media/ann/STICK", "elsewhere")
    for file in (drives.top / "elsewhere/Samples/Bells").iterdir():
        file.write_bytes(b"other content")
    with Library.open(place.data, write=True) as library:
        assert follow_volumes(library) == []


def test_what_is_mounted_here_can_be_told() -> None:
    for place, volume in folders.mounted():
        assert os.path.isabs(place)
        assert folders.volume_of(place) == volume
