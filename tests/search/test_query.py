"""The query language."""

import pytest

from soundsearch.search.query import Filters, Query, Range, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kick drum", Query(words=("kick", "drum"))),
        ("drum -loop", Query(words=("drum",), excluded=("loop",))),
        ('"exact words" -"bad take"', Query(phrases=("exact words",), excluded=("bad take",))),
        ("dur:<2", Query(filters=Filters(duration=Range(high=2.0, open_high=True)))),
        ("dur:>=2", Query(filters=Filters(duration=Range(low=2.0)))),
        ("dur:1-5", Query(filters=Filters(duration=Range(1.0, 5.0)))),
        ("dur:5-1", Query(filters=Filters(duration=Range(1.0, 5.0)))),
        ("rate:96000 ch:2", Query(filters=Filters(rates=(96000,), channels=(2,)))),
        ("format:.FLAC", Query(filters=Filters(formats=("flac",)))),
        ('folder:"Old Drums" hit', Query(("hit",), filters=Filters(folders=("Old Drums",)))),
        ("tag:x tag:y is:fav", Query(filters=Filters(tags=("x", "y"), favourite=True))),
        ("foo:bar", Query(words=("foo:bar",))),
        ("dur:soon rate:high", Query(words=("dur:soon", "rate:high"))),
        ("lo-fi 909", Query(words=("lo-fi", "909"))),
        ('an "open quote', Query(words=("an",), phrases=("open quote",))),
        ("  - \t\n", Query(words=("-",))),
        ("", Query()),
    ],
)
def test_parse(text: str, expected: Query) -> None:
    assert parse(text) == expected


def test_what_the_text_encoder_sees() -> None:
    query = parse('short "metal hit" -reverb dur:<2')
    assert query.text == "short metal hit"
    assert not query.browses
    assert parse("dur:<2 is:fav").browses
