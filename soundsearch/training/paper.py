"""The paper's recipe: from data sets in their published layouts to a model folder.

A run lies in `runs/<name>`: log.csv, last.pt, best.pt, test.json once it was measured, and `model`,
the exported model folder.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from soundsearch.errors import UserError
from soundsearch.models.encoder import load_model, save_model
from soundsearch.training.configuration import read_configuration
from soundsearch.training.data import Clip
from soundsearch.training.datasets import (
    AUDIOCAPS_SPLITS,
    WAVCAPS,
    Item,
    Listing,
    audiocaps,
    clotho,
    wavcaps,
)
from soundsearch.training.encoders import (
    audio_settings,
    load_audio,
    load_text,
    text_settings,
    tokenizer_of,
)
from soundsearch.training.finish import calibrate
from soundsearch.training.loop import Report, Run, Watch
from soundsearch.training.paper_task import (
    PaperLearner,
    PaperSettings,
    PaperTask,
    retrieval,
    tokenizer_for,
)
from soundsearch.training.sampling import Sampler

SETS = ("clotho", "audiocaps", "wavcaps")
RATE = 32_000
_LICENCE = "not stated: AudioCaps and WavCaps are for academic use, Clotho for non-commercial use"
_CALIBRATED_ON = 400  # sounds


@dataclass(frozen=True)
class ClothoPlace:
    folder: Path
    variations: str = ""  # of the development split: ClothoV2_GPT's variations.json


@dataclass(frozen=True)
class AudioCapsPlace:
    folder: Path
    audio: Path
    splits: Sequence[str] = AUDIOCAPS_SPLITS
    one_caption: bool = True


@dataclass(frozen=True)
class WavCapsPlace:
    folder: Path
    audio: Path
    sources: Sequence[str] = tuple(WAVCAPS)
    blacklists: Sequence[str] = ()
    excluded_freesound: str = ""


@dataclass(frozen=True)
class AudioChoice:
    """network: a name of `encoders.audio_settings`; start: a file of AudioSet weights, "" to begin
    with random ones; config: changes of the network's own settings."""

    network: str
    start: str = ""
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TextChoice:
    """network: a name of `encoders.TEXTS`; folder: with its tokenizer and, if start, its weights;
    config: changes of the network's own settings."""

    network: str
    folder: Path
    start: bool = True
    dropout: float = 0.1
    tokens: int = 32
    keep_end: bool = True
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperRecipe:
    """What a configuration says. sets: those trained on; continue_from: the run whose best
    checkpoint this one starts from; tested: the checkpoint that is exported and measured."""

    name: str
    runs: Path
    sets: Sequence[str]
    clotho: ClothoPlace
    audiocaps: AudioCapsPlace
    wavcaps: WavCapsPlace
    audio: AudioChoice
    text: TextChoice
    train: PaperSettings
    dim: int = 1024
    continue_from: str = ""
    tested: Literal["best", "last"] = "best"

    @property
    def folder(self) -> Path:
        return self.runs / self.name

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.tested}.pt"


def read_paper(file: Path) -> PaperRecipe:
    """Raises UserError when the file can't be read or says something unknown."""
    given = read_configuration(file)
    given.pop("recipe", None)
    parts: dict[str, Callable[..., Any]] = {
        "clotho": ClothoPlace,
        "audiocaps": AudioCapsPlace,
        "wavcaps": WavCapsPlace,
        "audio": AudioChoice,
        "text": TextChoice,
        "train": PaperSettings,
    }
    try:
        made = {name: make(**_paths(given.pop(name))) for name, make in parts.items()}
        recipe = PaperRecipe(**made, runs=Path(given.pop("runs")), **given)
    except KeyError as error:
        raise UserError(f"{file} doesn't say {error}") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"The configuration {file} can't be used ({error})") from None
    unknown = [name for name in recipe.sets if name not in SETS]
    if unknown or not recipe.sets:
        raise UserError(f"{file} names no known data set", f"There are {', '.join(SETS)}")
    return recipe


def _paths(given: dict[str, Any]) -> dict[str, Any]:
    return {key: Path(v) if key in ("folder", "audio") else v for key, v in given.items()}


def model_settings(recipe: PaperRecipe) -> dict[str, Any]:
    """The settings of the model, as they stand in its model.json."""
    kind, audio = audio_settings(recipe.audio.network, recipe.audio.config)
    text = recipe.text
    return {
        "name": recipe.name,
        "kind": kind,
        "dim": recipe.dim,
        "rate": RATE,
        "segment_seconds": recipe.train.segment_seconds,
        "padding": "segment",
        "audio": audio,
        "text": text_settings(text.network, text.config, text.dropout, text.tokens, text.keep_end),
        "licence": _LICENCE,
        "source": f"trained by soundsearch train, configuration {recipe.name}",
    }


def training_sets(recipe: PaperRecipe) -> list[Listing]:
    """What is there of the data sets that are trained on. Raises UserError when nothing is."""
    listings: list[Listing] = []
    if "clotho" in recipe.sets:
        variations = Path(recipe.clotho.variations) if recipe.clotho.variations else None
        listings.append(clotho(recipe.clotho.folder, "development", variations))
    if "audiocaps" in recipe.sets:
        caps = recipe.audiocaps
        listings.append(audiocaps(caps.folder, caps.audio, caps.splits, caps.one_caption))
    if "wavcaps" in recipe.sets:
        wav = recipe.wavcaps
        excluded = Path(wav.excluded_freesound) if wav.excluded_freesound else None
        listings += wavcaps(wav.folder, wav.audio, wav.sources, wav.blacklists, excluded)
    if not any(listing.items for listing in listings):
        raise UserError("None of the recordings to train on is there", "See resources/training")
    return listings


def train_paper(
    recipe: PaperRecipe,
    report: Report,
    watch: Watch = lambda done, step: None,
    rank: int = 0,
    stop_after: int | None = None,
) -> Path:
    """All of it; the run's folder. With several processes all call it, the first one exports."""
    listings = training_sets(recipe)
    for listing in listings:
        report(str(listing))
    validation = clotho(recipe.clotho.folder, "validation")
    report(str(validation))
    task = paper_task(recipe, [item for listing in listings for item in listing.items], report)
    if task.steps_an_epoch(1) == 0:
        raise UserError(
            f"{len(task.sampler)} captions are fewer than a batch of {recipe.train.batch}"
        )
    if not (recipe.folder / "last.pt").exists():
        report(start(recipe, task.learner))
    run = Run(recipe.folder, recipe.train, task)

    def validate() -> float:
        crop = recipe.train.crop_seconds
        found = retrieval(task.learner, task.tokenizer, validation.items, crop, report)
        return found["mAP@10"]

    run.train(validate, report, watch, stop_after)
    if rank == 0 and recipe.checkpoint.exists() and run.done >= 1.0:
        export(recipe, listings, validation.items, report)
    return recipe.folder


def paper_task(
    recipe: PaperRecipe, items: Sequence[Item], report: Report = lambda line: None
) -> PaperTask:
    settings = recipe.train
    sampler = Sampler(items, settings.crop_seconds, settings.swap, settings.seed)
    tokenizer = tokenizer_of(recipe.text.folder)
    return PaperTask(settings, model_settings(recipe), tokenizer, sampler, report)


def start(recipe: PaperRecipe, learner: PaperLearner) -> str:
    """Gives a new learner its first weights; one line that says which."""
    if recipe.continue_from:
        file = recipe.runs / recipe.continue_from / "best.pt"
        load_checkpoint(learner, file)
        return f"goes on from {file}"
    if recipe.audio.start:
        load_audio(learner.dual.audio, Path(recipe.audio.start))
    if recipe.text.start:
        load_text(learner.dual.text.network, recipe.text.folder)
    audio = recipe.audio.start or "random weights"
    return f"audio from {audio}, text from {recipe.text.folder if recipe.text.start else 'random'}"


def load_checkpoint(learner: PaperLearner, file: Path) -> int:
    """A run's checkpoint into a learner; the step that it is of. Raises UserError."""
    try:
        state = torch.load(file, map_location="cpu", mmap=True)
        learner.load_state_dict(state["learner"])
        return int(state["step"])
    except (OSError, RuntimeError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"The checkpoint {file} can't be used ({reason})") from None


def trained(recipe: PaperRecipe) -> tuple[PaperLearner, str, int]:
    """A trained learner, the text of its tokenizer.json, the step of its checkpoint."""
    learner = PaperLearner(model_settings(recipe), recipe.train)
    step = load_checkpoint(learner, recipe.checkpoint)
    return learner.eval(), tokenizer_of(recipe.text.folder), step


def export(
    recipe: PaperRecipe, listings: Sequence[Listing], held: Sequence[Item], report: Report
) -> Path:
    """Writes the run's model folder, calibrated on ClothoV2's validation split."""
    learner, tokenizer, _ = trained(recipe)
    folder = recipe.folder / "model"
    save_model(folder, learner.dual, model_settings(recipe), tokenizer)
    own = [item for one in listings for item in one.items if item.recording.startswith("clotho/")]
    encoder = load_model(folder, "auto")
    calibrate(folder, encoder, as_clips(own or held), as_clips(held))
    report(f"exported to {folder}")
    return folder


def as_clips(items: Sequence[Item]) -> list[Clip]:
    """A labelled clip a recording, its label the first caption; at most some hundred."""
    first: dict[str, Item] = {}
    for item in items:
        first.setdefault(item.recording, item)
    some = list(first.values())[:: max(1, len(first) // _CALIBRATED_ON)]
    return [
        Clip(i.recording, i.file, "", "clotho", i.caption, "", "", "", i.recording, False)
        for i in some
    ]


def measure(recipe: PaperRecipe, report: Report = lambda line: None) -> dict[str, float] | None:
    """Figures of the trained run on ClothoV2's evaluation split, None when it isn't trained.

    They are kept in test.json and measured again when the checkpoint has changed.
    """
    if not recipe.checkpoint.exists():
        return None
    stored = recipe.folder / "test.json"
    changed = recipe.checkpoint.stat().st_mtime_ns
    if stored.exists():
        found = json.loads(stored.read_text(encoding="utf-8"))
        if found["checkpoint"] == changed:
            return dict(found["figures"])
    listing = clotho(recipe.clotho.folder, "evaluation")
    report(f"{recipe.name}: {listing}")
    learner, tokenizer_json, step = trained(recipe)
    if torch.cuda.is_available():
        learner.cuda()
    tokenizer = tokenizer_for(learner, tokenizer_json)
    figures = retrieval(learner, tokenizer, listing.items, recipe.train.crop_seconds, report)
    told = {"checkpoint": changed, "step": step, "tested": str(listing), "figures": figures}
    part = stored.with_suffix(".part")
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    os.replace(part, stored)
    return figures
