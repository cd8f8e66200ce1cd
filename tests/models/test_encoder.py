"""Model folders and the dual encoder, on a small random model."""

import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soundsearch.errors import UserError
from soundsearch.models import devices, encoder, passt
from soundsearch.models.encoder import DualEncoder, build, load_model, padded_samples, save_model
from tests.models.small import small_config, small_model, small_tokenizer

RATE = 32_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def model(folder: Path) -> DualEncoder:
    return load_model(folder, "cpu")


def noise(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, samples).astype(np.float32)


def test_what_a_model_tells(model: DualEncoder) -> None:
    assert model.model_id.startswith("small-")
    assert (model.name, model.dim, model.rate, model.segment_seconds) == ("small", 16, RATE, 10.0)
    assert model.device == "cpu"


def test_a_sounds_vector_by_hand(folder: Path, model: DualEncoder) -> None:
    """Segments → mel → features → mean → linear → unit length, in plain calls."""
    sound = noise(23 * RATE)
    config = json.loads((folder / "model.json").read_text())
    module = build(config).eval()
    from safetensors.torch import load_file

    weights = load_file(folder / "weights.safetensors")
    module.load_state_dict({key: value.float() for key, value in weights.items()})
    features = []
    with torch.inference_mode():
        for start, length in ((0, 10), (10, 10), (20, 3)):
            part = sound[start * RATE : (start + length) * RATE]
            features.append(module.audio(module.front(torch.from_numpy(part)[None])))
        mean = torch.cat(features).mean(0)
        expected = module.audio_projection(mean)
        expected /= expected.norm()
        of_segments = module.audio_vectors(torch.cat(features))
    vectors, segments = model.embed_audio([sound])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[0], expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(segments[0], of_segments.numpy(), atol=1e-5)
    by_parts = model.segment_features([sound[: 10 * RATE], sound[10 * RATE :][: 10 * RATE]])
    np.testing.assert_allclose(by_parts, torch.cat(features)[:2].numpy(), atol=1e-4)


LENGTHS = [0, 1, 100, 20_000, RATE, RATE + 1, 99_999, 10 * RATE, 2 * RATE, RATE]


def test_the_batch_does_not_matter(model: DualEncoder) -> None:
    sounds = [noise(length, seed) for seed, length in enumerate(LENGTHS)]
    together, _ = model.embed_audio(sounds)
    alone = np.concatenate([model.embed_audio([sound])[0] for sound in sounds])
    assert (together * alone).sum(1).min() > 0.9999
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(together, model.embed_audio(sounds)[0])


def test_nothing_in_nothing_out(model: DualEncoder) -> None:
    assert model.segment_features([]).shape == (0, 32)
    vectors, segments = model.embed_audio([])
    assert (vectors.shape, segments) == ((0, 16), [])
    assert model.embed_text([]).shape == (0, 16)


def test_too_long_a_segment(model: DualEncoder) -> None:
    with pytest.raises(ValueError, match="a segment is"):
        model.segment_features([noise(10 * RATE + 1)])
    with pytest.raises(ValueError, match="a segment is"):
        model.segment_features([np.zeros((100, 2), np.float32)])


def test_texts(model: DualEncoder) -> None:
    texts = ["A dog's bark", "a dogs bark!", "rain", "", "kick " * 100, "日本"]
    vectors = model.embed_text(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 0.999
    alone = np.concatenate([model.embed_text([text]) for text in texts])
    assert (vectors * alone).sum(1).min() > 0.9999
    assert model.embed_text(["rain"] * 100).shape == (100, 16)


@pytest.mark.parametrize(
    ("seconds", "segment", "bucket", "none"),
    [
        (0.0, 10.0, 1.0, 514 / RATE),
        (0.3, 10.0, 1.0, 0.3),
        (1.0, 10.0, 1.0, 1.0),
        (1.2, 10.0, 1.5, 1.2),
        (3.5, 10.0, 4.0, 3.5),
        (8.5, 10.0, 10.0, 8.5),
        (10.0, 10.0, 10.0, 10.0),
    ],
)
def test_padding(seconds: float, segment: float, bucket: float, none: float) -> None:
    for padding, expected in (("segment", segment), ("bucket", bucket), ("none", none)):
        padded = padded_samples(round(seconds * RATE), RATE, 10.0, padding)
        assert padded == round(expected * RATE)
    assert padded_samples(RATE, RATE, 0.5, "bucket") == RATE // 2  # no longer than a segment


def test_padding_to_whole_segments_is_the_models_choice(tmp_path: Path) -> None:
    whole = load_model(small_model(tmp_path / "whole", padding="segment"), "cpu")
    sound = noise(RATE)
    padded = np.concatenate([sound, np.zeros(9 * RATE, np.float32)])
    features = whole.segment_features([sound, padded])
    np.testing.assert_allclose(features[0], features[1], atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "audio": {
                "embed_dim": 32,
                "depth": 1,
                "heads": 4,
                "img_size": [64, 500],
                "stride": [8, 8],
            }
        }
        | {"mel_pooling": 2},
        {"kind": "cnn", "audio": {"widths": [4, 8, 8, 8, 8], "dim": 24}},
        {"kind": "cnn", "audio": {"widths": [4, 8, 8], "dim": 24, "stride": 1}, "mel_pooling": 2},
    ],
)
def test_other_networks(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = load_model(small_model(tmp_path / "other", **changes), "cpu")
    vectors, _ = model.embed_audio([noise(100), noise(3 * RATE), noise(21 * RATE)])
    assert vectors.shape == (3, 16)
    assert np.isfinite(vectors).all()


def test_saving_keeps_what_was_there(tmp_path: Path, model: DualEncoder) -> None:
    config = small_config()
    torch.manual_seed(5)
    module = build(config).eval()
    save_model(tmp_path / "wide", module, config, small_tokenizer(), torch.float32)
    save_model(tmp_path / "narrow", module, config, small_tokenizer())
    sizes = [(tmp_path / n / "weights.safetensors").stat().st_size for n in ("wide", "narrow")]
    assert sizes[1] < 0.6 * sizes[0]
    assert module.audio_projection.weight.dtype == torch.float32
    wide, narrow = load_model(tmp_path / "wide", "cpu"), load_model(tmp_path / "narrow", "cpu")
    assert wide.model_id != narrow.model_id
    exact, rough = wide.embed_text(["rain"]), narrow.embed_text(["rain"])
    assert (exact @ rough.T).item() > 0.9999
    with torch.inference_mode():
        text = encoder.CaptionTokenizer(small_tokenizer())(["rain"])
        np.testing.assert_allclose(exact, module.text_vectors(*text).numpy(), atol=1e-5)


def _truncate(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def _other_sizes(folder: Path) -> None:
    settings = json.loads((folder / "model.json").read_text())
    settings["audio"]["depth"] = 3
    (folder / "model.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _other_sizes,
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (folder / "weights.safetensors").write_bytes(b""),
        lambda folder: (folder / "model.json").write_text("{}"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(folder: Path, tmp_path: Path, damage: Any) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    damage(broken)
    with pytest.raises(UserError) as caught:
        load_model(broken, "cpu")
    assert str(broken) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passt.passt_class.cache_clear()
    monkeypatch.setitem(sys.modules, "hear21passt.models.passt", None)
    with pytest.raises(UserError, match="hear21passt.*doctor"):
        load_model(folder, "cpu")


def test_threads_get_what_one_gets(model: DualEncoder) -> None:
    sounds = [noise(RATE, seed) for seed in range(4)]
    expected = model.embed_audio(sounds)[0], model.embed_text(["rain", "dog"])
    wrong: list[str] = []

    def work() -> None:
        for _ in range(5):
            if not np.array_equal(model.embed_audio(sounds)[0], expected[0]):
                wrong.append("audio")
            if not np.array_equal(model.embed_text(["rain", "dog"]), expected[1]):
                wrong.append("text")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_too_little_memory_halves_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = load_model(folder, "cpu")
    sounds = [noise(RATE, seed) for seed in range(7)]
    expected = model.segment_features(sounds)
    run, most = model._run_audio, 2

    def small_card(batch: np.ndarray) -> np.ndarray:
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(batch)

    monkeypatch.setattr(model, "_run_audio", small_card)
    np.testing.assert_allclose(model.segment_features(sounds), expected, atol=1e-5)
    most = 0
    with pytest.raises(UserError, match="memory"):
        model.segment_features(sounds)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.choose_device("cpu") == "cpu"
    assert devices.choose_device("auto") in ("cuda", "mps", "cpu")
    with pytest.raises(UserError, match="no device named tpu"):
        devices.choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.choose_device("auto") == "cpu"
    with pytest.raises(UserError, match="cuda can't be used here"):
        devices.choose_device("cuda")


def test_bfloat16_is_used_only_where_it_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(1000, 0, -1))  # seconds: each later run looks a little faster
    monkeypatch.setattr(devices, "_seconds", lambda device, work: float(next(seconds)))
    monkeypatch.setattr(devices, "GAIN", 0.5)
    agreeing = torch.nn.Linear(64, 8)
    assert devices.bfloat16_is_faster("cpu", agreeing, torch.randn(2, 64))
    differing = torch.nn.Sequential(_Step(), torch.nn.Linear(64, 8))
    assert not devices.bfloat16_is_faster("cpu", differing, torch.full((2, 64), 0.501))
    assert agreeing.weight.dtype == torch.float32
    monkeypatch.setattr(devices, "GAIN", 1e9)
    assert not devices.bfloat16_is_faster("cpu", agreeing, torch.randn(2, 64))


class _Step(torch.nn.Module):
    """Something bfloat16's eight bits are too few for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0.5005, x, -x)


def test_the_precision_can_be_chosen(folder: Path) -> None:
    exact: Any = load_model(folder, "cpu", "float32")
    rough: Any = load_model(folder, "cpu", "bfloat16")
    assert (exact._audio_dtype, rough._audio_dtype) == (torch.float32, torch.bfloat16)
    sounds = [noise(RATE)]
    one, other = exact.embed_audio(sounds)[0], rough.embed_audio(sounds)[0]
    assert 0.99 < (one @ other.T).item() < 1.0 - 1e-7


def test_batches_fit_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, cpu, card in ((None, 80.0, 640.0), (2**40, 80.0, 640.0), (0, 10.0, 10.0)):
        monkeypatch.setattr(devices, "_free_memory", lambda device, free=free: free)
        assert (devices.batch_seconds("cpu"), devices.batch_seconds("cuda")) == (cpu, card)
    monkeypatch.setattr(devices, "_free_memory", lambda device: 4_000_000_000)
    assert devices.batch_seconds("cuda") == 50.0
    assert devices.batch_seconds("cpu") == 50.0
