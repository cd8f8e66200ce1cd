"""The data sets, read from small trees in the published layouts."""

import csv
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.training.datasets import audiocaps, clotho, clotho_keywords, wavcaps
from tests.training.trees import audiocaps_tree, clotho_tree, variations_of, wavcaps_tree


def test_clotho_has_an_item_a_caption(tmp_path: Path) -> None:
    folder = clotho_tree(tmp_path, "development", 4)
    listing = clotho(folder, "development")
    assert len(listing.items) == 20
    assert len({item.recording for item in listing.items}) == 4
    assert listing.items[1].caption == "A dog barking, take 2."
    assert all(item.file.is_file() for item in listing.items)
    keywords = clotho_keywords(folder, "development")
    assert keywords[listing.items[0].file.name] == ("dog", "barking")
    listing.items[0].file.unlink()
    less = clotho(folder, "development")
    assert (len(less.items), less.missing) == (15, 1)
    assert str(less) == "ClothoV2 development: 15 captions of 3 recordings, 1 recordings missing"


def test_clotho_with_variations(tmp_path: Path) -> None:
    folder = clotho_tree(tmp_path, "development", 2)
    file = variations_of(folder, "development", tmp_path / "variations.json")
    items = clotho(folder, "development", file).items
    assert [len(item.variations) for item in items] == [5] * 10
    assert items[3].variations[4] == f"{items[3].caption} reworded 4"
    file.write_text('[{"path": "x"}]')
    with pytest.raises(UserError, match="variations"):
        clotho(folder, "development", file)


def test_audiocaps_in_one(tmp_path: Path) -> None:
    listing = audiocaps(*audiocaps_tree(tmp_path))
    assert (len(listing.items), listing.missing) == (5, 1)
    assert len(audiocaps(tmp_path, tmp_path / "audio", one_caption=False).items) == 7
    assert len(audiocaps(tmp_path, tmp_path / "audio", ["train"]).items) == 1
    nowhere = audiocaps(tmp_path, tmp_path / "none")
    assert (nowhere.items, nowhere.missing) == ([], 6)


def test_wavcaps_without_the_blacklisted(tmp_path: Path) -> None:
    folder, audio = wavcaps_tree(tmp_path)
    everything = wavcaps(folder, audio)
    assert [len(listing.items) for listing in everything] == [2, 2, 2, 2]
    assert [listing.missing for listing in everything] == [1, 1, 1, 1]
    some = {listing.name: listing for listing in wavcaps(folder, audio, blacklists=["test_ac"])}
    assert [listing.excluded for listing in some.values()] == [1, 0, 0, 1]
    assert [item.file.stem for item in some["WavCaps FreeSound"].items] == ["102"]
    assert [item.file.stem for item in some["WavCaps AudioSet_SL"].items] == ["Yabcdefghij1"]
    excluded = tmp_path / "excluded.csv"
    with open(excluded, "w", newline="") as file:
        csv.writer(file).writerows([["sound_id"], ["102"]])
    (only,) = wavcaps(folder, audio, ["FreeSound"], ["test_ac"], excluded)
    assert (only.items, only.excluded) == ([], 2)


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clotho_captions_development.csv"):
        clotho(tmp_path, "development")
    with pytest.raises(UserError, match="train.csv"):
        audiocaps(tmp_path, tmp_path)
    with pytest.raises(UserError, match="fsd_final.json"):
        wavcaps(tmp_path, tmp_path)
    with pytest.raises(UserError, match="no source"):
        wavcaps(tmp_path, tmp_path, ["YouTube"])
    with pytest.raises(UserError, match="blacklist"):
        wavcaps(tmp_path, tmp_path, blacklists=["nothing"])
    (tmp_path / "clotho_captions_development.csv").write_text("name,text\na,b\n")
    with pytest.raises(UserError, match="file_name"):
        clotho(tmp_path, "development")
