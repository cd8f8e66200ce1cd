"""Favourites and tags in a search."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soundsearch.cli.bench_data import synthetic_library
from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.search import ranking
from soundsearch.search.names import Names
from soundsearch.search.query import parse
from soundsearch.search.ranking import Answer, SoundScores, rank


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Library, UserData, list[int]]]:
    """A library, and three of its sounds: two tagged, two favourites."""
    synthetic_library(tmp_path, 200, seed=3)
    with Library.open(tmp_path) as library, UserData.open(tmp_path) as userdata:
        rows = library.db.execute("SELECT id, identity FROM sounds ORDER BY id LIMIT 3").fetchall()
        for (_, identity), tag in zip(rows[:2], ("Wobbly Things", "wobbly"), strict=True):
            userdata.add_tag(identity, b"/Sounds/a.wav", tag)
        for _, identity in rows[1:]:
            userdata.set_favourite(identity, b"/Sounds/a.wav", True)
        userdata.add_tag(b"x" * 16, b"/gone.wav", "wobbly")  # a sound that is nowhere any more
        yield library, userdata, [row[0] for row in rows]


def sounds(answer: Answer) -> set[int]:
    return {match.sound_id for match in answer.matches}


def test_ratings_and_collections(opened: tuple[Library, UserData, list[int]]) -> None:
    library, userdata, (first, second, third) = opened
    names = Names(library.db)
    identities = dict(library.db.execute("SELECT id, identity FROM sounds"))
    for sound, rating in ((first, 2), (second, 4), (third, 5)):
        userdata.set_rating(identities[sound], b"/a.wav", rating)
    hits = userdata.add_collection('Trailer "big" hits ü')
    for sound in (third, first):
        userdata.collect(hits, identities[sound], b"/a.wav")
    for text, expected in {
        "rating:5": {third},
        "rating:>3": {second, third},
        "rating:2-4": {first, second},
        'collection:"Trailer big hits Ü"': {first, third},
        'collection:"trailer big hits ü" rating:5': {third},
        "collection:nothing": set(),
    }.items():
        assert sounds(rank(parse(text), library, names, userdata=userdata)) == expected, text


def test_filters(opened: tuple[Library, UserData, list[int]]) -> None:
    library, userdata, (first, second, third) = opened
    names = Names(library.db)
    for text, expected in {
        "is:fav": {second, third},
        "tag:wobbly": {second},
        'tag:"wobbly things"': {first},
        "tag:WOBBLY is:fav": {second},
        "tag:nowhere": set(),
        "sounds is:fav": {second, third},
        "sounds -sounds is:fav": set(),
    }.items():
        assert sounds(rank(parse(text), library, names, userdata=userdata)) == expected, text
    found = rank(parse("is:fav"), library, names, userdata=userdata, chosen=[first, second])
    assert sounds(found) == {second}


def test_filters_hold_for_what_is_found_by_sound(
    opened: tuple[Library, UserData, list[int]],
) -> None:
    library, userdata, (_, second, third) = opened
    ids = np.array([row[0] for row in library.db.execute("SELECT id FROM sounds ORDER BY id")])
    scores = SoundScores(ids, np.ones(len(ids), np.float32), np.linspace(0.9, 0.1, len(ids)))
    answer = rank(parse("anything is:fav"), library, Names(library.db), scores, userdata=userdata)
    assert [match.sound_id for match in answer.matches] == [second, third]


def test_words_of_tags_are_found(opened: tuple[Library, UserData, list[int]]) -> None:
    library, userdata, (first, second, _) = opened
    answer = rank(parse("wobbly"), library, Names(library.db), userdata=userdata)
    assert sounds(answer) == {first, second}
    assert answer.matches[0].why == "tag: wobbly"
    assert answer.matches[0].name_score == pytest.approx(0.9)
    assert sounds(rank(parse("wobbly"), library, Names(library.db))) == set()


@pytest.mark.parametrize("most_looked", [2_000, 2])
def test_excluded_words_hide_by_tags_too(
    opened: tuple[Library, UserData, list[int]], most_looked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "_MOST_LOOKED", most_looked)
    library, userdata, (first, second, third) = opened
    names = Names(library.db)
    ids = np.array([row[0] for row in library.db.execute("SELECT id FROM sounds ORDER BY id")])
    strengths = np.linspace(0.9, 0.1, len(ids)).astype(np.float32)
    scores = SoundScores(ids, strengths, strengths)
    for text in ("sounds -wobbly", "-wobbly"):
        for sound in (None, scores):
            found = sounds(rank(parse(text), library, names, sound, k=500, userdata=userdata))
            assert found == set(ids.tolist()) - {first, second}, text
    found = sounds(rank(parse('-"wobbly things"'), library, names, k=500, userdata=userdata))
    assert found == set(ids.tolist()) - {first}
