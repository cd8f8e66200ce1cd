"""Synthesised clips: other seeds than the demo's, labels from its descriptions."""

from pathlib import Path

import numpy as np
import pytest

from soundsearch.audio.decode import load_mono
from soundsearch.demo import synth
from soundsearch.errors import UserError
from soundsearch.training.data import read_clips, training_clips
from soundsearch.training.synthetic import write_clips


def test_each_sound_is_a_clip_with_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = ["Drums/Kick Drum Deep.wav", "Drums/Hand Clap.wav"]
    monkeypatch.setattr(synth, "names", lambda: some)
    table = write_clips(tmp_path, [7, 8])
    clips = training_clips(read_clips(table))
    assert len(clips) == 4
    assert len({clip.label for clip in clips}) == 2
    assert "kick drum" in clips[0].label
    assert "deep" in clips[0].tags
    assert not clips[0].label.startswith("a ")
    heard = load_mono(str(clips[0].file), synth.RATE)
    assert not np.allclose(heard[:2000], synth.render_one(some[0], 0)[:2000], atol=1e-3)
    kept = clips[0].file.stat().st_mtime_ns
    write_clips(tmp_path, [7, 8])
    assert clips[0].file.stat().st_mtime_ns == kept


def test_the_demos_own_sounds_are_never_learnt(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        write_clips(tmp_path, [0, 1])
