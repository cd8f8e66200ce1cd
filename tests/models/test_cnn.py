"""Keys and values of the PANNs, and the small network."""

import numpy as np
import pytest
import torch

from soundsearch.models.cnn import CnnConfig, Panns, SmallCnn, slaney_bands


@pytest.mark.parametrize(("network", "blocks", "dim"), [("cnn10", 4, 512), ("cnn14", 6, 2048)])
def test_published_keys_and_shapes(network: str, blocks: int, dim: int) -> None:
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in Panns(network).state_dict().items()}
    expected: dict[str, tuple[int, ...]] = {
        "spectrogram_extractor.stft.conv_real.weight": (513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": (513, 1, 1024),
        "logmel_extractor.melW": (513, 64),
        "fc1.weight": (dim, dim),
        "fc1.bias": (dim,),
        "fc_audioset.weight": (527, dim),
        "fc_audioset.bias": (527,),
    }

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{name}.{part}"] = (width,)
        expected[f"{name}.num_batches_tracked"] = ()

    norm("bn0", 64)
    for number in range(1, blocks + 1):
        width = 32 * 2**number
        before = width // 2 if number > 1 else 1
        expected[f"conv_block{number}.conv1.weight"] = (width, before, 3, 3)
        expected[f"conv_block{number}.conv2.weight"] = (width, width, 3, 3)
        norm(f"conv_block{number}.bn1", width)
        norm(f"conv_block{number}.bn2", width)
    assert shapes == expected


def test_the_front_end_of_the_panns() -> None:
    """Beside a plain NumPy one: power spectrum of periodic Hann frames, mel bands, decibels."""
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, 8000).astype(np.float32)
    padded = np.pad(samples.astype(np.float64), 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = [padded[i : i + 1024] * window for i in range(0, len(padded) - 1023, 320)]
    power = np.abs(np.fft.rfft(np.stack(frames))) ** 2
    expected = 10 * np.log10(
        np.maximum(power @ slaney_bands(64, 50, 14_000, 32_000).numpy(), 1e-10)
    )
    network = Panns("cnn10")
    with torch.inference_mode():
        spectrogram = network.spectrogram_extractor(torch.from_numpy(samples)[None])
        found = network.logmel_extractor(spectrogram)[0].T.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_slaney_bands() -> None:
    bands = slaney_bands(64, 50.0, 14_000.0, 32_000).numpy()
    assert bands.shape == (513, 64)
    hz = np.arange(513) * 31.25
    assert not bands[(hz < 50) | (hz > 14_000)].any()
    areas = bands[:, 20:].sum(axis=0) * 31.25  # narrow ones lie between the bins
    np.testing.assert_allclose(areas, 1.0, atol=0.1)


def test_cnn10_gives_its_embedding() -> None:
    with torch.inference_mode():
        features = Panns("cnn10").eval()(torch.zeros(2, 32_000))
    assert features.shape == (2, 512)
    assert (features >= 0).all()  # behind a ReLU


@pytest.mark.parametrize(
    ("bands", "frames", "stride"), [(128, 101, 2), (64, 50, 1), (128, 1000, 2)]
)
def test_the_small_network(bands: int, frames: int, stride: int) -> None:
    network = SmallCnn(CnnConfig(stride=stride)).eval()
    assert 1.5e6 < sum(p.numel() for p in network.parameters()) < 3e6
    with torch.inference_mode():
        assert network(torch.randn(2, 1, bands, frames)).shape == (2, 384)
