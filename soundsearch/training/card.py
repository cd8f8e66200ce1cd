"""The model card of a trained model: sources and authors from the clips table, how it was trained,
how well it finds, what it is bad at, and its licence."""

from collections import Counter
from collections.abc import Mapping, Sequence

from soundsearch.training.data import Clip
from soundsearch.training.evaluate import Report
from soundsearch.training.metrics import NAMES

LICENCE = "CC-BY-SA-4.0"


def model_card(
    name: str,
    clips: Sequence[Clip],
    record: Mapping[str, object],
    report: Report,
    weaknesses: Sequence[str] = (),
    licence: str = LICENCE,
) -> str:
    """Markdown. clips: those it learnt from; record: what to say of the training, in order."""
    return "\n".join(
        [
            f"# {name}",
            "",
            "A small model that finds sounds by a description, trained from scratch by "
            "`soundsearch train`. It holds no weights of others.",
            "",
            *_licence(licence),
            *_results(report),
            *_weaknesses(report, weaknesses),
            *_record(record),
            *_sources(clips),
        ]
    )


def _licence(licence: str) -> list[str]:
    return [
        "## Licence",
        "",
        f"The weights are published under {licence}, because of the sounds that they were trained "
        "on. The code around them has a licence of its own.",
        "",
    ]


def _results(report: Report) -> list[str]:
    sound = report.ways["by sound"]
    lines = [
        "## Results",
        "",
        f"Labelled clips from sources that the training never saw, {len(report.queries)} queries; "
        "each is asked within its set. Macro mean over the sets; in brackets the middle 95% of "
        "bootstrap samples.",
        "",
        f"| way | {' | '.join(NAMES)} | interval of mAP@10 |",
        "| --- |" + " ---: |" * (len(NAMES) + 1),
    ]
    for way, measured in report.ways.items():
        numbers = " | ".join(f"{value:.3f}" for value in measured.macro.values())
        lines.append(f"| {way} | {numbers} | {measured.macro_interval} |")
    lines += ["", "| mAP@10 by sound | mean and interval |", "| --- | ---: |"]
    for groups in (sound.pools, sound.kinds):
        lines += [f"| {group} | {value} |" for group, value in sound.by(groups).items()]
    alarms = ", ".join(f"{caught:.0%} at {false:.0%}" for false, caught in report.alarms)
    lines += [
        "",
        f"Paraphrases reach {sound.paraphrases:.2f} of the class names in the same pools. "
        f'"Nothing here really matches" is caught, against false alarms: {alarms}. '
        f"Strength is off by {report.strength.error:.3f} on average.",
        "",
    ]
    return lines


def _weaknesses(report: Report, weaknesses: Sequence[str]) -> list[str]:
    sound = report.ways["by sound"]
    worst = sorted(sound.by(sound.pools).items(), key=lambda item: item[1].mean)[:2]
    sets = " and ".join(f"{name} ({value.mean:.2f})" for name, value in worst)
    found = [f"Weakest of the measured sets: {sets}.", *weaknesses]
    return ["## What it is bad at", "", *(f"- {line}" for line in found), ""]


def _record(record: Mapping[str, object]) -> list[str]:
    return ["## Training", "", *(f"- {key}: {value}" for key, value in record.items()), ""]


def _sources(clips: Sequence[Clip]) -> list[str]:
    lines = [
        "## Sounds it learnt from",
        "",
        f"{len(clips)} clips of {len({clip.source for clip in clips})} public repositories.",
        "",
        "| source | clips | licences | authors |",
        "| --- | ---: | --- | --- |",
    ]
    for source in sorted({clip.source for clip in clips}):
        own = [clip for clip in clips if clip.source == source]
        authors = _tally([clip.author for clip in own])
        licences = _tally([clip.licence for clip in own])
        lines.append(f"| {_cell(source)} | {len(own)} | {licences} | {authors} |")
    return [*lines, ""]


def _tally(texts: Sequence[str]) -> str:
    """The different texts, most frequent first. All of them: the licences ask for the authors."""
    found = Counter(_cell(text) for text in texts if text and not text.startswith("["))
    return ", ".join(name for name, _ in sorted(found.items(), key=lambda x: (-x[1], x[0])))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
