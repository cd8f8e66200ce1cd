"""`soundsearch models download` and `import`: bring a model, then see whether it works."""

import argparse
import sys
import time
from pathlib import Path

from soundsearch.cli.output import remark
from soundsearch.errors import UserError


def add_download(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fetch a model that models list offers. A download that was stopped goes on where it was. "
        "Proxies are taken from HTTPS_PROXY."
    )
    parser.add_argument("name", metavar="NAME")
    _add_tokenizer(parser)


def add_import(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make a model from files that you have: a checkpoint in the layout of the paper's code "
        "(2023), of salsa or of the DCASE 2025 baseline, a folder of transformers' CLAP, or a "
        "model folder of SoundSearch. A checkpoint in parts: all of them, in order. Nothing in a "
        "checkpoint is run. With the name of a model that models list shows, its licence and "
        "stated quality are noted too."
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("files", metavar="FILE", nargs="+")
    _add_tokenizer(parser)


def _add_tokenizer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokenizer",
        metavar="FILE",
        help="tokenizer.json of the text encoder, or vocab.json beside merges.txt "
        "(default: beside the checkpoint, else fetched from Hugging Face)",
    )


def run_download(args: argparse.Namespace) -> int:
    from soundsearch.cli.models import know_the_machine, library_lengths, tell_what_it_takes
    from soundsearch.models.catalog import own_name_is_free
    from soundsearch.models.download import download_model, forget_download
    from soundsearch.models.known import KNOWN, known
    from soundsearch.models.shelf import choice_of
    from soundsearch.paths import data_folder

    data = data_folder(args.data)
    model = known(args.name)
    if model is None:
        offered = ", ".join(model.name for model in KNOWN if model.downloadable)
        raise UserError(f"No model named {args.name} is offered", f"There are: {offered}")
    own_name_is_free(data, model.name)
    remark(f"{model.title}. Licence: {model.licence}.", args.quiet)
    know_the_machine(data, args.device)
    lengths = library_lengths(data)
    choice = choice_of(data, model.name, lengths.values())
    tell_what_it_takes(choice, len(lengths), args.quiet)
    progress = Progress(args.quiet)
    try:
        files = download_model(model, data, progress.bytes)
    finally:
        progress.end()
    _install(args, data, files)
    forget_download(data, model.name)
    return 0


def run_import(args: argparse.Namespace) -> int:
    from soundsearch.paths import data_folder

    _install(args, data_folder(args.data), [Path(file) for file in args.files])
    return 0


def _install(args: argparse.Namespace, data: Path, files: list[Path]) -> None:
    from soundsearch.models.catalog import read_entry
    from soundsearch.models.check import prove
    from soundsearch.models.download import hub_file
    from soundsearch.models.importing import Report, import_model
    from soundsearch.models.speed import cost, note_speed, pads_to_segments

    progress = Progress(args.quiet)

    def fetch_tokenizer(repository: str, folder: Path) -> Path:
        remark(f"Fetching the tokenizer of {repository} from huggingface.co…", args.quiet)
        file = hub_file(repository, "tokenizer.json", folder, progress.bytes)
        assert file is not None
        progress.end()
        return file

    tokenizer = Path(args.tokenizer) if args.tokenizer else None
    if tokenizer is not None and not tokenizer.exists():
        raise UserError(f"{tokenizer} is not there")
    verdicts = []

    def check(report: Report) -> None:
        millions = f"{report.parameters / 1e6:,.1f} million parameters"
        remark(
            f"{args.name}: {report.used} tensors, {millions}, layout {report.layout}, "
            f"in {report.seconds:.0f} s.",
            args.quiet,
        )
        if report.left_out:
            some = ", ".join(report.left_out[:4]) + (" …" if len(report.left_out) > 4 else "")
            remark(f"Not needed, left out: {some}", args.quiet)
        remark("Checking that it hears (the demo's sounds against their descriptions)…", args.quiet)
        try:
            verdicts.append(prove(report.folder, args.device, progress.sounds))
        finally:
            progress.end()

    remark("Reading the weights…", args.quiet)
    folder = import_model(data, args.name, files, tokenizer, fetch_tokenizer, check).folder
    (verdict,) = verdicts
    entry = read_entry(folder)
    work = cost(verdict.lengths, pads_to_segments(folder), entry.segment_seconds)
    note_speed(data, entry.model_id, work, verdict.busy)
    if verdict.passed:
        place = f"mean place {100 * verdict.place:.0f} of 100; chance gives 50"
        remark(f"It works ({place}). To use it: soundsearch models use {args.name}", args.quiet)
    else:
        # Asked for or not: a model that guesses should not go unnoticed.
        remark(f"Warning: {args.name} is here, but {verdict.warning}.")


class Progress:
    """One line on a terminal, one every two seconds elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._shown = 0.0
        self._open = False
        self._terminal = sys.stderr.isatty()
        self._began: tuple[str, float, int] = ("", 0.0, 0)

    def bytes(self, name: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._began[0] != name:
            self._began = (name, now, done)
            self._shown = 0.0
        speed = (done - self._began[2]) / max(now - self._began[1], 1e-3)
        of = f" of {total / 1e6:,.0f}" if total else ""
        left = f", {(total - done) / speed:,.0f} s left" if total and speed > 1 else ""
        self._show(f"{name}: {done / 1e6:,.0f}{of} MB, {speed / 1e6:.1f} MB/s{left}", done == total)

    def sounds(self, done: int, total: int) -> None:
        self._show(f"{done} of {total} sounds", done == total)

    def _show(self, text: str, last: bool) -> None:
        now = time.monotonic()
        pause = 0.2 if self._terminal else 2.0
        if self._quiet or (now - self._shown < pause and not (last and self._terminal)):
            return
        self._shown = now
        if self._terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._open:
            print(file=sys.stderr, flush=True)
            self._open = False
