"""Captions reworded by a language model: a local server stands in for it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from soundsearch.cli.main import run
from soundsearch.errors import UserError
from soundsearch.training.datasets import clotho
from soundsearch.training.variations import Endpoint, augment, numbered, question
from tests.training.trees import clotho_tree


class Server(ThreadingHTTPServer):
    """Answers every caption with five sentences; fails where it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queries: list[str] = []
        self.keys: list[str | None] = []
        self.failures: list[int] = []  # states of the next answers
        self.answer = "\n".join(f"{i}. Sentence {i} of {{caption}}" for i in range(1, 6))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers.get("Authorization"))
        if self.path != "/v1/chat/completions":
            self.send_error(404)
            return
        if self.server.failures:
            self.send_error(self.server.failures.pop(0))
            return
        query = body["messages"][0]["content"]
        self.server.queries.append(query)
        text = self.server.answer.format(caption=query.split("'")[1])
        told = {
            "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
            "usage": {"total_tokens": 7},
        }
        payload = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def endpoint(server: Server, **changes: object) -> Endpoint:
    quick = {"per_minute": 60_000.0, "patience": 0.01, "tries": 3, **changes}
    return Endpoint(server.address, "secret", "some-model", **quick)  # type: ignore[arg-type]


def test_the_request_is_that_of_table_1() -> None:
    text = question("A person taps.", ("dull", "metal"))
    assert text.startswith("I will give a description of an audio recording and tags")
    assert text.endswith(
        "Start each output sentence with its index. 'A person taps.' [dull, metal]"
    )


def test_numbered_answers() -> None:
    assert numbered("1. One.\n2) \"Two.\"\n3: Three.\n 4. Four 4.\n5. Five.\n") == (
        "One.", "Two.", "Three.", "Four 4.", "Five."
    )  # fmt: skip
    assert numbered("Sure!\n\n1. a\n2. b\n3. c\n4. d\n5. e\n6. f") == ("a", "b", "c", "d", "e")
    assert numbered("1. a\n2. b\n4. d\n5. e") == ()
    assert numbered("I can't.") == ()


def test_every_caption_is_asked_for_once_and_training_reads_it(
    tmp_path: Path, server: Server
) -> None:
    folder = clotho_tree(tmp_path, "development", 2, 0.05)
    target = tmp_path / "gpt" / "variations.json"
    outcome = augment(folder, target, endpoint(server))
    assert (outcome.asked, outcome.kept, outcome.refused) == (10, 0, 0)
    assert server.queries[0].endswith("'A dog barking, take 1.' [dog, barking]")
    assert set(server.keys) == {"Bearer secret"}
    items = clotho(folder, "development", target).items
    assert items[9].variations[4] == "Sentence 5 of A rain falling, take 5."
    assert not list(target.parent.glob("*.part"))
    again = augment(folder, target, endpoint(server))
    assert (again.asked, again.kept) == (0, 10)
    assert len(server.queries) == 10


def test_it_goes_on_after_a_cut(tmp_path: Path, server: Server) -> None:
    folder = clotho_tree(tmp_path, "development", 2, 0.05)
    target = tmp_path / "variations.json"
    assert augment(folder, target, endpoint(server), limit=4).asked == 4
    part = tmp_path / "variations.json.part"
    part.write_bytes(part.read_bytes()[:-20])  # killed while the fourth was written
    server.failures = [429, 503]  # both pass
    outcome = augment(folder, target, endpoint(server))
    assert (outcome.asked, outcome.kept) == (7, 3)
    assert all(len(item.variations) == 5 for item in clotho(folder, "development", target).items)


def test_an_endpoint_that_fails(tmp_path: Path, server: Server) -> None:
    folder = clotho_tree(tmp_path, "development", 1, 0.05)
    server.failures = [401]
    with pytest.raises(UserError, match="401"):
        augment(folder, tmp_path / "v.json", endpoint(server))
    assert len(server.keys) == 1  # it would not help to ask again
    server.failures = [500] * 3
    with pytest.raises(UserError, match="500"):
        augment(folder, tmp_path / "v.json", endpoint(server))
    server.answer = "1. only one"
    outcome = augment(folder, tmp_path / "v.json", endpoint(server))
    assert outcome.refused == 5
    assert clotho(folder, "development", tmp_path / "v.json").items[0].variations == ()


def test_it_keeps_to_a_rate(tmp_path: Path, server: Server) -> None:
    import time

    folder = clotho_tree(tmp_path, "development", 1, 0.05)
    began = time.monotonic()
    augment(folder, tmp_path / "v.json", endpoint(server, per_minute=600.0))
    assert time.monotonic() - began >= 0.4  # 5 requests, 0.1 s apart


def test_the_command(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = clotho_tree(tmp_path, "development", 1, 0.05)
    target = tmp_path / "v.json"
    command = ["augment-captions", str(folder), str(target), "--per-minute", "60000"]
    monkeypatch.delenv("SOUNDSEARCH_LLM_URL", raising=False)
    assert run(command) == 1
    assert "SOUNDSEARCH_LLM_URL" in capsys.readouterr().err
    monkeypatch.setenv("SOUNDSEARCH_LLM_URL", server.address)
    assert run(command) == 0
    told = capsys.readouterr()
    assert str(target) in told.out
    assert "5 of 5 captions" in told.err
    assert len(json.loads(target.read_text())) == 5
