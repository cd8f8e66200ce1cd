"""A data folder at work with a small random model: real torch, real files."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soundsearch.errors import UserError
from soundsearch.library.userdata import UserData
from soundsearch.search.calibration import SEGMENT_MARGIN
from soundsearch.search.query import Example, Query, parse
from soundsearch.worker import engine as engine_module
from soundsearch.worker.engine import Engine
from tests.models.small import small_model

SOUNDS = Path(__file__).parent.parent / "sounds"
NAMES = ("bell 16bit.wav", "bell.flac", "bell.ogg", "not finite.wav", "one frame.wav")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data folder with a model and a scanned folder of sounds, and that folder."""
    top = tmp_path_factory.mktemp("engine")
    folder, data = top / "Sounds", top / "data"
    folder.mkdir()
    for name in NAMES:
        shutil.copy2(SOUNDS / name, folder / name)
    random = np.random.default_rng(0)
    for number in range(4):
        noise = random.normal(0, 0.1, 20_000 * (number + 1)) * np.linspace(
            1, 0, 20_000 * (number + 1)
        )
        soundfile.write(folder / f"noise {number}.wav", noise, 32_000)
    small_model(data / "models" / "small")
    with Engine(data, model="small", write=True) as engine:
        report = engine.scan([str(folder)])
    assert report.failed == 0
    return data, folder


def test_a_text_query_ranks_by_name_and_sound(place: tuple[Path, Path]) -> None:
    data, folder = place
    with Engine(data, model="small") as engine:
        answer = engine.search(parse("bell"), 20, takes=True)
        assert engine.model_name == "small"
    assert "bell" in answer.matches[0].name
    assert all(match.sound is not None for match in answer.matches if match.state == "ok")
    assert {match.name for match in answer.matches} >= {f"noise {i}.wav" for i in range(4)}


def test_by_sound_names_do_not_count(place: tuple[Path, Path]) -> None:
    data, _ = place
    with Engine(data, model="small") as engine:
        answer = engine.search(parse("bell"), 20, by="sound", takes=True)
    assert all(match.name_score is None for match in answer.matches)


def test_a_sound_is_most_similar_to_itself(place: tuple[Path, Path]) -> None:
    data, folder = place
    with Engine(data, model="small") as engine:
        path = os.fsencode(folder / "noise 2.wav")
        answer = engine.search(Query(examples=(Example(path=path),)), 5)
        assert answer.matches[0].path == path
        assert answer.matches[0].cosine == pytest.approx(1.0, abs=2e-3)


def test_any_file_and_any_region_are_examples(place: tuple[Path, Path], tmp_path: Path) -> None:
    data, folder = place
    elsewhere = tmp_path / "unknown.wav"
    shutil.copy(folder / "noise 3.wav", elsewhere)
    with Engine(data, model="small") as engine:
        whole = engine.search(
            Query(examples=(Example(path=os.fsencode(elsewhere)),)), 3, takes=True
        )
        assert whole.matches[0].name == "noise 3.wav"
        region = Example(path=os.fsencode(elsewhere), start=0.2, end=0.9)
        assert engine.search(Query(examples=(region,)), 3).matches
        with pytest.raises(UserError, match="no sound at that place"):
            engine.search(Query(examples=(Example(path=os.fsencode(elsewhere), start=99.0),)), 3)
        with pytest.raises(UserError, match="can't be used"):
            engine.search(Query(examples=(Example(path=os.fsencode(SOUNDS / "text.wav")),)), 3)


def test_a_moment_of_a_long_sound_is_found(place: tuple[Path, Path], tmp_path: Path) -> None:
    folder, data = tmp_path / "Long", tmp_path / "data"
    folder.mkdir()
    shutil.copytree(place[0] / "models", data / "models")
    random = np.random.default_rng(3)
    samples = random.normal(0, 0.05, 40 * 16_000)
    samples[20 * 16_000 : 30 * 16_000] += 0.5 * np.sin(np.arange(10 * 16_000) * 0.4)
    soundfile.write(folder / "night.wav", samples, 16_000)
    soundfile.write(folder / "other.wav", random.normal(0, 0.05, 30_000), 16_000)
    path = os.fsencode(folder / "night.wav")
    with Engine(data, model="small", write=True) as engine:
        engine.scan([str(folder)])
        region = Example(path=path, start=20.0, end=30.0)
        match = engine.search(Query(examples=(region,)), 5).matches[0]
        assert (match.path, match.start) == (path, 20.0)
        assert match.cosine == pytest.approx(1.0 - SEGMENT_MARGIN, abs=3e-3)


def test_a_minus_example_moves_away(place: tuple[Path, Path]) -> None:
    data, folder = place
    like = Example(path=os.fsencode(folder / "noise 1.wav"))
    unlike = Example(path=os.fsencode(folder / "noise 0.wav"), weight=-0.7)
    with Engine(data, model="small") as engine:
        plain = {
            m.name: m.cosine for m in engine.search(Query(examples=(like,)), 20, takes=True).matches
        }
        moved = {
            m.name: m.cosine
            for m in engine.search(Query(examples=(like, unlike)), 20, takes=True).matches
        }
    assert moved["noise 0.wav"] < plain["noise 0.wav"]


def test_the_calibration_is_read_once(place: tuple[Path, Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(place[0], data)
    background = np.random.default_rng(1).normal(size=(64, 16)).astype("<f2")
    background.tofile(data / "models" / "small" / "background.f16")
    stored = data / "models" / "small" / "calibration.json"
    stored.write_text(json.dumps({"a": 1.0, "b": 2.0, "c": 0.0, "threshold": 0.4}))
    with Engine(data, model="small", write=True) as engine:
        first = engine.search(parse("bell"), 20, takes=True)
        stored.unlink()
        assert engine.search(parse("bell"), 20, takes=True) == first
        # New vectors: read again, and now made of the library's own.
        shutil.copy(SOUNDS / "bell.mp3", place[1] / "one more.mp3")
        assert engine.scan([]).embedded == 1
        (place[1] / "one more.mp3").unlink()
        then = {
            match.name: match.sound
            for match in engine.search(parse("bell"), 20, takes=True).matches
        }
    assert then["bell.flac"] != next(m.sound for m in first.matches if m.name == "bell.flac")


def test_favourites_and_tags_filter(place: tuple[Path, Path]) -> None:
    data, _ = place
    with Engine(data, model="small") as engine:
        chosen = next(
            m for m in engine.search(parse("noise"), 20, takes=True).matches if "noise" in m.name
        )
        assert engine.search(parse("bell is:fav"), 5).matches == ()
        with UserData.open(data) as marks:
            marks.set_favourite(chosen.identity, chosen.path, True)
            marks.add_tag(chosen.identity, chosen.path, "hiss")
        for text in ("is:fav", "tag:hiss", "anything is:fav"):
            found = engine.search(parse(text), 5).matches
            assert [match.name for match in found] == [chosen.name], text
        best = engine.search(parse("hiss"), 5).matches[0]
        assert (best.name, best.why.split(" · ")[0]) == (chosen.name, "tag: hiss")


def test_a_second_thread_reads_what_the_first_scans(place: tuple[Path, Path]) -> None:
    data, folder = place
    with Engine(data, model="small", write=True) as engine:
        reader = engine.reader()
        before = len(reader.search(parse("copy of"), 50, by="sound").matches)
        shutil.copy(SOUNDS / "bell.mp3", folder / "new one.mp3")
        assert engine.scan([]).embedded == 1
        found = reader.search(parse("new one"), 50).matches
        assert found[0].name == "new one.mp3"
        assert found[0].sound is not None
        assert len(reader.search(parse("copy of"), 50, by="sound").matches) == before + 1
        reader.library.close()


def test_an_example_is_heard_once(
    place: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while words are typed beside it; a file that changed is heard again."""
    file = tmp_path / "elsewhere.wav"
    shutil.copy(place[1] / "noise 3.wav", file)
    started: list[int] = []
    decoders = engine_module.Decoders

    def counted(*arguments: Any) -> Any:
        started.append(1)
        return decoders(*arguments)

    monkeypatch.setattr(engine_module, "Decoders", counted)
    region = Example(path=os.fsencode(file), start=0.1, end=0.9)
    with Engine(place[0], model="small") as engine:
        engine.prepare(Query(examples=(region,)))
        first = engine.search(Query(examples=(region,)), 20)
        engine.search(Query(words=("hiss",), examples=(region,)), 20)
        assert len(started) == 1
        shutil.copy(place[1] / "noise 0.wav", file)
        assert engine.search(Query(examples=(region,)), 20) != first
        assert len(started) == 2
