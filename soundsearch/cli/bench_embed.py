"""`soundsearch bench embed`: how much sound a second the model hears on this machine."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError

SEGMENTS = 8  # of full length, in one batch
ROUNDS = 3
QUERY = "a dog barks twice in the rain"


def measure_embed(args: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own, so that the peak memory is the model's. Raises UserError."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from soundsearch.models.catalog import find
    from soundsearch.models.speed import note_speed
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    entry = find(data, args.model)
    if entry is None:
        raise UserError("No model is installed", "soundsearch models list tells what can be had")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        figures = pool.submit(_measure, str(entry.folder), args.device).result()
    if args.device == "auto":  # as scans use it
        sound = SEGMENTS * entry.segment_seconds
        speed = figures[f"{figures['used']}, s of sound/s"]
        note_speed(data, entry.model_id, sound, sound / max(speed, 0.01))
    return figures


def _measure(folder: str, device: str) -> dict[str, Any]:
    import numpy as np

    from soundsearch.cli.bench import memory_figure
    from soundsearch.models.encoder import load_model

    began = time.perf_counter()
    chosen: Any = load_model(Path(folder), device)
    loading = time.perf_counter() - began
    figures: dict[str, Any] = {
        "model": chosen.name,
        "device": chosen.device,
        "loading s": round(loading, 2),
        "used": "bfloat16" if "bfloat16" in str(chosen._audio_dtype) else "float32",
    }
    length = round(chosen.segment_seconds * chosen.rate)
    random = np.random.default_rng(0)
    # Sounds of several kinds: coloured noise, a tone, clicks.
    kinds = [
        np.cumsum(random.normal(size=length)) / 300,
        random.normal(size=length) / 5,
        np.sin(np.arange(length) * 0.05) / 2,
        (random.random(length) > 0.9997) * 0.9,
    ]
    sounds = [np.clip(kinds[n % 4], -1, 1).astype(np.float32) for n in range(SEGMENTS)]
    began = time.perf_counter()
    chosen.embed_text([QUERY])
    chosen.embed_text([QUERY])
    figures["query ms"] = round(1e3 * (time.perf_counter() - began) / 2, 1)
    precisions = _precisions(chosen)
    del chosen

    encoders = {name: load_model(Path(folder), device, name) for name in precisions}
    ways: dict[str, Callable[[], np.ndarray]] = {
        name: lambda encoder=encoder: encoder.segment_features(sounds)  # type: ignore[misc]
        for name, encoder in encoders.items()
    }
    published = _hear21passt(Path(folder), sounds, encoders["float32"].device)
    if published is not None:
        ways["hear21passt float32"] = published
    given = {name: way() for name, way in ways.items()}  # warms up, too
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # in turn, so that a busy moment hits all alike
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    seconds = SEGMENTS * length / encoders["float32"].rate
    speeds = {name: seconds / statistics.median(times) for name, times in taken.items()}
    for name, speed in speeds.items():
        figures[f"{name}, s of sound/s"] = round(speed, 2)
    if "bfloat16" in given:
        figures["least cosine of bfloat16"] = round(_least(given["float32"], given["bfloat16"]), 5)
    figures |= _shares(encoders["float32"], speeds, device)
    if published is not None:
        theirs = given["hear21passt float32"]
        figures["least cosine of hear21passt"] = round(_least(given["float32"], theirs), 6)
        best = speeds[figures["used"]]
        figures["times hear21passt"] = round(best / speeds["hear21passt float32"], 2)
    return figures | memory_figure("peak memory MB, all of these")


def _precisions(encoder: Any) -> tuple[str, ...]:
    """A network with a front end of its own takes samples, and never runs in bfloat16."""
    from torch import nn

    takes_samples = isinstance(encoder._front, nn.Identity)
    return ("float32",) if takes_samples else ("float32", "bfloat16")


def _shares(encoder: Any, speeds: dict[str, float], device: str) -> dict[str, float]:
    """Of the rate of a bare matrix product, measured now, that the audio side reaches."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from soundsearch.models.speed import matrix_rates

    length = round(encoder.segment_seconds * encoder.rate)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        encoder._run_audio(torch.ones(1, length).numpy())
    flop = counter.get_total_flops() / encoder.segment_seconds
    machine = matrix_rates(device)
    figures = {"GFLOP a second of sound": round(flop / 1e9, 2)}
    for name, rate in (("float32", machine.flops), ("bfloat16", machine.bfloat16)):
        if rate and name in speeds:
            figures[f"matrix rate in {name}, GFLOP/s"] = round(rate / 1e9, 1)
            figures[f"share of it in {name}"] = round(speeds[name] * flop / rate, 2)
    return figures


def _least(one: Any, other: Any) -> float:
    import numpy as np

    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(1) / norms).min())


def _hear21passt(folder: Path, sounds: list[Any], device: str) -> Callable[[], Any] | None:
    """The published network's own forward on the same weights; None for other models."""
    import json

    import numpy as np
    import torch
    from safetensors.torch import load_file

    from soundsearch.models.mel import LogMel
    from soundsearch.models.passt import VARIANTS, PasstConfig, passt_class

    settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if settings["kind"] != "passt" or settings.get("mel_pooling", 1) != 1:
        return None
    audio = dict(settings["audio"])
    network = audio.pop("network", None)
    if network is not None and network not in VARIANTS:
        return None
    config = VARIANTS[network] if network else PasstConfig(**audio)
    published: Any = passt_class()
    sys.modules[published.__module__].first_RUN = False  # type: ignore[attr-defined]
    passt = published(
        img_size=tuple(config.img_size),
        stride=tuple(config.stride),
        num_classes=config.classes,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.heads,
        distilled=True,
    )
    stored = load_file(folder / "weights.safetensors")
    weights = {key.removeprefix("audio."): value.float() for key, value in stored.items()}
    passt.load_state_dict({key: weights[key] for key in passt.state_dict()})
    passt.eval().to(device)
    mel = LogMel().to(device)
    batch = torch.from_numpy(np.stack(sounds))

    def forward() -> Any:
        with torch.inference_mode():
            return passt(mel(batch.to(device)))[-1].float().cpu().numpy()

    return forward
