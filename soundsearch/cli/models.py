"""`soundsearch models list`."""

import argparse

from soundsearch.cli.output import print_json, remark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "The models that are here. A model is a folder in the data folder's models."
    )
    parser.add_argument("action", choices=("list",), nargs="?", default="list")


def run(args: argparse.Namespace) -> int:
    from soundsearch.models.catalog import installed
    from soundsearch.paths import data_folder

    entries = installed(data_folder(args.data))
    if args.json:
        print_json(
            [
                {
                    "name": entry.name,
                    "installed": True,
                    "bytes": entry.bytes,
                    "licence": entry.licence,
                    "source": entry.source,
                    "quality": entry.quality,
                }
                for entry in entries
            ]
        )
        return 0
    for entry in entries:
        print(f"{entry.name}\t{entry.bytes / 1e6:.0f} MB\t{entry.licence}")
    if not entries:
        remark("No model is installed: sounds are found by name only.", args.quiet)
    return 0
