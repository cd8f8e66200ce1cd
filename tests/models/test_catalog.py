"""Which models are found, and what is said of broken ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from soundsearch.errors import UserError
from soundsearch.models import catalog
from soundsearch.models.known import KNOWN, known
from tests.models.small import small_model


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "resources", lambda: tmp_path / "shipped")


def test_nothing_installed(tmp_path: Path) -> None:
    assert catalog.installed(tmp_path) == []
    assert catalog.find(tmp_path, None) is None
    with pytest.raises(UserError, match="no model named paper"):
        catalog.find(tmp_path, "paper")


def test_shipped_and_own_models(tmp_path: Path) -> None:
    small_model(tmp_path / "shipped" / "models" / "starter", name="starter")
    own = small_model(tmp_path / "models" / "mine", name="mine", source="here", quality="none")
    entries = catalog.installed(tmp_path)
    assert [entry.name for entry in entries] == ["mine", "starter"]
    mine = entries[0]
    assert (mine.folder, mine.kind, mine.dim, mine.rate) == (own, "passt", 16, 32_000)
    assert (mine.licence, mine.source, mine.quality) == ("CC0-1.0", "here", "none")
    assert mine.segment_seconds == 10.0
    assert mine.bytes == sum(file.stat().st_size for file in own.iterdir())
    starter = catalog.find(tmp_path, None)
    assert starter is not None
    assert starter.name == "starter"
    assert catalog.find(tmp_path, "mine") == mine
    with pytest.raises(UserError, match="Installed: mine, starter"):
        catalog.find(tmp_path, "other")


def test_an_own_model_hides_the_shipped_one_of_that_name(tmp_path: Path) -> None:
    small_model(tmp_path / "shipped" / "models" / "starter", name="starter")
    own = small_model(tmp_path / "models" / "starter", seed=1, name="starter")
    assert [entry.folder for entry in catalog.installed(tmp_path)] == [own]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "x"}', '{"dim": "many"}'])
def test_a_broken_model_is_passed_over_unless_named(tmp_path: Path, text: str) -> None:
    small_model(tmp_path / "models" / "good", name="good")
    bad = small_model(tmp_path / "models" / "bad", name="bad")
    (bad / "model.json").write_text(text)
    assert [entry.name for entry in catalog.installed(tmp_path)] == ["good"]
    with pytest.raises(UserError) as caught:
        catalog.find(tmp_path, "bad")
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_weights(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "models" / "small")
    (folder / "weights.safetensors").unlink()
    assert catalog.installed(tmp_path) == []
    (wrong,) = catalog.broken(tmp_path)
    assert "(weights.safetensors is missing)" in str(wrong)


def test_a_folder_without_settings_is_told_and_can_be_removed(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "models" / "mine")
    (folder / "model.json").unlink()
    (wrong,) = catalog.broken(tmp_path)
    assert "(model.json is missing)" in str(wrong)
    with pytest.raises(UserError, match=r"model\.json is missing"):
        catalog.find(tmp_path, "mine")
    catalog.remove(tmp_path, "mine")
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["torn", "away"])
def test_what_stands_in_for_the_chosen_model_says_so(tmp_path: Path, damage: str) -> None:
    small_model(tmp_path / "shipped" / "models" / "starter", name="starter")
    folder = small_model(tmp_path / "models" / "mine", name="mine")
    catalog.use(tmp_path, "mine")
    if damage == "torn":
        (folder / "weights.safetensors").unlink()
        said = "stands in for mine: The model in .* can't be used .*weights.safetensors is missing"
    else:
        folder.rename(tmp_path / "elsewhere")
        said = "stands in for mine, which is not here any more"
    found = catalog.find(tmp_path, None)
    assert found is not None
    assert found.name == "starter"
    assert re.search(said, found.warning)
    assert catalog.read_entry(found.folder).warning == ""


def test_what_a_model_knows_is_forgotten_by_its_name(tmp_path: Path) -> None:
    for name in ("mine-0123456789", "mine-abcdefabcd", "mine-too-0123456789"):
        folder = tmp_path / "embeddings" / name
        folder.mkdir(parents=True)
        (folder / "rows").write_bytes(b"x" * 100)
    assert catalog.kept_vectors(tmp_path) == {"mine": 200, "mine-too": 100}
    catalog.forget(tmp_path, "mine")
    assert [folder.name for folder in (tmp_path / "embeddings").iterdir()] == [
        "mine-too-0123456789"
    ]
    catalog.forget(tmp_path, "mine")
    assert catalog.kept_vectors(tmp_path) == {"mine-too": 100}
    left = tmp_path / "embeddings" / ".removed-1-mine-0123456789"
    left.mkdir()
    (left / "rows").write_bytes(b"x" * 100)
    assert catalog.kept_vectors(tmp_path) == {"mine-too": 100}
    assert catalog.tidy(tmp_path) == 100


def test_the_id_follows_weights_and_settings_but_not_words(tmp_path: Path) -> None:
    def model_id(place: str, seed: int = 0, **changes: object) -> str:
        return catalog.read_entry(small_model(tmp_path / place, seed, **changes)).model_id

    first = model_id("a")
    assert first.startswith("small-")
    assert model_id("b") == first
    assert model_id("c", licence="other", quality="good") == first
    assert model_id("d", seed=1) != first
    assert model_id("e", padding="segment") != first


def test_an_id_is_computed_where_none_is_stored(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "small")
    entry = catalog.read_entry(folder)
    settings = json.loads((folder / "model.json").read_text())
    del settings["hash"]
    (folder / "model.json").write_text(json.dumps(settings))
    assert catalog.read_entry(folder).model_id == entry.model_id


def test_the_catalog_needs_no_torch() -> None:
    code = "import sys, soundsearch.models.catalog; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_the_chosen_model(tmp_path: Path) -> None:
    small_model(tmp_path / "shipped" / "models" / "starter", name="starter")
    small_model(tmp_path / "models" / "mine", name="mine")
    assert catalog.in_use(tmp_path) is None
    catalog.use(tmp_path, "mine")
    found = catalog.find(tmp_path, None)
    assert found is not None
    assert (found.name, catalog.in_use(tmp_path)) == ("mine", "mine")
    with pytest.raises(UserError, match="no model named other"):
        catalog.use(tmp_path, "other")
    catalog.remove(tmp_path, "mine")
    found = catalog.find(tmp_path, None)
    assert found is not None
    assert (found.name, catalog.in_use(tmp_path)) == ("starter", None)
    with pytest.raises(UserError, match="ships with"):
        catalog.remove(tmp_path, "starter")


def test_what_is_left_of_a_removed_model_is_no_model(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "models" / "mine", name="mine")
    left = folder.rename(tmp_path / "models" / ".removed-1-mine")
    assert catalog.installed(tmp_path) == []
    catalog.tidy(tmp_path)
    assert not left.exists()


def test_what_a_killed_import_left_is_deleted(tmp_path: Path) -> None:
    left = tmp_path / "models" / ".import-x1" / "mine"
    left.mkdir(parents=True)
    (left / "weights.safetensors").write_bytes(b"x" * 1000)
    arriving = tmp_path / "models" / ".download-salsa"
    arriving.mkdir()
    (arriving / "salsa.1.ckpt.part").write_bytes(b"x" * 500)
    done = tmp_path / "models" / ".download-clap-general"
    done.mkdir()
    (done / "model.safetensors").write_bytes(b"x" * 200)
    small_model(tmp_path / "models" / "clap-general", name="clap-general")
    with catalog.bringing(tmp_path):
        assert catalog.tidy(tmp_path) == 0  # it may be in use
        with (
            pytest.raises(UserError, match="being fetched or imported"),
            catalog.bringing(tmp_path),
        ):
            pass
    assert left.exists()
    assert catalog.tidy(tmp_path) == 1200
    assert not left.parent.exists()
    assert not done.exists()
    assert catalog.fetched(tmp_path, "salsa") == 500  # goes on where it was
    assert catalog.fetched(tmp_path, "dcase2025") == 0
    assert catalog.tidy(tmp_path) == 0
    assert catalog.tidy(tmp_path / "nothing here") == 0


def test_a_warning(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "models" / "mine", name="mine")
    assert catalog.read_entry(folder).warning == ""
    model_id = catalog.read_entry(folder).model_id
    (folder / catalog.CHECK).write_text('{"warning": "deaf"}')
    assert catalog.read_entry(folder).warning == "deaf"
    assert catalog.read_entry(folder).model_id == model_id
    (folder / catalog.CHECK).write_text("[")
    assert catalog.read_entry(folder).warning == ""


def test_known_models_are_told_fully() -> None:
    names = [model.name for model in KNOWN]
    assert len(set(names)) == len(names)
    for model in KNOWN:
        assert model.title
        assert model.licence
        assert model.source
        assert model.quality
        assert model.memory > model.bytes > 0
        assert all(file.startswith("https://") for file in model.files)
    salsa = known("salsa")
    assert salsa is not None
    assert [file.rsplit(".", 2)[-2] for file in salsa.files] == list("12345")
    assert known("none") is None
