"""Downloads from a real server that cuts, lies, stalls and changes its mind."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soundsearch.errors import UserError
from soundsearch.models import download
from soundsearch.models.checksums import Checksums
from soundsearch.models.download import Cancelled, download_model, fetch, forget_download
from soundsearch.models.known import known
from tests.models.file_server import FileServer, Offer, file_server

CONTENT = random.Random(0).randbytes(3_000_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as served:
        served.offers["/model.ckpt"] = Offer(CONTENT)
        yield served


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.01))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_file_arrives(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target, sums = tmp_path / "model.ckpt", Checksums(tmp_path)
    address = f"{server.address}/model.ckpt"
    fetch(address, target, on_bytes=lambda *bytes_: seen.append(bytes_), sums=sums)
    assert target.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert sums.of(address) == SUM
    assert {file.name for file in tmp_path.iterdir()} == {"model.ckpt", "checksums.json"}
    fetch(address, target, sums=sums)
    assert len(server.requests) == 1


def test_cut_connections_go_on_where_they_broke(server: FileServer, tmp_path: Path) -> None:
    server.offers["/model.ckpt"].cut = 700_000
    fetch(f"{server.address}/model.ckpt", tmp_path / "file", sha256=SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT
    asked = server.ranges("/model.ckpt")
    assert asked[0] == ""
    starts = [int(value.removeprefix("bytes=").rstrip("-")) for value in asked[1:]]
    assert len(starts) >= 4
    assert starts == sorted(set(starts))
    assert starts[0] > 0


def test_a_stopped_download_goes_on(server: FileServer, tmp_path: Path) -> None:
    address, target = f"{server.address}/model.ckpt", tmp_path / "file"
    here = [0]

    def count(done: int, total: int | None) -> None:
        here[0] = done

    with pytest.raises(Cancelled):
        fetch(address, target, on_bytes=count, cancelled=lambda: here[0] > 1_000_000)
    part = tmp_path / "file.part"
    assert not target.exists()
    assert 1_000_000 < part.stat().st_size < len(CONTENT)
    kept = part.stat().st_size
    fetch(address, target, sha256=SUM)
    assert server.ranges("/model.ckpt") == ["", f"bytes={kept}-"]


def test_what_only_lacked_its_name_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    address = f"{server.address}/model.ckpt"
    (tmp_path / "file.part").write_bytes(CONTENT)
    note = {"address": address, "validator": '"one"', "total": len(CONTENT)}
    (tmp_path / "file.part.json").write_text(json.dumps(note))
    fetch(address, tmp_path / "file", sha256=SUM)
    assert server.requests == []


@pytest.mark.parametrize("change", ["etag", "address", "torn note", "too long"])
def test_parts_of_another_version_are_not_kept(
    server: FileServer, tmp_path: Path, change: str
) -> None:
    address = f"{server.address}/model.ckpt"
    length = len(CONTENT) + 5 if change == "too long" else 1000
    (tmp_path / "file.part").write_bytes(b"x" * length)
    note = {"address": address, "validator": '"one"', "total": len(CONTENT)}
    if change == "etag":
        note["validator"] = '"old"'
    if change == "address":
        note["address"] = "http://elsewhere/"
    text = "{" if change == "torn note" else json.dumps(note)
    (tmp_path / "file.part.json").write_text(text)
    fetch(address, tmp_path / "file", sha256=SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_without_ranges(server: FileServer, tmp_path: Path) -> None:
    offer = server.offers["/model.ckpt"]
    offer.ranges, offer.cut = False, 1_000_000
    with pytest.raises(UserError, match="No connection to 127"):
        fetch(f"{server.address}/model.ckpt", tmp_path / "file")
    offer.cut = None
    fetch(f"{server.address}/model.ckpt", tmp_path / "file", sha256=SUM)


def test_a_wrong_length(server: FileServer, tmp_path: Path) -> None:
    address = f"{server.address}/model.ckpt"
    with pytest.raises(UserError, match=r"offers 3,000,000 bytes instead of 5"):
        fetch(address, tmp_path / "file", size=5)
    server.offers["/model.ckpt"].claims = len(CONTENT) + 1000
    with pytest.raises(UserError, match="No connection"):
        fetch(address, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_wrong_checksum(server: FileServer, tmp_path: Path) -> None:
    address = f"{server.address}/model.ckpt"
    with pytest.raises(UserError, match="checksum.*try again"):
        fetch(address, tmp_path / "file", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_the_first_downloads_checksum_is_kept(server: FileServer, tmp_path: Path) -> None:
    address, sums = f"{server.address}/model.ckpt", Checksums(tmp_path)
    fetch(address, tmp_path / "file", sums=sums)
    (tmp_path / "file").unlink()
    server.offers["/model.ckpt"] = Offer(CONTENT[:-1] + b"!")
    with pytest.raises(UserError, match=r"first download.*checksums\.json"):
        fetch(address, tmp_path / "file", sums=sums)
    assert not (tmp_path / "file").exists()
    (tmp_path / "file").write_bytes(CONTENT[:-1])  # damaged while it lay here
    with pytest.raises(UserError, match="checksum"):
        fetch(address, tmp_path / "file", sums=sums)
    assert sums.of(address) == SUM


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (None, r"not there any more \(404\)"),
        (Offer(b"", statuses=[403] * 9), r"does not give it \(403\)"),
        (Offer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "a web page"),
        (Offer(b"", statuses=[503] * 9), r"No connection.*answers 503"),
    ],
)
def test_what_the_server_refuses(
    server: FileServer, tmp_path: Path, offer: Offer | None, said: str
) -> None:
    if offer:
        server.offers["/other"] = offer
    with pytest.raises(UserError, match=said) as caught:
        fetch(f"{server.address}/other", tmp_path / "file")
    assert "\n" not in str(caught.value)
    assert "models import" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.offers["/model.ckpt"].statuses = [503, 429, 500]
    fetch(f"{server.address}/model.ckpt", tmp_path / "file", sha256=SUM)


def test_a_server_that_falls_silent(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "QUIET", 0.5)
    server.offers["/short"] = Offer(b"ab", slow=3.0)
    with pytest.raises(UserError, match=r"no answer for 0\.5 seconds"):
        fetch(f"{server.address}/short", tmp_path / "file")
    server.offers["/model.ckpt"] = Offer(CONTENT, slow=3.0)
    kept: list[int] = []

    def count(done: int, total: int | None) -> None:
        kept.append(done)
        if done >= len(CONTENT) // 2:
            server.offers["/model.ckpt"].slow = 0.0

    fetch(f"{server.address}/model.ckpt", tmp_path / "file", sha256=SUM, on_bytes=count)
    assert len(server.ranges("/model.ckpt")) >= 2


def test_nobody_there(tmp_path: Path) -> None:
    with file_server() as gone:
        address = f"{gone.address}/model.ckpt"
    with pytest.raises(UserError, match=r"No connection to 127\.0\.0\.1.*HTTPS_PROXY") as caught:
        fetch(address, tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_through_a_proxy(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy here is the server itself: it is asked for the whole address."""
    server.offers["http://models.invalid/model.ckpt"] = Offer(CONTENT)
    monkeypatch.setenv("HTTP_PROXY", server.address)
    fetch("http://models.invalid/model.ckpt", tmp_path / "file", sha256=SUM)
    server.offers.clear()
    with pytest.raises(UserError, match="404"):
        fetch("http://models.invalid/model.ckpt", tmp_path / "other")
    monkeypatch.setenv("HTTP_PROXY", "nonsense://127.0.0.1:1")
    with pytest.raises(UserError, match="HTTPS_PROXY"):
        fetch("http://models.invalid/model.ckpt", tmp_path / "other")


def test_too_little_space(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda place: usage(9, 9, 1_000_000))
    with pytest.raises(UserError, match=r"has 0\.0 GB free.*--data DIR"):
        fetch(f"{server.address}/model.ckpt", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes there")
def test_a_disk_that_fills_up(server: FileServer, tmp_path: Path) -> None:
    code = f"""
import resource, sys
from pathlib import Path
from soundsearch.errors import UserError
from soundsearch.models.download import fetch
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    fetch({server.address + "/model.ckpt"!r}, Path("file"))
except UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "the disk is full" in done.stdout
    assert "kept" in done.stdout
    kept = (tmp_path / "file.part").stat().st_size
    assert 0 < kept <= 1_000_000
    fetch(f"{server.address}/model.ckpt", tmp_path / "file", sha256=SUM)
    assert server.ranges("/model.ckpt")[-1] == f"bytes={kept}-"


def test_a_model_in_parts(server: FileServer, tmp_path: Path) -> None:
    salsa = known("salsa")
    assert salsa is not None
    names = [f"/part/{number}" for number in range(1, 4)]
    for number, name in enumerate(names):
        server.offers[name] = Offer(CONTENT[number * 1000 : (number + 1) * 1000])
    model = replace(salsa, files=tuple(server.address + name for name in names))
    seen: list[str] = []
    parts = download_model(model, tmp_path, lambda name, done, total: seen.append(name))
    assert b"".join(part.read_bytes() for part in parts) == CONTENT[:3000]
    assert [part.name for part in parts] == [f"salsa.{number}.ckpt" for number in range(1, 4)]
    assert seen[-1] == "part 3 of 3"
    download_model(model, tmp_path)
    assert len(server.requests) == 3  # they waited for the next step
    forget_download(tmp_path, "salsa")
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["checksums.json"]
    only_import = known("dcase2023")
    assert only_import is not None
    with pytest.raises(UserError, match="models import dcase2023 FILE"):
        download_model(only_import, tmp_path)


def test_without_torch() -> None:
    code = "import sys, soundsearch.models.download; print('torch' in sys.modules)"
    environment: dict[str, Any] = dict(os.environ)
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert told.stdout.strip() == "False"
