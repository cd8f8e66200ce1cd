"""What the window reads of a library by itself."""

from pathlib import Path

import pytest

from soundsearch.cli.bench_data import synthetic_library
from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.search.names import Names
from soundsearch.search.query import parse
from soundsearch.window import reading


def all_of(browsed: reading.Browsed) -> list[int]:
    """The sounds of all rows, each once."""
    found = [sound for key in browsed.keys for sound in (key, *browsed.takes.get(key, ()))]
    assert len(found) == len(set(found)) == browsed.sounds
    return found


@pytest.mark.parametrize("order", ["best", "name", "date", "duration"])
def test_browsing_leaves_out_what_is_excluded(tmp_path: Path, order: str) -> None:
    synthetic_library(tmp_path, 300, seed=1)
    with Library.open(tmp_path) as library, UserData.open(tmp_path) as person:
        desk = reading.Desk(library, Names(library.db), person)
        everything = all_of(reading.browse(desk, parse(""), order))
        sound, identity = library.db.execute("SELECT id, identity FROM sounds LIMIT 1").fetchone()
        person.add_tag(identity, b"/a.wav", "wobbly")
        browsed = reading.browse(desk, parse("-wobbly"), order)
        assert set(all_of(browsed)) == set(everything) - {sound}
        assert browsed.sounds == len(everything) - 1
        (word,) = library.db.execute(
            "SELECT term FROM names_vocab WHERE doc BETWEEN 20 AND 100 ORDER BY term LIMIT 1"
        ).fetchone()
        left = all_of(reading.browse(desk, parse(f"-{word}"), order))
        assert 0 < len(left) < len(everything)
        texts = library.db.execute(
            "SELECT f.sound_id, n.name || ' ' || n.folder || ' ' || n.meta || ' ' || n.ucs"
            " FROM files f JOIN names n ON n.rowid = f.id"
        ).fetchall()
        # A sound stays when one of its files does.
        assert set(left) == {sound for sound, text in texts if word not in text.split()}
