"""`soundsearch augment-captions CLOTHO OUT.json`: captions reworded by a language model."""

import argparse
import os
import sys
import time
from pathlib import Path

from soundsearch.cli.output import remark
from soundsearch.errors import UserError

ADDRESS, KEY = "SOUNDSEARCH_LLM_URL", "SOUNDSEARCH_LLM_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Ask a language model for five variations of every caption of ClothoV2, with the "
        f"recording's keywords, as the paper did. The endpoint is named by {ADDRESS} (OpenAI's "
        f"protocol, up to and including /v1), its key by {KEY}. A run that was cut goes on."
    )
    parser.add_argument("clotho", metavar="CLOTHO", help="folder with the captions' table")
    parser.add_argument("out", metavar="OUT.json", help="the variations, as training reads them")
    parser.add_argument("--llm", metavar="NAME", default="gpt-3.5-turbo", help="the language model")
    parser.add_argument("--split", default="development", help="of ClothoV2 (development)")
    parser.add_argument("--per-minute", type=float, default=60.0, help="most requests (60)")
    parser.add_argument("--limit", type=int, help="ask for so many captions only")


def run(args: argparse.Namespace) -> int:
    from soundsearch.training.variations import Endpoint, augment

    address = os.environ.get(ADDRESS, "")
    if not address:
        raise UserError("No endpoint is named", f"Set {ADDRESS}, say to http://localhost:8000/v1")
    if args.per_minute <= 0:
        raise UserError("--per-minute takes a number above 0")
    endpoint = Endpoint(address, os.environ.get(KEY, ""), args.llm, args.per_minute)
    last = 0.0

    def report(done: int, of: int) -> None:
        nonlocal last
        if not args.quiet and (time.monotonic() - last > 5.0 or done == of):
            last = time.monotonic()
            end = "\r" if sys.stderr.isatty() and done < of else "\n"
            print(f"{done} of {of} captions", file=sys.stderr, end=end, flush=True)

    target = Path(args.out)
    outcome = augment(Path(args.clotho), target, endpoint, args.split, args.limit, report)
    remark(f"{outcome.asked} asked, {outcome.kept} were there before", args.quiet)
    if outcome.refused:
        remark(f"{outcome.refused} answers had fewer than five sentences and are left out")
    print(target)
    return 0
