"""A real HTTP server on this machine that misbehaves on request."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Offer:
    """One file. cut: bytes after which each answer breaks off; slow: seconds before each answer's
    second half; claims: a length to state instead of the true one; statuses: answered first."""

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    cut: int | None = None
    slow: float = 0.0
    claims: int | None = None
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


class FileServer:
    """address: "http://127.0.0.1:…"; offers: path → Offer; requests: (method, path, Range)."""

    def __init__(self) -> None:
        self.offers: dict[str, Offer] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.address = ""

    def ranges(self, path: str) -> list[str]:
        return [asked for method, of, asked in self.requests if of == path and method == "GET"]


@contextmanager
def file_server() -> Iterator[FileServer]:
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, body: bool) -> None:
            asked = self.headers.get("Range", "")
            state.requests.append((self.command, self.path, asked))
            offer = state.offers.get(self.path)
            status = offer.statuses.pop(0) if offer and offer.statuses else 200
            if offer is None or status != 200:
                self.send_response(status if offer else 404)
                if offer is None:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            begin, whole = 0, len(offer.content)
            same = self.headers.get("If-Range", offer.etag) == offer.etag
            if asked and offer.ranges and same:
                begin = int(asked.removeprefix("bytes=").split("-")[0])
                if begin >= whole:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{whole}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
            else:
                self.send_response(200)
            length = whole - begin if offer.claims is None else offer.claims
            self.send_header("Content-Length", str(length))
            self.send_header("ETag", offer.etag)
            for name, value in {
                "Content-Type": "application/octet-stream",
                **offer.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self._send(offer, offer.content[begin:])

        def _send(self, offer: Offer, content: bytes) -> None:
            try:
                if offer.cut is not None and offer.cut < len(content):
                    self.wfile.write(content[: offer.cut])
                    self.close_connection = True
                    self.connection.close()
                    return
                half = len(content) // 2
                self.wfile.write(content[:half])
                self.wfile.flush()
                time.sleep(offer.slow)
                self.wfile.write(content[half:])
                if offer.claims is not None:
                    self.close_connection = True
            except (OSError, ValueError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
