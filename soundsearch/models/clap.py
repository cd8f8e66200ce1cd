"""CLAP of transformers: LAION's contrastive language-audio models.

Wu et al., "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and
Keyword-to-Caption Augmentation", 2023. Sounds are read in fixed windows of ten seconds, not at
random places as there; a shorter one is repeated as often as it fits, then silence follows.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from soundsearch.errors import UserError
from soundsearch.models.cnn import N_FFT, slaney_bands
from soundsearch.models.text import TextConfig

RATE = 48_000  # samples/s
SECONDS = 10.0  # of a window
HOP = 480  # samples
TOKENS = 77
_LOW, _HIGH = 50.0, 14_000.0  # Hz, as published
# Of transformers' settings those that shape nothing.
_IDLE = {
    "_name_or_path", "architectures", "dtype", "id2label", "label2id", "model_type", "torch_dtype",
    "transformers_version", "output_attentions", "output_hidden_states", "return_dict",
}  # fmt: skip


class ClapFront(nn.Module):
    """Log-mel in dB: float32 (B, samples) at 48 kHz → (B, 1, 1 + samples // 480, bands)."""

    def __init__(self, bands: int, low: float, high: float) -> None:
        super().__init__()
        with torch.device("cpu"):
            window, matrix = torch.hann_window(N_FFT), slaney_bands(bands, low, high, RATE)
        self.window: torch.Tensor
        self.bands: torch.Tensor
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", matrix, persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        with torch.autocast(samples.device.type, enabled=False):
            spectrum = torch.stft(
                samples.float(), N_FFT, HOP, window=self.window, return_complex=True
            )
            power = torch.view_as_real(spectrum).square().sum(-1)  # (B, 513, frames)
            mel = power.transpose(1, 2) @ self.bands  # (B, frames, bands)
            return 10.0 * mel.clamp(min=1e-10).log10()[:, None]


class ClapAudio(nn.Module):
    """Log-mel (B, 1, frames, bands) → unit vectors (B, dim). settings: of ClapAudioConfig, and
    "low" and "high", the bands' limits in Hz."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        from transformers.models.clap import modeling_clap

        config = modeling_clap.ClapAudioConfig(
            **{key: value for key, value in settings.items() if key not in ("low", "high")}
        )
        self.network = modeling_clap.ClapAudioModel(config)
        self.projection = modeling_clap.ClapProjectionLayer(config)
        self.dim = int(config.projection_dim)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        features = self.network(input_features=mel).pooler_output
        return functional.normalize(self.projection(features), dim=-1)


class ClapText(nn.Module):
    """Tokens to unit vectors: int64 ids and mask (B, T) → (B, dim)."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        from transformers.models.clap import modeling_clap

        self.config = config
        settings = modeling_clap.ClapTextConfig(**config.config)
        self.network = modeling_clap.ClapTextModel(settings)
        self.projection = modeling_clap.ClapProjectionLayer(settings)
        self.dim = int(settings.projection_dim)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        features = self.network(input_ids=ids, attention_mask=mask).pooler_output
        return functional.normalize(self.projection(features), dim=-1)


def clap_config(settings: dict[str, Any], features: dict[str, Any], where: str) -> dict[str, Any]:
    """model.json's settings from config.json and preprocessor_config.json. Raises UserError."""
    from transformers import ClapConfig

    if settings.get("model_type", "clap") != "clap":
        raise UserError(f"{where} holds a model of type {settings['model_type']}, not a CLAP")
    whole: Any = ClapConfig(
        **{key: value for key, value in settings.items() if key != "model_type"}
    )
    audio = {k: v for k, v in whole.audio_config.to_dict().items() if k not in _IDLE}
    text = {k: v for k, v in whole.text_config.to_dict().items() if k not in _IDLE}
    if audio["enable_fusion"] or features.get("truncation", "rand_trunc") == "fusion":
        raise UserError(
            f"{where} holds a CLAP with feature fusion, which can't be used here",
            "Use one without, such as laion/clap-htsat-unfused",
        )
    fixed = {"sampling_rate": RATE, "hop_length": HOP, "fft_window_size": N_FFT}
    for key, value in fixed.items():
        if features.get(key, value) != value:
            raise UserError(f"{where} holds a CLAP with {key} {features[key]}, not {value}")
    audio["low"] = float(features.get("frequency_min", _LOW))
    audio["high"] = float(features.get("frequency_max", _HIGH))
    return {
        "kind": "clap",
        "dim": whole.projection_dim,
        "rate": RATE,
        "segment_seconds": SECONDS,
        "padding": "repeat",
        "audio": audio,
        "text": {"architecture": "clap", "config": text, "tokens": TOKENS, "clean": False},
    }


def clap_keys(stored: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], list[str]]:
    """(tensors by our keys, keys left out) of transformers' state dict."""
    places = {
        "audio_model.": "audio.network.",
        "audio_projection.": "audio.projection.",
        "text_model.": "text.network.",
        "text_projection.": "text.projection.",
    }
    tensors, left_out = {}, []
    for key, value in stored.items():
        start = next((start for start in places if key.startswith(start)), None)
        if start is None:
            left_out.append(key)
        else:
            tensors[places[start] + key.removeprefix(start)] = value
    return tensors, left_out
