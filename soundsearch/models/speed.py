"""How fast models are on this machine, measured or estimated, and what a library will take.

Torch-free at import. `speed.json` in the data folder keeps what was measured; without it, it is
measured again. Every speed is in seconds of sound a second, sounds counted as long as the model
makes them: see `cost`.
"""

import contextlib
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from soundsearch.models.catalog import ModelEntry

FILE_NAME = "speed.json"
MEASURING = 2.0  # seconds, of the machine
LEAST_COST = 40.0  # seconds of sound: a scan of fewer tells little about the model
SHORTEST = 1.0  # seconds: where short sounds aren't padded to a segment, the least they are
_SEGMENT = 10.0  # seconds, that the known models' FLOP are told for
_DAY = 86_400.0
_SHAPE = (1000, 768, 3072)  # of the product: a large layer of a transformer on two segments


@dataclass(frozen=True)
class Machine:
    """The rates of a bare matrix product. device: cuda, mps or cpu; flops, bfloat16: FLOP/s in
    float32 and in bfloat16, the latter 0 where that is slower; when: Unix time of the measurement.
    """

    device: str
    flops: float
    when: float
    bfloat16: float = 0.0

    def speed(self, segment_flop: float, shares: tuple[float, float] = (1.0, 1.0)) -> float:
        """Estimated seconds of sound a second; segment_flop: of ten seconds of sound; shares: of
        both rates, that the network reaches."""
        reached = max(self.flops * shares[0], self.bfloat16 * shares[1])
        return _SEGMENT * reached / segment_flop


def cost(
    seconds: Iterable[float], whole_segments: bool, segment_seconds: float = _SEGMENT
) -> float:
    """Seconds of sound that a model works on for sounds of these lengths.

    whole_segments: it pads the last segment of a sound to its full length.
    """
    if whole_segments:
        return segment_seconds * sum(max(1, math.ceil(s / segment_seconds)) for s in seconds)
    return sum(max(SHORTEST, s) for s in seconds)


def cost_of_work(model: ModelEntry, segments: int, sound: float) -> float:
    """The same for what a model did: so many segments, sound seconds of it, each segment counted
    as SHORTEST at least."""
    return segments * model.segment_seconds if pads_to_segments(model.folder) else sound


def pads_to_segments(folder: Path) -> bool:
    """Whether the model in a folder pads every sound to whole segments."""
    try:
        settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return settings.get("padding") in ("segment", "repeat")
    except (OSError, ValueError, AttributeError):
        return True


def note_speed(data: Path, model_id: str, worked_on: float, seconds: float) -> None:
    """Keeps what a model did: worked_on seconds of sound (see cost) in seconds. Too little of it
    is passed over, and so is a data folder that can't be written."""
    if worked_on < LEAST_COST or seconds <= 0:
        return
    kept = _read(data)
    kept["models"][model_id] = {"speed": worked_on / seconds}
    _write(data, kept)


def measured_speed(data: Path, model_id: str) -> float | None:
    """Seconds of sound a second of a model when it ran last; None when it never did."""
    speed = _read(data)["models"].get(model_id, {}).get("speed")
    return float(speed) if isinstance(speed, int | float) and speed > 0 else None


def measured_machine(data: Path) -> Machine | None:
    """What `measure_machine` said last, unless that was more than a day ago."""
    with contextlib.suppress(TypeError, ValueError, KeyError):
        kept = _read(data)["machine"]
        machine = Machine(
            str(kept["device"]),
            float(kept["flops"]),
            float(kept["when"]),
            float(kept["bfloat16"]),
        )
        return machine if 0 <= time.time() - machine.when < _DAY else None
    return None


def measure_machine(data: Path, device: str = "auto") -> Machine:
    """Takes two seconds and the import of torch, in a process of its own; keeps the result.
    Raises UserError for a device that can't be used."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        machine = pool.submit(matrix_rates, device).result()
    kept = _read(data)
    kept["machine"] = asdict(machine)
    _write(data, kept)
    return machine


def matrix_rates(device: str) -> Machine:
    """Measures them in this process. Raises UserError: see measure_machine."""
    import torch

    from soundsearch.models.devices import choose_device

    chosen = choose_device(device)
    backend: Any = getattr(torch, chosen)

    def rate(shape: tuple[int, int, int], dtype: torch.dtype, limit: float) -> float:
        rows, inner, columns = shape
        one = torch.ones(rows, inner, device=chosen, dtype=dtype)
        other = torch.ones(inner, columns, device=chosen, dtype=dtype)
        taken = []
        end = time.perf_counter() + limit
        with torch.inference_mode():
            while True:
                began = time.perf_counter()
                one @ other
                if chosen != "cpu":
                    backend.synchronize()
                now = time.perf_counter()
                taken.append(max(now - began, 1e-9))
                if now > end:
                    # What lasts: the best of many is a moment that a clock misread, or a free one.
                    return 2.0 * rows * inner * columns / statistics.median(taken)

    flops, narrow = rate(_SHAPE, torch.float32, MEASURING / 2), 0.0
    with contextlib.suppress(RuntimeError):  # no bfloat16 on this device
        # Without hardware for it, bfloat16 may be 200 times slower: a small product tells.
        small = (128, 384, 384)
        if rate(small, torch.bfloat16, 0.05) > rate(small, torch.float32, 0.05):
            narrow = rate(_SHAPE, torch.bfloat16, MEASURING / 2)
    return Machine(chosen, flops, time.time(), narrow)


def _read(data: Path) -> dict[str, Any]:
    try:
        kept = json.loads((data / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    kept = kept if isinstance(kept, dict) else {}
    models = kept.get("models")
    models = models if isinstance(models, dict) else {}
    kept["models"] = {key: value for key, value in models.items() if isinstance(value, dict)}
    return kept


def _write(data: Path, kept: dict[str, Any]) -> None:
    """Nothing is lost when it can't: it is measured again."""
    with contextlib.suppress(OSError):
        data.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".new", f"{FILE_NAME}.", data)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
        os.replace(name, data / FILE_NAME)
