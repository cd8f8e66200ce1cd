"""Brings models over the network: the only place that opens a connection. Torch-free.

A file grows as NAME.part beside its place and takes its name when it is whole: one that was cut
short goes on where it stopped. Proxies come from the environment (HTTPS_PROXY, NO_PROXY).
"""

import contextlib
import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx

from soundsearch.errors import UserError
from soundsearch.models import catalog
from soundsearch.models.checksums import Checksums, sha256_of
from soundsearch.models.known import KnownModel

SPARE = 200_000_000  # bytes that are left free on the disk
QUIET = 30.0  # seconds without a byte after which a connection counts as lost
WAITS = (1.0, 2.0, 5.0, 10.0, 20.0)  # seconds before each new try in a row that brought nothing
_PIECE = 1 << 18
_HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first that is there
_STICK = "or bring the files from elsewhere: soundsearch models import NAME FILE"

# Called with a file's name, the bytes that are here and those of all, None when nobody says.
OnBytes = Callable[[str, int, int | None], None]


class Cancelled(Exception):
    """The person stopped a download; what has arrived is kept."""


class _Again(Exception):
    """The connection was lost, or the server is busy: worth another try."""

    def __init__(self, reason: str, wait: float = 0.0, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.hopeless = hopeless  # nothing answers: a few tries are enough


def download_model(
    model: KnownModel,
    data: Path,
    on_bytes: OnBytes = lambda name, done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Fetches a known model's files into its waiting place; the file's parts in order, or one
    folder. They stay there until `forget_download`, so that a later step may fail.

    Raises UserError, and Cancelled once `cancelled` says so.
    """
    if not model.downloadable:
        raise UserError(
            f"{model.name} can't be downloaded: its authors offer no file",
            f"Import one that you have: soundsearch models import {model.name} FILE",
        )
    with catalog.bringing(data):
        return _download(model, data, on_bytes, cancelled)


def _download(
    model: KnownModel, data: Path, on_bytes: OnBytes, cancelled: Callable[[], bool]
) -> list[Path]:
    place = _waiting_place(data, model.name)
    sums = Checksums(data / "models")
    if model.repository:
        hub_files(model.repository, place, on_bytes, cancelled, sums)
        return [place]
    parts = []
    for number, address in enumerate(model.files, start=1):
        target = place / f"{model.name}.{number}.ckpt"
        name = f"part {number} of {len(model.files)}" if len(model.files) > 1 else model.name
        fetch(
            address,
            target,
            on_bytes=lambda done, total, name=name: on_bytes(name, done, total),  # type: ignore[misc]
            cancelled=cancelled,
            sums=sums,
        )
        parts.append(target)
    return parts


def forget_download(data: Path, name: str) -> None:
    """Deletes what was fetched for a model."""
    shutil.rmtree(_waiting_place(data, name), ignore_errors=True)


def _waiting_place(data: Path, name: str) -> Path:
    place = data / "models" / f"{catalog.FETCHING}{name}"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{place} can't be written ({error.strerror})") from error
    return place


def fetch(
    address: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    on_bytes: Callable[[int, int | None], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    sums: Checksums | None = None,
) -> None:
    """Brings one file. size, sha256: what is known of it beforehand; else the checksum of the
    first download in `sums` counts. A file that is there already is only verified.

    Raises UserError: see the texts; Cancelled.
    """
    expected = sha256 or (sums.of(address) if sums else None)
    if not target.exists():
        part = target.with_name(f"{target.name}.part")
        _bring(address, part, size, on_bytes, cancelled)
        part.with_name(f"{part.name}.json").unlink(missing_ok=True)
        found = sha256_of(part)
        if expected and found != expected:
            part.unlink()
            raise _damaged(address, found, expected, sums if not sha256 else None)
        os.replace(part, target)
    else:
        found = sha256_of(target)
        if expected and found != expected:
            target.unlink()
            raise _damaged(address, found, expected, sums if not sha256 else None)
        on_bytes(target.stat().st_size, target.stat().st_size)
    if sums:
        sums.keep(address, found, target.stat().st_size)


def _bring(
    address: str,
    part: Path,
    size: int | None,
    on_bytes: Callable[[int, int | None], None],
    cancelled: Callable[[], bool],
) -> None:
    """Tries until the part is whole."""
    waits = list(WAITS)
    most = part.stat().st_size if part.exists() else 0
    with _client() as client:
        while True:
            try:
                return _receive(client, address, part, size, on_bytes, cancelled)
            except _Again as error:
                arrived = part.stat().st_size if part.exists() else 0
                if arrived > most:
                    most, waits = arrived, list(WAITS)  # it went on: patience starts anew
                if not waits or (error.hopeless and len(waits) < len(WAITS) - 1):
                    raise _no_connection(address, str(error)) from error
                _wait(max(waits.pop(0), error.wait), cancelled)


def _client() -> httpx.Client:
    try:
        return httpx.Client(
            timeout=httpx.Timeout(QUIET),
            follow_redirects=True,
            headers={"Accept-Encoding": "identity", "User-Agent": "SoundSearch"},
        )
    except (ValueError, httpx.HTTPError, ImportError, OSError) as error:
        raise UserError(
            f"The proxy that the environment names can't be used ({error})",
            f"Correct HTTPS_PROXY, {_STICK}",
        ) from error


def _receive(
    client: httpx.Client,
    address: str,
    part: Path,
    size: int | None,
    on_bytes: Callable[[int, int | None], None],
    cancelled: Callable[[], bool],
) -> None:
    """One request, which goes on behind what is there. Raises _Again when it was cut short."""
    note = part.with_name(f"{part.name}.json")
    have, validator, total = _left_from_before(address, part, note)
    if have and have == total:
        return  # whole: only its last step was missing
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and validator:
        headers["If-Range"] = validator
    try:
        with client.stream("GET", address, headers=headers) as answer:
            have, total = _accepted(answer, address, part, have, total)
            total = size if total is None else total
            if size is not None and total != size:
                raise UserError(
                    f"{address} offers {total:,} bytes instead of {size:,}",
                    "Its authors may have replaced it: look for a newer SoundSearch",
                )
            _enough_space(part.parent, (total or have) - have)
            if not have:
                part.unlink(missing_ok=True)  # of another version
            _write_note(note, address, answer, total)
            with _disk(part), part.open("r+b" if have else "wb") as file:
                file.seek(have)
                file.truncate()
                on_bytes(have, total)
                for piece in answer.iter_raw(_PIECE):
                    file.write(piece)
                    have += len(piece)
                    on_bytes(have, total)
                    if cancelled():
                        raise Cancelled
                file.flush()
                os.fsync(file.fileno())
    except httpx.ProxyError as error:
        raise UserError(
            f"The proxy refuses ({_line(error)})", f"Check HTTPS_PROXY, {_STICK}"
        ) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise UserError(f"{address} can't be fetched ({_line(error)})") from error
    except httpx.ConnectError as error:
        if "CERTIFICATE" in str(error).upper():
            raise UserError(
                f"{_host(address)} does not prove who it is ({_line(error)})",
                f"If a firewall reads along, name its certificate in SSL_CERT_FILE, {_STICK}",
            ) from error
        raise _Again(_line(error), hopeless=True) from error
    except httpx.TransportError as error:
        raise _Again(_line(error)) from error
    if total is not None and have != total:
        raise _Again(f"it ended after {have:,} of {total:,} bytes")


def _left_from_before(address: str, part: Path, note: Path) -> tuple[int, str, int | None]:
    """(bytes that can be kept, what the server calls this version, bytes of the whole file)."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["address"] == address and (known["validator"] or known["total"]):
            return part.stat().st_size, known["validator"], known["total"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, "", None


def _write_note(note: Path, address: str, answer: httpx.Response, total: int | None) -> None:
    etag = answer.headers.get("ETag", "")
    validator = (
        etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
    )
    known = {"address": address, "validator": validator, "total": total}
    with _disk(note):
        note.write_text(json.dumps(known), encoding="utf-8")


def _accepted(
    answer: httpx.Response, address: str, part: Path, have: int, total: int | None
) -> tuple[int, int | None]:
    """(where the answer's bytes begin, bytes of the whole file). Raises UserError, _Again."""
    status = answer.status_code
    if status == 206:
        begin, whole = _content_range(answer.headers.get("Content-Range", ""))
        if begin == have and (total is None or whole in (None, total)):
            return have, whole or total
        part.unlink(missing_ok=True)
        raise _Again("the server sent another place than was asked for")
    if status == 416:  # nothing behind what is here: too much is here, or it is whole
        part.unlink(missing_ok=True)
        raise _Again("the file changed at the server")
    if status == 200:
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            raise UserError(
                f"{address} gives a web page instead of the file", f"Open it in a browser, {_STICK}"
            )
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    if status in (408, 425, 429) or status >= 500:
        after = answer.headers.get("Retry-After", "")
        wait = min(float(after), 60.0) if after.isdecimal() else 0.0
        raise _Again(f"the server answers {status}", wait)
    reason = {404: "it is not there any more", 410: "it is not there any more"}
    why = reason.get(status, "the server does not give it")
    raise UserError(f"{address} can't be fetched: {why} ({status})", f"Look at its page, {_STICK}")


def _content_range(header: str) -> tuple[int, int | None]:
    """bytes 100-199/200 → (100, 200); a total of * is None, an odd header gives (-1, None)."""
    span, _, whole = header.removeprefix("bytes ").partition("/")
    begin = span.partition("-")[0]
    return (
        int(begin) if begin.isdecimal() else -1,
        int(whole) if whole.isdecimal() else None,
    )


def _enough_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise UserError(
            f"{needed / 1e9:.1f} GB are still to come, but {folder} has {free / 1e9:.1f} GB free",
            "Free some space, or choose another data folder with --data DIR",
        )


@contextlib.contextmanager
def _disk(file: Path) -> Iterator[None]:
    """A disk that is full, or refuses, becomes a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not the disk's: libraries for the network have their own kinds
            raise
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or error
        raise UserError(
            f"{file} can't be written: {reason}",
            "Free some space and try again: what has arrived is kept",
        ) from error


def _wait(seconds: float, cancelled: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancelled():
            raise Cancelled
        time.sleep(min(left, 0.1))


def _no_connection(address: str, reason: str) -> UserError:
    return UserError(
        f"No connection to {_host(address)} ({reason})",
        f"Check the network; behind a proxy set HTTPS_PROXY; {_STICK}",
    )


def _damaged(address: str, found: str, expected: str, sums: Checksums | None) -> UserError:
    what = f"{address} arrived with the checksum {found[:16]}… instead of {expected[:16]}…"
    if sums is None:
        return UserError(what, "It was damaged on its way or exchanged: try again")
    return UserError(
        what, f"That of the first download. If its authors replaced the file, delete {sums.file}"
    )


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


def _line(error: BaseException) -> str:
    """What went wrong in a few words, without a proxy's password."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its name is not known here"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return f"no answer for {QUIET:g} seconds"
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:160]


def hub_files(
    repository: str,
    folder: Path,
    on_bytes: OnBytes = lambda name, done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    sums: Checksums | None = None,
) -> None:
    """Settings, tokenizer and weights of a model on Hugging Face. Raises UserError, Cancelled."""
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json"):
        hub_file(repository, name, folder, on_bytes, cancelled, sums)
    for name in _HUB_WEIGHTS:
        if hub_file(repository, name, folder, on_bytes, cancelled, sums, optional=True):
            return
    raise UserError(f"{repository} on Hugging Face holds no weights that can be read")


def hub_file(
    repository: str,
    name: str,
    folder: Path,
    on_bytes: OnBytes = lambda name, done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    sums: Checksums | None = None,
    optional: bool = False,
) -> Path | None:
    """One file of a model on Hugging Face, into `folder`; None for an optional one that is not
    there. Goes on where an earlier try stopped. Raises UserError, Cancelled."""
    from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url

    constants.HF_HUB_DISABLE_TELEMETRY = True  # no word about this program or machine goes along
    try:
        told = get_hf_file_metadata(hf_hub_url(repository, name), token=False)
    except errors.EntryNotFoundError as error:
        if optional:
            return None
        raise UserError(f"{repository} on Hugging Face has no {name}") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{repository} is not on Hugging Face any more") from error
    except (httpx.HTTPError, OSError) as error:
        raise _no_connection(hf_hub_url(repository, name), _line(error)) from error
    # The hub's own download starts anew each time, so it only tells the address, which leads to
    # a storage whose own addresses expire, and what must arrive there.
    target = folder / name
    fetch(
        hf_hub_url(repository, name, revision=told.commit_hash),
        target,
        size=told.size,
        sha256=told.etag if told.etag and len(told.etag) == 64 else None,
        on_bytes=lambda done, total: on_bytes(name, done, total),
        cancelled=cancelled,
        sums=sums,
    )
    return target
