"""Evaluation end to end, with vectors whose right answer is known."""

import csv
from pathlib import Path

import numpy as np
import pytest

from soundsearch.errors import UserError
from soundsearch.search.calibration import Calibration, Curve
from soundsearch.training.data import read_clips, read_queries
from soundsearch.training.evaluate import ask, embed_clips, evaluate, file_names, name_scores
from tests.training.sounds import write_clips

NAMES = ("kick", "snare", "dog bark", "rain")


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    clips = write_clips(tmp_path, [(name, "drums" if i < 2 else "field")
                                   for i, name in enumerate(NAMES) for _ in range(6)])  # fmt: skip
    paths = {name: [] for name in NAMES}
    for clip in read_clips(clips):
        paths[clip.label].append(clip.path)
    queries = tmp_path / "queries.csv"
    with open(queries, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "set", "kind", "relevant"))
        for name in NAMES:
            pool = "drums" if name in NAMES[:2] else "field"
            writer.writerow((name, pool, "class name", ";".join(paths[name])))
            for kind, text in (("class name", name), ("paraphrase", f"a {name}")):
                writer.writerow((text, "all", kind, ";".join(paths[name])))
        writer.writerow(("whale", "all", "class name", "clips/none.wav"))
    return clips, queries


def vectors(labels: list[str]) -> np.ndarray:
    """One axis a label, with some noise."""
    random = np.random.default_rng(1)
    rows = np.eye(8)[[NAMES.index(label) for label in labels]]
    rows = rows + 0.05 * random.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_perfect_model_is_seen_as_one(tables: tuple[Path, Path]) -> None:
    clips = read_clips(tables[0])
    asked = ask(clips, read_queries(tables[1]))
    assert [query.text for query in asked.queries if query.text == "whale"] == []
    texts = vectors([query.text.removeprefix("a ") for query in asked.queries])
    sounds = vectors([clip.label for clip in clips])
    calibration = Calibration(Curve(3.0, -4.0, 0.0), Curve(3.0, -4.0, 0.0), sounds, -1.0)
    names = file_names(tables[0])
    report = evaluate(texts, sounds, asked, calibration, [names[clip.path] for clip in clips])
    sound = report.ways["by sound"]
    assert sound.macro["mAP@10"] == sound.macro["R@10"] == 1.0
    assert sound.paraphrases == 1.0
    assert set(sound.by(sound.pools)) == {"all", "drums", "field"}
    assert dict(report.alarms)[0.15] == 1.0
    assert report.threshold_rates == (0.0, 1.0)
    assert 0.2 < report.ways["by name"].macro["mAP@10"] < 1.0
    assert report.worst(3)[0][1] == 1.0


def test_a_blind_model_is_at_chance(tables: tuple[Path, Path]) -> None:
    clips = read_clips(tables[0])
    asked = ask(clips, read_queries(tables[1]))
    random = np.random.default_rng(2)
    texts = random.normal(size=(len(asked.queries), 8)).astype(np.float32)
    sounds = random.normal(size=(len(clips), 8)).astype(np.float32)
    calibration = Calibration(Curve(1, 0, 0), Curve(1, 0, 0), np.empty((0, 8), np.float32))
    report = evaluate(texts, sounds, asked, calibration)
    assert report.ways["by sound"].macro["mAP@10"] < 0.7
    assert list(report.ways) == ["by sound"]


def test_half_of_the_clips_have_names(tables: tuple[Path, Path]) -> None:
    clips = read_clips(tables[0])
    asked = ask(clips, read_queries(tables[1]))
    names = file_names(tables[0])
    scores = name_scores(asked, [names[clip.path] for clip in clips])
    found = sum(
        int((row[right] > 0).sum()) for row, right in zip(scores, asked.relevant, strict=True)
    )
    right = sum(int(row.sum()) for row in asked.relevant)
    assert 0.2 < found / right < 0.8


def test_clips_are_embedded_in_their_order(tables: tuple[Path, Path]) -> None:
    class Loudness:
        rate = 16_000

        def embed_audio(self, sounds: list[np.ndarray]) -> tuple[np.ndarray, None]:
            return np.array([[np.sqrt(np.mean(x**2)), len(x)] for x in sounds]), None

        def embed_text(self, texts: list[str]) -> np.ndarray:
            raise NotImplementedError

    clips = read_clips(tables[0])
    done: list[int] = []
    got = embed_clips(Loudness(), [clip.file for clip in clips], done.append)
    assert got.shape == (24, 2)
    assert done[-1] == 24
    again = embed_clips(Loudness(), [clips[5].file])
    np.testing.assert_array_equal(got[5], again[0])


def test_queries_of_another_table_are_refused(tables: tuple[Path, Path]) -> None:
    with pytest.raises(UserError):
        ask(read_clips(tables[0])[:0], read_queries(tables[1]))
