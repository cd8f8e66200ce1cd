"""`soundsearch demo`: the synthesised sounds, to try everything without sounds of one's own."""

import argparse
import multiprocessing
from pathlib import Path

from soundsearch.cli.output import remark
from soundsearch.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the synthesised demo sounds, add their folder to the library, and open the window."
    )
    parser.add_argument("folder", nargs="?", metavar="DIR", help="where to (default: data folder)")
    parser.add_argument("--no-window", action="store_true", help="index at once instead")
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other sounds")


def run(args: argparse.Namespace) -> int:
    from soundsearch.cli.scan import scan_folders
    from soundsearch.demo import synth
    from soundsearch.paths import data_folder

    folder = Path(args.folder) if args.folder else data_folder(args.data) / "demo"
    synth.write(folder, seed=args.seed)
    remark(f"The demo sounds are in {folder}.", args.quiet)
    if args.no_window:
        scan_folders(args, [str(folder)])
        return 0
    from soundsearch.window import app

    args.add_folder = str(folder)
    args.write_demo = write_apart
    return app.run(args)


def write_apart(folder: Path) -> None:
    """Writes the demo sounds in a process of its own: the window's loads no audio library.

    Raises UserError when they can't be written.
    """
    process = multiprocessing.get_context("spawn").Process(target=_write, args=(str(folder),))
    process.start()
    process.join()
    if process.exitcode:
        raise UserError(f"{folder} can't be written")


def _write(folder: str) -> None:
    from soundsearch.demo import synth

    synth.write(folder)
