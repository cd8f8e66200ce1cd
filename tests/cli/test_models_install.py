"""`models import` and `models download`, in real processes, from files and from a real server."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundsearch.models.tokenizer import roberta_tokenizer
from tests.models.file_server import FileServer, Offer, file_server
from tests.models.published import Published, tokenizer_files, write_checkpoint
from tests.models.test_clap import clap_folder


class Shell:
    """The command line on a data folder; patient, since a model is loaded and checked."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "soundsearch", "--data", str(self.data), *arguments],
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "data")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A stand-in for Hugging Face that offers laion/clap-htsat-unfused, made small."""
    folder = clap_folder(tmp_path / "offered", safe=False)
    (folder / "tokenizer.json").write_text(
        roberta_tokenizer(folder / "vocab.json", folder / "merges.txt")
    )
    with file_server() as served:
        for file in folder.iterdir():
            content = file.read_bytes()
            headers = {
                "X-Repo-Commit": "a" * 40,
                "X-Linked-Size": str(len(content)),
                "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            }
            etag = headers["X-Linked-ETag"]
            offer = Offer(content, etag=etag, headers=headers)
            for revision in ("main", "a" * 40):
                path = f"/laion/clap-htsat-unfused/resolve/{revision}/{file.name}"
                served.offers[path] = offer
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        yield served


def weights(hub: FileServer) -> Offer:
    return next(offer for path, offer in hub.offers.items() if path.endswith("a/pytorch_model.bin"))


def test_importing_a_checkpoint(shell: Shell, tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", Published(), "salsa")
    words = tokenizer_files(tmp_path / "words")
    done = shell(
        "models", "import", "salsa", str(file), "--tokenizer", str(words), "--device", "cpu"
    )
    assert done.stdout == ""
    assert "layout salsa" in done.stderr
    assert "left out: tau" in done.stderr
    # Its weights are random: that is noticed, and told wherever the model is shown.
    assert "Warning: salsa is here, but it ranks 94 test sounds no better" in done.stderr
    listed = {model["name"]: model for model in json.loads(shell("models", "--json").stdout)}
    assert listed["salsa"]["installed"]
    assert "40.11" in listed["salsa"]["quality"]
    assert "no better than chance" in shell("models").stderr


def test_what_can_not_be_imported(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    said = shell("models", "import", "mine", str(tmp_path / "text.ckpt"), code=1).stderr
    assert said.splitlines()[-1].startswith("soundsearch: ")
    assert "can't be read as a checkpoint" in said or "is refused" in said
    said = shell("models", "import", "mine", "none.ckpt", code=1).stderr
    assert "none.ckpt is not there" in said
    said = shell("models", "download", "other", code=1).stderr
    assert "There are: salsa" in said
    assert "models import dcase2023" in shell("models", "download", "dcase2023", code=1).stderr


def test_downloading_from_the_hub(shell: Shell, hub: FileServer) -> None:
    done = shell("models", "download", "clap-unfused", "--device", "cpu")
    assert "Licence: Apache-2.0" in done.stderr
    assert "layout clap" in done.stderr
    listed = {model["name"]: model for model in json.loads(shell("models", "--json").stdout)}
    assert listed["clap-unfused"]["installed"]
    assert listed["clap-unfused"]["source"].endswith("laion/clap-htsat-unfused")
    names = {file.name for file in (shell.data / "models").iterdir()}
    assert names == {"clap-unfused", "checksums.json"}
    assert (
        "named clap-unfused already" in shell("models", "download", "clap-unfused", code=1).stderr
    )


def test_a_download_from_the_hub_that_was_stopped(shell: Shell, hub: FileServer) -> None:
    offer = weights(hub)
    offer.slow = 60.0
    running = subprocess.Popen(
        [sys.executable, "-m", "soundsearch", "models", "download", "clap-unfused"],
        env={**os.environ, "SOUNDSEARCH_DATA": str(shell.data)},
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 90
    parts: list[Path] = []
    while time.monotonic() < end and not any(part.stat().st_size > 1000 for part in parts):
        parts = list(shell.data.rglob("pytorch_model.bin.part"))
        time.sleep(0.1)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "interrupted" in said
    kept = max(part.stat().st_size for part in shell.data.rglob("pytorch_model.bin.part"))
    assert kept > 0
    assert not (shell.data / "models" / "clap-unfused").exists()

    assert "kB of clap-unfused are fetched already" in shell("models").stderr
    offer.slow = 0.0
    shell("models", "download", "clap-unfused", "--device", "cpu")
    asked = [range_ for _, path, range_ in hub.requests if path.endswith("a/pytorch_model.bin")]
    assert f"bytes={kept}-" in asked


def test_what_was_fetched_can_be_removed(shell: Shell) -> None:
    place = shell.data / "models" / ".download-salsa"
    place.mkdir(parents=True)
    (place / "salsa.1.ckpt.part").write_bytes(b"x" * 3_000_000)
    assert "fetched of salsa (3 MB)?" in shell("models", "remove", "salsa", code=1).stderr
    assert place.exists()
    shell("models", "remove", "salsa", "--yes")
    assert not place.exists()
    assert "no model named salsa" in shell("models", "remove", "salsa", code=1).stderr


def test_an_import_that_was_killed_leaves_nothing_for_long(shell: Shell, tmp_path: Path) -> None:
    left = shell.data / "models" / ".import-killed"
    left.mkdir(parents=True)
    (left / "weights.safetensors").write_bytes(b"x" * 3_000_000)
    assert "3 MB of a model cut short were deleted" in shell("doctor").stdout
    assert not left.exists()


def test_a_damaged_file_from_the_hub(shell: Shell, hub: FileServer) -> None:
    offer = weights(hub)
    offer.content = offer.content[:-1] + b"!"
    said = shell("models", "download", "clap-unfused", code=1).stderr
    assert "checksum" in said
    assert not (shell.data / "models" / "clap-unfused").exists()


def test_the_hub_is_not_there(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.address)
    said = shell("models", "download", "clap-unfused", code=1).stderr.splitlines()
    assert said[-1].startswith("soundsearch: No connection to 127.0.0.1")
    assert "models import" in said[-1]
