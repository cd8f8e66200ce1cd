"""What the person made, read and changed: functions that run on the Reader's thread.

What takes something away returns an Undo, which puts it back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soundsearch.errors import UserError
from soundsearch.library.handover import list_row, refuse_sample_folder
from soundsearch.library.userdata import Collection, Search, UserData
from soundsearch.search.query import parse
from soundsearch.search.ranking import Match
from soundsearch.window.bridge import Desk
from soundsearch.window.chips import question_label

Undo = Callable[[Desk], None]


@dataclass(frozen=True)
class Made:
    """ratings: sound id → 1 to 5; tags: how many sounds have each."""

    collections: tuple[Collection, ...] = ()
    tags: Mapping[str, int] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    ratings: Mapping[int, int] = field(default_factory=dict)


def made(desk: Desk) -> Made:
    person = desk.person
    if person is None:
        return Made()
    return Made(
        tuple(person.collections()), person.tags(), tuple(person.searches()), _ratings(desk, person)
    )


def _ratings(desk: Desk, person: UserData) -> dict[int, int]:
    found = {}
    if desk.library is not None:
        for identity, rating in person.ratings().items():
            sound = desk.library.sound_by_identity(identity)
            if sound is not None:
                found[sound.id] = rating
    return found


def _person(desk: Desk) -> UserData:
    if desk.person is None:
        raise UserError("Nothing can be kept", "log.txt in the data folder has the reason")
    return desk.person


# Ratings and tags.


def rate(desk: Desk, matches: Sequence[Match], rating: int) -> None:
    for match in matches:
        _person(desk).set_rating(match.identity, match.path, rating)


def clear_ratings(desk: Desk, matches: Sequence[Match]) -> Undo:
    before = _person(desk).ratings()
    there = [match for match in matches if match.identity in before]
    rate(desk, there, 0)

    def undo(later: Desk) -> None:
        for match in there:
            rate(later, [match], before[match.identity])

    return undo


def tags_of(desk: Desk, matches: Sequence[Match]) -> dict[str, int]:
    """The tags of some sounds, and how many of these have each."""
    counts: dict[str, int] = {}
    for marks in _person(desk).marks([match.identity for match in matches]).values():
        for tag in marks.tags:
            counts[tag] = counts.get(tag, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: item[0].casefold()))


def add_tags(desk: Desk, matches: Sequence[Match], text: str) -> None:
    """text: one tag, or several with commas between them."""
    for tag in filter(None, (part.strip() for part in text.split(","))):
        for match in matches:
            _person(desk).add_tag(match.identity, match.path, tag)


def remove_tag(desk: Desk, matches: Sequence[Match], tag: str) -> Undo:
    person = _person(desk)
    having = person.with_tag(tag)
    there = [match for match in matches if match.identity in having]
    for match in there:
        person.remove_tag(match.identity, tag)
    return lambda later: add_tags(later, there, tag)


def remove_tag_everywhere(desk: Desk, tag: str) -> Undo:
    person = _person(desk)
    places = person.places()
    there = [(identity, places[identity].path) for identity in person.with_tag(tag)]
    for identity, _ in there:
        person.remove_tag(identity, tag)

    def undo(later: Desk) -> None:
        for identity, path in there:
            _person(later).add_tag(identity, path, tag)

    return undo


# Collections.


def collect(desk: Desk, name: str, matches: Sequence[Match]) -> None:
    """Puts sounds into a collection, which is made if there is none of this name."""
    person = _person(desk)
    collection = person.add_collection(name)
    for match in matches:
        person.collect(collection, match.identity, match.path)


def take_out(desk: Desk, collection: int, matches: Sequence[Match]) -> Undo:
    """The collection's order is as before after an undo."""
    before = _content(desk, collection)
    for match in matches:
        _person(desk).take_out(collection, match.identity)
    return lambda later: _fill(later, collection, before)


def remove_collection(desk: Desk, collection: int) -> Undo:
    person = _person(desk)
    name = next((c.name for c in person.collections() if c.id == collection), "")
    before = _content(desk, collection)
    person.remove_collection(collection)
    return lambda later: _fill(later, _person(later).add_collection(name), before)


def _content(desk: Desk, collection: int) -> list[tuple[bytes, bytes]]:
    person = _person(desk)
    places = person.places()
    return [(sound, places[sound].path) for sound in person.collected(collection)]


def _fill(desk: Desk, collection: int, content: Sequence[tuple[bytes, bytes]]) -> None:
    person = _person(desk)
    for identity, _ in _content(desk, collection):
        person.take_out(collection, identity)
    for identity, path in content:
        person.collect(collection, identity, path)


def rename_collection(desk: Desk, collection: int, name: str) -> None:
    if not name.strip():
        raise UserError("A collection needs a name")
    _person(desk).rename_collection(collection, name)


def files_of(desk: Desk, collection: int) -> tuple[list[bytes], list[bytes]]:
    """Where a collection's sounds lie now, and the folders of samples."""
    identities = _person(desk).collected(collection)
    places = {identity: path for identity, path in _content(desk, collection)}
    roots: list[bytes] = []
    if desk.library is not None:
        places.update(desk.library.places_of(identities))
        roots = [root.path for root in desk.library.roots()]
    return [places[identity] for identity in identities], roots


def list_of(desk: Desk, collection: int) -> list[dict[str, object]]:
    """A collection's sounds as rows of a table."""
    return list(_list_rows(desk, collection))


def _list_rows(desk: Desk, collection: int) -> Iterator[dict[str, object]]:
    person = _person(desk)
    identities = person.collected(collection)
    paths, _ = files_of(desk, collection)
    marks, known = person.marks(identities), {}
    if desk.library is not None:
        known = {identity: desk.library.sound_by_identity(identity) for identity in identities}
    names = person.places()
    for identity, path in zip(identities, paths, strict=True):
        sound, mark = known.get(identity), marks.get(identity)
        row = list_row(path, name=names[identity].name)
        row["folder"] = str(row["path"]).rpartition("/")[0]
        if sound is not None:
            row.update(
                seconds=round(sound.seconds, 3),
                samplerate=sound.samplerate,
                channels=sound.channels,
                format=sound.container,
            )
        if mark is not None:
            row.update(
                favourite="yes" if mark.favourite else "",
                rating=mark.rating or "",
                tags=", ".join(mark.tags),
            )
        yield row


# Searches.


def remember_search(desk: Desk, text: str) -> None:
    if desk.person is not None:
        desk.person.remember_search(text)


def save_search(desk: Desk, text: str, name: str) -> None:
    """text: as Asked.written gives it."""
    _person(desk).save_search(text, " ".join(name.split()) or question_label(text))


def let_search_go(desk: Desk, search: Search) -> Undo:
    """A saved search becomes a recent one."""
    _person(desk).save_search(search.text, "")
    return lambda later: _person(later).save_search(search.text, search.name)


def forget_searches(desk: Desk) -> Undo:
    person = _person(desk)
    recent = [search.text for search in person.searches() if not search.name]
    person.forget_recent_searches()

    def undo(later: Desk) -> None:
        for text in reversed(recent):
            _person(later).remember_search(text)

    return undo


def export_all(desk: Desk, file: Path) -> None:
    roots = [root.path for root in desk.library.roots()] if desk.library is not None else []
    refuse_sample_folder(file, roots)
    _person(desk).export(file)


def import_all(desk: Desk, file: Path) -> None:
    _person(desk).merge(file)


def filter_text(prefix: str, value: str) -> str:
    """collection:"Trailer hits": the query language has no way to write a quote in a value."""
    text = f'{prefix}:"{value.replace(chr(34), "")}"'
    return text if parse(text).filters else ""
