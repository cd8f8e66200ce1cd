"""The training loop: plain PyTorch, one function that can be read from top to bottom.

What is learnt is a task's business (`starter_task`, `paper_task`); the loop has the schedule, the
optimizer, the processes, checkpoints and the log. Everything random follows from the seed and the
step's number, so a run that was killed goes on as if nothing had been.
"""

import csv
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import distributed, nn

Report = Callable[[str], None]
Watch = Callable[[float, int], None]  # how much of the schedule is done 0…1, steps


@dataclass(frozen=True)
class Schedule:
    """How a run goes, whatever is learnt.

    epochs; minutes: of wall time after which the schedule has run down, whatever the epochs;
    warmup: share of the run in which the rate rises to learning_rate; then it falls along half a
    cosine, which reaches `floor` at the share `cosine_end`; weight_decay: of AdamW (0: Adam);
    clip: largest norm of the gradients, 0 for none; precision: "float32", "bfloat16", "float16"
    (the last with gradient scaling); checkpoint_every: steps between rows of the log, at most an
    epoch.
    """

    epochs: int = 3
    minutes: float = 0.0
    batch: int = 96
    learning_rate: float = 2e-3
    warmup: float = 0.05
    cosine_end: float = 1.0
    floor: float = 0.0
    weight_decay: float = 0.01
    clip: float = 2.0
    precision: str = "float32"
    checkpoint_every: int = 100
    seed: int = 1


@dataclass(frozen=True)
class Place:
    """Where a step runs: one of so many processes, on a device, in a precision."""

    rank: int
    processes: int
    device: str
    precision: str

    def autocast(self) -> AbstractContextManager[Any]:
        reduced = self.precision != "float32"
        return torch.autocast(self.device, getattr(torch, self.precision), enabled=reduced)


class Task(Protocol):
    """What is learnt, from what."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the losses."""

    @property
    def learner(self) -> nn.Module:
        """All that is trained; its first values follow from the seed."""

    def steps_an_epoch(self, processes: int) -> int: ...

    def batches(self, first: int, place: Place) -> Iterator[Any]:
        """Endless: the batches of this process from step `first` on."""

    def losses(self, batch: Any, place: Place) -> dict[str, torch.Tensor]:
        """Scalars; their sum is minimised. Gradients are averaged over the processes."""


T = TypeVar("T", bound=Task)


class Run(Generic[T]):
    """A run in a folder: log.csv, last.pt (to go on from), best.pt (by validation).

    Where `torch.distributed` is set up, each process takes batches of its own, gradients are
    averaged and the first process writes: on busy cores single threads wait less for each other.
    """

    def __init__(self, folder: Path, settings: Schedule, task: T) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.settings, self.task = folder, settings, task
        together = distributed.is_available() and distributed.is_initialized()
        self.place = Place(
            distributed.get_rank() if together else 0,
            distributed.get_world_size() if together else 1,
            "cuda" if torch.cuda.is_available() else "cpu",
            settings.precision,
        )
        task.learner.to(self.place.device)
        self.optimizer = torch.optim.AdamW(
            task.learner.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        scaled = settings.precision == "float16"
        self.scaler = torch.amp.GradScaler(self.place.device, enabled=scaled)
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        self._board: Any = None  # False: not installed
        self.steps_an_epoch = task.steps_an_epoch(self.place.processes)
        if not self.steps_an_epoch:
            raise ValueError("there is less to learn from than a batch")
        self._every = min(settings.checkpoint_every, self.steps_an_epoch)
        if (folder / "last.pt").exists():
            self._resume(torch.load(folder / "last.pt", map_location=self.place.device))

    @property
    def done(self) -> float:
        """How much of the schedule lies behind, 0…1."""
        share = self.step / (self.settings.epochs * self.steps_an_epoch)
        if self.settings.minutes:
            share = max(share, self.seconds / (60.0 * self.settings.minutes))
        return min(share, 1.0)

    def train(
        self,
        validate: Callable[[], float] | None = None,
        report: Report = lambda line: None,
        watch: Watch = lambda done, step: None,
        stop_after: int | None = None,
    ) -> None:
        """Steps until the schedule has run down (or `stop_after` steps, as a killed run would).

        validate gives the figure that best.pt is chosen by, after each epoch and at the end.
        """
        began, before = time.monotonic(), self.seconds
        batches = self.task.batches(self.step, self.place)
        recent: list[dict[str, torch.Tensor]] = []
        while self.done < 1.0 and (stop_after is None or self.step < stop_after):
            recent.append(self._one_step(next(batches)))
            self.step += 1
            self.seconds = self._shared(before + time.monotonic() - began)
            last = self.done >= 1.0
            watch(self.done, self.step)
            if (self.step % self._every == 0 or last) and self.place.rank == 0:
                means = {key: float(np.mean([float(r[key]) for r in recent])) for key in recent[0]}
                row = {"step": self.step, "seconds": round(self.seconds, 1), **means}
                if validate and (last or self._epoch_ends()):
                    row["validation"] = self._validated(validate)
                self._log(row)
                report("  ".join(f"{k} {v:.4g}" for k, v in row.items()))
                recent = []
                self._save("last.pt")
        if self.place.processes > 1:
            distributed.barrier()  # who goes on finds the last checkpoints written

    def _one_step(self, batch: Any) -> dict[str, torch.Tensor]:
        settings, learner = self.settings, self.task.learner.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.done)
        losses = self.task.losses(batch, self.place)
        loss = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        # Before unscaling: what overflowed in one process must be seen by all.
        self._average_gradients()
        self.scaler.unscale_(self.optimizer)
        if settings.clip:
            nn.utils.clip_grad_norm_(learner.parameters(), settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return {"loss": loss.detach(), **{k: v.detach() for k, v in losses.items()}}

    def _shared(self, seconds: float) -> float:
        """The first process's clock, so that all end together."""
        if self.place.processes == 1:
            return seconds
        clock = torch.tensor([seconds], dtype=torch.float64, device=self.place.device)
        distributed.broadcast(clock, 0)
        return float(clock)

    def _average_gradients(self) -> None:
        if self.place.processes > 1:
            owned = [p.grad for p in self.task.learner.parameters() if p.grad is not None]
            flat = torch.cat([gradient.ravel() for gradient in owned])
            distributed.all_reduce(flat)
            flat /= self.place.processes
            sizes = [gradient.numel() for gradient in owned]
            for gradient, part in zip(owned, flat.split(sizes), strict=True):
                gradient.copy_(part.view_as(gradient))

    def _epoch_ends(self) -> bool:
        return self.step // self.steps_an_epoch > (self.step - self._every) // self.steps_an_epoch

    def _validated(self, validate: Callable[[], float]) -> float:
        self.task.learner.eval()
        value = validate()
        if value > self.best:
            self.best = value
            self._save("best.pt")
        return value

    def _save(self, name: str) -> None:
        state = {
            "learner": self.task.learner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "settings": asdict(self.settings),
        }
        torch.save(state, self.folder / f"{name}.part")
        os.replace(self.folder / f"{name}.part", self.folder / name)

    def _resume(self, state: dict[str, Any]) -> None:
        self.task.learner.load_state_dict(state["learner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]

    def _log(self, row: dict[str, float]) -> None:
        path = self.folder / "log.csv"
        names = ["step", "seconds", "loss", *self.task.columns, "validation"]
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
        if self._board is None:
            self._board = _tensorboard(self.folder)
        if self._board:
            for name in row.keys() - {"step"}:
                self._board.add_scalar(name, row[name], int(row["step"]))


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return False
    return SummaryWriter(str(folder))


def learning_rate(schedule: Schedule, done: float) -> float:
    """Linear warm-up from 0, then half a cosine that is down at `floor` at `cosine_end`."""
    largest, warmup = schedule.learning_rate, schedule.warmup
    if done < warmup:
        return largest * (done + 1e-3) / (warmup + 1e-3)
    fallen = min(1.0, (done - warmup) / (schedule.cosine_end - warmup))
    share = 0.5 * (1.0 + math.cos(math.pi * fallen))
    return schedule.floor + (largest - schedule.floor) * share
