"""Captions of clips and the texts that the text encoder learns from."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundsearch.errors import UserError
from soundsearch.training.captions import captions, class_names, corpus
from soundsearch.training.data import read_clips
from tests.training.sounds import write_clips


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "audioset_classes.csv").write_text(
        'index,mid,display_name\n0,/m/1,Dog\n1,/m/2,"Bell, chime"\n'
    )
    entry = {"name": "Dog", "description": "Sounds of a dog. More of it."}
    (folder / "audioset_ontology.json").write_text(json.dumps([entry]))
    words = {"category": "BELLS", "subcategory": "LARGE", "explanation": "Big bells"}
    row = {**words, "synonyms": ["gong", "carillon"]}
    (folder / "ucs.json").write_text(json.dumps([row]))
    return folder


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    folder = tmp_path / "wordnet"
    folder.mkdir()
    (folder / "cntlist.rev").write_text("thunder%1:11:00:: 1 5\nrare%1:09:00:: 1 1\n")
    lines = '  1 a licence\n00001 11 n 02 thunder 0 boom 0 000 | a loud noise in the sky; "x"\n'
    lines += "00002 09 n 01 theorem 0 000 | an idea\n"
    for part in ("noun", "verb", "adj"):
        (folder / f"data.{part}").write_text(lines)
    return folder


def test_captions_begin_with_the_label_and_vary(tmp_path: Path) -> None:
    clip = read_clips(write_clips(tmp_path, [("kick drum", "drums")]))[0]
    found = captions(clip, 60, np.random.default_rng(1))
    assert found[0] == "kick drum"
    assert len(found) == 60
    assert all("kick drum" in text for text in found)
    assert any("short" in text or "tone" in text for text in found)
    assert len(set(found)) > 8
    assert found == captions(clip, 60, np.random.default_rng(1))


def test_the_corpus_holds_all_its_sources_once(tmp_path: Path, texts: Path, wordnet: Path) -> None:
    clips = read_clips(write_clips(tmp_path, [("kick drum", "a"), ("rain", "b"), ("owl", "b")]))
    found = corpus(clips, texts, wordnet)
    assert len(found) == len(set(found))
    for text in (
        "kick drum", "dog", "bell, chime", "chime", "sounds of a dog", "large bells", "big bells",
        "gong", "thunder", "a loud noise in the sky",
    ):  # fmt: skip
        assert text in found
    assert not {"rare", "an idea", "theorem"} & set(found)
    assert any("rain" in text and "owl" in text for text in found)
    assert found == corpus(clips, texts, wordnet)


def test_a_missing_source_is_named(tmp_path: Path, texts: Path) -> None:
    clips = read_clips(write_clips(tmp_path, [("kick drum", "a")]))
    with pytest.raises(UserError, match="cntlist"):
        corpus(clips, texts, tmp_path / "nowhere")
    assert class_names(texts) == ["Dog", "Bell, chime"]
