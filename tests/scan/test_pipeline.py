"""Scans of real folders: what is embedded, what is not, what stays when people move things."""

import hashlib
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.decode import load_mono
from soundsearch.errors import UserError
from soundsearch.index.vectors import Vectors
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Change
from soundsearch.library.userdata import UserData
from soundsearch.scan.pipeline import Control, Progress, ScanReport
from tests.scan.place import Place
from tests.scan.spectral_encoder import SpectralEncoder

SOUNDS = Path(__file__).parent.parent / "sounds"
GOOD = ("bell 16bit.wav", "bell.flac", "bell.ogg", "bell.aiff", "bell.mp3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "My Sounds"
    (root / "Bells").mkdir(parents=True)
    for name in GOOD:
        shutil.copy2(SOUNDS / name, root / "Bells" / name)
    for name in ("silence.wav", "text.wav", "empty.wav"):
        shutil.copy2(SOUNDS / name, root / name)
    return root


def fingerprint(root: Path) -> list[tuple[str, int, int, str]]:
    found = []
    for path in sorted(root.rglob("*")):
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found.append((str(path.relative_to(root)), status.st_size, status.st_mtime_ns, digest))
    return found


def test_a_first_scan_embeds_every_sound_and_a_second_none(place: Place, folder: Path) -> None:
    before = fingerprint(folder)
    report = place.scan(folder)
    assert (report.files, report.new, report.failed) == (8, 8, 2)
    assert report.embedded == len(GOOD)
    assert place.states() == {"ok": 5, "silent": 1, "failed": 2}
    seen = place.encoder.segments
    report = place.scan()
    assert (report.new, report.unchanged, report.embedded) == (0, 8, 0)
    assert place.encoder.segments == seen
    assert fingerprint(folder) == before


def test_vectors_are_those_of_the_whole_sound(place: Place, folder: Path) -> None:
    place.scan(folder)
    encoder = SpectralEncoder()
    vectors = Vectors.open(place.data / "embeddings", 16)
    for name in GOOD:
        path = folder / "Bells" / name
        row = place.read(lambda library, path=path: library.file_at(os.fsencode(path)))
        assert row is not None
        assert row.identity is not None
        samples = load_mono(os.fsencode(path), encoder.rate)
        parts = [samples[i : i + encoder.rate] for i in range(0, len(samples), encoder.rate)]
        expected = encoder.pool(encoder.segment_features(parts))
        at = vectors.row_of(row.identity)
        assert at is not None
        assert float(vectors.matrix[at] @ expected) > 0.9999


def test_copies_are_embedded_once(place: Place, folder: Path) -> None:
    for number in range(5):
        shutil.copy(folder / "Bells" / "bell.flac", folder / f"copy {number}.flac")
    report = place.scan(folder)
    assert report.embedded == len(GOOD)
    assert place.states()["ok"] == 10


def test_copies_of_a_broken_file_fail_for_its_reason(place: Place, folder: Path) -> None:
    shutil.copy(folder / "text.wav", folder / "text again.wav")
    report = place.scan(folder)
    failures = place.read(lambda library: library.failures())
    assert report.failed == len(failures) == 3
    reasons = {os.path.basename(f.path): (f.reason, f.retry) for f in failures}
    assert reasons[b"text again.wav"] == reasons[b"text.wav"]


def test_copies_of_a_broken_file_beside_a_long_sound(place: Place, folder: Path) -> None:
    """Which is heard in a second pass."""
    shutil.copy(folder / "text.wav", folder / "text again.wav")
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * 8000)
    soundfile.write(folder / "long.wav", noise, 8000)
    report = place.scan(folder)
    assert (report.failed, report.embedded) == (3, len(GOOD) + 1)
    assert place.states() == {"ok": 6, "silent": 1, "failed": 3}


@pytest.mark.parametrize("change", ["rename", "move", "rename folder", "copy"])
def test_moving_and_renaming_embeds_nothing(place: Place, folder: Path, change: str) -> None:
    place.scan(folder)
    sound = folder / "Bells" / "bell.flac"
    if change == "rename":
        sound.rename(folder / "Bells" / "Dong.flac")
        expected = "Bells/Dong.flac"
    elif change == "move":
        sound.rename(folder / "bell.flac")
        expected = "bell.flac"
    elif change == "rename folder":
        (folder / "Bells").rename(folder / "Glocken")
        expected = "Glocken/bell.flac"
    else:
        shutil.copy(sound, folder / "again.flac")
        expected = "again.flac"
    report = place.scan()
    assert report.embedded == 0
    assert expected in place.paths()
    assert all((folder / path).exists() for path in place.paths())


def test_edited_metadata_embeds_nothing_and_keeps_favourites(place: Place, folder: Path) -> None:
    sound = folder / "Bells" / "bell 16bit.wav"
    place.scan(folder)
    row = place.read(lambda library: library.file_at(os.fsencode(sound)))
    assert row is not None
    assert row.identity is not None
    with UserData.open(place.data) as marks:
        marks.set_favourite(row.identity, row.place, True)
    with soundfile.SoundFile(sound, "r+") as file:
        file.comment = "a comment about anvils"
    report = place.scan()
    assert report.embedded == 0
    row = place.read(lambda library: library.file_at(os.fsencode(sound)))
    assert row is not None
    with UserData.open(place.data) as marks:
        assert row.identity in marks.favourites()


def test_a_favourite_follows_changed_content_at_its_path(place: Place, folder: Path) -> None:
    sound = folder / "Bells" / "bell 16bit.wav"
    place.scan(folder)
    row = place.read(lambda library: library.file_at(os.fsencode(sound)))
    assert row is not None
    with UserData.open(place.data) as marks:
        marks.set_favourite(row.identity, row.place, True)
    samples = np.random.default_rng(1).normal(0, 0.1, 20_000)
    soundfile.write(sound, samples, 44_100)
    assert place.scan().embedded == 1
    changed = place.read(lambda library: library.file_at(os.fsencode(sound)))
    assert changed is not None
    assert changed.identity != row.identity
    with UserData.open(place.data) as marks:
        assert marks.favourites() == {changed.identity}


@pytest.mark.parametrize("change", ["new content", "another file moved there"])
def test_a_favourite_follows_when_a_scan_was_cut_at_that_moment(
    place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    sound, other = folder / "Bells" / "bell 16bit.wav", folder / "Bells" / "bell.flac"
    place.scan(folder)
    row = place.read(lambda library: library.file_at(os.fsencode(sound)))
    with UserData.open(place.data) as marks:
        marks.set_favourite(row.identity, row.place, True)
    if change == "new content":
        soundfile.write(sound, np.random.default_rng(1).normal(0, 0.1, 20_000), 44_100)
    else:
        other.replace(sound)
    follow = UserData.follow

    def cut(marks: UserData, changes: list[Change]) -> None:
        if changes:
            raise UserError("There is no room left")
        follow(marks, changes)

    with monkeypatch.context() as patch:
        patch.setattr(UserData, "follow", cut)
        with pytest.raises(UserError):
            place.scan()
    place.scan()
    changed = place.read(lambda library: library.file_at(os.fsencode(sound)))
    assert changed.identity != row.identity
    with UserData.open(place.data) as marks:
        assert marks.favourites() == {changed.identity}


def test_a_root_that_is_away_stays_and_comes_back(place: Place, folder: Path) -> None:
    place.scan(folder)
    away = folder.with_name("unplugged")
    folder.rename(away)
    report = place.scan()
    assert report.offline == [os.fsencode(folder)]
    assert place.states() == {"offline": 8}
    away.rename(folder)
    report = place.scan()
    assert report.embedded == 0
    assert place.states() == {"ok": 5, "silent": 1, "failed": 2}


def test_a_relocated_root_embeds_nothing(place: Place, folder: Path) -> None:
    place.scan(folder)
    elsewhere = folder.with_name("Elsewhere")
    folder.rename(elsewhere)
    with Library.open(place.data, write=True) as library:
        library.relocate(os.fsencode(folder), os.fsencode(elsewhere))
    report = place.scan()
    assert (report.embedded, report.unchanged) == (0, 8)


def test_losing_the_library_embeds_nothing(place: Place, folder: Path) -> None:
    place.scan(folder)
    for file in place.data.glob("library.db*"):
        file.unlink()
    report = place.scan(folder)
    assert (report.new, report.embedded) == (8, 0)
    assert place.states() == {"ok": 5, "silent": 1, "failed": 2}


def test_what_was_scanned_without_a_model_is_embedded_when_there_is_one(
    place: Place, folder: Path
) -> None:
    assert place.scan(folder, model=False).embedded == 0
    report = place.scan()
    assert (report.new, report.embedded) == (0, len(GOOD))
    assert place.scan().embedded == 0


def test_a_deleted_file_is_marked_and_comes_back(place: Place, folder: Path) -> None:
    place.scan(folder)
    sound = folder / "Bells" / "bell.ogg"
    content, status = sound.read_bytes(), sound.stat()
    sound.unlink()
    assert place.scan().missing == 1
    assert "Bells/bell.ogg" not in place.paths()
    sound.write_bytes(content)
    os.utime(sound, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert place.scan().embedded == 0
    assert "Bells/bell.ogg" in place.paths()


def test_a_cancelled_scan_goes_on_from_where_it_was(place: Place, folder: Path) -> None:
    control = Control()

    def stop(progress: Progress) -> None:
        if progress.done:
            control.cancel()

    first = place.scan(folder, control=control, on_progress=stop)
    second = place.scan()
    assert first.embedded + second.embedded == len(GOOD)
    assert place.states() == {"ok": 5, "silent": 1, "failed": 2}
    assert int((place.vectors().starts < 0).sum()) == len(GOOD)


def test_a_paused_scan_waits(place: Place, folder: Path) -> None:
    control = Control()
    control.pause()
    reports: list[ScanReport] = []
    thread = threading.Thread(
        target=lambda: reports.append(place.scan(folder, control=control)), daemon=True
    )
    thread.start()
    thread.join(1.5)
    assert not reports
    control.resume()
    thread.join(20)
    assert reports[0].embedded == len(GOOD)


def test_a_scan_gives_way_to_a_question_but_not_for_ever(place: Place, folder: Path) -> None:
    control = Control()
    reports: list[ScanReport] = []
    thread = threading.Thread(
        target=lambda: reports.append(place.scan(folder, control=control)), daemon=True
    )
    with control.giving_way():
        thread.start()
        thread.join(1.0)
        assert not reports
    thread.join(20)
    assert reports[0].embedded == len(GOOD)
    with control.giving_way():  # a question that never ends
        assert control.wait()
    control.cancel()
    with control.giving_way():
        assert not control.wait()


def test_odd_names_are_indexed(place: Place, folder: Path) -> None:
    names = [b"new\nline.wav", b"#hash %20.wav", "Vögel 🐦.wav".encode(), b"latin \xe9.wav"]
    for name in names:
        shutil.copy(SOUNDS / "bell 16bit.wav", os.path.join(os.fsencode(folder), name))
    os.symlink(folder, folder / "loop")
    place.scan(folder)
    assert {os.fsdecode(name) for name in names} <= place.paths()
