"""Names on a larger library, against scores computed from the texts of every file."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundsearch.cli.bench_data import synthetic_library
from soundsearch.library.catalog import Library
from soundsearch.search import names as names_module
from soundsearch.search.names import Names
from soundsearch.search.query import parse
from soundsearch.search.ranking import rank
from soundsearch.search.scoring import FIELD_WEIGHTS, NameHit
from soundsearch.search.vocabulary import Vocabulary

FILES = 1500


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    synthetic_library(folder, FILES, seed=4)
    return folder


@pytest.fixture
def library(data: Path) -> Iterator[Library]:
    with Library.open(data) as library:
        yield library


def texts(library: Library) -> dict[int, tuple[str, ...]]:
    rows = library.db.execute("SELECT rowid, name, folder, meta, ucs FROM names")
    return {row[0]: row[1:] for row in rows}


def naive_scores(library: Library, text: str) -> dict[int, float]:
    """From every file's texts, with no candidates."""
    query, vocabulary = parse(text), Vocabulary(library.db)
    vocabulary.refresh((0, 0))
    words = Names(library.db).words(query)
    meanings = [vocabulary.meaning(word, word == query.words[-1]) for word in words]
    total = sum(meaning.rarity for meaning in meanings)
    scores = {}
    for file_id, fields in texts(library).items():
        held = [set(field.split()) for field in fields]
        hidden = {form for word in query.excluded for form in (word, *vocabulary.forms(word))}
        if hidden & set().union(*held):
            continue
        reached = 0.0
        for meaning in meanings:
            reached += meaning.rarity * max(
                weight * max((meaning.fits.get(word, 0.0) for word in words), default=0.0)
                for words, weight in zip(held, FIELD_WEIGHTS, strict=True)
            )
        if reached:
            scores[file_id] = reached / total
    return scores


def some_queries(library: Library) -> list[str]:
    pick = random.Random(5)
    rows = library.db.execute("SELECT term FROM names_vocab WHERE doc < 60 ORDER BY term")
    words = [term for (term,) in rows if term.isalpha() and len(term) > 4]
    queries = []
    for _ in range(5):
        one, two = pick.choice(words), pick.choice(words)
        queries += [one, f"{one} {two}", one[:4], one[:2] + one[3:], f"{two} {one[1:]}"]
        queries += [f"{one} {two} -{pick.choice(words)}"]
    return queries


def test_scores_are_those_of_every_file(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "CANDIDATES", 100_000)
    monkeypatch.setattr(names_module, "GATHERED", 100_000)
    names = Names(library.db)
    seen = 0
    for text in some_queries(library):
        found = names.hits(parse(text))
        expected = naive_scores(library, text)
        assert found.complete
        got = {hit.file_id: hit.score for hit in found.hits}
        assert got == pytest.approx(expected), text
        assert list(found.hits) == sorted(found.hits, key=lambda hit: hit.order)
        seen += len(got)
    assert seen > 200


def test_a_cut_keeps_the_best(library: Library) -> None:
    """Of more files than are scored, those that hold everything or the rarest words are taken."""
    names = Names(library.db)
    cut = 0
    for text in ["kick", "loop bpm", "drums kick hard", "sounds field 2014", "rain metal station"]:
        found = names.hits(parse(text))
        expected = sorted(naive_scores(library, text).values(), reverse=True)
        cut += not found.complete
        assert len(found.hits) <= names_module.CANDIDATES
        got = [hit.score for hit in found.hits]
        assert got[:10] == pytest.approx(expected[:10]), text
    assert cut >= 2


def test_every_file_of_a_sound_can_be_scored(library: Library) -> None:
    names = Names(library.db)
    sounds = [row[0] for row in library.db.execute("SELECT DISTINCT sound_id FROM files LIMIT 50")]
    scores = naive_scores(library, "kick loop hard")
    hits = names.score(parse("kick loop hard"), sounds)
    assert {hit.sound_id for hit in hits} == set(sounds)
    assert all(hit.score == pytest.approx(scores.get(hit.file_id, 0.0)) for hit in hits)


@pytest.mark.parametrize(
    "text",
    ["dur:<1", "dur:>2 ch:2", "rate:48000", "format:aif", "folder:field", "folder:drums dur:1-3"],
)
def test_filters_leave_what_sql_leaves(library: Library, text: str) -> None:
    """The same conditions, asked of every file."""
    everything = rank(parse(text), library, Names(library.db), k=FILES).matches
    checks = {
        "dur:<1": lambda m: m.duration < 1,
        "dur:>2 ch:2": lambda m: m.duration > 2 and m.channels == 2,
        "rate:48000": lambda m: m.samplerate == 48000,
        "format:aif": lambda m: m.name.endswith(".aif"),
        "folder:field": lambda m: "field" in m.folder.lower(),
        "folder:drums dur:1-3": lambda m: "drums" in m.folder.lower() and 1 <= m.duration <= 3,
    }
    all_sounds = rank(parse(""), library, Names(library.db), k=FILES).matches
    names = Names(library.db)
    passing = names.passing_sounds(parse(text))
    assert passing is not None
    assert set(passing.tolist()) == {match.sound_id for match in everything}
    alone = {match.sound_id for match in all_sounds if match.places == 1}
    expected = {m.sound_id for m in all_sounds if checks[text](m)}
    assert expected & alone == set(passing.tolist()) & alone
    assert 0 < len(passing) < len(all_sounds)
    hits = names.hits(parse(f"{text} sounds"))
    assert hits.hits
    assert {hit.sound_id for hit in hits.hits} <= set(passing.tolist())


def test_new_files_are_found_at_once(tmp_path: Path) -> None:
    """Also while the vocabulary is not read again because a scan goes on."""
    synthetic_library(tmp_path, 50, seed=1)
    with Library.open(tmp_path, write=True) as library:
        names = Names(library.db)
        assert names.hits(parse("zyzzyva")).hits == ()
        names._vocabulary._read_took = 1000.0  # as if it were a huge library
        row = library.db.execute("SELECT id FROM files LIMIT 1").fetchone()
        library.db.execute("UPDATE names SET name = 'zyzzyva hit' WHERE rowid = ?", row)
        assert [hit.file_id for hit in names.hits(parse("zyzzyva")).hits] == [row[0]]


def test_missing_files_are_not_found(tmp_path: Path) -> None:
    synthetic_library(tmp_path, 300, seed=2)
    with Library.open(tmp_path, write=True) as library:
        names = Names(library.db)
        before = names.hits(parse("sounds")).hits
        gone = {hit.file_id for hit in before[::2]}
        library.db.executemany(
            "UPDATE files SET state = 'missing' WHERE id = ?", ((i,) for i in gone)
        )
        after: tuple[NameHit, ...] = names.hits(parse("sounds")).hits
        assert {hit.file_id for hit in after} == {hit.file_id for hit in before} - gone


@pytest.mark.parametrize(
    "text",
    ['"', '""', '"!!!"', "-", "--", '-"!"', "'", "*", "a*", "NEAR(a b)", "a AND", "OR", "name:x",
     "{name}", "(((", "\x00", "a\x00b", "%_\\", "folder:%", "format:%", "tag:", "é" * 500, "-loop",
     "ß", "雨 の 音", "x " * 200, "dur:<", "dur:1-", "1e5", "^kick", "kick -kick", "the of a"],
)  # fmt: skip
def test_any_text_is_a_query(library: Library, text: str) -> None:
    try:
        rank(parse(text), library, Names(library.db), k=5)
    except sqlite3.Error as error:
        pytest.fail(f"{text!r}: {error}")


@pytest.mark.parametrize(
    ("word", "stands_for"),
    [
        ("kicks", "kick"),
        ("kick", "kicks"),
        ("dripping", "drip"),
        ("barking", "bark"),
        ("slice", "slicing"),
        ("boxes", "box"),
    ],
)
def test_forms_of_a_word(word: str, stands_for: str) -> None:
    assert vocabulary_of(stands_for).meaning(word, last=False).fits.get(stands_for, 0.0) >= 0.9
    assert vocabulary_of(stands_for).forms(word) == (stands_for,)


@pytest.mark.parametrize(("word", "other"), [("bass", "bases"), ("tap", "tapes"), ("car", "card")])
def test_what_is_no_form_of_a_word(word: str, other: str) -> None:
    assert vocabulary_of(other).forms(word) == ()


def vocabulary_of(word: str) -> Vocabulary:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE names USING fts5 (name, folder, meta, ucs)")
    db.execute("CREATE VIRTUAL TABLE names_vocab USING fts5vocab (names, row)")
    db.execute("CREATE TABLE files (id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO names (name) VALUES (?)", (f"{word} something else",))
    vocabulary = Vocabulary(db)
    vocabulary.refresh((1, 1))
    return vocabulary
