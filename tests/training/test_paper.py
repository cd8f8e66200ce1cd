"""The paper's recipe from end to end, small: data sets, a run, its model folder, the tables."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from soundsearch.cli.main import run
from soundsearch.cli.train import _progress
from soundsearch.errors import UserError
from soundsearch.models.cnn import PANNS_WIDTHS
from soundsearch.models.encoder import build, load_model
from soundsearch.models.passt import Passt, PasstConfig
from soundsearch.paths import resources
from soundsearch.training.encoders import load_audio, load_text, tokenizer_of
from soundsearch.training.metrics import NAMES
from tests.models.small import small_config, small_tokenizer
from tests.training.trees import clotho_tree

NETWORKS = """
    [audio.config]
    embed_dim = 32
    depth = 1
    heads = 4
    [text]
    folder = "{place}/text"
    start = false
    [text.config]
    vocab_size = 128
    hidden_size = 32
    num_hidden_layers = 1
    num_attention_heads = 2
    intermediate_size = 32
"""


def configurations(place: Path) -> Path:
    """The shipped configurations over a base with small networks and the test's data."""
    for split in ("development", "validation", "evaluation"):
        clotho_tree(place / "clotho", split, 12)
    (place / "text").mkdir()
    (place / "text" / "tokenizer.json").write_text(small_tokenizer())
    folder = place / "configurations"
    folder.mkdir()
    for file in (resources() / "training").glob("*.toml"):
        (folder / file.name).write_text(file.read_text())
    row = folder / "passt-n-bert-small.toml"
    row.write_text(f"""
        base = "{resources()}/training/passt-n-bert-small.toml"
        sets = ["clotho"]
        dim = 16
        [clotho]
        folder = "{place}/clotho"
        [audio]
        start = ""
        {NETWORKS.format(place=place)}
        [train]
        epochs = 2
        batch = 12
        workers = 0
        learning_rate = 1e-3
        precision = "float32"
        segment_seconds = 1.0
    """)
    for file in folder.glob("*.toml"):
        runs = f'runs = "{place}/runs"'
        text = file.read_text()
        file.write_text(text.replace('runs = "paper-runs"', runs))
    row.write_text(f'runs = "{place}/runs"\n{row.read_text()}')
    return row


def test_from_data_sets_to_a_row_of_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = configurations(tmp_path)
    assert run(["train", str(row)]) == 0
    told = capsys.readouterr()
    folder = tmp_path / "runs" / "passt-n-bert-small"
    assert str(folder) in told.out
    assert "ClothoV2 development: 60 captions of 12 recordings" in told.err
    encoder = load_model(folder / "model", "cpu")
    assert encoder.embed_text(["a dog barking"]).shape == (1, 16)
    assert (folder / "model" / "calibration.json").exists()
    table = ["evaluate", "--table", "3", "--configs", str(row.parent), "--quiet"]
    assert run([*table, "--json"]) == 0
    sections = json.loads(capsys.readouterr().out)
    assert [len(section) for section in sections] == [5, 5, 2, 2]
    found = sections[0][0]["found"]
    assert set(found) == set(NAMES)
    assert 0 < found["mAP@10"] <= 100
    assert [one["found"] for section in sections for one in section].count(None) == 13
    assert json.loads((folder / "test.json").read_text())["figures"]
    assert run(table) == 0
    printed = capsys.readouterr().out
    assert f"{found['mAP@10']:.2f} (32.98)" in printed
    assert "- (38.56)" in printed
    # A finished run only exports again.
    assert run(["train", str(row), "--quiet"]) == 0


def test_evaluate_needs_its_tables_or_the_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate"]) == 1
    assert "--table" in capsys.readouterr().err


def test_published_weights_become_starting_points(tmp_path: Path) -> None:
    config = PasstConfig(embed_dim=32, depth=1, heads=4, classes=5)
    published, ours = Passt(config), Passt(config)
    torch.save(published.state_dict(), tmp_path / "bare.pt")
    load_audio(ours, tmp_path / "bare.pt")
    assert torch.equal(ours.blocks[0].attn.qkv.weight, published.blocks[0].attn.qkv.weight)
    torch.save({"model": Passt(config).state_dict()}, tmp_path / "wrapped.pt")
    load_audio(ours, tmp_path / "wrapped.pt")
    assert not torch.equal(ours.cls_token, published.cls_token)
    with pytest.raises(UserError, match="another network"):
        load_audio(Passt(PasstConfig(embed_dim=32, depth=2, heads=4)), tmp_path / "bare.pt")


def panns_file(file: Path, widths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """A file as PANNs are published, in torch's format of that time, with random weights."""
    made = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=made) * 0.1

    def norm(name: str, width: int) -> dict[str, torch.Tensor]:
        return {
            f"{name}.weight": normal(width) + 1,
            f"{name}.bias": normal(width),
            f"{name}.running_mean": normal(width),
            f"{name}.running_var": normal(width).abs() + 0.5,
            f"{name}.num_batches_tracked": torch.tensor(7),
        }

    weights = {
        "spectrogram_extractor.stft.conv_real.weight": normal(513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": normal(513, 1, 1024),
        "logmel_extractor.melW": normal(513, 64).abs(),
        **norm("bn0", 64),
    }
    before = 1
    for number, width in enumerate(widths, 1):
        block = f"conv_block{number}"
        weights[f"{block}.conv1.weight"] = normal(width, before, 3, 3)
        weights[f"{block}.conv2.weight"] = normal(width, width, 3, 3)
        weights |= norm(f"{block}.bn1", width) | norm(f"{block}.bn2", width)
        before = width
    for name, to in (("fc1", before), ("fc_audioset", 527)):
        weights |= {f"{name}.weight": normal(to, before), f"{name}.bias": normal(to)}
    stored = {"iteration": 640_000, "model": weights}
    torch.save(stored, file, _use_new_zipfile_serialization=False)
    return weights


@pytest.mark.parametrize("name", ["cnn10", "cnn14"])
def test_the_published_files_of_panns_are_starting_points(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = tuple(width // 16 for width in PANNS_WIDTHS[name])
    weights = panns_file(tmp_path / "published.pth", widths)
    monkeypatch.setitem(PANNS_WIDTHS, name, widths)
    audio = build(small_config(kind="cnn", audio={"network": name})).audio
    load_audio(audio, tmp_path / "published.pth")
    own = audio.state_dict()
    assert own
    for key, value in own.items():
        assert torch.equal(value, weights[key]), key
    assert set(weights) - set(own) <= {"fc_audioset.weight", "fc_audioset.bias"}
    other = "cnn14" if name == "cnn10" else "cnn10"
    wrong = build(small_config(kind="cnn", audio={"network": other})).audio
    with pytest.raises(UserError, match="another network"):
        load_audio(wrong, tmp_path / "published.pth")


@pytest.mark.parametrize("old", [False, True])
def test_a_published_text_encoder(tmp_path: Path, old: bool) -> None:
    network = build(small_config()).text.network
    state: dict[str, Any] = {f"bert.{k}": v for k, v in build(small_config()).text.network
                             .state_dict().items()}  # fmt: skip
    state["bert.pooler.dense.weight"] = torch.zeros(3, 3)
    state["cls.predictions.bias"] = torch.zeros(3)
    wanted = state["bert.encoder.layer.1.output.LayerNorm.weight"]
    if old:
        state = {
            key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): value
            for key, value in state.items()
        }
        torch.save(state, tmp_path / "pytorch_model.bin")
    else:
        save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "model.safetensors")
    load_text(network, tmp_path)
    own = network.state_dict()
    assert torch.equal(own["encoder.layer.1.output.LayerNorm.weight"], wanted)
    for key, value in own.items():
        stored = f"bert.{key}"
        if stored in state:
            assert torch.equal(value, state[stored])
    with pytest.raises(UserError, match="no weights"):
        load_text(network, tmp_path / "nowhere")


def test_tokenizers_are_made_of_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenizer"):
        tokenizer_of(tmp_path)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "bark", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer_of(tmp_path))
    assert made.encode("Dog barks").tokens == ["[CLS]", "dog", "bark", "##s", "[SEP]"]


def test_a_bar_with_the_lines_above_it_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with _progress(quiet=False) as (report, watch):
        report("loss 0.5 [of a batch]")
        watch(0.25, 10)
        watch(0.5, 20)
    told = capsys.readouterr().err
    assert "loss 0.5 [of a batch]" in told
    assert "Step 20" in told
    assert "50%" in told
