"""Made-up libraries for measuring."""

from pathlib import Path

from soundsearch.cli.bench_data import synthetic_library
from soundsearch.library.catalog import Library


def test_the_same_seed_gives_the_same_library(tmp_path: Path) -> None:
    names = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthetic_library(tmp_path / folder, 500, seed)
        with Library.open(tmp_path / folder) as library:
            counts = library.counts()
            assert counts["states"] == {"ok": 500}
            assert 400 < counts["sounds"] < 500
            names.append(library.db.execute("SELECT path FROM files ORDER BY id").fetchall())
            words = library.db.execute("SELECT count(*) FROM names_vocab").fetchone()[0]
            assert words > 300
    assert names[0] == names[1] != names[2]
