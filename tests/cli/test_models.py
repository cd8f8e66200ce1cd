"""`soundsearch models` as people and scripts use it."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.library.lock import DataLock
from soundsearch.models import catalog
from tests.cli.test_commands import Shell
from tests.models.small import small_model

SOUNDS = Path(__file__).parent.parent / "sounds"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "data")


def test_the_list_tells_what_is_here_and_what_can_be_brought(shell: Shell) -> None:
    small_model(shell.data / "models" / "mine", name="mine", source="here", quality="none")
    listed = {model["name"]: model for model in json.loads(shell("models", "--json").stdout)}
    for model in listed.values():
        assert set(model) == {"name", "installed", "bytes", "licence", "source", "quality"}
        assert model["bytes"] > 0
        assert model["licence"]
        assert model["source"]
    assert listed["mine"]["installed"]
    for name in ("salsa", "dcase2025", "dcase2023"):
        assert not listed[name]["installed"]
        assert listed[name]["licence"] == "no licence stated by its authors"
        assert "mAP@10" in listed[name]["quality"]
    assert {"starter", "clap-general", "clap-unfused", "clap-music-and-speech"} <= set(listed)
    assert "larger_clap_music" not in {model["source"].split("/")[-1] for model in listed.values()}

    lines = dict(line.split("\t")[:2] for line in shell("models", "list").stdout.splitlines())
    assert lines["salsa"] == "to download"
    assert lines["dcase2023"] == "to import"


def test_using_another(shell: Shell) -> None:
    small_model(shell.data / "models" / "one", name="one")
    small_model(shell.data / "models" / "two", name="two", seed=1)
    assert "two is in use now" in shell("models", "use", "two").stderr
    assert shell.json("library")["model"] == "two"
    assert "two\tin use" in shell("models").stdout
    assert "no model named three" in shell("models", "use", "three", code=1).stderr
    assert shell.json("library")["model"] == "two"


def test_removing_asks_first(shell: Shell) -> None:
    folder = small_model(shell.data / "models" / "one", name="one")
    shell("models", "use", "one")
    vectors = shell.data / "embeddings" / catalog.read_entry(folder).model_id
    vectors.mkdir(parents=True)
    assert "Add --yes" in shell("models", "remove", "one", code=1).stderr
    assert folder.exists()
    assert "kept" in shell("models", "remove", "one", "--yes").stderr
    assert list((shell.data / "models").iterdir()) == []
    assert vectors.exists()
    assert "no model named one" in shell("models", "remove", "one", "--yes", code=1).stderr

    small_model(folder, name="one")
    shell("models", "remove", "one", "--yes", "--vectors")
    assert not vectors.exists()


def test_what_a_model_that_is_away_knows_can_be_forgotten(shell: Shell) -> None:
    folder = small_model(shell.data / "models" / "one", name="one")
    vectors = shell.data / "embeddings" / catalog.read_entry(folder).model_id
    shipped = shell.data / "embeddings" / "starter-0123456789"
    for place in (vectors, shipped):
        place.mkdir(parents=True)
        (place / "vectors.f16").write_bytes(b"x" * 3_000_000)
    shell("models", "remove", "one", "--yes")
    assert "one knew of the sounds is kept (3 MB)" in shell("models").stderr
    assert "one" not in [model["name"] for model in json.loads(shell("models", "--json").stdout)]
    said = shell("models", "remove", "one", "--yes", code=1).stderr
    assert "no model named one" in said
    assert "add --vectors" in said
    assert vectors.exists()
    said = shell("models", "remove", "one", "--vectors", code=1).stderr
    assert "hear them all again" in said
    assert vectors.exists()
    shell("models", "remove", "one", "--vectors", "--yes")
    assert [place.name for place in (shell.data / "embeddings").iterdir()] == [shipped.name]
    assert "ships with" in shell("models", "remove", "starter", "--yes", code=1).stderr
    shell("models", "remove", "starter", "--vectors", "--yes")
    assert list((shell.data / "embeddings").iterdir()) == []


def test_nothing_is_removed_while_the_library_is_in_use(shell: Shell) -> None:
    folder = small_model(shell.data / "models" / "one", name="one")
    vectors = shell.data / "embeddings" / catalog.read_entry(folder).model_id
    vectors.mkdir(parents=True)
    lock = DataLock(shell.data, "a scan")
    try:
        said = shell("models", "remove", "one", "--vectors", "--yes", code=1).stderr
    finally:
        lock.release()
    assert "in use by a scan" in said
    assert folder.exists()
    assert vectors.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
@pytest.mark.parametrize(
    ("answer", "vectors_stay"), [(b"y\ny\n", False), (b"y\nn\n", True), (b"y\n\n", True)]
)
def test_what_it_knows_is_asked_for_by_itself(
    shell: Shell, answer: bytes, vectors_stay: bool
) -> None:
    folder = small_model(shell.data / "models" / "one", name="one")
    vectors = shell.data / "embeddings" / catalog.read_entry(folder).model_id
    vectors.mkdir(parents=True)
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-m", "soundsearch", "--data", str(shell.data), "models", "remove", "one"],
        stdin=theirs,
        stderr=subprocess.PIPE,
    )
    os.write(ours, answer)
    _, said = asking.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert asking.returncode == 0
    assert b"Forget what one knows" in said
    assert not folder.exists()
    assert vectors.exists() == vectors_stay


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_the_answer_decides(shell: Shell, answer: bytes, code: int) -> None:
    folder = small_model(shell.data / "models" / "one", name="one")
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-m", "soundsearch", "--data", str(shell.data), "models", "remove", "one"],
        stdin=theirs,
        stderr=subprocess.PIPE,
    )
    os.write(ours, answer)
    _, said = asking.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Remove the model one" in said
    assert asking.returncode == code
    assert folder.exists() == bool(code)


def test_a_broken_model_can_be_removed(shell: Shell) -> None:
    folder = shell.data / "models" / "torn"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{")
    shell("models", "remove", "torn", "--yes")
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["no weights", "no settings", "torn settings"])
def test_a_broken_model_is_told(shell: Shell, tmp_path: Path, damage: str) -> None:
    (tmp_path / "Sounds").mkdir()
    shell("scan", str(tmp_path / "Sounds"))
    folder = small_model(shell.data / "models" / "torn", name="torn")
    shell("models", "use", "torn")
    if damage == "torn settings":
        (folder / "model.json").write_text('{"name": 3')
    else:
        (folder / ("weights.safetensors" if "weights" in damage else "model.json")).unlink()
    listed = shell("models", "list")
    assert "torn\tbroken" in listed.stdout
    told = f"The model in {folder} can't be used ("
    assert f"torn: {told}" in listed.stderr
    assert f"it stands in for torn: {told}" in shell("search", "bell").stderr
    assert told in shell("search", "bell", "--model", "torn", code=1).stderr
    assert told in shell("doctor").stdout
    assert told in shell("models", "use", "torn", code=1).stderr


def test_a_model_that_was_not_seen_to_work_is_told(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Sounds").mkdir()
    shell("scan", str(tmp_path / "Sounds"))
    folder = small_model(shell.data / "models" / "deaf", name="deaf")
    (folder / catalog.CHECK).write_text(json.dumps({"warning": "it ranks no better than chance"}))
    assert "no better than chance" in shell("models", "list").stderr
    assert "no better than chance" in shell("models", "use", "deaf").stderr
    assert "no better than chance" in shell("doctor").stdout
    assert "no better than chance" in shell("search", "bell").stderr
    assert "chance" not in shell("search", "bell", "--by", "name").stderr


def test_each_action_has_help(shell: Shell) -> None:
    for action in ("list", "use", "download", "import", "remove"):
        told = shell("models", action, "--help").stdout
        assert f"soundsearch models {action}" in told
        assert "--data" in told


def test_what_a_model_takes_is_told_before_it_is_chosen(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "Sounds"
    folder.mkdir()
    for name in ("bell.ogg", "bell.flac"):
        shutil.copy(SOUNDS / name, folder / name)
    for number in range(5):
        noise = np.random.default_rng(number).normal(0, 0.1, 10 * 16_000)
        soundfile.write(folder / f"noise {number}.wav", noise, 16_000)
    for seed, name in enumerate(("one", "two")):
        small_model(shell.data / "models" / name, seed, name=name, padding="segment")
    shell("models", "use", "one")
    counts = shell.json("scan", str(folder))
    said = shell("models", "use", "two").stderr
    assert f"{counts['embedded']} sounds are to be embedded" in said
    assert "of memory (estimated) while it indexes" in said
    assert "soundsearch scan" in said
    said = shell("models", "use", "one").stderr
    assert f"It knows all {counts['embedded']} sounds already" in said
    assert "to be embedded" not in said

    cells = {row[0]: row for row in csv_rows(shell("models", "list").stdout)}
    assert "measured" in cells["one"][5]  # by the scan
    assert "not measured yet" in cells["two"][5]
    assert "estimated" in cells["salsa"][5]
    assert cells["salsa"][6]  # how long the library takes


def csv_rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]
