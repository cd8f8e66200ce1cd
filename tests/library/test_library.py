"""What is recorded of files and sounds, and how it is read back."""

import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Change, Record, Root, State
from soundsearch.scan.naming import file_words


@dataclass(frozen=True)
class Facts:
    frames: int = 22050
    samplerate: int = 44100
    channels: int = 2
    sample_format: str = "pcm_24"
    container: str = "wav"
    loudness: float | None = -18.0
    peak: float = 0.5
    envelope: bytes = b"\x01\x02\x03" * 300
    silent: bool = False
    onset: float = 0.01


A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "Drum Samples"
    folder.mkdir()
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "data", write=True) as library:
        yield library


@pytest.fixture
def root(library: Library, sounds: Path) -> Root:
    return library.add_root(str(sounds))


def ok(root: Root, path: bytes, identity: bytes, **changes: object) -> Record:
    given = {"state": State.OK, "identity": identity, "facts": Facts(), "tags": {}, **changes}
    return Record(root.id, path, 100, 5, b"ends", **given)  # type: ignore[arg-type]


def read_all(data: Path) -> None:
    with Library.open(data) as reader:
        reader.sound_identities()
        reader.counts()
        reader.files(range(5000))


def found(library: Library, words: str) -> list[str]:
    rows = library.db.execute(
        "SELECT f.name FROM names n JOIN files f ON f.id = n.rowid WHERE names MATCH ?"
        " ORDER BY f.name",
        (words,),
    )
    return [name for (name,) in rows]


def test_a_file_comes_back_with_its_facts(library: Library, root: Root, sounds: Path) -> None:
    library.record([ok(root, b"Loops/Kick 01.wav", A, tags={"title": "Deep"})])
    (file,) = library.files([1, 99]).values()
    assert file.place == os.fsencode(sounds / "Loops/Kick 01.wav")
    assert (file.name, file.folder, file.state) == ("Kick 01.wav", "Drum Samples/Loops", "ok")
    assert (file.seconds, file.samplerate, file.channels) == (0.5, 44100, 2)
    assert (file.identity, file.sample_format, file.loudness) == (A, "pcm_24", -18.0)
    sound = library.sound_by_identity(A)
    assert sound is not None
    assert sound.id == file.sound_id
    assert library.envelope(sound.id) == Facts().envelope
    assert library.tags(sound.id) == {"title": "Deep"}
    assert library.sound_by_identity(B) is None
    assert library.envelope(77) is None
    assert library.file_at(file.place) == file
    assert library.file_at("/elsewhere.wav") is None


def test_a_new_sound_needs_facts_and_nothing_of_the_batch_stays(
    library: Library, root: Root
) -> None:
    with pytest.raises(ValueError, match="facts"):
        library.record([ok(root, b"a.wav", A), ok(root, b"b.wav", B, facts=None)])
    assert library.counts()["files"] == 0
    assert library.sound_by_identity(A) is None


def test_copies_share_a_sound_and_the_one_that_opens_comes_first(
    library: Library, root: Root
) -> None:
    library.record([ok(root, b"k.wav", A), ok(root, b"copy of k.wav", A, facts=None)])
    library.record([ok(root, b"deeper/k.wav", A, facts=None), ok(root, b"b.wav", B)])
    ids = {row.path: row.id for row in library.files(range(1, 9)).values()}
    library.mark([ids[b"k.wav"]], State.MISSING)
    places = library.places([1])[1]
    assert [row.path for row in places] == [b"deeper/k.wav", b"copy of k.wav", b"k.wav"]
    assert library.places_of([A, C]) == {A: places[0].place}
    assert library.counts()["sounds"] == 2
    assert library.counts()["states"] == {"ok": 3, "missing": 1}


def test_identities_come_sorted_for_a_binary_search(library: Library, root: Root) -> None:
    library.record([ok(root, b"3.wav", C), ok(root, b"1.wav", A), ok(root, b"2.wav", B)])
    ids, identities = library.sound_identities()
    assert identities == A + B + C
    assert list(ids) == [2, 3, 1]
    assert ids.itemsize == 8


def test_names_are_searchable_in_every_script_and_follow(library: Library, root: Root) -> None:
    library.record(
        [
            ok(root, b"Kicks/808_DeepKick.wav", A, tags={"comment": "Vinyl crackle"}),
            ok(root, "Vögel/हिन्दी गीत 太鼓.wav".encode(), B),
        ]
    )
    assert library.name_files(file_words) == 2
    assert library.name_files(file_words) == 0
    assert found(library, "deep kick") == ["808_DeepKick.wav"]
    assert found(library, '"vinyl crackle"') == ["808_DeepKick.wav"]
    assert found(library, "folder : drum") == ["808_DeepKick.wav", "हिन्दी गीत 太鼓.wav"]
    assert found(library, "vogel") == found(library, '"हिन्दी"') == ["हिन्दी गीत 太鼓.wav"]
    vocabulary = {word for (word,) in library.db.execute("SELECT term FROM names_vocab")}
    assert {"vogel", "हिन्दी", "808", "drum"} <= vocabulary
    library.move([(1, root.id, b"Old/Boom.wav", 5)])
    library.name_files(file_words)
    assert found(library, "kick") == []
    assert found(library, "boom crackle") == ["Boom.wav"]
    library.forget([1])
    assert found(library, "boom") == []


def test_edited_metadata_replace_the_texts_and_a_copy_adds_to_them(
    library: Library, root: Root
) -> None:
    library.record([ok(root, b"a.wav", A, tags={"title": "rain"})])
    library.name_files(file_words)
    assert library.record([ok(root, b"a.wav", A, facts=None, tags={"title": "storm"})]) == []
    library.name_files(file_words)
    assert (found(library, "rain"), found(library, "storm")) == ([], ["a.wav"])
    library.record([ok(root, b"b.wav", A, facts=None, tags={"comment": "window"})])
    library.record([ok(root, b"c.wav", A, facts=None, tags=None)])
    library.name_files(file_words)
    assert found(library, "storm window") == ["a.wav", "b.wav", "c.wav"]


def test_changed_content_is_told_with_whether_the_old_sound_still_lies_somewhere(
    library: Library, root: Root, sounds: Path
) -> None:
    place = os.fsencode(sounds / "a.wav")
    library.record([ok(root, b"a.wav", A)])
    assert library.record([ok(root, b"a.wav", B)]) == [Change(place, A, B, elsewhere=False)]
    library.record([ok(root, b"copy.wav", B, facts=None)])
    assert library.record([ok(root, b"a.wav", C)]) == [Change(place, B, C, elsewhere=True)]
    # A file that can't be read in this moment says nothing of its content.
    failed = Record(root.id, b"a.wav", 1, 6, None, State.FAILED, "it is locked", retry=True)
    assert library.record([failed]) == []


def test_moves_may_change_places_and_take_places_over(
    library: Library, root: Root, sounds: Path
) -> None:
    library.record([ok(root, b"a", A), ok(root, b"b", B), ok(root, b"c", C)])
    assert library.move([(1, root.id, b"b", 7), (2, root.id, b"a", 7)]) == []
    assert {f.path: f.id for f in library.known_files(root.id).values()} == {
        b"b": 1,
        b"a": 2,
        b"c": 3,
    }
    changes = library.move([(1, root.id, b"c", 7)])
    assert changes == [Change(os.fsencode(sounds / "c"), C, A, elsewhere=False)]
    assert set(library.known_files(root.id)) == {b"a", b"c"}


def test_what_was_away_is_again_what_it_was(library: Library, root: Root) -> None:
    library.record(
        [
            ok(root, b"ok.wav", A),
            ok(root, b"silent.wav", B, state=State.SILENT, facts=Facts(silent=True)),
            Record(root.id, b"bad.wav", 0, 1, b"", State.FAILED, "it is empty"),
        ]
    )
    before = {f.id: f.state for f in library.known_files(root.id).values()}
    for state in (State.MISSING, State.OFFLINE, State.ONLINE):
        library.mark(before, state)
        assert library.counts()["states"] == {state: 3}
        library.bring_back(before)
        assert {f.id: f.state for f in library.known_files(root.id).values()} == before


def test_failures_have_a_path_and_a_reason(library: Library, root: Root, sounds: Path) -> None:
    library.record(
        [
            Record(root.id, b"z.wav", 0, 1, None, State.FAILED, "it is empty"),
            Record(root.id, b"\xff\n.wav", 9, 1, None, State.FAILED, "no sound", retry=True),
        ]
    )
    assert [(f.path, f.reason, f.retry) for f in library.failures()] == [
        (os.fsencode(sounds) + b"/z.wav", "it is empty", False),
        (os.fsencode(sounds) + b"/\xff\n.wav", "no sound", True),
    ]
    names = {row.name for row in library.files([1, 2]).values()}
    assert names == {"z.wav", "\ufffd\ufffd.wav"}


def test_reading_needs_a_library_and_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(UserError, match="no library yet"):
        Library.open(data)
    assert not data.exists()
    Library.open(data, write=True).close()
    with Library.open(data) as library, pytest.raises(sqlite3.OperationalError):
        library.add_root(str(tmp_path))


def test_readers_see_what_was_committed_while_a_scan_writes(library: Library, root: Root) -> None:
    with Library.open(library.data) as reader:
        with library.transaction():
            library.record([ok(root, b"a.wav", A)])
            assert reader.counts()["files"] == 0
        assert reader.counts()["files"] == 1


@pytest.mark.parametrize("damage", ["not a database", "noise", "cut", "half zero"])
def test_a_damaged_library_is_set_aside_and_built_again(
    tmp_path: Path, sounds: Path, damage: str
) -> None:
    data = tmp_path / "data"
    with Library.open(data, write=True) as library:
        root = library.add_root(str(sounds))
        library.record(ok(root, b"%d.wav" % i, b"%16d" % i) for i in range(3000))
    file = data / "library.db"
    content = file.read_bytes()
    if damage == "not a database":
        file.write_bytes(b"x" * len(content))
    elif damage == "noise":
        file.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))
    with pytest.raises(UserError, match="damaged"):
        read_all(data)
    with Library.open(data, write=True) as library:
        assert "damaged" in library.notice
        assert library.counts()["files"] == 0
        if damage == "half zero":
            assert [root.path for root in library.roots()] == [os.fsencode(sounds)]
    with Library.open(data, write=True) as library:
        assert library.notice == ""
    assert len(list(data.glob("library.damaged-*.db"))) == 1


def test_a_library_with_broken_bytes_mends_itself(tmp_path: Path, sounds: Path) -> None:
    """Whatever bytes break: at most one command fails, in a line, and the next one goes on."""
    good = tmp_path / "good"
    with Library.open(good, write=True) as library:
        root = library.add_root(str(sounds))
        library.record(ok(root, b"%d kick.wav" % i, b"%16d" % i) for i in range(200))
        library.name_files(file_words)
    content = (good / "library.db").read_bytes()
    for seed in range(15):
        chance = random.Random(seed)
        broken = bytearray(content)
        for _ in range(chance.choice([1, 10, 100, 2000])):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        data = tmp_path / str(seed)
        data.mkdir()
        (data / "library.db").write_bytes(broken)
        failed = 0
        for _ in range(3):
            try:
                with Library.open(data, write=True) as library:
                    root = library.add_root(str(sounds))
                    library.record([ok(root, b"new.wav", A)])
                    library.name_files(file_words)
                    library.known_files(root.id)
                    library.files(range(300))
            except UserError:
                failed += 1
        assert failed <= 1


def test_a_full_disk_is_told_and_loses_nothing(library: Library, root: Root) -> None:
    library.record([ok(root, b"a.wav", A)])
    pages = library.db.execute("PRAGMA page_count").fetchone()[0]
    library.db.execute(f"PRAGMA max_page_count = {pages}")
    big = Facts(envelope=bytes(10**6))
    with pytest.raises(UserError, match="no room left"):
        library.record([ok(root, b"b.wav", B, facts=big)])
    assert library.counts()["files"] == 1


def test_a_volume_that_cannot_do_wal_gets_a_plain_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    def on_a_simple_volume(place: str, **given: object) -> sqlite3.Connection:
        return real(place + "&vfs=unix-dotfile", **given)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", on_a_simple_volume)
    for _ in range(2):
        with Library.open(tmp_path / "data", write=True) as library:
            assert library.db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
            assert library.db.execute("PRAGMA synchronous").fetchone() == (2,)
            library.add_root(str(tmp_path))


def test_a_newer_library_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Library.open(data, write=True) as library:
        library.db.execute("PRAGMA user_version = 999")
    before = (data / "library.db").read_bytes()
    for write in (False, True):
        with pytest.raises(UserError, match="newer SoundSearch"):
            Library.open(data, write=write)
    assert (data / "library.db").read_bytes() == before
    assert list(data.glob("*damaged*")) == []


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        Library.open(tmp_path / "file" / "data", write=True)
