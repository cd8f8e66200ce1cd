"""Identities to rows, beside a dictionary."""

import numpy as np
import pytest

from soundsearch.index.lookup import Lookup


@pytest.mark.parametrize("sizes", [(3, 5, 1), (9_000, 20_000, 10), (8_000, 8_000, 8_000, 5)])
def test_it_is_a_dictionary(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(sizes))
    # Few different ones, so that many are put again; some differ in their last byte only.
    names = [random.bytes(14) + bytes([0, end]) for end in (0, 1) for _ in range(6_000)]
    lookup, expected = Lookup(), dict[bytes, int]()
    row = 0
    for size in sizes:
        chosen = [names[i] for i in random.integers(0, len(names), size)]
        rows = np.arange(row, row + size)
        lookup.put(np.frombuffer(b"".join(chosen), "V16"), rows)
        expected.update(zip(chosen, rows.tolist(), strict=True))
        row += size
        asked = [names[i] for i in random.integers(0, len(names), 50)] + [b"x" * 16]
        assert [lookup.get(name) for name in asked] == [expected.get(name) for name in asked]
        many = lookup.many(b"".join(asked))
        assert many.tolist() == [expected.get(name, -1) for name in asked]
        assert lookup.rows().tolist() == sorted(expected.values())
    assert lookup.many(b"").tolist() == []
    assert Lookup().get(b"x" * 16) is None
