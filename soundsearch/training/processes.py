"""Several processes that train one model, as torchrun starts them, and what they share."""

import contextlib
import gc
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch
from torch import distributed


@contextlib.contextmanager
def joined() -> Iterator[int]:
    """Meets the other processes that torchrun started, if it did; gives this one's rank."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl"
    # The first process validates while the others wait.
    distributed.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield distributed.get_rank()
    finally:
        leave()


def leave() -> None:
    """Parts from the other processes."""
    gc.collect()  # what holds the group still would end after its threads, and crash
    distributed.destroy_process_group()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, x.contiguous())
        context.rows = len(x)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (gradient,) = gradients
        gradient = gradient.contiguous()
        distributed.all_reduce(gradient)
        start = distributed.get_rank() * context.rows
        return gradient[start : start + context.rows]


def gather(x: torch.Tensor, processes: int) -> torch.Tensor:
    """Rows (B, D) of each process, as many in all of them → rows of all (processes · B, D).

    The gradient of a row is the sum of what all processes ask of it. Where all of them compute the
    same loss and average their gradients, that is the whole batch's gradient.
    """
    return x if processes == 1 else _Gather.apply(x)


def largest(value: int, processes: int, device: str) -> int:
    """The largest of the processes' values."""
    if processes == 1:
        return value
    shared = torch.tensor([value], device=device)
    distributed.all_reduce(shared, distributed.ReduceOp.MAX)
    return int(shared)
