"""Ranking by name, by sound and by both, on real library databases."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from soundsearch.audio.tags import split_words
from soundsearch.library.catalog import Library
from soundsearch.library.rows import Record, State
from soundsearch.scan.naming import file_words
from soundsearch.search import names as names_module
from soundsearch.search import ranking
from soundsearch.search.names import Names
from soundsearch.search.query import parse
from soundsearch.search.ranking import Answer, SoundScores, rank

FILES = {
    "Drums/Kick_Hard_01.wav": {},
    "Drums/Kick_Soft_02.wav": {},
    "Drums/KickDrum808.flac": {},
    "Drums/Snare Tight.wav": {},
    "Foley/Footsteps on gravel.wav": {"description": "boots walking"},
    "Foley/Door Creak.wav": {"comment": "old wooden door, rusty hinge"},
    "Foley/METLImpt_Anvil Strike_Ada_01.wav": {},
    "Ambience/Rain on tent.wav": {},
    "Ambience/Rain heavy (loop).wav": {},
    "Ambience/Zug Bahnhof Köln.wav": {},
    "Kick/zzz.wav": {},
}


@dataclass(frozen=True)
class Facts:
    frames: int
    samplerate: int = 44100
    channels: int = 2
    sample_format: str = "pcm_24"
    container: str = "wav"
    loudness: float | None = -18.0
    peak: float = 0.5
    envelope: bytes = b"\x01\x02\x03" * 300
    silent: bool = False
    onset: float = 0.0


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    root = tmp_path / "Sounds"
    root.mkdir()
    with Library.open(tmp_path / "data", write=True) as library:
        root_id = library.add_root(os.fsencode(root)).id
        library.record(
            Record(
                root_id=root_id,
                path=os.fsencode(path),
                size=1000 + number,
                mtime_ns=10**18,
                ends=None,
                state=State.OK,
                identity=bytes([number]) * 16,
                facts=Facts(
                    frames=22050 * (number + 1), container="flac" if "flac" in path else "wav"
                ),
                tags=tags,
            )
            for number, (path, tags) in enumerate(FILES.items())
        )
        library.name_files(file_words)
        yield library


def found(answer: Answer) -> list[str]:
    return [match.name for match in answer.matches]


def by_name(library: Library, text: str, k: int = 20) -> list[str]:
    return found(rank(parse(text), library, Names(library.db), k=k))


def sound_scores(library: Library, strengths: dict[str, float], **options: float) -> SoundScores:
    rows = library.db.execute("SELECT sound_id, name FROM files ORDER BY sound_id").fetchall()
    values = np.array([strengths.get(name, 0.01) for _, name in rows], np.float32)
    return SoundScores(np.array([row[0] for row in rows]), values / 2, values, **options)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("snare", "Snare Tight.wav"),
        ("kick soft", "Kick_Soft_02.wav"),
        ("808", "KickDrum808.flac"),
        ("footsteps gravel", "Footsteps on gravel.wav"),
        ("rusty", "Door Creak.wav"),  # metadata
        ("boots", "Footsteps on gravel.wav"),
        ("koln", "Zug Bahnhof Köln.wav"),  # diacritics
        ("gravle", "Footsteps on gravel.wav"),  # a typo
        ("grav", "Footsteps on gravel.wav"),  # the beginning of the last word
        ("steps", "Footsteps on gravel.wav"),  # a part of a word
        ("metal impact", "METLImpt_Anvil Strike_Ada_01.wav"),  # UCS
        ('"rain on"', "Rain on tent.wav"),
        ("rain -loop", "Rain on tent.wav"),
        ("kick format:flac", "KickDrum808.flac"),
        ("folder:ambience heavy", "Rain heavy (loop).wav"),
    ],
)
def test_by_name(library: Library, text: str, first: str) -> None:
    assert by_name(library, text)[0] == first


def test_where_a_word_stands_counts(library: Library) -> None:
    names = by_name(library, "kick")
    assert set(names[:3]) == {"Kick_Hard_01.wav", "Kick_Soft_02.wav", "KickDrum808.flac"}
    assert names[3] == "zzz.wav"  # the folder only


def test_exclusion_phrases_and_filters_exclude(library: Library) -> None:
    assert "Rain heavy (loop).wav" not in by_name(library, "rain -loop")
    assert by_name(library, '"hard kick"') == []
    assert by_name(library, "kick dur:<0.6") == ["Kick_Hard_01.wav"]
    assert by_name(library, "kick ch:1") == []
    assert by_name(library, "nothinglikeit") == []


def add(library: Library, paths: list[str]) -> None:
    root = library.roots()[0].id
    library.record(
        Record(root, os.fsencode(path), 77 + number, 10**18, None, State.OK,
               identity=(1000 + number).to_bytes(16, "big"), facts=Facts(4410), tags={})
        for number, path in enumerate(paths)
    )  # fmt: skip
    library.name_files(file_words)


def test_an_excluded_word_hides_its_other_forms(library: Library) -> None:
    """What a search for the word itself would count as that word, and nothing more."""
    add(library, ["Loops/Break A.wav", "Break looped.wav", "Break Loopback.wav", "Break Lop.wav"])
    names = Names(library.db)
    scores = sound_scores(library, {"Break A.wav": 0.99, "Break looped.wav": 0.98})
    for text in ("break -loop", "break -LOOPS", "break -looping"):
        for sound in (None, scores):
            got = found(rank(parse(text), library, names, sound=sound))
            assert {"Break A.wav", "Break looped.wav", "Rain heavy (loop).wav"}.isdisjoint(got)
            assert {"Break Loopback.wav", "Break Lop.wav"} <= set(got), text
    assert "Break A.wav" not in by_name(library, "-loop")
    assert "Break Lop.wav" in by_name(library, "-loop")
    # Words side by side are exact.
    assert "Break looped.wav" in by_name(library, 'break -"break loop"')
    assert "Break looped.wav" not in by_name(library, 'break -"break looped"')


@pytest.mark.parametrize("most_looked", [2_000, 2])
def test_an_excluded_word_that_nearly_all_names_hold(
    library: Library, most_looked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "_MOST_LOOKED", most_looked)
    add(library, [f"Loops/{number}.wav" for number in range(40)])
    rows = library.db.execute("SELECT id FROM sounds ORDER BY id").fetchall()
    strengths = np.linspace(0.1, 0.9, len(rows)).astype(np.float32)
    scores = SoundScores(np.array([row[0] for row in rows]), strengths, strengths)
    answer = rank(parse("zebra -loop"), library, Names(library.db), sound=scores, k=3)
    assert len(answer.matches) == 3
    assert not any("Loops" in match.folder for match in answer.matches)


def test_folders_are_compared_without_case(library: Library) -> None:
    """In every script, composed or not; % and _ are letters like others."""
    decomposed = unicodedata.normalize("NFD", "Maße/Öl")
    add(library, ["GRÖSSE/a.wav", f"{decomposed}/b.wav", "ДОЖДЬ/c.wav", "100%_x/d.wav"])
    for text, name in {
        'folder:"Größe"': "a.wav",
        "folder:größe": "a.wav",
        "folder:MASSE/öl": "b.wav",
        "folder:дождь": "c.wav",
        "folder:0%_X": "d.wav",
    }.items():
        assert by_name(library, text) == [name], text
    assert by_name(library, "folder:größe folder:дождь") == ["a.wav", "c.wav"]
    assert by_name(library, "folder:%") == ["d.wav"]


def test_an_empty_query_browses_by_name(library: Library) -> None:
    assert by_name(library, "") == sorted((os.path.basename(path) for path in FILES), key=str.lower)
    assert by_name(library, "folder:ambience") == [
        "Rain heavy (loop).wav",
        "Rain on tent.wav",
        "Zug Bahnhof Köln.wav",
    ]


def test_the_name_score_equals_a_naive_one(library: Library) -> None:
    """Share of the words found, weighted by rarity and place, computed from the words alone."""
    import math

    texts = {
        path: file_words(os.path.basename(path), f"Sounds/{os.path.dirname(path)}", tags)
        for path, tags in FILES.items()
    }
    words = ["rain", "heavy"]
    counts = {w: sum(w in " ".join(t).split() for t in texts.values()) for w in words}
    rarity = {w: math.log(1 + (len(FILES) + 1) / (counts[w] + 1)) for w in words}
    weights = (1.0, 0.8, 0.7, 0.6)
    answer = rank(parse("heavy rain"), library, Names(library.db))
    for match in answer.matches:
        path = next(p for p in FILES if p.endswith(match.name))
        reached = sum(
            rarity[w]
            * max(
                (v for v, t in zip(weights, texts[path], strict=True) if w in split_words(t)),
                default=0.0,
            )
            for w in words
        )
        assert match.name_score == pytest.approx(reached / sum(rarity.values()))


def test_fusion_is_the_formula_and_deterministic(library: Library) -> None:
    strengths = {"Snare Tight.wav": 0.9, "Door Creak.wav": 0.5, "Kick_Soft_02.wav": 0.4}
    scores = sound_scores(library, strengths)
    answers = [
        rank(parse("kick"), library, Names(library.db), sound=scores, k=20) for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(answers[0].matches) == len(FILES)
    for match in answers[0].matches:
        expected = 1 - (1 - 0.9 * (match.name_score or 0)) * (1 - (match.sound or 0))
        assert match.strength == pytest.approx(expected, abs=1e-5)
    order = [match.strength for match in answers[0].matches]
    assert order == sorted(order, reverse=True)
    assert found(answers[0])[0] == "Kick_Soft_02.wav"


def test_sound_results_pass_filters_and_exclusions_too(library: Library) -> None:
    scores = sound_scores(library, {"Rain heavy (loop).wav": 0.99, "Rain on tent.wav": 0.9})
    for text in ("drizzle -loop", "drizzle folder:tent -loop", 'drizzle "rain on"'):
        names = found(rank(parse(text), library, Names(library.db), sound=scores))
        assert "Rain heavy (loop).wav" not in names
    assert found(rank(parse("drizzle dur:<0.6"), library, Names(library.db), sound=scores)) == [
        "Kick_Hard_01.wav"
    ]


def test_nothing_matches_only_when_neither_sound_nor_name_does(library: Library) -> None:
    weak = sound_scores(library, {}, threshold=0.3)
    assert rank(parse("zebra"), library, Names(library.db), sound=weak).nothing_matches
    assert not rank(parse("kick"), library, Names(library.db), sound=weak).nothing_matches
    strong = sound_scores(library, {"Snare Tight.wav": 0.8}, threshold=0.3)
    assert not rank(parse("zebra"), library, Names(library.db), sound=strong).nothing_matches


def test_one_row_per_sound(library: Library) -> None:
    root = library.roots()[0].id
    library.record(
        [
            Record(root, b"a/very/long/way/Kick_Hard_01 copy.wav", 1000, 10**18, None, State.OK,
                   identity=bytes(16)),
            Record(root, b"Drums/Kick gone.wav", 1000, 10**18, None, State.MISSING,
                   identity=bytes(16)),
        ]
    )  # fmt: skip
    library.name_files(file_words)
    scores = sound_scores(library, {"Kick_Hard_01.wav": 0.9})
    answer = rank(parse("kick hard"), library, Names(library.db), sound=scores)
    names = found(answer)
    assert names.count("Kick_Hard_01.wav") == 1
    assert "Kick_Hard_01 copy.wav" not in names
    assert answer.matches[0].places == 2


def test_why_says_what_matched(library: Library) -> None:
    scores = sound_scores(library, {"Kick_Hard_01.wav": 0.83})
    answer = rank(parse("hard kick drums"), library, Names(library.db), sound=scores)
    assert answer.matches[0].why == "name: hard, kick · folder: drums · sound 83%"
    unlike = sound_scores(library, {answer.matches[0].name: 0.004})
    best = rank(parse("hard kick drums"), library, Names(library.db), sound=unlike).matches[0]
    assert best.why == "name: hard, kick · folder: drums"
    assert set(answer.matches[0].words) == {"kick", "hard"}
    answer = rank(parse('"kick hard" drums'), library, Names(library.db))
    assert answer.matches[0].why == "name: kick hard · folder: drums"


def test_a_phrase_is_words_of_the_query(library: Library) -> None:
    """It counts where it stands, also beside words that are nowhere and for what came by sound."""
    scores = sound_scores(library, {"Rain on tent.wav": 0.83})
    for sound, more in ((None, ""), (scores, " · sound 83%")):
        best = rank(parse('"rain on" zebra'), library, Names(library.db), sound=sound).matches[0]
        assert best.name == "Rain on tent.wav"
        assert best.why == "name: rain on" + more
        assert best.words == ("on", "rain")
        assert 0 < (best.name_score or 0) < 1
    for text, score in (('"rain on"', 1.0), ('"sounds ambience"', 0.8), ('"rain on" tent', 1.0)):
        best = rank(parse(text), library, Names(library.db)).matches[0]
        assert best.name_score == pytest.approx(score), text


def test_what_came_by_sound_tells_the_words_of_its_name(library: Library) -> None:
    add(library, [f"Kicks/Kick {number}.wav" for number in range(names_module.CANDIDATES + 9)])
    last = f"Kick {names_module.CANDIDATES + 8}.wav"
    scores = sound_scores(library, {last: 0.95})
    named = {hit.name for hit in Names(library.db).hits(parse("kick")).hits}
    assert last not in named  # no room among the candidates by name
    best = rank(parse("kick"), library, Names(library.db), sound=scores).matches[0]
    assert (best.name, best.why) == (last, "name: kick · sound 95%")


def test_equal_strengths_stand_by_length_of_path_then_name(library: Library) -> None:
    kicks = [path for path in FILES if path.startswith("Drums/Kick")]
    expected = sorted(kicks, key=lambda path: (len(path), os.path.basename(path)))
    assert by_name(library, "kick")[:3] == [os.path.basename(path) for path in expected]


def test_takes_leave_at_least_a_hundred_rows_where_there_are_as_many(library: Library) -> None:
    """The best sounds may all be takes of a few."""
    stems = [f"{a}{b}" for a in "abcdefghijkl" for b in "mnopqrstuv"]  # 120
    paths = [f"{stem}/{stem} {take:02}.wav" for stem in stems for take in range(12)]
    add(library, paths)
    strengths = {os.path.basename(path): 0.9 - n / 3000 for n, path in enumerate(paths)}
    scores = replace(
        sound_scores(library, strengths), alike=lambda head, others: [True] * len(others)
    )
    answer = rank(parse("xylophone"), library, Names(library.db), sound=scores, k=300)
    shown = [(match.folder, match.takes) for match in answer.matches[:100]]
    assert shown == [(f"Sounds/{stem}", 12) for stem in stems[:100]]
