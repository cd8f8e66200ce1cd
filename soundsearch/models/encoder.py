"""The dual encoder: sounds and captions to vectors of one space; models as folders.

A model folder holds `model.json` (its settings), `weights.safetensors` and `tokenizer.json`, and
may hold `calibration.json` and `background.f16`. Order of a sound: segments → features → mean →
linear → unit length (Primus et al., "Advancing Natural-Language Based Audio Retrieval with PaSST
and Large Audio-Caption Data Sets", 2023, and its code).
"""

import json
import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from soundsearch.errors import UserError
from soundsearch.models.catalog import content_hash, read_entry
from soundsearch.models.cnn import PANNS_WIDTHS, CnnConfig, Panns, SmallCnn
from soundsearch.models.devices import batch_seconds, bfloat16_is_faster, choose_device
from soundsearch.models.mel import SHORTEST, LogMel
from soundsearch.models.passt import VARIANTS, Passt, PasstConfig
from soundsearch.models.starter import WindowedAudio
from soundsearch.models.starter_cnn import StarterCnn, StarterCnnConfig
from soundsearch.models.starter_passt import StarterPasst, StarterPasstConfig
from soundsearch.models.text import CaptionTokenizer, TextConfig, TextEncoder

BATCH_CAPTIONS = 64
_MADE_AT_ONCE = 64 << 20  # bytes of weights
# Lengths in seconds that short sounds are padded to: few, so that sounds can share a batch.
LADDER = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


class DualEncoder(Protocol):
    """What the rest of SoundSearch sees of a model: NumPy in, float32 NumPy out.

    Deterministic, whatever else is in the batch; calls from several threads are safe, and a text
    does not wait for a sound.
    """

    model_id: str
    name: str
    dim: int  # D
    rate: int  # samples/s
    segment_seconds: float
    device: str

    def segment_features(self, segments: list[np.ndarray]) -> np.ndarray:
        """Mono segments float32 (samples,), each at most one segment long → (N, F).

        Raises ValueError for longer ones.
        """

    def pool(self, features: np.ndarray) -> np.ndarray:
        """Features of one sound's segments (S, F) → its unit vector (D,)."""

    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Whole sounds float32 (samples,) → unit vectors (N, D), and of their segments (S, D)."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Captions → unit vectors (N, D)."""


class DualModel(nn.Module):
    """Both encoders and their projections, as trained.

    samples → front → mel → audio → features → audio_projection; ids → text → text_projection.
    """

    def __init__(self, config: dict[str, Any], for_use: bool = False) -> None:
        super().__init__()
        text = TextConfig(**config["text"])
        if config["kind"] == "clap":
            from soundsearch.models.clap import ClapAudio, ClapFront, ClapText

            settings = config["audio"]
            self.audio: Any = ClapAudio(settings)
            bands, low, high = (settings[key] for key in ("num_mel_bins", "low", "high"))
            self.front: Any = ClapFront(bands, low, high)
            self.text: Any = ClapText(text)
            # Its projections are part of its encoders: what they give is of the joint space.
            self.audio_projection: Any = nn.Identity()
            self.text_projection: Any = nn.Identity()
            return
        self.audio = _audio_encoder(config)
        # Some audio encoders have a front end of their own and take samples.
        from_mel = isinstance(self.audio, Passt | SmallCnn)
        self.front = Front(config.get("mel_pooling", 1)) if from_mel else nn.Identity()
        self.text = TextEncoder(text, plain=for_use)
        self.audio_projection = nn.Linear(self.audio.dim, config["dim"])
        self.text_projection = nn.Linear(self.text.dim, config["dim"])

    def audio_features(self, mel: torch.Tensor) -> torch.Tensor:
        """What `front` gives → (B, F)."""
        return self.audio(mel)

    def audio_vectors(self, features: torch.Tensor) -> torch.Tensor:
        """Features, or means of a sound's features, (B, F) → unit vectors (B, D)."""
        return functional.normalize(self.audio_projection(features), dim=-1)

    def text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Tokens (B, T) → unit vectors (B, D)."""
        return functional.normalize(self.text_projection(self.text(ids, mask)), dim=-1)


class Front(nn.Module):
    """Samples (B, n) to log-mel (B, 1, 128 / pooling, frames / pooling), means over squares."""

    def __init__(self, pooling: int) -> None:
        super().__init__()
        self.mel = LogMel()
        self.pooling = pooling

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        mel = self.mel(samples)
        return functional.avg_pool2d(mel, self.pooling) if self.pooling > 1 else mel


def build(config: dict[str, Any], for_use: bool = False) -> DualModel:
    """A model with random weights. for_use: not to be trained, see TextEncoder's `plain`.

    config, as in model.json:
    kind "passt" | "cnn" | "clap"; dim; rate; segment_seconds; padding "segment" (to a whole
    segment, as the published models do) | "bucket" (to the next length of a ladder) | "repeat" (the
    sound as often as it fits a segment, then zeros) | "none"; mel_pooling 1 | 2;
    audio {"network": "N" | "S" | "L" | "S20" | "cnn10" | "cnn14"}, or the fields of PasstConfig or
    CnnConfig, or {"network": "starter"} and those of StarterPasstConfig or StarterCnnConfig; text:
    the fields of TextConfig.
    """
    return DualModel(config, for_use)


def _audio_encoder(config: dict[str, Any]) -> Any:
    settings: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in config["audio"].items()
    }
    network = settings.pop("network", None)
    if network == "starter":
        return _starter_audio(config["kind"], settings)
    if config["kind"] == "passt":
        return Passt(VARIANTS[network] if network else PasstConfig(**settings))
    if config["kind"] == "cnn":
        return Panns(network) if network in PANNS_WIDTHS else SmallCnn(CnnConfig(**settings))
    raise ValueError(f"unknown kind of model {config['kind']!r}")


def _starter_audio(kind: str, settings: dict[str, Any]) -> WindowedAudio:
    if kind == "passt":
        return StarterPasst(StarterPasstConfig(**settings))
    return StarterCnn(StarterCnnConfig(**settings))


def padded_samples(samples: int, rate: int, segment_seconds: float, padding: str) -> int:
    """How long a segment of so many samples is made with zeros at its end."""
    whole = round(segment_seconds * rate)
    if padding in ("segment", "repeat"):
        return whole
    if padding == "none":
        return max(samples, SHORTEST)
    steps = (round(step * rate) for step in LADDER)
    return next((step for step in steps if samples <= step < whole), whole)


def save_model(
    folder: Path,
    module: DualModel,
    config: dict[str, Any],
    tokenizer_json: str,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes a model folder. config: build's, with name and, if known, licence, source, quality.

    model.json comes last: a folder without it is no model yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").unlink(missing_ok=True)
    weights = {
        key: value.detach().to("cpu", dtype if value.is_floating_point() else None).contiguous()
        for key, value in module.state_dict().items()
    }
    save_file(weights, folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)  # safetensors lets nobody else read it
    (folder / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    settings = {**config, "hash": content_hash(config, folder / "weights.safetensors")}
    part = folder / "model.json.part"
    part.write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, folder / "model.json")


def load_model(folder: Path, device: str = "auto", precision: str = "auto") -> DualEncoder:
    """Loads a model folder. device: "auto" (CUDA, MPS, CPU, whichever works), "cuda", "mps", "cpu";
    precision: "float32", "bfloat16", or "auto", the faster one where both agree.

    Raises UserError for a broken folder and for a device that can't be used.
    """
    chosen = choose_device(device)
    entry = read_entry(folder)
    try:
        config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        stored = folder / "weights.safetensors"
        # Large ones without values first: random ones take longer to make than weights to read.
        # Small ones not: for that torch imports its compiler, which takes seconds.
        large = stored.stat().st_size > _MADE_AT_ONCE
        with torch.device("meta" if large else "cpu"):
            module = build(config, for_use=True)
        weights = load_file(stored)
        module.load_state_dict({key: _wide(value) for key, value in weights.items()}, assign=True)
        del weights  # half as large as the model again, and copies are made below
        pad = module.text.network.config.pad_token_id
        text = module.text.config
        tokenizer = CaptionTokenizer(
            (folder / "tokenizer.json").read_text(encoding="utf-8"),
            text.tokens,
            pad,
            text.keep_end,
            text.clean,
        )
    except ImportError as error:
        raise UserError(
            f"A package that the model needs can't be imported ({error})",
            "soundsearch doctor says what to install",
        ) from error
    except Exception as error:  # safetensors and tokenizers raise plain Exceptions
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"The model in {folder} can't be loaded ({type(error).__name__}: {reason})",
            "Remove that folder, or put a complete model there",
        ) from error
    module.eval().requires_grad_(False)
    return TorchEncoder(module, tokenizer, config, entry.model_id, chosen, precision)


def _wide(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


class TorchEncoder:
    """The DualEncoder that runs a DualModel (in eval mode) on one device."""

    def __init__(
        self,
        module: DualModel,
        tokenizer: CaptionTokenizer,
        config: dict[str, Any],
        model_id: str,
        device: str,
        precision: str = "auto",
    ) -> None:
        self.model_id = model_id
        self.name: str = config["name"]
        self.dim: int = config["dim"]
        self.rate: int = config["rate"]
        self.segment_seconds: float = config["segment_seconds"]
        self.device = device
        self._padding: str = config["padding"]
        self._tokenizer = tokenizer
        self._audio_projection = _on_arrays(module.audio_projection)
        self._text_projection = _on_arrays(module.text_projection)
        self._features = module.audio.dim
        self._front = module.front.to(device)
        self._audio = module.audio.to(device)
        self._text = module.text.to(device)
        self._audio_dtype = self._text_dtype = torch.float32
        if precision == "bfloat16" or (
            precision == "auto" and bfloat16_is_faster(device, self._audio, self._probe_audio())
        ):
            self._audio_dtype = torch.bfloat16
            self._audio = self._audio.bfloat16()
            # Not worth a probe where the larger side is not.
            self._text_dtype = _text_dtype(device, self._text)
            self._text = self._text.to(self._text_dtype)
        self._audio_lock = threading.Lock()
        self._text_lock = threading.Lock()

    def segment_features(self, segments: list[np.ndarray]) -> np.ndarray:
        whole = round(self.segment_seconds * self.rate)
        lengths: dict[int, list[int]] = defaultdict(list)
        for row, samples in enumerate(segments):
            if samples.ndim != 1 or len(samples) > whole:
                raise ValueError(f"a segment is (samples,), at most {whole}, not {samples.shape}")
            length = padded_samples(len(samples), self.rate, self.segment_seconds, self._padding)
            lengths[length].append(row)
        features = np.empty((len(segments), self._features), np.float32)
        for length, rows in sorted(lengths.items()):
            most = max(1, int(batch_seconds(self.device) * self.rate / length))
            for start in range(0, len(rows), most):
                batch = rows[start : start + most]
                padded = np.zeros((len(batch), length), np.float32)
                for to, row in zip(padded, batch, strict=True):
                    _fill(to, segments[row], self._padding == "repeat")
                with self._audio_lock:
                    features[batch] = _in_halves(self._run_audio, padded)
        return features

    def pool(self, features: np.ndarray) -> np.ndarray:
        return self._project_audio(features.mean(axis=0, keepdims=True))[0]

    def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        whole = round(self.segment_seconds * self.rate)
        parts = [[s[i : i + whole] for i in range(0, max(1, len(s)), whole)] for s in sounds]
        features = self.segment_features([part for sound in parts for part in sound])
        ends = np.cumsum([len(sound) for sound in parts])[:-1]
        of_sounds = np.split(features, ends) if sounds else []
        vectors = np.empty((len(sounds), self.dim), np.float32)
        for row, of_sound in enumerate(of_sounds):
            vectors[row] = self.pool(of_sound)
        return vectors, [self._project_audio(of_sound) for of_sound in of_sounds]

    def embed_text(self, texts: list[str]) -> np.ndarray:
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), BATCH_CAPTIONS):
            ids, mask = self._tokenizer(texts[start : start + BATCH_CAPTIONS])
            with self._text_lock, torch.inference_mode():
                features = self._text(ids.to(self.device), mask.to(self.device))
                part = features.float().cpu().numpy()
            vectors[start : start + len(part)] = _unit(self._text_projection(part))
        return vectors

    def _project_audio(self, features: np.ndarray) -> np.ndarray:
        return _unit(self._audio_projection(features))

    def _run_audio(self, samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            mel = self._front(torch.from_numpy(samples).to(self.device))
            return self._audio(mel.to(self._audio_dtype)).float().cpu().numpy()

    def _probe_audio(self) -> torch.Tensor:
        """Noise as the front gives it: a second of it, and what fills a graphics card."""
        count, seconds = (1, 1.0) if self.device == "cpu" else (8, self.segment_seconds)
        shape = (count, round(seconds * self.rate))
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
        with torch.inference_mode():
            return self._front(torch.from_numpy(noise).to(self.device))


def _fill(to: np.ndarray, samples: np.ndarray, repeat: bool) -> None:
    """Puts the samples at the start of zeros, once or as often as they fit whole."""
    times = len(to) // len(samples) if repeat and len(samples) else 1
    to[: times * len(samples)] = np.tile(samples, times)


def _text_dtype(device: str, text: TextEncoder) -> torch.dtype:
    ids = torch.arange(12, device=device)[None] + 4
    faster = bfloat16_is_faster(device, text, ids, torch.ones_like(ids))
    return torch.bfloat16 if faster else torch.float32


def _in_halves(run: Callable[[np.ndarray], np.ndarray], batch: np.ndarray) -> np.ndarray:
    """Runs the batch, in halves when the device has too little memory for it."""
    try:
        return run(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise UserError(
                "The graphics card has too little free memory for this model", "Use --device cpu"
            ) from error
    torch.cuda.empty_cache()
    half = math.ceil(len(batch) / 2)
    return np.concatenate([_in_halves(run, batch[:half]), _in_halves(run, batch[half:])])


def _on_arrays(projection: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """A linear layer, or none, as a function. It is small: it needs no device and no lock.

    By torch: NumPy's threads would spin while the model runs and double its cost.
    """

    def project(features: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(projection(torch.from_numpy(features)).numpy())

    return project


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
