"""`soundsearch failures [--retry]`."""

import argparse

from soundsearch.cli.output import display, print_json, remark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Files that could not be used, and why."
    parser.add_argument(
        "--retry", action="store_true", help="first read those again that may be readable now"
    )


def run(args: argparse.Namespace) -> int:
    from soundsearch.library.catalog import Library
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    if args.retry:
        from soundsearch.worker.engine import Engine

        with Engine(data, model=args.model, device=args.device, write=True) as engine:
            report = engine.scan([], retry=True)
    with Library.open(data, write=False) as library:
        failures = library.failures()
    if args.retry:
        # Also those that were not read again, since reading would say the same.
        still = f", {len(failures)} still fail{'s' if len(failures) == 1 else ''}"
        remark(f"{report.embedded} embedded{still if failures else ''}.", args.quiet)
    if args.json:
        print_json(
            [{"path": display(f.path), "reason": f.reason, "retry": f.retry} for f in failures]
        )
        return 0
    for failure in failures:
        print(f"{display(failure.path)}\t{failure.reason}")
    if not failures:
        remark("No file failed.", args.quiet)
    return 0
