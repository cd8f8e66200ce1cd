"""The model's memory is freed when nobody searched for long, and comes back with the next query."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from soundsearch.models.encoder import load_model
from soundsearch.search.query import parse
from soundsearch.settings import Settings
from soundsearch.worker import engine as engine_module
from soundsearch.worker.engine import Engine
from soundsearch.worker.messages import AddFolder, Logged, Matches, ModelState, ScanProgress, Search
from tests.models.small import small_model
from tests.worker.test_worker import QUICK, SOUNDS, Session


@pytest.fixture
def data(tmp_path: Path) -> Path:
    small_model(tmp_path / "data" / "models" / "small", **QUICK)
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Sounds"
    folder.mkdir()
    for name in ("bell 16bit.wav", "bell.ogg"):
        shutil.copy(SOUNDS / name, folder / name)
    return folder


def test_an_idle_model_is_freed_and_loaded_again(data: Path, folder: Path) -> None:
    with Engine(data, model="small", device="cpu", write=True) as engine:
        assert not engine.free_model(idle=0.0)  # it was never loaded
        engine.scan([str(folder)])
        first = engine.search(parse("glass"), 5)
        assert not engine.free_model(idle=60.0)
        assert not engine.model_is_away
        assert engine.free_model(idle=0.0)
        assert engine.model_is_away
        assert not engine.free_model(idle=0.0)
        assert engine.search(parse("glass"), 5) == first
        assert not engine.model_is_away


def test_a_scan_keeps_its_model(data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = engine_module.scan
    freed = []

    def watched(*arguments: object, **more: object) -> object:
        freed.append(engine.free_model(idle=0.0))
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_module, "scan", watched)
    with Engine(data, model="small", device="cpu", write=True) as engine:
        assert engine.scan([str(folder)]).embedded > 0
        assert freed == [False]
        assert engine.free_model(idle=0.0)


def test_asking_does_not_wait_for_a_model_that_loads(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        loading.set()
        go_on.wait(30)
        return load_model(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("soundsearch.models.encoder.load_model", slow)
    with Engine(data, model="small", device="cpu", write=True) as engine:
        thread = threading.Thread(target=lambda: engine.encoder)
        thread.start()
        assert loading.wait(30)
        assert not engine.free_model(idle=0.0)  # returns, though the model is being loaded
        go_on.set()
        thread.join()
        assert not engine.model_is_away


def test_the_worker_frees_it_and_answers_after_that(data: Path, folder: Path) -> None:
    assert Settings().free_model_after == 10.0
    (data / "settings.json").write_text(json.dumps({"free_model_after": 0.01}))
    session = Session(data, "small")
    try:
        session.worker.send(AddFolder(str(folder)))
        session.wait(ScanProgress, running=False)
        end = time.monotonic() + 120
        while "was idle and is freed" not in session.wait(Logged).text:
            assert time.monotonic() < end
        session.worker.send(Search(3, parse("glass")))
        assert session.wait(ModelState).state == "loading"
        assert session.wait(ModelState).state == "ready"
        matches = session.wait(Matches, id=3).answer.matches
        assert {match.name for match in matches} == {"bell 16bit.wav"} or len(matches) == 2
        assert all(match.sound is not None for match in matches)
        # Browsing needs no model.
        while "was idle and is freed" not in session.wait(Logged).text:
            assert time.monotonic() < end
        session.worker.send(Search(4, parse("")))
        session.wait(Matches, id=4)
    finally:
        session.worker.close()
