"""Labelled clips in the layout of ClothoV2, and the starter's text encoder as a folder of its own:
what the paper's recipe needs to train something small (resources/training/small-clotho.toml).

    python -m soundsearch.training.clotho_tree CLIPS.csv FOLDER
"""

import argparse
import csv
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file

from soundsearch.errors import UserError
from soundsearch.paths import resources
from soundsearch.training.captions import captions
from soundsearch.training.data import Clip, hold_out, read_clips, training_clips

CAPTIONS = 5  # of a recording, as Clotho has them
_TEXT = "text.network."  # before the names of a text encoder's weights in a model


def write_tree(clips: list[Clip], folder: Path, seed: int = 5) -> None:
    """The clips that may be learnt from as FOLDER's development split, held-out sources as its
    validation split: `clotho_captions_<split>.csv`, and links to the sounds in `<split>/`.

    Raises UserError when the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty", "Give a new folder")
    random = np.random.default_rng(seed)
    learn, held = hold_out(training_clips(clips))
    for split, some in (("development", learn), ("validation", held)):
        (folder / split).mkdir(parents=True)
        table = folder / f"clotho_captions_{split}.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["file_name", *(f"caption_{n}" for n in range(1, CAPTIONS + 1))])
            for number, clip in enumerate(some):
                name = f"{number:05}{clip.file.suffix}"
                _link(clip.file.absolute(), folder / split / name)
                rows.writerow([name, *captions(clip, CAPTIONS, random)])


def write_text_encoder(model: Path, folder: Path) -> None:
    """A model's text encoder as the Hugging Face hub would have it, without a config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = load_file(model / "weights.safetensors")
    own = {
        name.removeprefix(_TEXT): value.float()
        for name, value in weights.items()
        if name.startswith(_TEXT)
    }
    save_file(own, folder / "model.safetensors")
    shutil.copy(model / "tokenizer.json", folder)


def _link(file: Path, place: Path) -> None:
    try:
        os.symlink(file, place)
    except OSError:  # Windows, without the right to
        shutil.copyfile(file, place)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m soundsearch.training.clotho_tree",
        description="Writes FOLDER/clotho, in ClothoV2's layout, and FOLDER/text-encoder.",
    )
    parser.add_argument("clips", metavar="CLIPS.csv", type=Path)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    args = parser.parse_args(arguments)
    try:
        write_tree(read_clips(args.clips), args.folder / "clotho")
        write_text_encoder(resources() / "models" / "starter", args.folder / "text-encoder")
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
