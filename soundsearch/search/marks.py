"""What a person said of sounds: filters by tags, ratings and collections, and tags' words."""

from collections.abc import Iterable, Sequence

from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.search.query import Query


def chosen(
    query: Query, library: Library, userdata: UserData, among: Iterable[int] | None = None
) -> list[int] | None:
    """Ids, sorted, of the sounds that a query's filters by what was said leave of `among`.

    None: all.
    """
    filters = query.filters
    sets = [userdata.with_tag(tag) for tag in filters.tags]
    if filters.favourite:
        sets.append(userdata.favourites())
    if (wanted := filters.rating) is not None:
        ratings = userdata.ratings()
        sets.append({sound for sound, rating in ratings.items() if rating in wanted})
    if filters.collections:
        sets.append(_collected(filters.collections, userdata))
    if not sets:
        return None if among is None else sorted(among)
    found = _ids(library, set.intersection(*sets))
    return sorted(found if among is None else found.intersection(among))


def tagged(
    words: Sequence[str], library: Library, userdata: UserData
) -> dict[str, frozenset[int]] | None:
    """For each word or phrase, the sounds in whose tags it stands, its end perhaps longer.

    None: there are none.
    """
    found = {
        word: _ids(library, identities)
        for word, identities in userdata.tagged_with_words(words).items()
        if identities and len(word) >= 3
    }
    return found or None


def _collected(names: Iterable[str], userdata: UserData) -> set[bytes]:
    """What lies in the collections of these names; quotes in a name can't be asked for."""
    wanted = {name.casefold() for name in names}
    return {
        sound
        for collection in userdata.collections()
        if collection.name.replace('"', "").casefold() in wanted
        for sound in userdata.collected(collection.id)
    }


def _ids(library: Library, identities: Iterable[bytes]) -> frozenset[int]:
    sounds = (library.sound_by_identity(identity) for identity in identities)
    return frozenset(sound.id for sound in sounds if sound is not None)
