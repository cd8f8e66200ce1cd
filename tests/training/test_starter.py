"""The recipe from end to end, small: from tables of clips to a model folder that is loaded."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from soundsearch.cli.main import run
from soundsearch.demo import synth
from soundsearch.errors import UserError
from soundsearch.models.encoder import load_model
from soundsearch.search.calibration import Calibration
from soundsearch.training import starter
from soundsearch.training.data import read_clips
from soundsearch.training.pack import read_pack
from soundsearch.training.starter import read_recipe
from tests.training.sounds import render, write_clips

LABELS = ("kick drum", "snare drum", "dog barking", "rain", "church bell", "wind")

TAGGER = """
import torch

class Teacher:
    def __call__(self, wave):
        wave = torch.as_tensor(wave)
        bands = torch.fft.rfft(wave).abs()[:, : 384 * 20].reshape(len(wave), 384, 20).mean(2)
        return torch.cat([bands[:, :264], bands[:, :263]], 1).log1p() - 4, bands
"""


def sentence_vectors(texts: list[str], **_: object) -> np.ndarray:
    """A sentence's vector is the sum of its words', each drawn by its own seed."""
    rows = np.zeros((len(texts), 384), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.split():
            seed = int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)
            row += np.random.default_rng(seed).normal(size=384)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def config(folder: Path) -> Path:
    """All that a recipe names, small, and the recipe itself."""
    labels = [(label, f"source {i} {label[0]}") for i in range(30) for label in LABELS]
    table = write_clips(folder, labels)
    lines = table.read_text().splitlines()
    # The last sources are measured on.
    lines[-24:] = [line.replace(",train,", ",dev,", 1) for line in lines[-24:]]
    table.write_text("\n".join(lines) + "\n")
    dev = [clip for clip in read_clips(table) if clip.split == "dev"]
    with open(folder / "queries.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "set", "kind", "relevant"))
        for label in LABELS:
            right = ";".join(clip.path for clip in dev if clip.label == label)
            writer.writerow((label, "all", "class name", right))
    texts = folder / "text"
    texts.mkdir()
    names = [{"index": i, "display_name": f"class {i}"} for i in range(527)]
    with open(texts / "audioset_classes.csv", "w", newline="") as file:
        written = csv.DictWriter(file, ("index", "display_name"))
        written.writeheader()
        written.writerows(names)
    entry = {"name": "Dog", "description": "Sounds of a dog. More."}
    (texts / "audioset_ontology.json").write_text(json.dumps([entry]))
    (texts / "ucs.json").write_text("[]")
    wordnet = folder / "wordnet"
    wordnet.mkdir()
    (wordnet / "cntlist.rev").write_text("thunder%1:11:00:: 1 5\n")
    for part in ("noun", "verb", "adj"):
        (wordnet / f"data.{part}").write_text("")
    (folder / "teacher").mkdir()
    (folder / "teacher" / "teacher.py").write_text(TAGGER)
    recipe = folder / "small.toml"
    recipe.write_text(f"""
        name = "small"
        work = "{folder}/work"
        out = "{folder}/small"
        clips = "{table}"
        queries = "{folder}/queries.csv"
        texts = "{texts}"
        teacher = "{folder}/teacher"
        wordnet = "{wordnet}"
        synthesised = 1
        processes = 1
        [pack]
        versions = 2
        processes = 1
        [text]
        vocabulary = 300
        hidden = 32
        layers = 1
        heads = 2
        inner = 32
        epochs = 12
        [[train]]
        epochs = 10
        batch = 32
        widths = [8, 16, 16, 32]
        checkpoint_every = 10
        [[train]]
        epochs = 6
        batch = 32
        widths = [8, 16, 16, 32]
        dropout = 0.2
        seed = 2
        checkpoint_every = 10
        [tune]
        steps = 120
        learning_rate = 2e-3
        batch = 32
    """)
    return recipe


def test_from_sounds_to_a_model_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(starter, "sentence_vectors", sentence_vectors)
    monkeypatch.setattr(synth, "names", lambda: ["Drums/Kick Drum Deep.wav", "Drums/Rimshot.wav"])
    recipe = config(tmp_path)
    assert run(["train", str(recipe), "--quiet"]) == 0
    folder = tmp_path / "small"
    assert str(folder) in capsys.readouterr().out
    encoder = load_model(folder, "cpu")
    texts = encoder.embed_text(list(LABELS))
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-4)
    sounds, _ = encoder.embed_audio([render(label, 999) for label in LABELS])
    right = np.diag(texts @ sounds.T)
    others = (texts @ sounds.T)[~np.eye(len(LABELS), dtype=bool)]
    assert right.mean() > others.mean() + 0.05
    calibration = Calibration.load(folder, encoder.dim)
    assert calibration.threshold is not None
    card = (folder / "README.md").read_text()
    for text in ("CC-BY-SA-4.0", "somewhere/source", "Results"):
        assert text in card
    data = tmp_path / "data"
    shutil.copytree(folder, data / "models" / "small")
    tables = [str(tmp_path / "clips.csv"), str(tmp_path / "queries.csv")]
    picture = tmp_path / "reliability.png"
    options = ["--data", str(data), "--model", "small", "--quiet"]
    assert run(["evaluate", *tables, *options, "--reliability", str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["ways"]) == {"by sound", "by name", "fused"}
    assert told["ways"]["by sound"]["macro"]["R@10"] > 0.5
    assert told["threshold"] == pytest.approx(calibration.threshold)
    assert picture.exists()
    assert run(["evaluate", *tables, *options]) == 0
    assert "macro mean" in capsys.readouterr().out
    # Everything is there: the second run only exports again, and comes to the same model.
    first = (folder / "weights.safetensors").read_bytes()
    assert run(["train", str(recipe), "--quiet"]) == 0
    assert (folder / "weights.safetensors").read_bytes() == first
    # Another run goes on from it, in two processes: without a step worth the name both encoders are
    # what they were.
    further = tmp_path / "further.toml"
    recipe_text = recipe.read_text().replace("/work", "/more").replace("/small", "/further")
    recipe_text = recipe_text[: recipe_text.index("[[train]]")].replace(
        "[pack]", f'start = "{folder}"\nhistory = "told before"\n[pack]\nprecision = "bfloat16"'
    )
    recipe_text = recipe_text.replace("synthesised = 1", "synthesised = 0")
    recipe_text = recipe_text.replace("processes = 1", "processes = 2", 1)
    further.write_text(
        recipe_text
        + """
        [[train]]
        epochs = 1
        batch = 32
        learning_rate = 1e-9
        widths = [8, 16, 16, 32]
        [tune]
        steps = 1
        learning_rate = 1e-9
    """
    )
    assert run(["train", str(further), "--quiet"]) == 0
    before = load_file(folder / "weights.safetensors")
    after = load_file(tmp_path / "further" / "weights.safetensors")
    kept = [key for key in before if key.startswith(("audio.stages.", "text."))]
    kept = [key for key in kept if "running" not in key and "num_batches" not in key]
    assert len(kept) > 20
    for key in kept:
        torch.testing.assert_close(after[key].float(), before[key].float(), atol=1e-3, rtol=1e-3)
    with open(tmp_path / "more" / "run-1" / "log.csv", newline="") as log:
        steps = [int(row["step"]) for row in csv.DictReader(log)]
    learnt = len(read_pack(tmp_path / "more" / "learn"))
    assert steps[-1] == learnt // 64  # one epoch of two processes, and no step behind it
    assert "told before" in (tmp_path / "further" / "README.md").read_text()


def test_a_recipe_that_cant_be_used_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    with pytest.raises(UserError):
        read_recipe(file)
    file.write_text('name = "x"\n')
    with pytest.raises(UserError, match="work"):
        read_recipe(file)
    file.write_text("name = [")
    with pytest.raises(UserError):
        read_recipe(file)
