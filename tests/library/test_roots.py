"""Adding, removing and relocating folders: rows follow, nothing is asked of the disk twice."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Record, Root, State
from soundsearch.scan.naming import file_words


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "data", write=True) as library:
        yield library


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    for folder in ("disk/Drums/Kicks/Old", "disk/Drums/Snares", "disk/Drums 2", "disk/Bass"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "disk"


def failed(root: Root, *paths: str) -> list[Record]:
    return [
        Record(root.id, os.fsencode(path), 1, 1, b"", State.FAILED, "not a sound") for path in paths
    ]


def places(library: Library) -> dict[str, str]:
    """Absolute path → display folder of every file."""
    rows = library.files([i for (i,) in library.db.execute("SELECT id FROM files")])
    return {os.fsdecode(row.place): row.folder for row in rows.values()}


def paths(library: Library) -> list[str]:
    return [os.fsdecode(root.path) for root in library.roots()]


def test_the_same_folder_by_any_of_its_names_is_one_root(library: Library, disk: Path) -> None:
    link = disk.parent / "link"
    link.symlink_to(disk / "Drums")
    first = library.add_root(str(disk / "Drums"))
    for name in (
        disk / "Drums",
        f"{disk}/Drums/",
        f"{disk}/Bass/../Drums",
        link,
        disk / "Drums/Kicks",
    ):
        assert library.add_root(str(name)) == first
    assert library.add_root(str(link / "Kicks")) == first
    assert paths(library) == [str(disk / "Drums")]
    # A name that merely begins alike is another folder.
    library.add_root(str(disk / "Drums 2"))
    assert len(paths(library)) == 2


def test_a_folder_that_contains_roots_takes_their_files_over(library: Library, disk: Path) -> None:
    kicks = library.add_root(str(disk / "Drums/Kicks"))
    other = library.add_root(str(disk / "Drums 2"))
    library.record(failed(kicks, "a.wav", "Old/b.wav") + failed(other, "c.wav"))
    ids = {row.place: i for i, row in library.files(range(9)).items()}
    library.add_root(str(disk / "Drums"))
    assert paths(library) == [str(disk / "Drums"), str(disk / "Drums 2")]
    assert places(library) == {
        str(disk / "Drums/Kicks/a.wav"): "Drums/Kicks",
        str(disk / "Drums/Kicks/Old/b.wav"): "Drums/Kicks/Old",
        str(disk / "Drums 2/c.wav"): "Drums 2",
    }
    assert {row.place: i for i, row in library.files(range(9)).items()} == ids


def test_a_parent_over_a_symlinked_child(library: Library, disk: Path) -> None:
    (disk.parent / "short").symlink_to(disk / "Drums/Kicks")
    library.record(failed(library.add_root(str(disk.parent / "short")), "Old/b.wav"))
    library.add_root(str(disk))
    assert places(library) == {str(disk / "Drums/Kicks/Old/b.wav"): "disk/Drums/Kicks/Old"}


@pytest.mark.parametrize("what", ["missing", "a file", "the data folder"])
def test_what_cannot_be_added(library: Library, disk: Path, what: str) -> None:
    (disk / "a file").write_text("")
    place = library.data if what == "the data folder" else disk / what
    with pytest.raises(UserError):
        library.add_root(str(place))
    assert library.roots() == []


def test_remove_forgets_files_and_names_but_not_other_roots(library: Library, disk: Path) -> None:
    drums, bass = library.add_root(str(disk / "Drums")), library.add_root(str(disk / "Bass"))
    library.record(failed(drums, "a.wav") + failed(bass, "b.wav"))
    library.name_files(lambda name, folder, tags: (name, folder, "", ""))  # type: ignore[arg-type,return-value]
    with pytest.raises(UserError, match="part of"):
        library.remove_root(str(disk / "Drums/Kicks"))
    with pytest.raises(UserError, match="not in the library"):
        library.remove_root(str(disk))
    library.remove_root(str(disk / "Drums"))
    assert list(places(library)) == [str(disk / "Bass/b.wav")]
    assert library.db.execute("SELECT count(*) FROM names").fetchone() == (1,)
    # Also when it isn't there any more.
    (disk / "Bass").rmdir()
    library.remove_root(str(disk / "Bass"))
    assert library.counts()["files"] == 0


def test_relocate_a_root_that_is_away(library: Library, disk: Path) -> None:
    root = library.add_root(str(disk / "Drums"))
    library.record(failed(root, "a.wav", "Kicks/b.wav"))
    library.set_root_offline(root.id)
    assert library.counts()["states"] == {"offline": 2}
    (disk / "Drums").rename(disk / "Beats")
    library.relocate(str(disk / "Drums"), str(disk / "Beats"))
    assert paths(library) == [str(disk / "Beats")]
    assert places(library) == {
        str(disk / "Beats/a.wav"): "Beats",
        str(disk / "Beats/Kicks/b.wav"): "Beats/Kicks",
    }
    assert library.counts()["states"] == {"failed": 2}
    assert library.roots()[0].state == "ok"


def test_relocate_a_folder_inside_to_another_root_and_out_of_all(
    library: Library, disk: Path
) -> None:
    drums, bass = library.add_root(str(disk / "Drums")), library.add_root(str(disk / "Bass"))
    library.record(failed(drums, "Kicks/a.wav", "Kicks2/x.wav", "b.wav") + failed(bass, "c.wav"))
    library.relocate(str(disk / "Drums/Kicks"), str(disk / "Bass/From drums"))
    assert set(places(library)) == {
        str(disk / place)
        for place in ("Bass/From drums/a.wav", "Drums/Kicks2/x.wav", "Drums/b.wav", "Bass/c.wav")
    }
    library.relocate(str(disk / "Drums/Kicks2"), str(disk / "Drums 2"))
    assert str(disk / "Drums 2") in paths(library)
    assert places(library)[str(disk / "Drums 2/x.wav")] == "Drums 2"
    with pytest.raises(UserError, match="not in the library"):
        library.relocate(str(disk / "nowhere"), str(disk / "Drums"))
    with pytest.raises(UserError, match="No file"):
        library.relocate(str(disk / "Drums/Snares"), str(disk / "Drums 2"))


def test_relocate_onto_a_root_that_was_added_meanwhile(library: Library, disk: Path) -> None:
    old = library.add_root(str(disk / "Drums"))
    new = library.add_root(str(disk / "Drums 2"))
    library.record(failed(old, "a.wav", "b.wav") + failed(new, "b.wav", "c.wav"))
    library.relocate(str(disk / "Drums"), str(disk / "Drums 2"))
    assert paths(library) == [str(disk / "Drums 2")]
    assert set(places(library)) == {str(disk / "Drums 2" / f"{name}.wav") for name in "abc"}


def test_relocate_to_a_folder_that_contains_a_root(library: Library, disk: Path) -> None:
    old = library.add_root(str(disk / "Bass"))
    kicks = library.add_root(str(disk / "Drums/Kicks"))
    library.record(failed(old, "a.wav") + failed(kicks, "b.wav"))
    library.relocate(str(disk / "Bass"), str(disk / "Drums"))
    assert paths(library) == [str(disk / "Drums")]
    assert set(places(library)) == {str(disk / "Drums/a.wav"), str(disk / "Drums/Kicks/b.wav")}


def test_a_removed_root_comes_back_as_it_was(library: Library, disk: Path) -> None:
    root = library.add_root(str(disk / "Drums"))
    library.record(failed(root, "Kicks/deep #1.wav", "Snares/crack.wav"))
    library.name_files(file_words)
    library.set_root_offline(root.id)

    def tables() -> list:
        return [
            library.db.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
            for table, columns in (("roots", "*"), ("files", "*"), ("names", "rowid, *"))
        ]

    before = tables()
    assert all(before)
    library.remove_root(str(disk / "Drums"))
    assert not any(tables())
    (disk / "Drums").rename(disk / "unplugged")
    assert not library.bring_back_root(str(disk / "Bass"))
    assert library.bring_back_root(str(disk / "Drums"))
    assert tables() == before
    assert library.db.execute("SELECT rowid FROM names WHERE names MATCH 'crack'").fetchone()
    assert not library.bring_back_root(str(disk / "Drums"))  # it is there
    library.remove_root(str(disk / "Drums"))  # and all of it again
    assert library.bring_back_root(str(disk / "Drums"))
    assert tables() == before


def test_a_removed_root_that_was_added_again_by_another_name_stays(
    library: Library, disk: Path
) -> None:
    root = library.add_root(str(disk / "Drums"))
    library.record(failed(root, "Kicks/a.wav"))
    library.remove_root(str(disk / "Drums"))
    library.add_root(str(disk))
    assert not library.bring_back_root(str(disk / "Drums"))
    assert paths(library) == [str(disk)]
    assert not places(library)
