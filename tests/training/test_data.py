"""Tables of clips and queries, and what is held out."""

from collections import Counter
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.training.data import hold_out, read_clips, read_queries, training_clips
from tests.training.sounds import write_clips


def test_only_what_may_be_shipped_is_learnt_from(tmp_path: Path) -> None:
    table = write_clips(tmp_path, [("kick", "a"), ("", "a"), ("rain", "b"), ("dog", "b")])
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace(",train,", ",dev,")
    lines[4] = lines[4].removesuffix("yes") + "no"
    table.write_text("\n".join(lines) + "\n")
    clips = read_clips(table)
    assert [clip.label for clip in clips] == ["kick", "", "rain", "dog"]
    assert all(clip.file.exists() for clip in clips)
    assert [clip.label for clip in training_clips(clips)] == ["kick"]


def test_whole_sources_are_held_out(tmp_path: Path) -> None:
    labels = [(f"sound {i}", f"source {i % 40}") for i in range(200)]
    labels += [("rain", "large source")] * 200
    clips = read_clips(write_clips(tmp_path, labels, seconds=0.02))
    learn, held = hold_out(clips, share=0.1)
    assert len(learn) + len(held) == len(clips)
    assert not {clip.source for clip in learn} & {clip.source for clip in held}
    assert 0.04 <= len(held) / len(clips) <= 0.1
    assert "large source" not in Counter(clip.set for clip in held)
    assert hold_out(list(reversed(clips)), share=0.1)[1] == list(reversed(held))


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text("path,label\na.wav,kick\n")
    with pytest.raises(UserError, match="column"):
        read_clips(table)
    with pytest.raises(UserError, match="can't be read"):
        read_queries(tmp_path / "none.csv")
