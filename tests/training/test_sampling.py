"""Samples of the paper's training: crops, captions and their order."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from soundsearch.audio.decode import DecodeError
from soundsearch.models.mel import RATE
from soundsearch.training.datasets import Item, clotho
from soundsearch.training.sampling import Batch, Sampler, batches, read_crop
from tests.training.trees import clotho_tree, long_sound, variations_of


def test_a_crop_of_a_long_sound_and_all_of_a_short_one(tmp_path: Path) -> None:
    samples = long_sound(tmp_path / "long.wav", 12.0)
    starts = []
    for seed in range(20):
        crop = read_crop(tmp_path / "long.wav", 3.0, np.random.default_rng(seed))
        assert len(crop) == 3 * RATE
        start = int(np.argmin(np.abs(samples - crop[0])))
        np.testing.assert_allclose(crop, samples[start : start + len(crop)], atol=1e-4)
        starts.append(start / RATE)
    assert min(starts) < 2
    assert max(starts) > 7
    whole = read_crop(tmp_path / "long.wav", 30.0, np.random.default_rng(0))
    np.testing.assert_array_equal(whole, samples)


def test_an_epoch_has_each_item_once_whatever_the_processes(tmp_path: Path) -> None:
    items = clotho(clotho_tree(tmp_path, "development", 6, 0.2), "development").items
    sampler = Sampler(items, 30.0, 0.0, 3)

    def steps(count: int, rank: int = 0, processes: int = 1, first: int = 0) -> list[Batch]:
        return list(islice(batches(sampler, 8, first, rank, processes, 0), count))

    whole = steps(6)  # 30 items: 3 steps an epoch
    assert [batch.step for batch in whole] == list(range(6))
    seen = [caption for batch in whole[:3] for caption in batch.captions]
    assert len(set(seen)) == len(seen) == 24
    assert seen != [caption for batch in whole[3:] for caption in batch.captions]
    halves = [steps(6, rank, 2) for rank in (0, 1)]
    for step in range(6):
        both = halves[0][step].captions + halves[1][step].captions
        assert both == whole[step].captions
    # From the middle on it is the same.
    assert [b.captions for b in steps(2, first=4)] == [b.captions for b in whole[4:]]
    numbers = {
        caption[:-3]: int(number)
        for batch in whole
        for caption, number in zip(batch.captions, batch.numbers, strict=True)
    }
    assert sorted(numbers.values()) == list(range(6))


def test_worker_processes_change_nothing(tmp_path: Path) -> None:
    items = clotho(clotho_tree(tmp_path, "development", 2, 0.2), "development").items
    sampler = Sampler(items, 0.1, 0.0, 3)
    here = list(islice(batches(sampler, 4, 0, 0, 1, 0), 3))
    there = list(islice(batches(sampler, 4, 0, 0, 1, 1), 3))
    for one, other in zip(here, there, strict=True):
        assert one.captions == other.captions
        np.testing.assert_array_equal(one.samples, other.samples)


@pytest.mark.parametrize(("swap", "low", "high"), [(0.0, 0, 0), (0.3, 45, 75), (1.0, 200, 200)])
def test_captions_are_swapped_for_variations(
    tmp_path: Path, swap: float, low: int, high: int
) -> None:
    folder = clotho_tree(tmp_path, "development", 2, 0.02)
    variations = variations_of(folder, "development", tmp_path / "v.json")
    sampler = Sampler(clotho(folder, "development", variations).items, 30.0, swap, 1)
    captions = [sampler[epoch, number].caption for epoch in range(20) for number in range(10)]
    swapped = [caption for caption in captions if "reworded" in caption]
    assert low <= len(swapped) <= high
    if swapped:
        assert {caption[-1] for caption in swapped} == set("01234")
    assert captions[:10] != captions[10:20] or not 0 < swap < 1
    assert sampler[3, 4].caption == sampler[3, 4].caption


def test_an_unreadable_file_gives_way_to_the_next(tmp_path: Path) -> None:
    items = clotho(clotho_tree(tmp_path, "development", 2, 0.1), "development").items
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no sound")
    sampler = Sampler([Item(broken, "broken", "broken"), *items[:2]], 30.0, 0.0, 1)
    sample = sampler[0, 0]
    assert sample.caption == items[0].caption
    assert sample.unreadable == (str(broken),)
    with pytest.raises(DecodeError):
        Sampler([Item(broken, "broken", str(i)) for i in range(6)], 30.0, 0.0, 1)[0, 0]
