"""`soundsearch models`: list, use, download, import, remove."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from soundsearch.cli.output import print_json, remark
from soundsearch.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from soundsearch.cli import models_install
    from soundsearch.cli.main import global_options

    parser.description = (
        "The models that are here, and those that can be brought. A model is a folder in the data "
        "folder's models. Without an action: list."
    )
    parser.set_defaults(action="list")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    def action(name: str, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=f"{text.capitalize()}.")
        global_options(added, top=False)
        return added

    action("list", "what is here, and what can be brought; size, licence, stated quality")
    use = action("use", "make a model the one that searches and scans use")
    use.add_argument("name", metavar="NAME")
    models_install.add_download(action("download", "fetch a model from its authors' place"))
    models_install.add_import(action("import", "make a model from files that you have"))
    remove = action("remove", "delete a model's folder, after a question")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="ask nothing")
    remove.add_argument(
        "--vectors", action="store_true", help="also forget what it knows of the library's sounds"
    )


def run(args: argparse.Namespace) -> int:
    from soundsearch.cli.models_install import run_download, run_import

    actions = {
        "list": _list,
        "use": _use,
        "download": run_download,
        "import": run_import,
        "remove": _remove,
    }
    return actions[args.action or "list"](args)


def _list(args: argparse.Namespace) -> int:
    from soundsearch.models.catalog import find, installed
    from soundsearch.models.known import KNOWN
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    here = installed(data)
    names = {entry.name for entry in here}
    away = [model for model in KNOWN if model.name not in names]
    if args.json:
        print_json(
            [_as_json(entry, True) for entry in here] + [_as_json(model, False) for model in away]
        )
        return 0
    current = find(data, None)
    rows = [
        (entry, "in use" if current and entry.name == current.name else "installed")
        for entry in here
    ] + [(model, _availability(model)) for model in away]
    _print_rows(rows)
    for entry in here:
        if entry.warning:
            remark(f"{entry.name}: {entry.warning}", args.quiet)
    if not here:
        remark("No model is installed: sounds are found by name only.", args.quiet)
    return 0


def _as_json(model: Any, installed: bool) -> dict[str, Any]:
    fields = ("bytes", "licence", "source", "quality")
    return {
        "name": model.name,
        "installed": installed,
        **{field: getattr(model, field) for field in fields},
    }


def _availability(model: Any) -> str:
    return "to download" if model.downloadable else "to import"


def _print_rows(rows: list[tuple[Any, str]]) -> None:
    cells = [
        (model.name, state, f"{model.bytes / 1e6:,.0f} MB", model.licence, model.quality)
        for model, state in rows
    ]
    if not sys.stdout.isatty():
        for row in cells:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("model", "", "on disk", "licence", "stated quality"):
        table.add_column(heading, justify="right" if heading == "on disk" else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def _use(args: argparse.Namespace) -> int:
    from soundsearch.index.vectors import Vectors
    from soundsearch.models.catalog import use
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    entry = use(data, args.name)
    remark(f"{entry.name} is in use now.", args.quiet)
    if entry.warning:
        remark(f"{entry.name}: {entry.warning}", args.quiet)
    if not Vectors.count(data / "embeddings" / entry.model_id):
        remark("It has heard no sound of the library yet: soundsearch scan", args.quiet)
    return 0


def _remove(args: argparse.Namespace) -> int:
    from soundsearch.models import catalog
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    folder = catalog.own_folder(data, args.name)
    vectors = None
    with contextlib.suppress(UserError):  # of a broken one only the folder is known
        vectors = data / "embeddings" / catalog.read_entry(folder).model_id
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    if not (args.yes or _confirmed(f"Remove the model {args.name} ({size / 1e6:,.0f} MB)?")):
        raise UserError("Nothing was removed")
    catalog.remove(data, args.name)
    remark(f"{args.name} is removed.", args.quiet)
    if vectors is not None and vectors.is_dir():
        if args.vectors:
            _remove_vectors(data, vectors)
        else:
            kept = "What it knows of the library's sounds is kept (--vectors forgets it)."
            remark(kept, args.quiet)
    return 0


def _remove_vectors(data: Path, folder: Path) -> None:
    import shutil

    from soundsearch.library.lock import DataLock

    lock = DataLock(data, "the removal of a model")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise UserError(f"{folder} can't be removed ({error.strerror})") from error
    finally:
        lock.release()


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError(f"{question} There is nobody to answer here", "Add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
