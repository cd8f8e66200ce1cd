"""The model card names everyone who must be named."""

from pathlib import Path

import numpy as np

from soundsearch.training.calibrate import reliability
from soundsearch.training.card import model_card
from soundsearch.training.data import LabelledQuery, read_clips
from soundsearch.training.evaluate import Measured, Report
from tests.training.sounds import write_clips


def test_the_card_names_sources_results_and_licence(tmp_path: Path) -> None:
    clips = read_clips(write_clips(tmp_path, [("kick", "drums"), ("rain | hail", "field")]))
    values = {name: np.array([0.25, 0.75]) for name in ("mAP@10", "R@1", "R@5", "R@10")}
    measured = Measured(values, np.array(["a", "b"]), np.array(["class name", "paraphrase"]))
    queries = [LabelledQuery(text, "a", "class name", frozenset(["x"])) for text in ("p", "q")]
    strength = reliability(np.array([0.1, 0.9]), np.array([False, True]))
    report = Report({"by sound": measured}, queries, strength, [(0.15, 0.4)])
    card = model_card("starter", clips, {"seed": 7, "epochs": 3}, report, ["It mixes up bells."])
    for text in (
        "CC-BY-SA-4.0", "somewhere/drums", "somewhere/field", "CC0-1.0", "someone",
        "0.500", "40% at 15%", "seed: 7", "mixes up bells", "a (0.25)",
    ):  # fmt: skip
        assert text in card
