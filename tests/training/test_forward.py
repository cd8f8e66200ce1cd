"""The forward path of PaSST-N + roberta-large beside a plain implementation, on a real sound.

The plain one is written from the paper and the published code's documented behaviour, in NumPy's
and torch's elementary operations: no module of ours and none of hear21passt or transformers.
SOUNDSEARCH_FULL_DEPTH=1 runs it at full depth and width.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer

from soundsearch.audio.decode import load_mono
from soundsearch.models.encoder import load_model, save_model
from soundsearch.training.encoders import audio_settings, text_settings
from soundsearch.training.paper_task import PaperLearner, PaperSettings
from tests.models.small import small_tokenizer

RATE = 32_000
FULL = bool(os.environ.get("SOUNDSEARCH_FULL_DEPTH"))
Weights = dict[str, torch.Tensor]


def linear(x: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(x: torch.Tensor, weights: Weights, name: str, epsilon: float) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + epsilon).sqrt()
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """(N, D) each → (N, D), head by head."""
    size = q.shape[1] // heads
    parts = []
    for head in range(heads):
        at = slice(head * size, (head + 1) * size)
        scores = q[:, at] @ k[:, at].T / math.sqrt(size)
        scores = (scores - scores.max(1, keepdim=True).values).exp()
        parts.append(scores / scores.sum(1, keepdim=True) @ v[:, at])
    return torch.cat(parts, 1)


def log_mel(x: np.ndarray) -> np.ndarray:
    """(samples,) → (128, frames), in double precision."""
    x = x[1:].astype(np.float64) - 0.97 * x[:-1]
    padded = np.pad(x, 512, mode="reflect")
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 799)
    power = np.stack([
        np.abs(np.fft.rfft(padded[at : at + 1024] * window)) ** 2
        for at in range(0, len(padded) - 1023, 320)
    ], 1)  # fmt: skip

    def mel(hz: float) -> float:
        return 1127 * math.log(1 + hz / 700)

    step = mel(15_000) / 129
    bank = np.zeros((128, 513))
    for band in range(128):
        for k in range(512):
            distance = abs(mel(k * RATE / 1024) - (band + 1) * step)
            bank[band, k] = max(0.0, 1 - distance / step)
    return (np.log(bank @ power + 1e-5) + 4.5) / 5


def passt(mel: torch.Tensor, weights: Weights, depth: int, heads: int) -> torch.Tensor:
    """(128, 1000) → (D,): patches of 16 × 16, frequency outer."""
    kernel = weights["patch_embed.proj.weight"].flatten(1)  # (D, 256)
    time, frequency = weights["time_new_pos_embed"], weights["freq_new_pos_embed"]
    tokens = [
        weights["cls_token"][0, 0] + weights["new_pos_embed"][0, 0],
        weights["dist_token"][0, 0] + weights["new_pos_embed"][0, 1],
    ]
    for row in range(8):
        for column in range(62):
            patch = mel[16 * row : 16 * row + 16, 16 * column : 16 * column + 16].flatten()
            token = kernel @ patch + weights["patch_embed.proj.bias"]
            tokens.append(token + time[0, :, 0, column] + frequency[0, :, row, 0])
    x = torch.stack(tokens)  # (498, D)
    for block in range(depth):
        name = f"blocks.{block}"
        y = norm(x, weights, f"{name}.norm1", 1e-6)
        q, k, v = linear(y, weights, f"{name}.attn.qkv").chunk(3, 1)
        x = x + linear(attend(q, k, v, heads), weights, f"{name}.attn.proj")
        y = norm(x, weights, f"{name}.norm2", 1e-6)
        y = gelu(linear(y, weights, f"{name}.mlp.fc1"))
        x = x + linear(y, weights, f"{name}.mlp.fc2")
    x = norm(x, weights, "norm", 1e-6)
    return (x[0] + x[1]) / 2


def roberta(ids: list[int], weights: Weights, depth: int, heads: int) -> torch.Tensor:
    """The last layer's first vector; positions begin behind the padding's number, 1."""
    words = weights["embeddings.word_embeddings.weight"][ids]
    positions = weights["embeddings.position_embeddings.weight"][2 : 2 + len(ids)]
    x = words + positions + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, weights, "embeddings.LayerNorm", 1e-5)
    for layer in range(depth):
        name = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, weights, f"{name}.attention.self.{part}")
            for part in ("query", "key", "value")
        )
        y = linear(attend(q, k, v, heads), weights, f"{name}.attention.output.dense")
        x = norm(x + y, weights, f"{name}.attention.output.LayerNorm", 1e-5)
        y = gelu(linear(x, weights, f"{name}.intermediate.dense"))
        y = linear(y, weights, f"{name}.output.dense")
        x = norm(x + y, weights, f"{name}.output.LayerNorm", 1e-5)
    return x[0]


def part(weights: Weights, start: str) -> Weights:
    return {key.removeprefix(start): v for key, v in weights.items() if key.startswith(start)}


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm()


def settings() -> dict[str, Any]:
    small = {} if FULL else {"depth": 2, "embed_dim": 96, "heads": 4}
    text = {"vocab_size": 128, "num_hidden_layers": 2, "hidden_size": 64}
    text |= {"num_attention_heads": 4, "intermediate_size": 128}
    kind, audio = audio_settings("N", small)
    return {
        "name": "forward",
        "kind": kind,
        "dim": 1024,
        "rate": RATE,
        "segment_seconds": 10.0,
        "padding": "segment",
        "audio": audio,
        "text": text_settings("roberta-large", {} if FULL else text, 0.1, 32, True),
    }


def test_the_forward_path_is_the_papers(tmp_path: Path) -> None:
    torch.manual_seed(3)
    config = settings()
    learner = PaperLearner(config, PaperSettings()).eval()
    with torch.no_grad():
        for value in learner.dual.parameters():  # nothing is zero or one by chance
            value.add_(0.02 * torch.randn(value.shape))
    save_model(tmp_path / "model", learner.dual, config, small_tokenizer(), torch.float32)
    encoder = load_model(tmp_path / "model", "cpu")
    random = np.random.default_rng(1)
    times = np.arange(22 * 44_100) / 44_100  # three segments, the last filled by 2 s
    wave = 0.3 * np.sin(2 * np.pi * 220 * times * (1 + 0.01 * times))
    file = tmp_path / "sound.wav"
    soundfile.write(file, wave + 0.05 * random.standard_normal(len(wave)), 44_100)
    sound = load_mono(str(file), RATE)

    weights = {key: value.detach() for key, value in learner.dual.state_dict().items()}
    audio, text = part(weights, "audio."), part(weights, "text.network.")
    segments = []
    for start in range(0, len(sound), 10 * RATE):
        segment = np.zeros(10 * RATE, np.float32)
        filled = sound[start : start + 10 * RATE]
        segment[: len(filled)] = filled
        mel = torch.from_numpy(log_mel(segment)).float()
        segments.append(passt(mel, audio, config["audio"]["depth"], config["audio"]["heads"]))
    wanted = unit(linear(torch.stack(segments).mean(0), weights, "audio_projection"))
    found = torch.from_numpy(encoder.embed_audio([sound])[0][0])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    with torch.inference_mode():
        samples, length = torch.from_numpy(sound)[None], torch.tensor([len(sound)])
        samples = torch.nn.functional.pad(samples, (0, 30 * RATE - len(sound)))
        features = learner.audio_features(samples, length, learner.dual.front)
        torch.testing.assert_close(learner.audio_vectors(features)[0], wanted, atol=1e-4, rtol=0)

    caption = "A dog's bark, and wind!"
    ids = Tokenizer.from_str(small_tokenizer()).encode("a dogs bark and wind").ids
    layers = config["text"]["config"]["num_hidden_layers"]
    heads = config["text"]["config"]["num_attention_heads"]
    vector = roberta(ids, text, layers, heads)
    wanted = unit(linear(vector, weights, "text_projection"))
    found = torch.from_numpy(encoder.embed_text([caption])[0])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
