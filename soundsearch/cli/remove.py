"""`soundsearch remove FOLDER`."""

import argparse
import os

from soundsearch.cli.output import remark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Forget a folder. Its files stay as they are, and so do favourites, tags and embeddings: "
        "adding the folder again embeds nothing."
    )
    parser.add_argument("folder", metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    from soundsearch.library.catalog import Library
    from soundsearch.paths import data_folder

    with Library.open(data_folder(args.data), write=True) as library:
        library.remove_root(os.fsencode(os.path.abspath(args.folder)))
    remark(f"{args.folder} is no longer in the library.", args.quiet)
    return 0
