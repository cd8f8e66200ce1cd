"""`soundsearch similar FILE`."""

import argparse
import math
import os
import time

from soundsearch.cli.output import answer_as_json, print_answer, print_json
from soundsearch.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Sounds like the given file, or like a part of it; any file on disk does."
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--start", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--end", type=float, default=None, metavar="SECONDS")
    parser.add_argument(
        "--exact", action="store_true", help="compare with every sound, in large libraries too"
    )


def run(args: argparse.Namespace) -> int:
    from soundsearch.paths import data_folder
    from soundsearch.search.query import Example, Query
    from soundsearch.worker.engine import Engine

    # Written so that "nan" fails too.
    if not 0 <= args.start < math.inf or not (args.end is None or args.end > args.start):
        raise UserError("The region is empty", "--end must be greater than --start")
    with Engine(data_folder(args.data), model=args.model, device=args.device) as engine:
        if engine.model_name is None:
            raise UserError("No model is installed, so nothing is known of how things sound")
        end = None if args.end == math.inf else args.end
        example = Example(path=os.fsencode(args.file), start=args.start, end=end)
        query = Query(examples=(example,))
        engine.prepare(query)
        began = time.perf_counter()
        answer = engine.search(query, args.count, exact=args.exact)
        seconds = time.perf_counter() - began
        if args.json:
            print_json(answer_as_json(args.file, engine.model_name, seconds, answer))
        else:
            print_answer(answer)
    return 0
