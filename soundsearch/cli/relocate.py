"""`soundsearch relocate OLD NEW`."""

import argparse
import os

from soundsearch.cli.output import remark
from soundsearch.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Tell that a folder of the library stands elsewhere now. Nothing is read or embedded again."
    )
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")


def run(args: argparse.Namespace) -> int:
    from soundsearch.library.catalog import Library
    from soundsearch.paths import data_folder

    if not os.path.isdir(args.new):
        raise UserError(f"{args.new} is not a folder", "Give the place where the sounds are now")
    with Library.open(data_folder(args.data), write=True) as library:
        library.relocate(
            os.fsencode(os.path.abspath(args.old)), os.fsencode(os.path.abspath(args.new))
        )
    remark(f"{args.old} is now {args.new}.", args.quiet)
    return 0
