"""Published checkpoints become model folders that give what their authors' own code gives."""

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import RobertaTokenizer

from soundsearch.errors import UserError
from soundsearch.models import catalog, importing
from soundsearch.models.checkpoint import read_tensors
from soundsearch.models.encoder import load_model
from soundsearch.models.importing import import_model
from soundsearch.models.mel import LogMel
from soundsearch.models.text import clean_caption
from soundsearch.models.tokenizer import roberta_tokenizer
from tests.models.published import Published, state_dict, tokenizer_files, write_checkpoint
from tests.models.small import small_model

RATE = 32_000
CAPTIONS = ["A dog's bark in the rain!", "rain", "dog " * 40]


@pytest.fixture(scope="module")
def published() -> Published:
    return Published()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_files(tmp_path_factory.mktemp("words"))


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "resources", lambda: tmp_path / "shipped")


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


def authors_audio(published: Published, samples: np.ndarray) -> np.ndarray:
    """Padded to whole segments, each through hear21passt's forward; mean, linear, unit length."""
    segments = -(-len(samples) // (10 * RATE))
    padded = np.zeros(segments * 10 * RATE, np.float32)
    padded[: len(samples)] = samples
    with torch.inference_mode():
        mel = LogMel()(torch.from_numpy(padded.reshape(segments, -1)))
        features = published.passt(mel)[1].mean(0)
        return functional.normalize(published.project_audio(features), dim=-1).numpy()


def authors_text(published: Published, words: Path, caption: str, keep_end: bool) -> np.ndarray:
    tokenizer = RobertaTokenizer(str(words / "vocab.json"), str(words / "merges.txt"))
    ids = tokenizer(clean_caption(caption))["input_ids"]
    if len(ids) > 32:
        ids = [*ids[:31], 2] if keep_end else ids[:32]
    with torch.inference_mode():
        first = published.roberta(torch.tensor([ids])).last_hidden_state[:, 0]
        return functional.normalize(published.project_text(first), dim=-1)[0].numpy()


@pytest.mark.parametrize("layout", ["2023", "salsa", "2025"])
def test_each_published_layout(
    tmp_path: Path, published: Published, words: Path, layout: str
) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, layout)
    report = import_model(tmp_path / "data", "mine", [file], words)
    assert report.layout == layout
    assert report.folder == tmp_path / "data" / "models" / "mine"
    left_out = {
        "2023": {"tau", "sentence_embedding_model.embeddings.position_ids"},
        "salsa": {"tau", "timing_tau", "audio_token", "posencode.w", "posencode.pe"},
        "2025": {"tau"},
    }
    assert set(report.left_out) == left_out[layout]
    assert report.used == len(state_dict(published, layout)) - len(left_out[layout])
    assert list((tmp_path / "data" / "models").iterdir()) == [report.folder]

    entry = catalog.read_entry(report.folder)
    assert (entry.name, entry.kind, entry.dim, entry.rate) == ("mine", "passt", 48, RATE)
    assert entry.licence == "no licence stated by its authors"
    model = load_model(report.folder, "cpu", "float32")  # auto depends on how busy it is here
    for seconds in (1.0, 10.0, 23.0):
        samples = sound(seconds)
        vectors, _ = model.embed_audio([samples])
        assert vectors[0] @ authors_audio(published, samples) > 0.99999
    for caption, vector in zip(CAPTIONS, model.embed_text(CAPTIONS), strict=True):
        expected = authors_text(published, words, caption, keep_end=layout != "2023")
        assert vector @ expected > 0.99999


def test_parts_are_joined(tmp_path: Path, published: Published, words: Path) -> None:
    whole = write_checkpoint(tmp_path / "whole.ckpt", published, "salsa").read_bytes()
    parts = [tmp_path / f"passt_roberta.{number}.ckpt" for number in range(1, 6)]
    step = -(-len(whole) // 5)
    for number, part in enumerate(parts):
        part.write_bytes(whole[number * step : (number + 1) * step])
    report = import_model(tmp_path / "data", "mine", parts, words)
    assert report.layout == "salsa"
    assert list((tmp_path / "data" / "models").iterdir()) == [report.folder]
    with pytest.raises(UserError, match="name all of them in order"):
        import_model(tmp_path / "data", "other", parts[:1], words)


def test_a_known_name_brings_its_facts(tmp_path: Path, published: Published, words: Path) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, "salsa")
    report = import_model(tmp_path / "data", "salsa", [file], words)
    assert "40.11" in catalog.read_entry(report.folder).quality
    with pytest.raises(UserError, match="salsa layout.*can't be dcase2025"):
        import_model(tmp_path / "data", "dcase2025", [file], words)


def test_a_name_is_taken_once(tmp_path: Path, published: Published, words: Path) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, "2025")
    folder = import_model(tmp_path / "data", "mine", [file], words).folder
    before = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(UserError, match="named mine already"):
        import_model(tmp_path / "data", "mine", [file], words)
    assert (folder / "weights.safetensors").read_bytes() == before
    for name in ("", "../up", "a/b", ".hidden", "in use"):
        with pytest.raises(UserError, match="can't be a model's name"):
            import_model(tmp_path / "data", name, [file], words)


class Hostile:
    """Pickled, it asks for a command that writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"echo owned > {self.file}",)


class HostileByBuiltin(Hostile):
    def __reduce__(self) -> Any:
        return eval, (f"open({str(self.file)!r}, 'w').write('owned')",)


@pytest.mark.parametrize("kind", [Hostile, HostileByBuiltin])
@pytest.mark.parametrize("old_format", [False, True])
def test_a_hostile_pickle_runs_nothing(
    tmp_path: Path, published: Published, words: Path, kind: type[Hostile], old_format: bool
) -> None:
    written = tmp_path / "written"
    stored = {"state_dict": state_dict(published, "2025"), "epoch": kind(written)}
    file = tmp_path / "model.ckpt"
    torch.save(stored, file, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(UserError, match=r"refused, and nothing of it was run") as caught:
        import_model(tmp_path / "data", "mine", [file], words)
    assert "\n" not in str(caught.value)
    assert not written.exists()
    assert list((tmp_path / "data" / "models").iterdir()) == []


def test_a_plain_pickle_runs_nothing(tmp_path: Path) -> None:
    written, file = tmp_path / "written", tmp_path / "model.pt"
    file.write_bytes(pickle.dumps(Hostile(written)))
    with pytest.raises(UserError):
        read_tensors(file)
    assert not written.exists()


def test_settings_of_unknown_classes_are_not_loaded(tmp_path: Path) -> None:
    """Lightning also stores paths and NumPy numbers beside the tensors."""
    file = tmp_path / "model.ckpt"
    beside = {"where": tmp_path, "best": np.float64(0.4), "all": np.arange(3)}
    torch.save({"state_dict": {"a": torch.ones(2)}, "callbacks": beside}, file)
    np.testing.assert_array_equal(read_tensors(file)["a"], [1, 1])


def _without(key: str) -> Any:
    return lambda state: {k: v for k, v in state.items() if key not in k}


def _reshaped(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: v[:-1] if k.endswith("blocks.1.mlp.fc1.bias") else v for k, v in state.items()}


def _not_a_number(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: v * float("nan") if k.endswith("norm.weight") else v for k, v in state.items()}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without("blocks.1.attn.qkv.bias"), r"1 tensors are missing.*blocks\.1\.attn\.qkv\.bias"),
        (_without("text_projection"), "2 tensors are missing"),
        (_reshaped, r"another shape.*fc1\.bias is \(511,\) instead of \(512,\)"),
        (_not_a_number, "no numbers"),
        (_without("cls_token"), "none of the known layouts"),
        (_without("freq_new_pos_embed"), "lacks audio.freq_new_pos_embed"),
        (lambda state: {"a": torch.ones(1)}, "none of the known layouts"),
        (lambda state: {}, "holds no weights"),
    ],
)
def test_what_does_not_fit_is_told(
    tmp_path: Path, published: Published, words: Path, damage: Any, said: str
) -> None:
    file = tmp_path / "model.ckpt"
    torch.save({"state_dict": damage(state_dict(published, "2025"))}, file)
    with pytest.raises(UserError, match=said) as caught:
        import_model(tmp_path / "data", "mine", [file], words)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "data" / "models").iterdir()) == []


def test_files_that_are_no_checkpoints(tmp_path: Path, published: Published, words: Path) -> None:
    whole = write_checkpoint(tmp_path / "whole.ckpt", published, "2025").read_bytes()
    for number, content in enumerate((b"", b"text", whole[: len(whole) // 2], whole[1000:])):
        file = tmp_path / f"{number}.ckpt"
        file.write_bytes(content)
        with pytest.raises(UserError, match="can't be read|refused") as caught:
            import_model(tmp_path / "data", "mine", [file], words)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="is not there"):
        import_model(tmp_path / "data", "mine", [tmp_path / "none.ckpt"], words)


def test_without_the_audioset_heads(tmp_path: Path, published: Published, words: Path) -> None:
    file = tmp_path / "model.ckpt"
    state = {k: v for k, v in state_dict(published, "salsa").items() if ".head" not in k}
    torch.save({"state_dict": state}, file)
    folder = import_model(tmp_path / "data", "mine", [file], words).folder
    samples = sound(3.0)
    vectors, _ = load_model(folder, "cpu").embed_audio([samples])
    assert vectors[0] @ authors_audio(published, samples) > 0.99999


def test_large_weights_keep_their_precision(
    tmp_path: Path, published: Published, words: Path
) -> None:
    state = state_dict(published, "2025")
    state["audio_projection.bias"] = torch.full_like(state["audio_projection.bias"], 1e6)
    file = tmp_path / "model.ckpt"
    torch.save({"state_dict": state}, file)
    folder = import_model(tmp_path / "data", "mine", [file], words).folder
    stored = read_tensors(folder / "weights.safetensors")
    assert stored["audio_projection.bias"].tolist() == [1e6] * 48


def test_the_full_sizes_are_recognised() -> None:
    """Settings of N with RoBERTa-large from the shapes alone."""
    meta = {
        "audio.cls_token": (1, 1, 768),
        "audio.freq_new_pos_embed": (1, 768, 8, 1),
        "audio.time_new_pos_embed": (1, 768, 1, 62),
        "audio.blocks.11.norm1.weight": (768,),
        "audio.head.1.weight": (527, 768),
        "text.network.embeddings.word_embeddings.weight": (50265, 1024),
        "text.network.embeddings.position_embeddings.weight": (514, 1024),
        "text.network.embeddings.token_type_embeddings.weight": (1, 1024),
        "text.network.encoder.layer.23.intermediate.dense.weight": (4096, 1024),
        "text.network.encoder.layer.0.intermediate.dense.weight": (4096, 1024),
    }
    tensors = {key: torch.empty(shape, device="meta") for key, shape in meta.items()}
    config, seconds = importing._passt_config(tensors, Path("file"))
    assert importing._audio_settings(config) == {"network": "N"}
    assert seconds == 10.0
    text = importing._text_config(tensors)
    assert text["architecture"] == "roberta"
    assert text["config"]["num_attention_heads"] == 16
    assert text["config"]["num_hidden_layers"] == 24
    assert text["config"]["layer_norm_eps"] == 1e-5


def test_the_tokenizer_is_that_of_transformers(words: Path) -> None:
    from tokenizers import Tokenizer

    ours = Tokenizer.from_str(roberta_tokenizer(words / "vocab.json", words / "merges.txt"))
    theirs = RobertaTokenizer(str(words / "vocab.json"), str(words / "merges.txt"))
    for text in ("a dog in the rain", "", "  rain", "Süß 日本 🎵", "dogs"):
        assert ours.encode(text).ids == theirs(text)["input_ids"]


def test_where_the_tokenizer_comes_from(tmp_path: Path, published: Published, words: Path) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, "2025")
    data = tmp_path / "data"
    with pytest.raises(UserError, match=r"no tokenizer.*roberta-large.*--tokenizer"):
        import_model(data, "mine", [file])
    asked = []

    def fetch(repository: str, into: Path) -> Path:
        asked.append(repository)
        return Path(shutil.copy(made, into / "tokenizer.json"))

    made = tmp_path / "made.json"
    made.write_text(roberta_tokenizer(words / "vocab.json", words / "merges.txt"))
    import_model(data, "fetched", [file], fetch_tokenizer=fetch)
    assert asked == ["FacebookAI/roberta-large"]
    import_model(data, "by-json", [file], made, fetch)
    import_model(data, "by-vocab", [file], words / "vocab.json", fetch)
    shutil.copy(made, tmp_path / "tokenizer.json")
    import_model(data, "beside", [file], fetch_tokenizer=fetch)
    assert len(asked) == 1
    texts = {
        name: load_model(data / "models" / name, "cpu").embed_text(["a dog"]).tolist()
        for name in ("fetched", "by-json", "by-vocab", "beside")
    }
    assert len({str(vector) for vector in texts.values()}) == 1


def test_a_tokenizer_that_can_not_be_fetched(tmp_path: Path, published: Published) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, "2025")

    def fetch(repository: str, into: Path) -> Path:
        raise UserError("No connection to huggingface.co", "Check the network")

    with pytest.raises(UserError, match=r"No connection.*beside the checkpoint.*--tokenizer"):
        import_model(tmp_path / "data", "mine", [file], fetch_tokenizer=fetch)


def test_a_model_is_not_there_before_it_was_checked(
    tmp_path: Path, published: Published, words: Path
) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, "2025")
    data = tmp_path / "data"
    seen: list[importing.Report] = []

    def look(report: importing.Report) -> None:
        seen.append(report)
        assert catalog.installed(data) == []
        load_model(report.folder, "cpu")
        (report.folder / catalog.CHECK).write_text('{"warning": "deaf"}')

    def interrupted(report: importing.Report) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_model(data, "mine", [file], words, check=interrupted)
    assert list((data / "models").iterdir()) == []
    folder = import_model(data, "mine", [file], words, check=look).folder
    assert [report.used for report in seen] != []
    assert catalog.read_entry(folder).warning == "deaf"


def test_a_tokenizer_of_another_model(tmp_path: Path, published: Published, words: Path) -> None:
    file = write_checkpoint(tmp_path / "model.ckpt", published, "2025")
    vocabulary = json.loads((words / "vocab.json").read_text())
    larger = tokenizer_files(tmp_path / "larger")
    vocabulary |= {f"word{number}": 266 + number for number in range(50)}
    (larger / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(UserError, match="knows 316 words, the model 266"):
        import_model(tmp_path / "data", "mine", [file], larger)
    (tmp_path / "torn.json").write_text("{")
    with pytest.raises(UserError, match=r"torn\.json is no tokenizer"):
        import_model(tmp_path / "data", "mine", [file], tmp_path / "torn.json")


def test_a_model_folder_from_another_machine(tmp_path: Path) -> None:
    stick = small_model(tmp_path / "stick", name="theirs", licence="CC0-1.0")
    report = import_model(tmp_path / "data", "mine", [stick])
    entry = catalog.read_entry(report.folder)
    assert (entry.name, entry.licence) == ("mine", "CC0-1.0")
    ours, theirs = load_model(report.folder, "cpu"), load_model(stick, "cpu")
    np.testing.assert_array_equal(ours.embed_text(["dog"]), theirs.embed_text(["dog"]))
