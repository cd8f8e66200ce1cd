"""What makes an exported model folder complete: calibration, background, measured results, card."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from soundsearch.search.calibration import Calibration
from soundsearch.training.calibrate import add_to_calibration, fit_curve, write_calibration
from soundsearch.training.card import model_card
from soundsearch.training.data import Clip, LabelledQuery
from soundsearch.training.evaluate import Embeds, Report, ask, embed_clips, evaluate
from soundsearch.training.margin import Choice, margin, take_cosine

BACKGROUND = 512  # vectors, half of them of sounds that the model never learnt from


@dataclass(frozen=True)
class Measuring:
    """Clips and queries that nothing was learnt from, with the clips' former file names."""

    clips: Sequence[Clip]
    queries: Sequence[LabelledQuery]
    names: Mapping[str, str] = field(default_factory=dict)


def calibrate(folder: Path, encoder: Embeds, learn: Sequence[Clip], held: Sequence[Clip]) -> None:
    """Fits and writes calibration.json and background.f16 into a model folder.

    held: clips from sources held out of training. Every second one goes into the background; the
    labels of the others are the queries that these are searched by.
    """
    held = [clip for clip in held if clip.label]
    sounds = embed_clips(encoder, [clip.file for clip in held])
    known = embed_clips(encoder, [clip.file for clip in _spread(learn, BACKGROUND // 2)])
    background = np.concatenate([sounds[::2][: BACKGROUND // 2], known])
    sounds, own = sounds[1::2], np.array([clip.label for clip in held[1::2]])
    labels = sorted(set(own.tolist()))
    right = own == np.array(labels)[:, None]
    text = fit_curve(encoder.embed_text(labels), sounds, right, background)
    example, _ = fit_curve(sounds, sounds, own == own[:, None], background, own=np.arange(len(own)))
    sources = len({clip.source for clip in held})
    fitted_on = f"{len(own)} clips of {sources} sources held out of training, {len(labels)} labels"
    write_calibration(folder, background, text, example, fitted_on)


def calibrate_moments(
    folder: Path, encoder: Embeds, held: Sequence[Clip], names: Mapping[str, str]
) -> Choice:
    """Chooses and stores, in a calibrated model folder, when moments count and takes are alike.

    names: the clips' former paths; those of unknown ones don't matter.
    """
    chosen = margin(encoder, held)
    known = [clip for clip in held if names.get(clip.path)]
    alike = None
    if known:
        vectors = embed_clips(encoder, [clip.file for clip in known])
        labels = [clip.label for clip in known]
        # The same folder of two sources is not one.
        paths = [f"{clip.source}/{names[clip.path]}" for clip in known]
        alike = take_cosine(vectors, labels, paths)
    add_to_calibration(folder, segment_margin=chosen.margin, take_cosine=alike)
    return chosen


def measure_model(folder: Path, encoder: Embeds, dim: int, measuring: Measuring) -> Report:
    """The report of a calibrated model folder."""
    asked = ask(measuring.clips, measuring.queries)
    sounds = embed_clips(encoder, [clip.file for clip in measuring.clips])
    texts = encoder.embed_text([query.text for query in asked.queries])
    names = [measuring.names.get(clip.path, "") for clip in measuring.clips]
    calibration = Calibration.load(folder, dim, sounds)
    return evaluate(texts, sounds, asked, calibration, names if any(names) else None)


def finish(
    folder: Path,
    encoder: Embeds,
    dim: int,
    learn: Sequence[Clip],
    held: Sequence[Clip],
    measuring: Measuring,
    record: Mapping[str, object],
    weaknesses: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Calibrates an exported model, measures it and writes its card as README.md."""
    calibrate(folder, encoder, learn, held)
    chosen = calibrate_moments(folder, encoder, held, measuring.names)
    say(f"calibrated; moments count from {chosen.margin:.2f} above whole sounds")
    report = measure_model(folder, encoder, dim, measuring)
    say(f"by sound, macro mAP@10: {report.ways['by sound'].macro_interval}")
    card = model_card(folder.name, learn, record, report, weaknesses)
    (folder / "README.md").write_text(card, encoding="utf-8")
    _state_quality(folder, report)
    return report


def _state_quality(folder: Path, report: Report) -> None:
    """Into model.json, where people see it before they choose a model. The id stays."""
    file = folder / "model.json"
    found = report.ways["by sound"].macro["mAP@10"]
    told = f"mAP@10 {found:.2f} over {len(report.queries)} queries to sources never heard (ours)"
    settings = json.loads(file.read_text(encoding="utf-8")) | {"quality": told}
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(unfinished, file)


def _spread(clips: Sequence[Clip], most: int) -> list[Clip]:
    """Clips of as many sources and labels as there are, at most `most`."""
    order = sorted(clips, key=lambda clip: (clip.source, clip.label, clip.path))
    at = np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)
    return [order[i] for i in at]
