"""`soundsearch scan [FOLDER…]`."""

import argparse
import os
import sys
import time
from pathlib import Path

from soundsearch.cli.output import print_json, remark
from soundsearch.errors import UserError
from soundsearch.scan.pipeline import Progress, ScanReport

LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Add folders to the library and index their sounds; without folders, look for changes in "
        "all of them. Nothing is ever written into the folders."
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    if "" in args.folders:  # an unset variable of a script does not mean the folder one is in
        raise UserError("A folder's name is empty", "Give a folder of sounds")
    report = scan_folders(args, args.folders)
    if args.json:
        print_json(report.as_json())
    return 0


def scan_folders(args: argparse.Namespace, folders: list[str]) -> ScanReport:
    """Scans with a progress bar on a terminal and a line every few seconds elsewhere."""
    from soundsearch.paths import data_folder
    from soundsearch.worker.engine import Engine

    data: Path = data_folder(args.data)
    with Engine(data, model=args.model, device=args.device, write=True) as engine:
        if args.quiet:
            report = engine.scan(folders)
        elif sys.stderr.isatty():
            report = _with_bar(engine, folders)
        else:
            report = _with_lines(engine, folders)
        for notice in engine.notices:
            remark(notice)
        named_only = engine.model_name is None
        if engine.unindexed:
            remark(f"Adding {engine.unindexed} vectors to the index…", args.quiet)
        engine.finish_index()
    remark(_summary(report), args.quiet)
    if named_only:
        remark("No model is installed: sounds are indexed by name only.", args.quiet)
    return report


def _with_bar(engine, folders: list[str]) -> ScanReport:  # type: ignore[no-untyped-def]
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Looking through folders", total=None, rate="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description="Indexing" if progress.files else "Looking through folders",
                total=progress.files or None,
                completed=progress.done,
                rate=f"{progress.rate:.0f} files/s" if progress.rate else "",
            )

        return engine.scan(folders, on_progress=show)


def _with_lines(engine, folders: list[str]) -> ScanReport:  # type: ignore[no-untyped-def]
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY and progress.files:
            last = time.monotonic()
            left = "" if progress.left is None else f", about {progress.left:.0f} s left"
            remark(f"{progress.done} of {progress.files} files, {progress.rate:.0f}/s{left}")

    return engine.scan(folders, on_progress=show)


def _summary(report: ScanReport) -> str:
    parts = [f"{report.files} files", f"{report.new} new", f"{report.unchanged} unchanged"]
    parts += [f"{report.moved} moved"] if report.moved else []
    parts += [f"{report.missing} missing"] if report.missing else []
    parts += [f"{report.failed} failed (see: soundsearch failures)"] if report.failed else []
    lines = [", ".join(parts) + f"; {report.embedded} embedded in {report.seconds:.1f} s"]
    lines += [f"{os.fsdecode(old)} is {os.fsdecode(new)} now" for old, new in report.relocated]
    lines += [f"Away: {os.fsdecode(path)}" for path in report.offline]
    lines += [f"Not readable: {os.fsdecode(path)}" for path in report.unreadable]
    return "\n".join(lines)
