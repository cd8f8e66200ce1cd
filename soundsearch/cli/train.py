"""`soundsearch train CONFIG.toml`: a model from labelled or captioned sounds; goes on where it was
stopped. Under torchrun several processes train it together."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from soundsearch.cli.output import remark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a model by a configuration: resources/training/starter.toml, or one of the paper's "
        "beside it. A run that was stopped goes on where it was: delete its work folder to begin "
        "anew."
    )
    parser.add_argument("config", metavar="CONFIG.toml")


def run(args: argparse.Namespace) -> int:
    from soundsearch.training.configuration import read_configuration
    from soundsearch.training.processes import joined

    file = Path(args.config)
    by_the_paper = read_configuration(file).get("recipe") == "paper"
    with joined() as rank, _progress(args.quiet or rank > 0) as (report, watch):
        if by_the_paper:
            from soundsearch.training.paper import read_paper, train_paper

            folder = train_paper(read_paper(file), report, watch, rank)
        else:
            from soundsearch.training.starter import read_recipe, train_starter

            folder = train_starter(read_recipe(file), report, watch)
    if rank == 0:
        print(folder)
    return 0


@contextlib.contextmanager
def _progress(
    quiet: bool,
) -> Iterator[tuple[Callable[[str], None], Callable[[float, int], None]]]:
    """A bar with the lines above it on a terminal, the lines alone elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield (lambda line: remark(line, quiet)), (lambda done, step: None)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Preparing", total=None, rate="")
        recent: list[tuple[float, int]] = []

        def watch(done: float, step: int) -> None:
            if recent and step < recent[-1][1]:  # another stage has begun
                recent.clear()
            recent.append((time.monotonic(), step))
            del recent[:-50]
            seconds, steps = recent[-1][0] - recent[0][0], recent[-1][1] - recent[0][1]
            rate = f"{steps / seconds:.2f} steps/s" if seconds > 0 else ""
            bar.update(task, description=f"Step {step}", total=1.0, completed=done, rate=rate)

        yield (lambda line: bar.console.print(escape(line), highlight=False)), watch
