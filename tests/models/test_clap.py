"""CLAP folders of transformers, small and random, against transformers' own code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

from soundsearch.errors import UserError
from soundsearch.models.encoder import DualEncoder, load_model
from soundsearch.models.importing import import_model
from tests.models.published import tokenizer_files

RATE = 48_000


def clap_folder(folder: Path, safe: bool = True, **features: Any) -> Path:
    """As save_pretrained writes it. features: change preprocessor_config.json."""
    audio = {
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 2],
        "hidden_size": 128,
        "projection_dim": 24,
    }
    text = {
        "vocab_size": 266,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "projection_dim": 24,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=24))
        norm = model.audio_model.audio_encoder.batch_norm
        norm.running_mean += torch.randn(64) - 30.0  # decibels
        norm.running_var *= 200.0
    model.eval().save_pretrained(folder)
    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50)
    extractor.save_pretrained(folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, **features}))
    if not safe:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    tokenizer_files(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clap_folder(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> DualEncoder:
    data = tmp_path_factory.mktemp("data")
    report = import_model(data, "clap", [folder])
    assert report.layout == "clap"
    assert set(report.left_out) == {"logit_scale_a", "logit_scale_t"}
    return load_model(report.folder, "cpu")


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise with a tone, quiet at the end."""
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(size=len(t))
    wave = (0.1 * noise + 0.3 * np.sin(2 * np.pi * (300 + 50 * seed) * t)) * np.exp(-t / 4)
    return wave.astype(np.float32)


def theirs(folder: Path, sounds: list[np.ndarray]) -> np.ndarray:
    clap = ClapModel.from_pretrained(folder).eval()
    extractor = ClapFeatureExtractor.from_pretrained(folder)
    inputs = extractor(sounds, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        given = inputs["input_features"].float()
        features = clap.audio_projection(clap.audio_model(given).pooler_output)
        return functional.normalize(features, dim=-1).numpy()


def test_sounds_as_transformers_reads_them(folder: Path, model: DualEncoder) -> None:
    assert (model.rate, model.dim, model.segment_seconds) == (RATE, 24, 10.0)
    sounds = [sound(seconds, seed) for seed, seconds in enumerate((0.4, 3.0, 3.0, 7.0, 10.0))]
    vectors, segments = model.embed_audio(sounds)
    expected = theirs(folder, sounds)
    assert (expected @ expected.T).min() < 0.995  # the sounds differ in the first place
    np.testing.assert_array_less(0.9999, (vectors * expected).sum(1))
    np.testing.assert_allclose([len(parts) for parts in segments], 1)


def test_long_sounds_in_fixed_windows(folder: Path, model: DualEncoder) -> None:
    long = sound(23.0)
    windows = [long[start : start + 10 * RATE] for start in range(0, len(long), 10 * RATE)]
    expected = theirs(folder, windows)
    vectors, segments = model.embed_audio([long])
    np.testing.assert_array_less(0.9999, (segments[0] * expected).sum(1))
    mean = expected.mean(0)
    assert vectors[0] @ (mean / np.linalg.norm(mean)) > 0.9999
    np.testing.assert_array_equal(vectors, model.embed_audio([long])[0])


def test_captions_as_transformers_reads_them(folder: Path, model: DualEncoder) -> None:
    captions = ["A dog's bark, in the rain!", "rain", "", "dog " * 100]
    clap = ClapModel.from_pretrained(folder).eval()
    tokenizer = RobertaTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    for caption, vector in zip(captions, model.embed_text(captions), strict=True):
        ids = torch.tensor([tokenizer(caption, truncation=True, max_length=77)["input_ids"]])
        with torch.inference_mode():
            pooled = clap.text_model(ids, attention_mask=torch.ones_like(ids)).pooler_output
            expected = functional.normalize(clap.text_projection(pooled), dim=-1)[0].numpy()
        assert vector @ expected > 0.9999


def test_nothing_and_silence(model: DualEncoder) -> None:
    vectors, _ = model.embed_audio([np.zeros(0, np.float32), np.zeros(RATE, np.float32)])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def test_old_weights(folder: Path, model: DualEncoder, tmp_path: Path) -> None:
    """LAION's own files are pickles of torch."""
    old = clap_folder(tmp_path / "old", safe=False)
    report = import_model(tmp_path / "data", "clap", [old / "pytorch_model.bin"])
    again = load_model(report.folder, "cpu")
    np.testing.assert_array_equal(again.embed_text(["dog"]), model.embed_text(["dog"]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"truncation": "fusion"}, "feature fusion"),
        ({"sampling_rate": 44_100}, "sampling_rate 44100, not 48000"),
    ],
)
def test_other_claps_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    folder = clap_folder(tmp_path / "clap", **changes)
    with pytest.raises(UserError, match=said):
        import_model(tmp_path / "data", "clap", [folder])


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="is no model"):
        import_model(tmp_path / "data", "clap", [tmp_path])
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="type bert, not a CLAP"):
        import_model(tmp_path / "data", "clap", [tmp_path])
