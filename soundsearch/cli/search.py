"""`soundsearch search QUERY` and `soundsearch search --queries FILE`."""

import argparse
import time
from pathlib import Path

from soundsearch.cli.output import answer_as_json, print_answer, print_json, remark
from soundsearch.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        'Rank the sounds of the library. In a query, -word excludes, "exact words" must stand in '
        "the text, and dur:<2 dur:1-5 rate:96000 ch:2 format:flac folder:drums tag:x is:fav "
        "filter. A query that begins with a minus stands after --."
    )
    parser.add_argument("query", nargs="*", metavar="QUERY")
    parser.add_argument("--queries", metavar="FILE", help="one query a line, answered in order")
    parser.add_argument(
        "--by", choices=("both", "name", "sound"), default="both", help="what the ranking uses"
    )
    parser.add_argument(
        "--exact", action="store_true", help="compare with every sound, in large libraries too"
    )
    parser.add_argument(
        "--takes", action="store_true", help="every take (footstep_01, footstep_02) in its own row"
    )


def run(args: argparse.Namespace) -> int:
    from soundsearch.paths import data_folder
    from soundsearch.search.query import parse
    from soundsearch.worker.engine import Engine

    if args.query and args.queries:
        raise UserError("Give either a query or --queries FILE, not both")
    if not (args.query or args.queries):
        raise UserError("A query is missing", 'For example: soundsearch search "kick drum"')
    queries = _lines(args.queries) if args.queries else [" ".join(args.query)]
    with Engine(data_folder(args.data), model=args.model, device=args.device) as engine:
        if engine.model_name is None and args.by == "sound":
            raise UserError("No model is installed, so nothing is known of how things sound")
        if engine.model_name is None:
            remark("No model is installed: ranked by name only.", args.quiet)
        if engine.model_warning and args.by != "name":
            remark(f"The model {engine.model_name}: {engine.model_warning}", args.quiet)
        for text in queries:
            query = parse(text)
            if args.by != "name" and not query.browses:
                engine.prepare(query)
            began = time.perf_counter()
            answer = engine.search(
                query, args.count, by=args.by, takes=args.takes, exact=args.exact
            )
            seconds = time.perf_counter() - began
            if args.json:
                print_json(answer_as_json(text, engine.model_name, seconds, answer))
            else:
                if args.queries:
                    print(f"# {text}")
                print_answer(answer)
    return 0


def _lines(file: str) -> list[str]:
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"The queries can't be read from {file} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is not text in UTF-8", "Save it as UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
