"""Labelled clips as a tree that the paper's recipe reads, and the starter's text encoder beside."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from soundsearch.errors import UserError
from soundsearch.models.text import TextConfig, TextEncoder
from soundsearch.paths import resources
from soundsearch.training.clotho_tree import write_tree
from soundsearch.training.data import hold_out, read_clips, training_clips
from soundsearch.training.datasets import clotho
from soundsearch.training.encoders import load_text, text_settings, tokenizer_of
from soundsearch.training.paper import read_paper
from soundsearch.training.starter import read_starter
from tests.training.sounds import write_clips


def test_the_recipe_reads_what_was_written(tmp_path: Path) -> None:
    sounds = [(f"sound {n}", f"set {n % 30}") for n in range(60)]
    table = write_clips(tmp_path / "clips", sounds)
    command = [sys.executable, "-m", "soundsearch.training.clotho_tree", str(table)]
    subprocess.run([*command, str(tmp_path / "made")], check=True)
    learn, held = hold_out(training_clips(read_clips(table)))
    for split, clips in (("development", learn), ("validation", held)):
        listing = clotho(tmp_path / "made" / "clotho", split)
        assert listing.missing == 0
        assert len(listing.items) == 5 * len(clips)
        for clip, item in zip(clips, listing.items[::5], strict=True):
            assert item.caption == clip.label
            assert item.file.read_bytes() == clip.file.read_bytes()
    with pytest.raises(UserError, match="not empty"):
        write_tree(read_clips(table), tmp_path / "made" / "clotho")

    text = read_paper(resources() / "training" / "small-clotho.toml").text
    settings = text_settings(text.network, text.config, 0.0, text.tokens, text.keep_end)
    made = TextEncoder(TextConfig(**settings)).eval()
    load_text(made.network, tmp_path / "made" / "text-encoder")
    assert tokenizer_of(tmp_path / "made" / "text-encoder")
    ids = torch.tensor([[2, 55, 77, 3]])
    starter = read_starter(resources() / "models" / "starter").text.eval()
    own = starter.network(input_ids=ids).last_hidden_state
    assert torch.allclose(made.network(input_ids=ids).last_hidden_state, own, atol=1e-5)
