"""`soundsearch train CONFIG.toml`: a model from labelled sounds; goes on where it was stopped."""

import argparse
from pathlib import Path

from soundsearch.cli.output import remark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a model by a configuration (see resources/training/starter.toml). A run that was "
        "stopped goes on where it was: delete its work folder to begin anew."
    )
    parser.add_argument("config", metavar="CONFIG.toml")


def run(args: argparse.Namespace) -> int:
    from soundsearch.training.starter import read_recipe, train_starter

    recipe = read_recipe(Path(args.config))
    folder = train_starter(recipe, lambda line: remark(line, args.quiet))
    print(folder)
    return 0
