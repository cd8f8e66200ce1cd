"""Takes: what folds into one row, against a naive loop and on real library databases."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soundsearch.library.catalog import Library
from soundsearch.library.rows import Record, State
from soundsearch.library.userdata import UserData
from soundsearch.scan.naming import file_words
from soundsearch.search.names import Names
from soundsearch.search.query import parse
from soundsearch.search.ranking import Answer, SoundScores, rank
from soundsearch.search.takes import fold, stem
from tests.search.test_ranking import Facts

STEPS = [f"Foley/footstep_{number:02}.wav" for number in range(1, 41)]
OTHERS = ["Foley/footstep gravel.wav", "Foley/door_01.wav", "Old/footstep_07.wav", "Foley/step.wav"]
ODD = {"Foley/footstep_13.wav", "Foley/footstep_29.wav"}  # sound and last like nothing else


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    root = tmp_path / "Sounds"
    root.mkdir()
    with Library.open(tmp_path / "data", write=True) as library:
        root_id = library.add_root(os.fsencode(root)).id
        library.record(
            Record(
                root_id, os.fsencode(path), 1000 + number, 10**18, None, State.OK,
                identity=number.to_bytes(16, "big"),
                facts=Facts(frames=22050 * 9 if path in ODD else 22050 + 100 * number),
                tags={},
            )
            for number, path in enumerate([*STEPS, *OTHERS])
        )  # fmt: skip
        library.name_files(file_words)
        yield library


def shown(answer: Answer) -> list[tuple[str, int]]:
    return [(f"{m.folder.split('/')[1]}/{m.name}", m.takes) for m in answer.matches]


def scores(library: Library) -> SoundScores:
    """Footsteps are strong, the odd ones unlike all others."""
    rows = library.db.execute("SELECT sound_id, name FROM files ORDER BY sound_id").fetchall()
    ids = np.array([row[0] for row in rows])
    odd = {row[0] for row in rows if f"Foley/{row[1]}" in ODD}
    strengths = np.array([0.9 if "footstep" in row[1] else 0.2 for row in rows], np.float32)
    strengths -= np.arange(len(rows), dtype=np.float32) / 1000

    def alike(head: int, others: list[int]) -> list[bool]:
        return [head not in odd and other not in odd for other in others]

    return SoundScores(ids, strengths / 2, strengths, alike=alike)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("footstep_01.wav", "footstep"),
        ("Kick (2).wav", "Kick"),
        ("halfstomp_l_vl2_rr5.wav", "halfstomp_l_vl rr"),
        ("lava_cool.3.flac", "lava_cool"),
        ("808.wav", ""),
        ("Door Creak.wav", "Door Creak"),
        ("Vögel 🐦 12.wav", "Vögel"),
    ],
)
def test_the_stem_of_a_name(name: str, expected: str) -> None:
    assert stem(name) == expected


def naive_fold(rows: list[tuple[str, int]], like: np.ndarray, most: int) -> list[list[int]]:
    groups: list[list[int]] = []
    for position, (key, sound) in enumerate(rows):
        for group in groups:
            head_key, head = rows[group[0]]
            if head_key == key and like[head, sound]:
                group.append(position)
                break
        else:
            if len(groups) == most:
                break
            groups.append([position])
    return groups


@pytest.mark.parametrize("seed", range(8))
def test_folding_is_the_naive_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    like = random.random((60, 60)) < 0.4
    like |= like.T
    rows = [(random.choice(["a", "b", "c"]), int(i)) for i in random.permutation(60)]
    most = int(random.integers(1, 30))
    found = fold(rows, lambda head, others: [bool(like[head, o]) for o in others], most)
    assert found == naive_fold(rows, like, most)


def test_takes_by_name_fold_by_their_length(library: Library) -> None:
    answer = rank(parse("footstep"), library, Names(library.db))
    assert shown(answer) == [
        ("Old/footstep_07.wav", 1),
        ("Foley/footstep_01.wav", 38),
        ("Foley/footstep_13.wav", 2),  # both long
        ("Foley/footstep gravel.wav", 1),
    ]
    assert answer.total == 42


def test_takes_by_sound_fold_when_they_sound_alike(library: Library) -> None:
    names = Names(library.db)
    answer = rank(parse("boots"), library, names, sound=scores(library), k=5)
    assert shown(answer) == [
        ("Foley/footstep_01.wav", 38),
        ("Foley/footstep_13.wav", 1),
        ("Foley/footstep_29.wav", 1),
        ("Foley/footstep gravel.wav", 1),
        ("Old/footstep_07.wav", 1),
    ]
    head = answer.matches[0]
    members = library.places(head.members)
    assert [members[i][0].name for i in head.members] == [
        os.path.basename(path) for path in STEPS[1:] if path not in ODD
    ]


def test_rows_are_counted_as_they_are_shown(library: Library) -> None:
    names, sound = Names(library.db), scores(library)
    for k in range(1, 7):
        answer = rank(parse("boots"), library, names, sound=sound, k=k)
        assert len(answer.matches) == k
        assert answer.matches[0].takes == 38
    folded = rank(parse("boots"), library, names, sound=sound, k=100).matches
    every = rank(parse("boots"), library, names, sound=sound, k=100, takes=True).matches
    assert sum(match.takes for match in folded) == len(every) == len(STEPS) + len(OTHERS)
    assert {match.takes for match in every} == {1}


def test_takes_that_filters_exclude_do_not_count(library: Library) -> None:
    names, sound = Names(library.db), scores(library)
    for text in ("boots dur:<0.55", "footstep dur:<0.55"):
        head = rank(parse(text), library, names, sound=sound).matches[0]
        files = [row[0] for row in library.places([head.sound_id, *head.members]).values()]
        assert len(files) == head.takes > 1
        assert all(file.seconds is not None and file.seconds < 0.55 for file in files)


def test_takes_that_are_excluded_by_their_tags_do_not_count(
    library: Library, tmp_path: Path
) -> None:
    with UserData.open(tmp_path / "data") as person:
        person.add_tag((2).to_bytes(16, "big"), b"/Sounds/a.wav", "scraping")
        names = Names(library.db)
        most = [
            max(match.takes for match in rank(parse(text), library, names, userdata=person).matches)
            for text in ("footstep", "footstep -scraping")
        ]
    assert most[1] == most[0] - 1


def test_browsing_shows_every_file(library: Library) -> None:
    answer = rank(parse(""), library, Names(library.db), k=100)
    assert len(answer.matches) == len(STEPS) + len(OTHERS)
