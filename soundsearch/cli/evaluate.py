"""`soundsearch evaluate CLIPS.csv QUERIES.csv`: how well a model finds, in tables or as JSON.
`soundsearch evaluate --table 3`: a table of the paper from the checkpoints that are here."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundsearch.cli.output import print_json, remark
from soundsearch.errors import UserError

if TYPE_CHECKING:
    from soundsearch.training.evaluate import Report
    from soundsearch.training.tables import Measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Rank labelled clips for labelled queries and measure how high the right ones stand. "
        "CLIPS.csv has the columns path, split, set, label, tags, source_repo, ship; QUERIES.csv "
        "query, set, kind, relevant. With --table: the paper's table from the runs that "
        "`soundsearch train` left, measured on ClothoV2's evaluation split."
    )
    parser.add_argument("clips", metavar="CLIPS.csv", nargs="?")
    parser.add_argument("queries", metavar="QUERIES.csv", nargs="?")
    parser.add_argument("--table", type=int, choices=(3, 4), help="a table of the paper")
    parser.add_argument("--configs", metavar="DIR", help="the rows' configurations, for --table")
    parser.add_argument("--split", default="dev", help="which clips are searched (dev)")
    parser.add_argument("--worst", type=int, default=10, metavar="N", help="list the N worst")
    parser.add_argument("--no-names", action="store_true", help="leave out the search by name")
    parser.add_argument("--reliability", metavar="FILE.png", help="draw the reliability diagram")


def run(args: argparse.Namespace) -> int:
    if args.table is not None:
        return _run_table(args)
    if args.queries is None:
        raise UserError("CLIPS.csv and QUERIES.csv are needed", "Or a table of the paper: --table")
    from soundsearch.models.catalog import find
    from soundsearch.models.encoder import load_model
    from soundsearch.paths import data_folder
    from soundsearch.search.calibration import Calibration
    from soundsearch.training.calibrate import draw_reliability
    from soundsearch.training.data import read_clips, read_queries
    from soundsearch.training.evaluate import ask, embed_clips, evaluate, file_names

    entry = find(data_folder(args.data), args.model)
    if entry is None:
        raise UserError("No model is installed, so there is nothing to measure")
    clips = [clip for clip in read_clips(Path(args.clips)) if clip.split == args.split]
    asked = ask(clips, read_queries(Path(args.queries)))
    encoder = load_model(entry.folder, args.device)
    remark(f"{entry.name}: {len(clips)} clips, {len(asked.queries)} queries", args.quiet)
    began, used = time.perf_counter(), time.process_time()
    sounds = embed_clips(encoder, [clip.file for clip in clips])
    rate = len(clips) / (time.perf_counter() - began)
    cost = time.process_time() - used
    texts = encoder.embed_text([query.text for query in asked.queries])
    found_names = None if args.no_names else file_names(Path(args.clips))
    names = [found_names[clip.path] for clip in clips] if found_names else None
    report = evaluate(
        texts, sounds, asked, Calibration.load(entry.folder, entry.dim, sounds), names
    )
    if args.reliability:
        draw_reliability(report.strength, Path(args.reliability))
    if args.json:
        print_json({"model": entry.model_id, **_as_json(report, args.worst)})
    else:
        _print(report, args.worst)
        remark(f"{rate:.0f} clips/s with decoding, {cost:.1f} s of CPU time in all", args.quiet)
    return 0


def _run_table(args: argparse.Namespace) -> int:
    from soundsearch.paths import resources
    from soundsearch.training.tables import measure_table

    folder = Path(args.configs) if args.configs else resources() / "training"
    sections = measure_table(args.table, folder, lambda line: remark(line, args.quiet))
    if args.json:
        print_json(
            [
                [
                    {
                        "configuration": one.row.configuration,
                        "labels": one.row.labels,
                        "paper": one.row.figures,
                        "found": one.found,
                    }
                    for one in section
                ]
                for section in sections
            ]
        )
    else:
        _print_table(args.table, sections)
    return 0


def _print_table(number: int, sections: list[list["Measured"]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from soundsearch.training.tables import FIGURES, HEADS

    table = Table(box=None, title=f"Table {number}: here (paper)", title_justify="left")
    for head in HEADS[number]:
        table.add_column(head)
    for name in FIGURES[number]:
        table.add_column(name, justify="right")
    for section in sections:
        for one in section:
            cells = []
            for name, paper in zip(FIGURES[number], one.row.figures, strict=True):
                here = "-" if one.found is None else f"{one.found[name]:.2f}"
                cells.append(f"{here} ({paper:.2f})")
            table.add_row(*(label.replace("[", "\\[") for label in one.row.labels), *cells)
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    if number == 3:
        console.print(
            "The last section's figures are others' systems; its rows here are their encoders and "
            "data by this recipe."
        )
    if all(one.found is None for section in sections for one in section):
        remark("No trained run is here: soundsearch train resources/training/<row>.toml")


def _as_json(report: "Report", worst: int) -> dict[str, Any]:
    return {
        "ways": {
            way: {
                "macro": measured.macro,
                "interval": [measured.macro_interval.low, measured.macro_interval.high],
                "by_set": {k: vars(v) for k, v in measured.by(measured.pools).items()},
                "by_kind": {k: vars(v) for k, v in measured.by(measured.kinds).items()},
                "paraphrases": measured.paraphrases,
            }
            for way, measured in report.ways.items()
        },
        "worst": [
            {"query": query.text, "set": query.pool, "mAP@10": value}
            for query, value in report.worst(worst)
        ],
        "nothing_matches": [{"false_alarms": f, "caught": c} for f, c in report.alarms],
        "threshold": report.threshold,
        "at_threshold": report.threshold_rates,
        "strength_error": report.strength.error,
    }


def _print(report: "Report", worst: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, title="macro mean over the sets", title_justify="left")
    for column in ("", *next(iter(report.ways.values())).macro, "mAP@10, 95% of bootstraps"):
        table.add_column(column, justify="left" if not column else "right")
    for way, measured in report.ways.items():
        table.add_row(
            way, *(f"{v:.3f}" for v in measured.macro.values()), str(measured.macro_interval)
        )
    console.print(table)
    for title in ("set", "kind"):
        table = Table(box=None, title=f"\nmAP@10 by {title}", title_justify="left")
        table.add_column(title)
        for way in report.ways:
            table.add_column(way, justify="right")
        columns = [
            measured.by(measured.pools if title == "set" else measured.kinds)
            for measured in report.ways.values()
        ]
        for group in columns[0]:
            table.add_row(group, *(str(column[group]) for column in columns))
        console.print(table)
    sound = report.ways["by sound"]
    console.print(f"\nParaphrases reach {sound.paraphrases:.2f} of class names by sound.")
    console.print("Nothing really matches (false alarms: caught): " + _alarms(report))
    if report.threshold_rates is not None:
        console.print(
            f"At the model's threshold {report.threshold:.3f}: "
            f"{report.threshold_rates[0]:.2f} false alarms, {report.threshold_rates[1]:.2f} caught."
        )
    console.print(f"Strength is off by {report.strength.error:.3f} on average.")
    if worst:
        console.print("\nWorst by sound:")
    for query, value in report.worst(worst):
        console.print(f"  {value:.3f}  {query.text}  [dim]{query.pool}, {query.kind}[/dim]")


def _alarms(report: "Report") -> str:
    return ", ".join(f"{100 * false:.0f}%: {100 * caught:.0f}%" for false, caught in report.alarms)
