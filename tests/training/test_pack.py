"""Packing: augmented versions with the opinion of a tagger on each of them."""

from pathlib import Path

import numpy as np
import pytest

from soundsearch.errors import UserError
from soundsearch.training.data import read_clips
from soundsearch.training.pack import BANDS, FRAMES, Packing, load_teacher, pack, read_pack
from tests.training.sounds import write_clips

# Its "features" hold the level of what it hears, so that the opinion can be checked.
TAGGER = """
import torch

class Teacher:
    def __call__(self, wave):
        wave = torch.as_tensor(wave)
        level = wave.square().mean(1).sqrt()
        return torch.zeros(len(wave), 527), level[:, None].expand(-1, 384)
"""


@pytest.fixture
def packing(tmp_path: Path) -> Packing:
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "teacher.py").write_text(TAGGER)
    return Packing(tmp_path / "pack", teacher, versions=4, shard=3, processes=1)


def test_versions_and_their_judgement(tmp_path: Path, packing: Packing) -> None:
    clips = read_clips(write_clips(tmp_path, [(f"tone {i}", "a") for i in range(7)], seconds=1.5))
    pack(clips, packing)
    assert len(list(packing.folder.glob("*.npz"))) == 3
    found = read_pack(packing.folder)
    # The last shard holds one clip, which has nothing to be mixed with.
    assert len(found) == 7 * 4
    assert found.mel.shape == (28, BANDS, FRAMES)
    np.testing.assert_array_equal(np.bincount(found.clip), np.full(7, 4))
    mixed = found.other >= 0
    assert mixed.sum() == 6 * 2
    assert np.all(found.other[mixed] != found.clip[mixed])
    assert np.all((found.decibels[mixed] <= 0) & (found.decibels[mixed] >= -15))
    assert np.all((found.frames > 0) & (found.frames <= FRAMES))
    assert np.isfinite(found.mel).all()
    assert np.all(found.features[:, 0] > 0)
    # Versions of one clip differ.
    own = found.mel[found.clip == found.clip[0]]
    assert not np.array_equal(own[0], own[1])


def test_packing_goes_on_where_it_stopped(tmp_path: Path, packing: Packing) -> None:
    clips = read_clips(write_clips(tmp_path, [(f"tone {i}", "a") for i in range(6)]))
    pack(clips, packing)
    whole = read_pack(packing.folder)
    first, second = sorted(packing.folder.glob("*.npz"))
    kept = first.stat().st_mtime_ns
    second.unlink()
    pack(clips, packing)
    assert first.stat().st_mtime_ns == kept
    again = read_pack(packing.folder)
    np.testing.assert_array_equal(whole.mel, again.mel)
    np.testing.assert_array_equal(whole.features, again.features)


def test_without_augmentation_a_clip_is_one_window(tmp_path: Path, packing: Packing) -> None:
    clips = read_clips(write_clips(tmp_path, [("kick", "a"), ("rain", "a")], seconds=4.0))
    clips[1].file.write_bytes(b"no sound at all")
    pack(clips, packing, augment=False)
    found = read_pack(packing.folder)
    assert found.clip.tolist() == [0]
    assert found.frames.tolist() == [FRAMES]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing packed"):
        read_pack(tmp_path)
    with pytest.raises(UserError, match="tagger"):
        load_teacher(tmp_path)
