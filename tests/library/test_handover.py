"""Copies and lists: nothing is overwritten, and nothing is written into folders of samples."""

import csv
import os
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.library.handover import COLUMNS, copy_sounds, list_row, write_list

NAMES = (b"kick #1 100%.wav", "türe 🥁.wav".encode(), b"line\nbreak.wav", b"\xff\xfe.wav")


@pytest.fixture
def sounds(tmp_path: Path) -> list[bytes]:
    found = []
    for folder in (b"A", b"B"):
        for name in NAMES:
            path = os.path.join(os.fsencode(tmp_path), b"Samples", folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(folder + name)
            os.utime(path, (1_000_000_000, 1_000_000_000))
            found.append(path)
    return found


def test_equal_names_get_numbers_and_nothing_is_overwritten(
    sounds: list[bytes], tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "kick #1 100%.wav").write_text("the person's own")
    done = copy_sounds(sounds, target, [os.fsencode(tmp_path / "Samples")])
    assert not done.failed
    assert len(set(done.files)) == len(sounds)
    for source, copy in zip(sounds, done.files, strict=True):
        assert Path(os.fsdecode(copy)).read_bytes() == Path(os.fsdecode(source)).read_bytes()
        assert os.stat(copy).st_mtime == 1_000_000_000
    assert (target / "kick #1 100%.wav").read_text() == "the person's own"
    assert b"kick #1 100% (3).wav" in os.listdir(os.fsencode(target))
    again = copy_sounds(sounds[:1], target, [])
    assert os.path.basename(again.files[0]) == b"kick #1 100% (4).wav"


def test_never_into_a_folder_of_samples(sounds: list[bytes], tmp_path: Path) -> None:
    roots = [os.fsencode(tmp_path / "Samples")]
    (tmp_path / "link").symlink_to(tmp_path / "Samples" / "A")
    before = sorted(os.listdir(tmp_path / "Samples" / "A"))
    for target in ("Samples", "Samples/A/new", "link", "link/deep"):
        with pytest.raises(UserError, match="never writes"):
            copy_sounds(sounds, tmp_path / target, roots)
        with pytest.raises(UserError, match="never writes"):
            write_list(tmp_path / target / "list.csv", [], roots)
    assert sorted(os.listdir(tmp_path / "Samples" / "A")) == before
    copy_sounds(sounds[:1], tmp_path / "Samples 2", roots)  # only alike by name


def test_what_fails_is_named_and_the_rest_is_copied(sounds: list[bytes], tmp_path: Path) -> None:
    done = copy_sounds([sounds[0], b"/nowhere/x.wav", sounds[1]], tmp_path / "o", [])
    assert len(done.files) == 2
    assert [path for path, _ in done.failed] == [b"/nowhere/x.wav"]
    assert done.failed[0][1]


def test_copying_can_be_ended(sounds: list[bytes], tmp_path: Path) -> None:
    done = copy_sounds(sounds, tmp_path / "o", [], told=lambda count: count < 3)
    assert len(done.files) == 3


def test_a_list_holds_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("old")
    rows = [
        list_row(b"/a/line\nbreak \xff.wav", name='say "hi", 100%', seconds=1.5, tags="rain, ü 🥁"),
        list_row(b"/b.wav", name="b", rating=5),
    ]
    assert write_list(file, rows, []) == 2
    with open(file, encoding="utf-8-sig", newline="") as opened:
        read = list(csv.DictReader(opened))
    assert tuple(read[0]) == COLUMNS
    assert read[0]["name"] == 'say "hi", 100%'
    assert read[0]["tags"] == "rain, ü 🥁"
    assert (read[1]["path"], read[1]["rating"]) == ("/b.wav", "5")
    with pytest.raises(UserError, match="can't be written"):
        write_list(tmp_path / "gone" / "list.csv", rows, [])
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]
