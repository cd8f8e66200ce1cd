"""Where a model runs, and in which precision."""

import copy
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from soundsearch.errors import UserError

AGREES = 0.999  # least cosine of bfloat16's features to float32's
WORTH = 0.02  # seconds: what is faster than that in float32 needs nothing else
MOST_ON_CPU = 80.0  # seconds of sound at once: more gains nothing there
MOST_ON_CARD = 640.0
LEAST = 10.0
SHARE = 0.25  # of the free memory that a batch may fill
BYTES_A_SECOND = 20_000_000  # of sound, in float32: more than the largest network here takes
GAIN = 1.3  # bfloat16 must be so many times faster: timings on a busy machine differ by less


def choose_device(wanted: str = "auto") -> str:
    """One of cuda, mps and cpu. Raises UserError for a device that is unknown or can't be used."""
    if wanted == "auto":
        return next((d for d in ("cuda", "mps") if _trouble(d) is None), "cpu")
    if wanted not in ("cuda", "mps", "cpu"):
        raise UserError(f"There is no device named {wanted}", "Use auto, cpu, cuda or mps")
    trouble = _trouble(wanted)
    if trouble:
        raise UserError(
            f"{wanted} can't be used here ({trouble})",
            "Use --device auto or cpu; soundsearch doctor says more",
        )
    return wanted


def _trouble(device: str) -> str | None:
    """Why the device can't be used; None when it can."""
    if device == "cpu":
        return None
    backend: Any = torch.cuda if device == "cuda" else torch.backends.mps
    with warnings.catch_warnings(record=True) as said:  # an old driver is told by a warning only
        warnings.simplefilter("always")
        if not backend.is_available():
            return str(said[0].message).split("\n")[0] if said else "torch finds none"
        try:
            # A card that this torch was not built for fails in its first kernel.
            (torch.ones(8, device=device) + 1).sum().item()
        except (RuntimeError, AssertionError) as error:
            return str(error).strip().split("\n")[0]
    return None


def batch_seconds(device: str) -> float:
    """How much sound the model may be given at once, by the memory that is free now."""
    free, most = _free_memory(device), MOST_ON_CARD if device == "cuda" else MOST_ON_CPU
    if free is None:
        return most
    return min(most, max(LEAST, free * SHARE / BYTES_A_SECOND))


def _free_memory(device: str) -> int | None:
    """Bytes, None where nobody says."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvail"))
    except (OSError, ValueError, StopIteration):
        return None


def bfloat16_is_faster(device: str, network: nn.Module, *inputs: torch.Tensor) -> bool:
    """Whether the network is well faster in bfloat16 on this machine, and agrees with float32.

    A small product is timed first: without hardware for it bfloat16 may be 200 times slower.
    inputs: of one example; the floating-point ones are given in bfloat16 too.
    """
    with torch.inference_mode():
        wide = torch.ones(128, 384, device=device)
        weight = torch.ones(384, 384, device=device)
        narrow, narrow_weight = wide.bfloat16(), weight.bfloat16()
        try:
            product = _seconds(device, lambda: wide @ weight)
            if product < GAIN * _seconds(device, lambda: narrow @ narrow_weight):
                return False
            before = _seconds(device, lambda: network(*inputs))
            if before < WORTH:
                return False
            copied = _narrow_copy(network)
            halved = [x.bfloat16() if x.is_floating_point() else x for x in inputs]
            exact, rough = network(*inputs), copied(*halved).float()
        except RuntimeError:  # no bfloat16 on this device, or of one of the operations
            return False
        cosine = nn.functional.cosine_similarity(exact, rough, dim=-1).min().item()
        if not cosine > AGREES:
            return False
        return before > GAIN * _seconds(device, lambda: copied(*halved))


def _narrow_copy(network: nn.Module) -> nn.Module:
    """In bfloat16, without a second copy in float32 on the way: that may be more than a GB."""
    narrow: dict[int, Any] = {}
    for parameter in network.parameters():
        if parameter.is_floating_point():
            narrow[id(parameter)] = nn.Parameter(parameter.bfloat16(), requires_grad=False)
    return copy.deepcopy(network, narrow).bfloat16()


def _seconds(device: str, work: Callable[[], Any]) -> float:
    """The shortest of three runs."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        if device != "cpu":
            getattr(torch, device).synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken)
