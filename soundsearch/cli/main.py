"""The command line: parser, global options, exit codes. Imports nothing heavy: spawned children
import this module again."""

import argparse
import importlib
import sys

from soundsearch import __version__
from soundsearch.errors import UserError

# Command, module, one line of help. A module has add_arguments(parser) and run(args) -> exit code.
COMMANDS = {
    "scan": ("scan", "add folders and scan them; without folders, rescan all"),
    "search": ("search", "ranked sounds for a description"),
    "similar": ("similar", "sounds like a given one"),
    "library": ("library", "folders, counts, model, disk use"),
    "remove": ("remove", "forget a folder (its files stay as they are)"),
    "relocate": ("relocate", "tell that a folder has moved"),
    "failures": ("failures", "files that could not be used, and why"),
    "models": ("models", "the models that are here; use, download, import, remove"),
    "train": ("train", "train a model by a configuration"),
    "evaluate": ("evaluate", "measure how well a model finds"),
    "augment-captions": ("augment_captions", "reword captions by a language model, for training"),
    "demo": ("demo", "write the synthesised demo sounds and index them"),
    "bench": ("bench", "measure speed and memory on this machine"),
    "doctor": ("doctor", "check the installation and say how to mend it"),
}

DEVICES = ("auto", "cpu", "cuda", "mps")


def global_options(parser: argparse.ArgumentParser, top: bool) -> None:
    """Options that stand before or after the command; only the outer parser has defaults."""

    def default(value: object) -> object:
        return value if top else argparse.SUPPRESS

    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--data", metavar="DIR", default=default(None), help="keep SoundSearch's own data in DIR"
    )
    group.add_argument(
        "--model", metavar="NAME", default=default(None), help="use this model (see models list)"
    )
    group.add_argument(
        "--device", choices=DEVICES, default=default("auto"), help="where the model runs"
    )
    group.add_argument(
        "-n", metavar="N", type=int, dest="count", default=default(20), help="how many results"
    )
    group.add_argument(
        "--json", action="store_true", default=default(False), help="results as JSON on stdout"
    )
    group.add_argument(
        "--quiet", action="store_true", default=default(False), help="no progress, no remarks"
    )
    group.add_argument(
        "--verbose", action="store_true", default=default(False), help="say more on stderr"
    )


class _Parser(argparse.ArgumentParser):
    """Adds the arguments of a command when it is parsed, so that its module loads only then."""

    module = ""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        if self.module:
            command = importlib.import_module(f"soundsearch.cli.{self.module}")
            command.add_arguments(self)
            self.set_defaults(run=command.run)
            self.module = ""
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="soundsearch",
        description="Find sounds in your own folders by describing them. "
        "Without a command the window opens.",
    )
    parser.add_argument("--version", action="version", version=f"SoundSearch {__version__}")
    global_options(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, (module, help_line) in COMMANDS.items():
        command = commands.add_parser(name, help=help_line, description=help_line.capitalize())
        command.module = module
        global_options(command, top=False)
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 1 the person can mend it, 2 usage, 130 interrupted."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.count < 1:
        parser.error("-n takes a whole number from 1 up")
    try:
        if args.command is None:
            return _open_window(parser, args)
        return int(args.run(args))
    except UserError as error:
        print(f"soundsearch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("soundsearch: interrupted; what was done is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `soundsearch search … | head`: the reader has what it wanted.
        sys.stderr.close()
        return 0


def _open_window(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from soundsearch.window.display import why_no_window

    problem = why_no_window()
    if not problem:
        try:
            from soundsearch.window import app
        except ImportError as error:  # such as Qt without the system's libEGL
            problem = f"The window can't be opened ({error}); soundsearch doctor says more"
    if problem:
        print(f"soundsearch: {problem}\n", file=sys.stderr)
        parser.print_help(sys.stderr)
        return 1
    from soundsearch.cli.demo import write_apart

    args.write_demo = write_apart
    return app.run(args)
