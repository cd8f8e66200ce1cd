"""The starter's networks: windows, levels, padding."""

import numpy as np
import pytest
import torch

from soundsearch.models.starter import WindowedAudio
from soundsearch.models.starter_cnn import StarterCnn, StarterCnnConfig, with_detail
from soundsearch.models.starter_passt import StarterPasst, StarterPasstConfig

RATE = 32_000


@pytest.fixture(params=["cnn", "detail", "passt"])
def network(request: pytest.FixtureRequest) -> WindowedAudio:
    torch.manual_seed(1)
    if request.param in ("cnn", "detail"):
        config = StarterCnnConfig((8, 8, 16, 16), detail=request.param == "detail")
        made: WindowedAudio = StarterCnn(config)
    else:
        made = StarterPasst(StarterPasstConfig(embed_dim=32, depth=2, heads=4))
    return made.eval().requires_grad_(False)


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return torch.from_numpy(samples.astype(np.float32) * 0.1)[None]


def test_zeros_behind_a_sound_change_nothing(network: WindowedAudio) -> None:
    sound = noise(0.4)
    alone = network(sound)
    padded = network(torch.nn.functional.pad(sound, (0, 5 * RATE)))
    assert alone.shape == (1, network.dim)
    assert torch.cosine_similarity(alone, padded).item() > 0.9998


def test_loudness_changes_nothing(network: WindowedAudio) -> None:
    sound = noise(3.0)
    assert torch.allclose(network(sound), network(sound * 0.01), atol=1e-4)


def test_long_sounds_are_the_weighted_mean_of_their_windows(network: WindowedAudio) -> None:
    sound = noise(2 * 2.56 + 1.28)
    mel, frames = network.level_mel(sound)
    parts = [
        network.window(mel[..., start : start + 128], torch.tensor([held]))
        for start, held in ((0, 128), (128, 128), (256, 64))
    ]
    wanted = (parts[0] + parts[1] + 0.5 * parts[2]) / 2.5
    assert frames.tolist() == [320]
    assert torch.allclose(network(sound), wanted, atol=1e-4)


def test_a_batch_gives_what_each_sound_gives(network: WindowedAudio) -> None:
    sounds = [noise(0.2, 1), noise(2.9, 2), noise(6.0, 3)]
    longest = max(s.shape[1] for s in sounds)
    batch = torch.cat([torch.nn.functional.pad(s, (0, longest - s.shape[1])) for s in sounds])
    together = network(batch)
    for row, sound in enumerate(sounds):
        assert torch.allclose(network(sound)[0], together[row], atol=1e-3)


def test_detail_is_what_earlier_stages_say_in_four_bands() -> None:
    torch.manual_seed(1)
    plain = StarterCnn(StarterCnnConfig((8, 8, 16, 16))).eval().requires_grad_(False)
    detailed = with_detail(plain)
    mel, frames = torch.randn(2, 1, 64, 128), torch.tensor([128, 50])
    found = detailed.window(mel, frames)
    assert found.shape == (2, detailed.dim)
    assert torch.equal(found[:, : plain.dim], plain.window(mel, frames))
    at = plain.dim
    x = mel
    for number, stage in enumerate(plain.stages):
        x = stage(x)
        if number not in (2, 5):  # the ends of the second and third stage
            continue
        step, high = 128 // x.shape[3], x.shape[2] // 4
        wanted: list[list[torch.Tensor]] = [[], []]
        for row, held in enumerate((128, 50)):
            inside = x[row, :, :, : -(-held // step)]
            bands = [inside[:, i * high : (i + 1) * high].mean(1) for i in range(4)]
            every = torch.stack(bands, 1).flatten(0, 1)  # channels, then bands
            wanted[row] = [every.mean(1), every.amax(1)]
        size = 8 * x.shape[1]
        expected = torch.stack([torch.cat(parts) for parts in wanted])
        torch.testing.assert_close(found[:, at : at + size], expected)
        at += size
    assert at == detailed.dim
