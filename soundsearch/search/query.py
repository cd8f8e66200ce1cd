"""The query language. Standard library only: the window and the command line parse alike.

Plain words describe. -word excludes. "exact words" must stand in the text. Filters: dur:<2
dur:>1 dur:1-5, rate:96000, ch:2, format:flac, folder:"Old Drums", tag:x, is:fav,
rating:>3, collection:"Trailer hits". An unknown prefix, or a known one with a value that means
nothing, is a plain word.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'(?P<minus>-)?(?:(?P<prefix>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^\s"]+))'
)
_RANGE = re.compile(r"^(?P<low>\d+(?:\.\d+)?)-(?P<high>\d+(?:\.\d+)?)$")
_TEXTS = {"format": "formats", "folder": "folders", "tag": "tags", "collection": "collections"}
_LIMIT = re.compile(r"^(?P<sign>[<>]=?|=)?(?P<value>\d+(?:\.\d+)?)$")


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included unless `open_*`; None: no limit on that side."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        if self.low is not None and (value < self.low or (self.open_low and value == self.low)):
            return False
        return self.high is None or value < self.high or (value == self.high and not self.open_high)


@dataclass(frozen=True)
class Filters:
    """What results must be. Empty and None filter nothing; several values mean any of them."""

    duration: Range | None = None  # seconds
    rates: tuple[int, ...] = ()  # samples/s
    channels: tuple[int, ...] = ()
    formats: tuple[str, ...] = ()  # lower case, as containers are named
    folders: tuple[str, ...] = ()  # a part of the displayed folder
    tags: tuple[str, ...] = ()  # all of them
    favourite: bool = False
    rating: Range | None = None  # 1 to 5
    collections: tuple[str, ...] = ()  # any of them, by name

    def __bool__(self) -> bool:
        return self != Filters()


@dataclass(frozen=True)
class Example:
    """A sound that stands in a query beside words: a file on disk, or a sound of the library.

    path: absolute, os.fsencode; or sound: its identity, 16 bytes. start, end: a region in
    seconds, the whole sound by default. weight: 1 "like this", -1 "not like this".
    """

    path: bytes | None = None
    sound: bytes | None = None
    start: float = 0.0
    end: float | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Query:
    """One question, from the field, the chips and the command line alike.

    words: as typed, in order; phrases: quoted, must stand in the text; excluded: words and
    phrases that must not.
    """

    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    examples: tuple[Example, ...] = ()

    @property
    def text(self) -> str:
        """What is described, for the text encoder; "" when nothing is."""
        return " ".join((*self.words, *self.phrases))

    @property
    def browses(self) -> bool:
        """True when nothing is asked for but perhaps filtered: everything is shown in order."""
        return not (self.words or self.phrases or self.examples)


def parse(text: str) -> Query:
    """Any text is a valid query."""
    words: list[str] = []
    phrases: list[str] = []
    excluded: list[str] = []
    filters: dict[str, object] = {}
    for match in _TOKEN.finditer(text):
        value = match["quoted"] if match["quoted"] is not None else match["plain"]
        value = value.strip()
        prefix = match["prefix"]
        if prefix and not match["minus"] and _filter(filters, prefix.lower(), value):
            continue
        if prefix:
            value = f"{prefix}:{value}"
        if not value:
            continue
        if match["minus"]:
            excluded.append(value)
        elif match["quoted"] is not None and not prefix:
            phrases.append(value)
        else:
            words.append(value)
    return Query(tuple(words), tuple(phrases), tuple(excluded), Filters(**filters))  # type: ignore[arg-type]


def _filter(filters: dict[str, object], prefix: str, value: str) -> bool:
    """Takes one filter in; False when the prefix or its value means nothing."""
    if prefix in {"dur", "rating"}:
        found = _range(value)
        if found is None:
            return False
        filters["duration" if prefix == "dur" else "rating"] = found
        return True
    if prefix == "is" and value.lower() in {"fav", "favourite", "favorite"}:
        filters["favourite"] = True
        return True
    if prefix in {"rate", "ch"} and value.isdecimal():
        return _add(filters, "rates" if prefix == "rate" else "channels", int(value))
    if prefix in _TEXTS and value:
        name = _TEXTS[prefix]
        return _add(filters, name, value.lower().lstrip(".") if prefix == "format" else value)
    return False


def _add(filters: dict[str, object], name: str, value: object) -> bool:
    filters[name] = (*filters.get(name, ()), value)  # type: ignore[misc]
    return True


def _range(text: str) -> Range | None:
    if found := _RANGE.match(text):
        low, high = float(found["low"]), float(found["high"])
        return Range(min(low, high), max(low, high))
    if not (found := _LIMIT.match(text)):
        return None
    value, sign = float(found["value"]), found["sign"] or "="
    if sign[0] == "<":
        return Range(high=value, open_high=sign == "<")
    if sign[0] == ">":
        return Range(low=value, open_low=sign == ">")
    return Range(value, value)
