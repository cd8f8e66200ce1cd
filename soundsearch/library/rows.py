"""What the library holds, as Python sees it."""

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class State(StrEnum):
    """Of a file. Transitions (* = any):

    (new) → ok, silent, failed   it was read
    (new) → online               it lives only in a cloud; opening would download it
    * → missing                  its folder can be read and it isn't there
    * → offline                  its root is away or suddenly empty
    * → online                   the cloud took its content away
    missing, offline, online → what it was, when it is there again unchanged
    * → ok, silent, failed       its content changed and was read
    (gone)                       its root was removed, or the person excluded it
    """

    OK = "ok"
    SILENT = "silent"
    FAILED = "failed"
    MISSING = "missing"
    OFFLINE = "offline"
    ONLINE = "online"


@dataclass(frozen=True)
class Root:
    """A folder of the person's. path: absolute, os.fsencode; state: ok or offline."""

    id: int
    path: bytes
    volume: str
    state: str
    added: float

    @property
    def name(self) -> str:
        """How displayed folders begin."""
        return display_text(os.path.basename(self.path.rstrip(os.fsencode(os.sep))) or self.path)


class KnownFile(NamedTuple):
    """What the library knows of a file without looking at it.

    sound_id None: never decoded; read: it was tried, with success or not.
    """

    id: int
    path: bytes
    size: int
    mtime_ns: int
    state: str
    sound_id: int | None
    retry: int
    read: int


class FactsLike(Protocol):
    """What the library keeps of a sound; audio.facts.Facts fits."""

    @property
    def frames(self) -> int: ...
    @property
    def samplerate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def sample_format(self) -> str: ...
    @property
    def container(self) -> str: ...
    @property
    def loudness(self) -> float | None: ...
    @property
    def peak(self) -> float: ...
    @property
    def envelope(self) -> bytes: ...
    @property
    def silent(self) -> bool: ...
    @property
    def onset(self) -> float: ...


@dataclass(frozen=True)
class Record:
    """A file that was looked at, to be recorded.

    path: relative to the root, bytes. identity: 16 bytes, or None where it could not be decoded
    or was not opened (failed, online). facts: needed for a sound that the library doesn't know,
    else may be None; tags: None when they were not read.
    """

    root_id: int
    path: bytes
    size: int
    mtime_ns: int
    ends: bytes | None
    state: State
    reason: str = ""
    retry: bool = False
    identity: bytes | None = None
    facts: FactsLike | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Change:
    """The content at an absolute path became another sound. elsewhere: the old one still lies
    at another place."""

    path: bytes
    old: bytes
    new: bytes
    elsewhere: bool


class Sound(NamedTuple):
    id: int
    identity: bytes
    frames: int
    samplerate: int
    channels: int
    seconds: float
    sample_format: str
    container: str
    loudness: float | None
    peak: float
    onset: float
    silent: int


class FileRow(NamedTuple):
    """A file with the facts of its sound (None where it has none), as results show it.

    path: relative; place: absolute, both bytes; name, folder: display text.
    """

    id: int
    root_id: int
    root: bytes
    path: bytes
    name: str
    folder: str
    size: int
    mtime_ns: int
    state: str
    reason: str
    sound_id: int | None
    identity: bytes | None
    frames: int | None
    samplerate: int | None
    channels: int | None
    seconds: float | None
    sample_format: str | None
    container: str | None
    loudness: float | None
    peak: float | None
    onset: float | None

    @property
    def place(self) -> bytes:
        return os.path.join(self.root, self.path)


@dataclass(frozen=True)
class Failure:
    """path: absolute; retry: trying again may help."""

    path: bytes
    reason: str
    retry: bool


class Words(NamedTuple):
    """Searchable text of a file: the words of audio.tags.split_words, spaces between."""

    name: str
    folder: str
    meta: str
    ucs: str


_CONTROL = re.compile("[\x00-\x1f\x7f]")


def display_text(path: bytes) -> str:
    """A name as one line of text: composed letters, bytes that are no text as U+FFFD."""
    text = path.decode("utf-8", "replace")
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub("\ufffd", unicodedata.normalize("NFC", text))


def display_folder(root: Root, path: bytes) -> str:
    """The folder of a relative path with the root's name: "Drum Samples/Loops"."""
    folder = os.path.dirname(path)
    if not folder:
        return root.name
    return f"{root.name}/{display_text(folder).replace(os.sep, '/')}"
