"""The starter from sounds to a model folder: texts, packing, text encoder, audio side, export.

Each stage leaves its result in the work folder and is passed over when that is there, so a run
that was stopped goes on where it was.
"""

import csv
import json
import os
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from soundsearch.errors import UserError
from soundsearch.models.encoder import DualModel, build, load_model, save_model
from soundsearch.models.starter import WindowedAudio
from soundsearch.models.starter_cnn import StarterCnn, StarterCnnConfig, with_detail
from soundsearch.models.starter_passt import StarterPasstConfig
from soundsearch.models.text import TextEncoder
from soundsearch.training.captions import captions, class_names, corpus
from soundsearch.training.data import Clip, hold_out, read_clips, read_queries, training_clips
from soundsearch.training.distil import (
    Distillation,
    Student,
    distil,
    make_vocabulary,
    text_config,
    vocabulary_words,
    warm_start,
)
from soundsearch.training.evaluate import file_names
from soundsearch.training.finish import Measuring, finish
from soundsearch.training.joint import Joint, features_of, join_parts
from soundsearch.training.loop import Report, Run, Watch
from soundsearch.training.metrics import query_metrics
from soundsearch.training.pack import Pack, Packing, join, pack, read_pack
from soundsearch.training.processes import leave
from soundsearch.training.sentences import sentence_vectors
from soundsearch.training.starter_task import Corpus, Learner, Settings, StarterTask, retrieval
from soundsearch.training.synthetic import write_clips
from soundsearch.training.tune import Texts, Tuning, text_weights, tune_text

DIM = 256  # of the joint space
_CAPTIONS = 4  # of each clip
_TEXTS_FOR_AXES = 12_000
_STEPS_TOLD = 5  # between two that children tell
FIRST_SEED = 101  # of the synthesised sounds


@dataclass(frozen=True)
class Recipe:
    """What a configuration file says. Paths are as in the file, relative ones to the place where
    the command runs. start: folder of a starter that is trained on; its text encoder and, where the
    network is the same, its audio encoder are where this run begins."""

    name: str
    work: Path
    out: Path
    clips: Path
    texts: Path
    teacher: Path
    wordnet: Path
    queries: Path
    start: Path | None = None
    history: str = ""  # of what is trained on, for the card
    synthesised: int = 0  # seeds of our own synthesised sounds that join
    text_minutes: float = 9.0
    processes: int = 1  # that train the audio side together, a thread each
    packing: dict[str, Any] = field(default_factory=dict)
    text: Distillation = Distillation()
    train: tuple[Settings, ...] = (Settings(),)  # stages: each starts from the best before it
    tune: Tuning = Tuning()


def read_recipe(file: Path) -> Recipe:
    """Raises UserError when the file can't be read or holds something unknown."""
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
        stages = given.pop("train", [{}])
        for stage in stages:
            if "widths" in stage:
                stage["widths"] = tuple(stage["widths"])
        paths: dict[str, Any] = {name: Path(given.pop(name)) for name in PATHS}
        if "start" in given:
            paths["start"] = Path(given.pop("start"))
        return Recipe(
            **paths,
            packing=given.pop("pack", {}),
            text=Distillation(**given.pop("text", {})),
            train=tuple(Settings(**stage) for stage in stages),
            tune=Tuning(**given.pop("tune", {})),
            **given,
        )
    except KeyError as error:
        raise UserError(f"{file} doesn't say {error}") from None
    except (OSError, TypeError, ValueError) as error:
        raise UserError(f"The configuration {file} can't be used ({error})") from None


WEAKNESSES = (
    "Speech: it knows that someone speaks, not what is said.",
    "Music beyond single instruments: genres, moods and recordings of bands were hardly there.",
    "Interface sounds and single drum hits are told apart by kind, seldom by make.",
    "Descriptions are understood by their words; negation and order are not.",
)
PATHS = ("work", "out", "clips", "texts", "teacher", "wordnet", "queries")


def train_starter(recipe: Recipe, report: Report, watch: Watch = lambda done, step: None) -> Path:
    """All stages; the folder of the model."""
    everything = read_clips(recipe.clips)
    clips = training_clips(everything)
    learn, held = hold_out(clips)
    made = synthesised_clips(recipe)
    report(f"{len(learn)} clips to learn from, {len(held)} held out, {len(made)} synthesised")
    texts = prepare_texts(recipe, [*clips, *made], report)
    teacher = Packing(recipe.work / "held", recipe.teacher, **recipe.packing)
    pack(held, teacher, augment=False)
    pack(learn, Packing(recipe.work / "learn", recipe.teacher, **recipe.packing))
    pack(made, Packing(recipe.work / "made", recipe.teacher, **recipe.packing))
    tokenizer, text = learn_texts(recipe, texts, report)
    if recipe.processes > 1:
        _spawn(recipe, report, watch)
    else:
        learn_audio(recipe, report, watch)
    run = _last_run(recipe, _corpus(recipe, texts, clips, learn, made))
    rows = _rows_of([*clips, *made], [*learn, *made])
    best = torch.load(run.folder / "best.pt", map_location="cpu")
    run.task.learner.load_state_dict(best["learner"])
    joint = join_learnt(recipe, run.task, texts, clips, held, report)
    model, config = assemble(recipe, joint, text, tokenizer)
    captions_of, softness = texts.captions[rows], recipe.train[-1].softness
    tune_text(
        model, joint, run.task.corpus, texts, captions_of, tokenizer, softness, recipe.tune, report
    )
    save_model(recipe.out, model, config, tokenizer)
    heard = [[*learn, *made][row] for row in np.unique(run.task.corpus.pack.clip)]
    complete(recipe, heard, held, everything, _record(recipe, run, best), report)
    return recipe.out


def learn_audio(recipe: Recipe, report: Report, watch: Watch = lambda done, step: None) -> None:
    """The audio side, over what is packed by now; goes on where it was stopped."""
    clips = training_clips(read_clips(recipe.clips))
    learn, held = hold_out(clips)
    made = synthesised_clips(recipe)
    texts = prepare_texts(recipe, [*clips, *made], report)
    learnt = _corpus(recipe, texts, clips, learn, made)
    report(f"{len(learnt.pack)} versions of {len(np.unique(learnt.pack.clip))} clips")
    before: Path | None = None
    for number, settings in enumerate(recipe.train, 1):
        task = StarterTask(settings, learnt)
        if before:
            task.learner.load_state_dict(torch.load(before, map_location="cpu")["learner"])
        elif recipe.start:
            go_on_from(recipe.start, task.learner.audio, report)
        run = Run(recipe.work / f"run-{number}", settings, task)
        run.train(_validation(task.learner, recipe, texts, clips, held), report, watch)
        before = run.folder / "best.pt"


def _corpus(
    recipe: Recipe, texts: Texts, clips: list[Clip], learn: list[Clip], made: list[Clip]
) -> Corpus:
    return Corpus(
        read_packs(recipe.work, len(learn), len(made)),
        texts.vectors[texts.captions[_rows_of([*clips, *made], [*learn, *made])]],
        texts.known,
        texts.vectors[texts.classes],
    )


def _last_run(recipe: Recipe, learnt: Corpus) -> Run[StarterTask]:
    """The last stage as it was left."""
    settings = recipe.train[-1]
    folder = recipe.work / f"run-{len(recipe.train)}"
    return Run(folder, settings, StarterTask(settings, learnt))


def _spawn(recipe: Recipe, report: Report, watch: Watch) -> None:
    """The audio side in processes of its own; what the first one tells is passed on."""
    told: Any = torch.multiprocessing.get_context("spawn").SimpleQueue()
    children: Any = torch.multiprocessing.spawn(
        _learn_together, (recipe, told), recipe.processes, join=False
    )
    while not children.join(timeout=0.5) or not told.empty():
        while not told.empty():
            news = told.get()
            if isinstance(news, str):
                report(news)
            else:
                watch(*news)


def _learn_together(rank: int, recipe: Recipe, told: Any) -> None:
    torch.set_num_threads(1)
    parent = os.getppid()
    meeting = (recipe.work / f"meeting-{parent}").absolute()
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=recipe.processes
    )
    with open(recipe.work / "audio.log", "a", encoding="utf-8") as lines:

        def report(line: str) -> None:
            print(line, file=lines, flush=True)
            if rank == 0:
                told.put(line)

        def watch(done: float, step: int) -> None:
            if os.getppid() != parent:  # it was killed, and nobody reaps what is learnt
                os._exit(1)
            if rank == 0 and step % _STEPS_TOLD == 0:
                told.put((done, step))

        learn_audio(recipe, report, watch)
    leave()


def synthesised_clips(recipe: Recipe) -> list[Clip]:
    """The demo's kinds of sounds, made with seeds that are not the demo's."""
    if not recipe.synthesised:
        return []
    seeds = range(FIRST_SEED, FIRST_SEED + recipe.synthesised)
    return training_clips(read_clips(write_clips(recipe.work / "synthesised", seeds)))


def read_packs(work: Path, learn: int, made: int) -> Pack:
    """What is packed of the clips to learn from, `learn` recorded and `made` synthesised ones."""
    packs = [read_pack(work / "learn")]
    return join([*packs, read_pack(work / "made")], [learn, made]) if made else packs[0]


def join_learnt(
    recipe: Recipe,
    task: StarterTask,
    texts: Texts,
    clips: list[Clip],
    held: list[Clip],
    report: Report,
) -> Joint:
    """The joint space of what was learnt; what is open is chosen by held-out clips."""
    packed = read_pack(recipe.work / "held")
    labels = np.array([held[clip].label for clip in packed.clip])
    asked, firsts = np.unique(labels, return_index=True)
    rows = texts.captions[_rows_of(clips, held)][packed.clip[firsts], 0]
    right = asked[:, None] == labels
    vectors = torch.from_numpy(texts.vectors)
    learner = task.learner.cpu().eval()
    audio = with_detail(learner.audio) if isinstance(learner.audio, StarterCnn) else learner.audio
    sounds = features_of(audio, packed.mel, packed.frames, np.arange(len(packed)))

    def find(scores: torch.Tensor) -> float:
        return float(query_metrics(scores.numpy(), right)["mAP@10"].mean())

    joint = join_parts(learner, audio, task.corpus, (sounds, vectors[rows]), find, report)
    return joint.narrowed(vectors[:: max(1, len(vectors) // _TEXTS_FOR_AXES)], DIM)


def _record(recipe: Recipe, run: Run[StarterTask], best: dict[str, Any]) -> dict[str, object]:
    return {
        "last stage": f"{run.step} steps of {recipe.processes} x {recipe.train[-1].batch} "
        f"versions in {run.seconds / 60:.0f} minutes",
        "validation (mAP@10, sources held out)": f"{best['best']:.3f} at step {best['step']}",
        "learning curve (the same after each epoch, by stage)": "; ".join(
            learning_curve(recipe.work / f"run-{n}" / "log.csv")
            for n in range(1, len(recipe.train) + 1)
        ),
        "packed versions": f"{len(run.task.corpus.pack)} (crop, speed, room, second sound, "
        "low-pass, noise, gain), each judged by the tagger as it is",
        **({"before that": recipe.history} if recipe.history else {}),
        "text": f"{'as before' if recipe.start else recipe.text}, then {recipe.tune}",
        **{f"stage {n}": f"{settings}" for n, settings in enumerate(recipe.train, 1)},
        "teachers": "an AudioSet tagger (EfficientAT mn04_as) and a sentence encoder "
        "(all-MiniLM-L6-v2); nothing of them is inside",
    }


def learning_curve(log: Path) -> str:
    """The validations in a run's log."""
    with open(log, encoding="utf-8", newline="") as file:
        values = [row["validation"] for row in csv.DictReader(file) if row["validation"]]
    return ", ".join(f"{float(value):.3f}" for value in values)


def complete(
    recipe: Recipe,
    learn: list[Clip],
    held: list[Clip],
    everything: list[Clip],
    record: dict[str, object],
    report: Report,
) -> None:
    """Calibrates the exported model, measures it on the dev split and writes its card."""
    encoder = load_model(recipe.out, "cpu")
    dev = [clip for clip in everything if clip.split == "dev"]
    measuring = Measuring(dev, read_queries(recipe.queries), file_names(recipe.clips))
    finish(recipe.out, encoder, encoder.dim, learn, held, measuring, record, WEAKNESSES, report)


def _rows_of(clips: list[Clip], some: list[Clip]) -> np.ndarray:
    places = {clip.path: row for row, clip in enumerate(clips)}
    return np.array([places[clip.path] for clip in some])


def _validation(
    learner: Learner, recipe: Recipe, texts: Texts, clips: list[Clip], held: list[Clip]
) -> Callable[[], float]:
    packed = read_pack(recipe.work / "held")
    captions_of = texts.vectors[texts.captions[_rows_of(clips, held)]]
    labels = [clip.label for clip in held]
    return lambda: retrieval(learner, packed, captions_of, labels)


def prepare_texts(recipe: Recipe, clips: list[Clip], report: Report) -> Texts:
    """Captions, vocabulary sources and their sentence vectors (texts.json, texts.npz)."""
    recipe.work.mkdir(parents=True, exist_ok=True)
    listed, stored = recipe.work / "texts.json", recipe.work / "texts.npz"
    if not (listed.exists() and stored.exists()):
        random = np.random.default_rng(5)
        own = [[c.lower() for c in captions(clip, _CAPTIONS, random)] for clip in clips]
        names = [name.lower() for name in class_names(recipe.texts)]
        found = corpus(clips, recipe.texts, recipe.wordnet)
        found = list(dict.fromkeys([*found, *(c for some in own for c in some), *names]))
        report(f"{len(found)} texts")
        vectors = sentence_vectors(found)
        with open(stored, "wb") as file:
            np.savez(file, vectors=vectors.astype(np.float16))
        part = listed.with_suffix(".part")
        part.write_text(json.dumps({"texts": found, "captions": own, "names": names}))
        os.replace(part, listed)
    told = json.loads(listed.read_text(encoding="utf-8"))
    place = {text: row for row, text in enumerate(told["texts"])}
    return Texts(
        told["texts"],
        np.load(stored)["vectors"].astype(np.float32),
        np.array([[place[text] for text in some] for some in told["captions"]]),
        np.array([place[name] for name in told["names"]]),
    )


def go_on_from(start: Path, audio: WindowedAudio, report: Report) -> None:
    """Gives an audio network the weights of the starter in a folder, if it is of the same kind."""
    learnt = read_starter(start).audio
    if _shapes(learnt) != _shapes(audio):
        report(f"the audio network begins anew: that of {start} is another")
        return
    audio.load_state_dict(learnt.state_dict())


def _shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


def read_starter(folder: Path) -> DualModel:
    """The network of a model folder, to be trained on."""
    load_model(folder, "cpu")  # raises UserError when it is broken
    model = build(json.loads((folder / "model.json").read_text(encoding="utf-8")))
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    return model


def learn_texts(recipe: Recipe, texts: Texts, report: Report) -> tuple[str, TextEncoder]:
    """The vocabulary (text of a tokenizer.json) and the distilled text encoder (student.pt)."""
    if recipe.start:
        vocabulary = (recipe.start / "tokenizer.json").read_text(encoding="utf-8")
        return vocabulary, read_starter(recipe.start).text
    stored = recipe.work / "student.pt"
    if not stored.exists():
        tokenizer = make_vocabulary(texts.texts, recipe.text.vocabulary)
        words = vocabulary_words(tokenizer)
        place = {text: row for row, text in enumerate(texts.texts)}
        vectors = np.zeros((len(words), texts.vectors.shape[1]), np.float32)
        unknown = [row for row, word in enumerate(words) if word not in place]
        for row, word in enumerate(words):
            vectors[row] = texts.vectors[place[word]] if word in place else 0.0
        vectors[unknown] = sentence_vectors([words[row] for row in unknown])
        torch.manual_seed(recipe.text.seed)
        student = Student(text_config(recipe.text, len(words)), vectors.shape[1])
        warm_start(student, vectors)
        weights = text_weights(texts)
        minutes = recipe.text_minutes
        distil(
            student, tokenizer, texts.texts, texts.vectors, weights, recipe.text, minutes, report
        )
        state = {"student": student.state_dict(), "tokenizer": tokenizer}
        torch.save(state, stored.with_suffix(".part"))
        os.replace(stored.with_suffix(".part"), stored)
    state = torch.load(stored, map_location="cpu")
    size = len(vocabulary_words(state["tokenizer"]))
    student = Student(text_config(recipe.text, size), texts.vectors.shape[1])
    student.load_state_dict(state["student"])
    return state["tokenizer"], student.encoder


def assemble(
    recipe: Recipe, joint: Joint, encoder: TextEncoder, tokenizer: str
) -> tuple[DualModel, dict[str, Any]]:
    """The dual model of both sides, and its configuration as it stands in model.json. The text
    projection is left to `tune_text`."""
    text = encoder.config
    audio = (
        StarterPasstConfig()
        if recipe.train[-1].network == "passt"
        else StarterCnnConfig(recipe.train[-1].widths, detail=True)
    )
    config: dict[str, Any] = {
        "name": recipe.name,
        "kind": recipe.train[-1].network,
        "dim": joint.dim,
        "rate": 32_000,
        "segment_seconds": 10.0,
        "padding": "bucket",
        "audio": {"network": "starter", **asdict(audio)},
        "text": {
            "architecture": text.architecture,
            "config": text.config,
            "pooling": text.pooling,
            "tokens": text.tokens,
        },
        "licence": "CC-BY-SA-4.0",
        "source": "trained from scratch by `soundsearch train resources/training/starter.toml`",
    }
    model = build(config)
    model.audio.load_state_dict(joint.audio.state_dict())
    model.audio_projection.load_state_dict(joint.audio_projection.state_dict())
    model.text.load_state_dict(encoder.state_dict())
    return model, config
