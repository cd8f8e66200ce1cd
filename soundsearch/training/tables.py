"""The paper's tables 3 and 4: its figures, and those of the checkpoints that are here beside them.

Figures are text-to-audio retrieval on ClothoV2's evaluation split (the paper's test split), in %.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soundsearch.training.metrics import NAMES
from soundsearch.training.paper import measure, read_paper


@dataclass(frozen=True)
class Row:
    """configuration: the file's name in resources/training; labels: the first columns, as the
    paper has them; figures: the paper's, in the order of NAMES or mAP@10 alone; ours: whether
    the paper trained it with its own recipe."""

    configuration: str
    labels: tuple[str, ...]
    figures: tuple[float, ...]
    ours: bool = True


@dataclass(frozen=True)
class Measured:
    """A row with what the checkpoint here reaches, name → %, None without a checkpoint."""

    row: Row
    found: dict[str, float] | None


YES, NO = "yes", "no"
HEADS: dict[int, tuple[str, ...]] = {
    3: ("audio embedding", "s", "overlap", "text embedding", "finetune", "GPT"),
    4: ("AudioCaps", "WavCaps", "ClothoV2"),
}
FIGURES: dict[int, tuple[str, ...]] = {3: NAMES, 4: NAMES[:1]}

_N = ("PaSST-N", "10", NO)
TABLES: dict[int, tuple[tuple[Row, ...], ...]] = {
    3: (
        (
            Row("passt-n-bert-small", (*_N, "bert-small", NO, NO), (32.98, 21.45, 48.71, 62.05)),
            Row("passt-n-bert-base", (*_N, "bert-base", NO, NO), (35.22, 23.07, 51.48, 65.36)),
            Row("passt-n-bert-large", (*_N, "bert-large", NO, NO), (35.78, 23.75, 52.27, 65.57)),
            Row(
                "passt-n-roberta-base", (*_N, "roberta-base", NO, NO), (35.12, 23.02, 51.89, 65.26)
            ),
            Row(
                "passt-n-roberta-large",
                (*_N, "roberta-large", NO, NO),
                (36.65, 24.26, 53.89, 66.87),
            ),
        ),
        (
            Row(
                "cnn10-bert-base",
                ("CNN10", "30", NO, "bert-base", NO, NO),
                (23.72, 14.18, 36.59, 49.21),
            ),
            Row(
                "cnn14-bert-base",
                ("CNN14", "30", NO, "bert-base", NO, NO),
                (28.06, 17.86, 40.82, 54.56),
            ),
            Row(
                "passt-l-bert-base",
                ("PaSST-L", "10", YES, "bert-base", NO, NO),
                (33.47, 21.67, 49.24, 63.16),
            ),
            Row("passt-n-bert-base", (*_N, "bert-base", NO, NO), (35.22, 23.07, 51.48, 65.36)),
            Row(
                "passt-s-bert-base",
                ("PaSST-S", "10", YES, "bert-base", NO, NO),
                (32.83, 20.90, 48.82, 62.60),
            ),
        ),
        (
            Row(
                "passt-n-roberta-large-finetuned",
                (*_N, "roberta-large", YES, NO),
                (38.00, 25.51, 55.06, 68.56),
            ),
            Row(
                "passt-n-roberta-large-finetuned-gpt",
                (*_N, "roberta-large", YES, YES),
                (38.56, 26.07, 55.27, 69.30),
            ),
        ),
        (
            Row(
                "baseline-cnn14-mpnet",
                ("CNN14 [20]", "30", "-", "all-mpnet-base-v2", NO, NO),
                (22.20, 13.00, 34.30, 48.00),
                ours=False,
            ),
            Row(
                "cnn14-bert-base-finetuned",
                ("CNN14 [8]", "30", "-", "bert-base", YES, NO),
                (32.95, 21.41, 47.77, 62.10),
                ours=False,
            ),
        ),
    ),
    4: (
        (
            Row("data-audiocaps", (YES, NO, NO), (21.01,)),
            Row("data-wavcaps", (NO, YES, NO), (27.62,)),
            Row("data-clotho", (NO, NO, YES), (27.28,)),
            Row("data-audiocaps-wavcaps", (YES, YES, NO), (27.13,)),
            Row("data-wavcaps-clotho", (NO, YES, YES), (34.42,)),
            Row("data-audiocaps-clotho", (YES, NO, YES), (30.64,)),
            Row("passt-n-bert-base", (YES, YES, YES), (35.22,)),
        ),
    ),
}


def measure_table(
    number: int, configurations: Path, report: Callable[[str], None] = lambda line: None
) -> list[list[Measured]]:
    """The table's sections. configurations: the folder with the rows' files. Raises UserError."""
    found: dict[str, dict[str, float] | None] = {}
    for section in TABLES[number]:
        for row in section:
            if row.configuration not in found:
                recipe = read_paper(configurations / f"{row.configuration}.toml")
                figures = measure(recipe, report)
                found[row.configuration] = figures and {
                    name: 100.0 * figures[name] for name in FIGURES[number]
                }
    return [[Measured(row, found[row.configuration]) for row in one] for one in TABLES[number]]
