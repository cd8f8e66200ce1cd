"""What a person said of sounds: kept by sound, following paths, never lost."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.library.backups import KEPT_BACKUPS
from soundsearch.library.database import transaction
from soundsearch.library.rows import Change
from soundsearch.library.userdata import RECENT_SEARCHES, Marks, UserData

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def test_marks_stay_after_closing(tmp_path: Path) -> None:
    with UserData.open(tmp_path) as person:
        person.set_favourite(A, b"/s/a.wav", True)
        person.set_rating(A, b"/s/a.wav", 4)
        person.add_tag(A, b"/s/a.wav", "  Warm\n pad ")
        person.add_tag(B, b"/s/b.wav", "warm PAD")
        person.set_favourite(C, b"/s/\xff.wav", True)
        person.set_favourite(C, b"/s/\xff.wav", False)
    with UserData.open(tmp_path) as person:
        assert person.favourites() == {A}
        assert person.ratings() == {A: 4}
        assert person.marks([A, B, C]) == {
            A: Marks(True, 4, ("Warm pad",)),
            B: Marks(False, 0, ("Warm pad",)),
        }
        assert person.tags() == {"Warm pad": 2}
        assert person.with_tag("WARM pad") == {A, B}
        assert person.tagged_with_words(["pa", "war", 'x" OR pad', "ad"]) == {
            "pa": {A, B},
            "war": {A, B},
            'x" OR pad': set(),
            "ad": set(),
        }
        person.remove_tag(B, "warm pad")
        person.set_rating(A, b"/s/a.wav", 0)
        assert (person.ratings(), person.with_tag("warm pad")) == ({}, {A})
        assert set(person.places()) == {A}
        with pytest.raises(UserError):
            person.add_tag(A, b"/s/a.wav", " \n")
        with pytest.raises(ValueError, match="rating"):
            person.set_rating(A, b"/s/a.wav", 6)


def test_collections_keep_their_order(tmp_path: Path) -> None:
    with UserData.open(tmp_path) as person:
        film = person.add_collection("Film")
        assert person.add_collection("Film") == film
        for identity in (C, A, B, A):
            person.collect(film, identity, b"/s/x.wav")
        person.take_out(film, C)
        assert person.collected(film) == [A, B]
        assert [(c.name, c.sounds) for c in person.collections()] == [("Film", 2)]
        game = person.add_collection("Game")
        with pytest.raises(UserError, match="Film"):
            person.rename_collection(game, "Film")
        person.rename_collection(game, "Games")
        person.remove_collection(film)
        assert [c.name for c in person.collections()] == ["Games"]


def test_searches_recent_and_saved(tmp_path: Path) -> None:
    with UserData.open(tmp_path) as person:
        person.save_search("dur:<1 kick", "Short kicks")
        for i in range(RECENT_SEARCHES + 5):
            person.remember_search(f"query {i}")
        person.remember_search("query 20")
        found = person.searches()
        assert [s.text for s in found][:2] == ["query 20", f"query {RECENT_SEARCHES + 4}"]
        assert len([s for s in found if not s.name]) == RECENT_SEARCHES
        assert [s.name for s in found if s.name] == ["Short kicks"]
        person.forget_recent_searches()
        assert [s.text for s in person.searches()] == ["dur:<1 kick"]
        person.save_search("dur:<1 kick", "")
        person.forget_recent_searches()
        assert person.searches() == []


def test_what_was_said_follows_the_content_of_a_path(tmp_path: Path) -> None:
    with UserData.open(tmp_path) as person:
        person.set_favourite(A, b"/s/a.wav", True)
        person.add_tag(A, b"/s/a.wav", "warm")
        box = person.add_collection("Box")
        person.collect(box, A, b"/s/a.wav")
        person.follow([Change(b"/s/a.wav", A, B, elsewhere=False)])
        assert person.marks([A, B]) == {B: Marks(True, 0, ("warm",))}
        assert person.collected(box) == [B]
        assert person.tagged_with_words(["warm"]) == {"warm": {B}}

        # The old sound still lies elsewhere: both keep what was said of this path,
        person.follow([Change(b"/s/a.wav", B, C, elsewhere=True)])
        assert person.favourites() == {B, C}
        # and what was said of another path stays there.
        person.follow([Change(b"/other.wav", C, A, elsewhere=True)])
        assert person.favourites() == {B, C}

        # Into a sound of which something was said already.
        person.add_tag(A, b"/s/x.wav", "cold")
        person.set_rating(A, b"/s/x.wav", 2)
        person.set_rating(C, b"/s/a.wav", 5)
        person.follow([Change(b"/s/a.wav", C, A, elsewhere=False)])
        assert person.marks([A, C]) == {A: Marks(True, 2, ("cold", "warm"))}
        assert person.places()[A].path == b"/s/a.wav"


def test_places_follow_moves(tmp_path: Path) -> None:
    with UserData.open(tmp_path) as person:
        person.set_favourite(A, b"/old/a.wav", True)
        person.set_places({A: b"/new/B\xff.wav", B: b"/new/b.wav"})
        assert {i: tuple(p) for i, p in person.places().items()} == {
            A: (b"/new/B\xff.wav", "B\ufffd.wav")
        }


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    with UserData.open(tmp_path / "data", write=False) as person:
        assert person.favourites() == set()
    assert not (tmp_path / "data").exists()


def backups(data: Path) -> list[Path]:
    return sorted((data / "backups").glob("*.db"))


def test_the_last_backups_that_differ_are_kept(tmp_path: Path) -> None:
    for i in range(KEPT_BACKUPS + 3):
        for _ in range(2):  # the second start finds nothing new
            UserData.open(tmp_path).close()
        with UserData.open(tmp_path) as person:
            person.set_rating(b"%016d" % i, b"/s/a.wav", 3)
            person.remember_search(f"query {i}")
    UserData.open(tmp_path).close()
    kept = backups(tmp_path)
    assert len(kept) == KEPT_BACKUPS
    sizes = []
    for backup in kept:
        with UserData.open(tmp_path / "look") as look:
            look.merge(backup)
            sizes.append(len(look.ratings()))
    assert sizes == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("damage", ["noise", "empty", "cut", "half"])
def test_damaged_data_come_back_from_the_newest_good_backup(tmp_path: Path, damage: str) -> None:
    with UserData.open(tmp_path) as person, transaction(person.db):
        for i in range(400):
            person.add_tag(b"%016d" % i, b"/s/a.wav", f"tag {i}")
    UserData.open(tmp_path).close()
    with UserData.open(tmp_path) as person:
        person.set_favourite(A, b"/s/a.wav", True)
    UserData.open(tmp_path).close()
    newest = backups(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:5000])  # and the newest backup is bad too
    file = tmp_path / "user.db"
    content = file.read_bytes()
    half = len(content) // 2
    file.write_bytes(
        {
            "noise": os.urandom(len(content)),
            "empty": b"",
            "cut": content[:half],
            "half": content[:half] + bytes(half),
        }[damage]
    )
    with UserData.open(tmp_path) as person:
        assert "damaged" in person.notice
        assert len(person.tags()) == 400
        person.set_rating(B, b"/s/b.wav", 1)
    with UserData.open(tmp_path) as person:
        assert person.notice == ""
        assert person.ratings() == {B: 1}
    assert len(list(tmp_path.glob("user.damaged-*.db"))) == 1


def test_damaged_without_a_backup(tmp_path: Path) -> None:
    (tmp_path / "user.db").write_bytes(b"no database at all" * 100)
    with UserData.open(tmp_path) as person:
        assert "no backup" in person.notice
        person.set_favourite(A, b"/s/a.wav", True)
        assert person.favourites() == {A}


def test_newer_data_are_refused(tmp_path: Path) -> None:
    with UserData.open(tmp_path) as person:
        person.db.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer SoundSearch"):
        UserData.open(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as Unix does")
@pytest.mark.parametrize("limit", [0, 600, 70_000])  # no journal, part of one, no growth
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    with UserData.open(tmp_path) as person:
        person.set_favourite(A, b"/s/a.wav", True)
    code = f"""
import resource
from pathlib import Path
from soundsearch.errors import UserError
from soundsearch.library.userdata import UserData
person = UserData.open(Path({str(tmp_path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
for change in (
    lambda: person.set_favourite(b"b" * 16, b"/" + b"b" * 90_000, True),
    lambda: person.add_tag(b"a" * 16, b"/s/a.wav", "warm" * 30_000),
    lambda: person.remember_search("rain" * 30_000),
    lambda: person.add_collection("Film" * 30_000),
):
    try:
        change()
    except UserError as error:
        print(error)
print(sorted(person.favourites()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *told, favourites = done.stdout.splitlines()
    assert len(told) == 4
    assert all("user.db can't be written" in line for line in told)
    assert favourites == str([A])
    with UserData.open(tmp_path) as person:
        assert (person.favourites(), person.notice) == ({A}, "")


def test_tags_fold_the_case_of_every_letter(tmp_path: Path) -> None:
    with UserData.open(tmp_path / "one") as one, UserData.open(tmp_path / "two") as two:
        one.add_tag(A, b"/s/a.wav", "Größe")
        one.add_tag(B, b"/s/b.wav", "GRÖSSE")
        one.add_tag(B, b"/s/b.wav", unicodedata.normalize("NFD", "größe"))
        assert one.tags() == {"Größe": 2}
        assert one.with_tag("grÖSSe") == {A, B}
        two.add_tag(A, b"/s/a.wav", "GRÖßE")
        one.export(tmp_path / "out.db")
        two.merge(tmp_path / "out.db")
        assert two.tags() == {"GRÖßE": 2}
        one.remove_tag(A, "GRÖSSE")
        assert one.with_tag("größe") == {B}


def test_export_and_merge(tmp_path: Path) -> None:
    with UserData.open(tmp_path / "one") as one, UserData.open(tmp_path / "two") as two:
        one.set_favourite(A, b"/one/a.wav", True)
        one.add_tag(A, b"/one/a.wav", "warm")
        one.set_rating(B, b"/one/b.wav", 5)
        one.collect(one.add_collection("Film"), B, b"/one/b.wav")
        one.save_search("kick", "Kicks")
        two.set_rating(B, b"/two/b.wav", 1)
        two.collect(two.add_collection("Film"), C, b"/two/c.wav")
        one.export(tmp_path / "out.db")
        for _ in range(2):
            two.merge(tmp_path / "out.db")
        assert two.marks([A, B]) == {A: Marks(True, 0, ("warm",)), B: Marks(False, 1, ())}
        assert two.collected(two.collections()[0].id) == [C, B]
        assert two.places()[B].path == b"/two/b.wav"
        assert [s.name for s in two.searches()] == ["Kicks"]
        assert two.tagged_with_words(["warm"]) == {"warm": {A}}
        (tmp_path / "nonsense.db").write_text("nonsense")
        for file in ("nonsense.db", "not there.db"):
            with pytest.raises(UserError, match="holds no favourites"):
                two.merge(tmp_path / file)


WRITE = """
import sys, pathlib
from soundsearch.library.userdata import UserData
with UserData.open(pathlib.Path(sys.argv[1])) as person:
    for i in range(25):
        person.add_tag(b"%016d" % i, b"/s/a.wav", sys.argv[2])
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path / "data"), tag])
        for tag in ("one", "two", "three")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with UserData.open(tmp_path / "data") as person:
        assert person.tags() == {"one": 25, "three": 25, "two": 25}
