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

    action("list", "what is here, and what can be brought; size, licence, stated quality, speed")
    use = action("use", "make a model the one that searches and scans use")
    use.add_argument("name", metavar="NAME")
    models_install.add_download(action("download", "fetch a model from its authors' place"))
    models_install.add_import(action("import", "make a model from files that you have"))
    remove = action("remove", "delete a model's folder, after a question")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="ask nothing")
    remove.add_argument(
        "--vectors",
        action="store_true",
        help="also forget what it knows of the library's sounds; of a model that ships with "
        "SoundSearch, or is not here any more: only that",
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
    from soundsearch.models.shelf import choices, told_bytes
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    if args.json:
        print_json([_as_json(choice) for choice in choices(data) if choice.state != "gone"])
        return 0
    know_the_machine(data, args.device)
    lengths = library_lengths(data)
    rows = choices(data, lengths.values())
    _print_rows([choice for choice in rows if choice.state != "gone"], len(lengths))
    for choice in rows:
        if choice.fetched:
            begun = f"{told_bytes(choice.fetched)} of {choice.name} are fetched already"
            remark(f"{begun} (models download goes on, models remove deletes them)", args.quiet)
        if choice.warning:
            remark(f"{choice.name}: {choice.warning}", args.quiet)
        if choice.vectors and not choice.is_here:
            kept = f"What {choice.name} knew of the sounds is kept ({told_bytes(choice.vectors)})"
            remark(f"{kept}; models remove {choice.name} --vectors deletes it", args.quiet)
    if not any(choice.is_here for choice in rows):
        remark("No model is installed: sounds are found by name only.", args.quiet)
    return 0


def know_the_machine(data: Path, device: str) -> None:
    """Measures how fast this machine is, where that is not known; without a working device,
    speeds stay unknown."""
    from soundsearch.models.speed import measure_machine, measured_machine

    if measured_machine(data) is None:
        with contextlib.suppress(UserError):
            measure_machine(data, device)


def library_lengths(data: Path) -> dict[bytes, float]:
    """Identity → seconds, of the sounds in the library."""
    from soundsearch.library.catalog import Library

    if not (data / "library.db").exists():
        return {}
    with Library.open(data, write=False) as library:
        return library.sound_lengths()


def tell_what_it_takes(choice: Any, sounds: int, quiet: bool) -> None:
    """One line: how long so many sounds will take with a model, and how much memory."""
    memory = f"It needs {choice.memory_told} while it indexes"
    if sounds:
        remark(f"{sounds:,} sounds are to be embedded: {_time(choice)}. {memory}.", quiet)
    else:
        remark(f"Speed: {choice.pace}. {memory}.", quiet)


def _time(choice: Any) -> str:
    from soundsearch.models.shelf import told_time

    if choice.needs is None:
        return "how long that takes is not known yet"
    return f"{told_time(choice.needs)} on this machine ({choice.pace})"


def _as_json(choice: Any) -> dict[str, Any]:
    fields = ("bytes", "licence", "source", "quality")
    return {
        "name": choice.name,
        "installed": choice.is_here,
        **{field: getattr(choice, field) for field in fields},
    }


def _print_rows(rows: list[Any], sounds: int) -> None:
    from soundsearch.models.shelf import told_bytes, told_time

    def time(choice: Any) -> str:
        return told_time(choice.needs) if sounds and choice.needs is not None else ""

    def memory(choice: Any) -> str:
        if choice.state == "broken":
            return ""
        return f"{told_bytes(choice.memory)}{'' if choice.memory_measured else ', estimated'}"

    cells = [
        (
            *(choice.name, choice.state, told_bytes(choice.bytes), choice.licence, choice.quality),
            *("" if choice.state == "broken" else choice.pace, time(choice), memory(choice)),
        )
        for choice in rows
    ]
    if not sys.stdout.isatty():
        for row in cells:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    headings = ("model", "", "on disk", "licence", "stated quality", "speed here")
    for heading in (*headings, f"your {sounds:,} sounds", "memory"):
        table.add_column(heading, justify="right" if heading in ("on disk", "memory") else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def _use(args: argparse.Namespace) -> int:
    from soundsearch.index.passes import heard
    from soundsearch.models.catalog import find, use
    from soundsearch.models.shelf import choice_of
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    entry = find(data, args.name)
    assert entry is not None
    lengths = library_lengths(data)
    passes = heard(data / "embeddings" / entry.model_id)
    missing = [seconds for identity, seconds in lengths.items() if identity not in passes]
    if missing or not lengths:
        know_the_machine(data, args.device)
        tell_what_it_takes(choice_of(data, entry.name, missing), len(missing), args.quiet)
    use(data, entry.name)
    remark(f"{entry.name} is in use now.", args.quiet)
    if entry.warning:
        remark(f"{entry.name}: {entry.warning}", args.quiet)
    if missing:
        remark("To embed them: soundsearch scan, or the window", args.quiet)
    elif lengths:
        remark(f"It knows all {len(lengths):,} sounds already: it answers at once.", args.quiet)
    return 0


def _remove(args: argparse.Namespace) -> int:
    from soundsearch.models import catalog
    from soundsearch.models.known import known
    from soundsearch.models.shelf import told_bytes
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    kept = catalog.kept_vectors(data).get(args.name)
    begun = catalog.fetched(data, args.name) if known(args.name) else 0
    if begun and not (data / "models" / args.name).exists():
        return _remove_download(args, data, begun)
    try:
        folder = catalog.own_folder(data, args.name)
    except UserError as error:
        if kept is None:
            raise
        if not args.vectors:
            fix = f"To forget what it knows of the sounds ({told_bytes(kept)}), add --vectors"
            raise UserError(error.message, fix) from None
        _ask(args, _forget_question(args.name, kept))
        _forget(data, args.name)
        remark(f"What {args.name} knew of the library's sounds is forgotten.", args.quiet)
        return 0
    size = told_bytes(catalog.bytes_of(folder))
    if args.vectors and kept is not None:
        what = f"and what it knows of the library's sounds ({told_bytes(kept)})"
        _ask(args, f"Remove the model {args.name} ({size}) {what}?")
        _forget(data, args.name)  # first: the library may be in use
    else:
        _ask(args, f"Remove the model {args.name} ({size})?")
    catalog.remove(data, args.name)
    remark(f"{args.name} is removed.", args.quiet)
    if kept is not None and not args.vectors:
        if not args.yes and _confirmed(_forget_question(args.name, kept)):
            _forget(data, args.name)
        else:
            told = f"What it knows of the library's sounds is kept ({told_bytes(kept)}); to delete"
            remark(f"{told} it: soundsearch models remove {args.name} --vectors", args.quiet)
    return 0


def _ask(args: argparse.Namespace, question: str) -> None:
    if not (args.yes or _confirmed(question)):
        raise UserError("Nothing was removed")


def _forget_question(name: str, kept: int) -> str:
    from soundsearch.models.shelf import told_bytes

    return (
        f"Forget what {name} knows of the library's sounds ({told_bytes(kept)})? "
        "With that model it would have to hear them all again."
    )


def _forget(data: Path, name: str) -> None:
    from soundsearch.library.lock import DataLock
    from soundsearch.models.catalog import forget

    lock = DataLock(data, "the removal of a model")
    try:
        forget(data, name)
    finally:
        lock.release()


def _remove_download(args: argparse.Namespace, data: Path, begun: int) -> int:
    from soundsearch.models.catalog import bringing
    from soundsearch.models.download import forget_download
    from soundsearch.models.shelf import told_bytes

    _ask(args, f"Remove what was fetched of {args.name} ({told_bytes(begun)})?")
    with bringing(data):
        forget_download(data, args.name)
    remark(f"What was fetched of {args.name} is removed.", args.quiet)
    return 0


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError(f"{question} There is nobody to answer here", "Add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
