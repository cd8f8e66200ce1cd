"""Each configuration of the paper: it builds its model, in small, and does one step."""

import json
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.models.cnn import PANNS_WIDTHS
from soundsearch.paths import resources
from soundsearch.training.configuration import read_configuration
from soundsearch.training.loop import Run
from soundsearch.training.paper import (
    PaperRecipe,
    model_settings,
    paper_task,
    read_paper,
    training_sets,
)
from tests.models.small import small_tokenizer
from tests.training.trees import audiocaps_tree, clotho_tree, variations_of, wavcaps_tree

FOLDER = resources() / "training"
OTHERS = ("starter", "starter-further", "paper")
PAPER = sorted(file.stem for file in FOLDER.glob("*.toml") if file.stem not in OTHERS)
TABLE_2 = {  # stride, patchout (frequency; time), seconds of a segment
    "passt-l-bert-base": ((10, 10), (4, 50), 10.0),
    "passt-n-bert-base": ((16, 16), (2, 15), 10.0),
    "passt-s-bert-base": ((10, 10), (4, 50), 10.0),
    "passt-s20-10s": ((10, 10), (4, 80), 10.0),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split in ("development", "validation", "evaluation"):
        clotho_tree(folder / "clotho", split, 3)
    variations_of(folder / "clotho", "development", folder / "variations.json")
    audiocaps_tree(folder / "audiocaps")
    wavcaps_tree(folder / "wavcaps")
    (folder / "text").mkdir()
    (folder / "text" / "tokenizer.json").write_text(small_tokenizer())
    return folder


def small(name: str, place: Path) -> PaperRecipe:
    """The configuration with its networks' widths and depths reduced and the test's data."""
    given = read_configuration(FOLDER / f"{name}.toml")
    cnn = given["audio"]["network"].startswith("cnn")
    varied = f'variations = "{place}/variations.json"' if given["clotho"]["variations"] else ""
    file = place / f"{name}.toml"
    file.write_text(f"""
        base = {json.dumps(str(FOLDER / f"{name}.toml"))}
        runs = "{place}/runs"
        dim = 16
        [clotho]
        folder = "{place}/clotho"
        {varied}
        [audiocaps]
        folder = "{place}/audiocaps"
        audio = "{place}/audiocaps/audio"
        [wavcaps]
        folder = "{place}/wavcaps"
        audio = "{place}/wavcaps/audio"
        {"" if cnn else "[audio.config]"}
        {"" if cnn else "embed_dim = 32"}
        {"" if cnn else "depth = 1"}
        {"" if cnn else "heads = 4"}
        [text]
        folder = "{place}/text"
        start = false
        [text.config]
        vocab_size = 128
        hidden_size = 32
        num_hidden_layers = 1
        num_attention_heads = 2
        intermediate_size = 32
        [train]
        batch = 2
        workers = 0
        precision = "float32"
    """)
    return read_paper(file)


@pytest.mark.parametrize("name", PAPER)
def test_each_builds_its_model_and_does_a_step(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for network, widths in list(PANNS_WIDTHS.items()):
        monkeypatch.setitem(PANNS_WIDTHS, network, tuple(width // 16 for width in widths))
    recipe = small(name, place)
    assert recipe.name == name
    listings = training_sets(recipe)
    task = paper_task(recipe, [item for one in listings for item in one.items])
    before = {key: value.clone() for key, value in task.learner.state_dict().items()}
    run = Run(recipe.folder, recipe.train, task)
    run.train(stop_after=1)
    after = task.learner.state_dict()
    changed = {key for key in before if not before[key].equal(after[key])}
    for part in ("dual.audio.", "dual.text.", "dual.audio_projection.", "dual.text_projection."):
        assert any(key.startswith(part) for key in changed)
    assert "tau" in changed


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2(name: str) -> None:
    recipe = read_paper(FOLDER / f"{name}.toml")
    audio = model_settings(recipe)["audio"]
    stride, patchout, seconds = TABLE_2[name]
    assert tuple(audio["stride"]) == stride
    assert (audio["patchout_frequency"], audio["patchout_time"]) == patchout
    assert recipe.train.segment_seconds == seconds


def test_the_data_sets_of_table_4(place: Path) -> None:
    for name in PAPER:
        if name.startswith("data-"):
            wanted = set(name.removeprefix("data-").split("-"))
            assert set(read_paper(FOLDER / f"{name}.toml").sets) == wanted
    listings = training_sets(small("data-audiocaps-wavcaps", place))
    assert [listing.name for listing in listings][:2] == ["AudioCaps", "WavCaps FreeSound"]
    assert sum(listing.excluded for listing in listings) == 2


def test_fine_tuning(place: Path) -> None:
    gpt = small("passt-n-roberta-large-finetuned-gpt", place)
    plain = small("passt-n-roberta-large-finetuned", place)
    assert (gpt.train.swap, plain.train.swap) == (0.3, 0.0)
    assert gpt.continue_from == plain.continue_from == "passt-n-roberta-large"
    assert (gpt.train.epochs, gpt.train.learning_rate) == (5, 8e-6)
    (development,) = training_sets(gpt)
    assert all(item.variations for item in development.items)
    (development,) = training_sets(plain)
    assert not any(item.variations for item in development.items)


def test_a_base_is_changed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("a = 1\nb = [1, 2]\n[t]\nx = 1\ny = 2\n")
    (tmp_path / "two.toml").write_text('base = "one.toml"\nb = [3]\n[t]\ny = 3\n')
    (tmp_path / "three.toml").write_text('base = "two.toml"\nc = 4\n')
    assert read_configuration(tmp_path / "three.toml") == {
        "a": 1, "b": [3], "c": 4, "t": {"x": 1, "y": 3}
    }  # fmt: skip
    (tmp_path / "round.toml").write_text('base = "round.toml"\n')
    with pytest.raises(UserError, match="itself"):
        read_configuration(tmp_path / "round.toml")
    (tmp_path / "lost.toml").write_text('base = "nowhere.toml"\n')
    with pytest.raises(UserError, match="nowhere.toml"):
        read_configuration(tmp_path / "lost.toml")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('sets = ["clotho", "youtube"]', "data set"),
        ("[train]\nspeed = 3", "speed"),
        ('[audio]\nnetwork = "resnet"', "resnet"),
        ('[text]\nnetwork = "gpt"', "gpt"),
        ("[audio.config]\nwidth = 3", "width"),
    ],
)
def test_what_is_unknown_is_refused(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'base = "{FOLDER}/paper.toml"\n{line}\n')
    with pytest.raises(UserError, match=told):
        model_settings(read_paper(file))
