"""What models cost on this machine: the measurement, what is kept of it, and the estimates."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import ClapConfig, ClapModel

from soundsearch.models import catalog, speed
from soundsearch.models.clap import ClapAudio, clap_config
from soundsearch.models.encoder import build
from soundsearch.models.known import known
from soundsearch.models.passt import VARIANTS, Passt
from soundsearch.models.shelf import choice_of, choices, told_time
from tests.models.small import small_model

CNN = {"audio": {"widths": [4, 8, 8], "dim": 24}, "mel_pooling": 2}


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "resources", lambda: tmp_path / "shipped")


def test_the_machine_is_measured_once_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert speed.measured_machine(tmp_path) is None
    machine = speed.measure_machine(tmp_path / "new", "cpu")
    assert machine.device == "cpu"
    assert machine.flops > 1e6
    assert speed.measured_machine(tmp_path / "new") == machine
    monkeypatch.setattr(speed.time, "time", lambda: machine.when + 2 * 86_400)
    assert speed.measured_machine(tmp_path / "new") is None


def test_what_sounds_cost() -> None:
    lengths = [0.2, 9.0, 10.0, 10.5, 31.0]
    assert speed.cost(lengths, whole_segments=True) == 10 * (1 + 1 + 1 + 2 + 4)
    assert speed.cost(lengths, whole_segments=True, segment_seconds=5.0) == 5 * (1 + 2 + 2 + 3 + 7)
    assert speed.cost(lengths, whole_segments=False) == 1.0 + 9.0 + 10.0 + 10.5 + 31.0
    assert speed.cost([], whole_segments=True) == 0


def test_speeds_are_kept_when_enough_was_done(tmp_path: Path) -> None:
    assert speed.measured_speed(tmp_path, "a-1") is None
    speed.note_speed(tmp_path, "a-1", worked_on=speed.LEAST_COST - 1, seconds=1.0)
    assert speed.measured_speed(tmp_path, "a-1") is None
    speed.note_speed(tmp_path, "a-1", worked_on=100.0, seconds=20.0)
    speed.note_speed(tmp_path, "b-2", worked_on=100.0, seconds=50.0)
    assert speed.measured_speed(tmp_path, "a-1") == 5.0
    assert speed.measured_speed(tmp_path, "b-2") == 2.0


@pytest.mark.parametrize(
    "text", ["", "[]", '{"models": 1, "machine": []}', '{"models": {"a-1": 3}}']
)
def test_a_damaged_file_is_measured_again(tmp_path: Path, text: str) -> None:
    (tmp_path / speed.FILE_NAME).write_text(text)
    assert speed.measured_speed(tmp_path, "a-1") is None
    assert speed.measured_machine(tmp_path) is None
    speed.note_speed(tmp_path, "a-1", 100.0, 20.0)
    assert speed.measured_speed(tmp_path, "a-1") == 5.0


def write_machine(data: Path, flops: float) -> None:
    data.mkdir(exist_ok=True)
    machine = {"device": "cpu", "flops": flops, "bfloat16": 0.0, "when": speed.time.time()}
    (data / speed.FILE_NAME).write_text(json.dumps({"machine": machine}))


def test_a_machine_of_which_bfloat16_is_not_known_is_measured_again(tmp_path: Path) -> None:
    write_machine(tmp_path, flops=1e12)
    assert speed.measured_machine(tmp_path) is not None
    kept = json.loads((tmp_path / speed.FILE_NAME).read_text())
    del kept["machine"]["bfloat16"]
    (tmp_path / speed.FILE_NAME).write_text(json.dumps(kept))
    assert speed.measured_machine(tmp_path) is None


def test_a_broken_model_and_what_a_gone_one_knew_are_told(tmp_path: Path) -> None:
    small_model(tmp_path / "models" / "good", name="good")
    bad = small_model(tmp_path / "models" / "salsa", name="salsa")
    (bad / "weights.safetensors").unlink()
    for model_id, size in (("lost-0123456789", 700), ("salsa-1", 5), ("salsa-2", 6)):
        folder = tmp_path / "embeddings" / model_id
        folder.mkdir(parents=True)
        (folder / "rows").write_bytes(b"x" * size)
    told = {choice.name: choice for choice in choices(tmp_path)}
    broken, gone = told["salsa"], told["lost"]
    assert (broken.state, broken.own, broken.is_here, broken.vectors) == ("broken", True, False, 11)
    assert "weights.safetensors is missing" in broken.warning
    assert (gone.state, gone.own, gone.is_here, gone.vectors) == ("gone", False, False, 700)
    assert (told["good"].state, told["good"].vectors) == ("in use", 0)


def test_estimates_before_and_measurements_after(tmp_path: Path) -> None:
    salsa = choice_of(tmp_path, "salsa", [1.0] * 100)
    assert (salsa.state, salsa.speed, salsa.needs) == ("to download", None, None)
    known_salsa = known("salsa")
    assert known_salsa is not None
    # Ten seconds of sound a second.
    write_machine(tmp_path, flops=known_salsa.flop / known_salsa.shares[0])
    salsa = choice_of(tmp_path, "salsa", [1.0] * 100)
    assert (salsa.speed, salsa.measured) == (10.0, False)
    assert salsa.needs == 100.0  # each second is padded to ten

    folder = small_model(tmp_path / "models" / "salsa", name="salsa", padding="segment")
    assert choice_of(tmp_path, "salsa", [1.0] * 100).needs == 100.0
    model_id = json.loads((folder / "model.json").read_text())
    speed.note_speed(tmp_path, f"salsa-{model_id['hash'][:10]}", 100.0, 2.0)
    salsa = choice_of(tmp_path, "salsa", [1.0] * 100)
    assert (salsa.state, salsa.speed, salsa.measured, salsa.needs) == ("in use", 50.0, True, 20.0)
    assert "50 s of sound/s, measured" in salsa.pace
    assert [choice.name for choice in choices(tmp_path)].count("salsa") == 1


def test_short_sounds_cost_what_their_padding_makes_them(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "models" / "small", padding="bucket")
    settings = json.loads((folder / "model.json").read_text())
    speed.note_speed(tmp_path, f"small-{settings['hash'][:10]}", 100.0, 10.0)
    assert choice_of(tmp_path, "small", [0.1] * 100).needs == 10.0


def test_the_faster_precision_counts_and_what_a_network_reaches_of_it() -> None:
    machine = speed.Machine("cpu", flops=100.0, when=0.0, bfloat16=300.0)
    assert machine.speed(10.0) == 300.0
    assert machine.speed(10.0, shares=(0.5, 0.1)) == 50.0
    assert machine.speed(10.0, shares=(0.1, 0.0)) == 10.0


def test_memory_is_told_as_what_it_is(tmp_path: Path) -> None:
    assert choice_of(tmp_path, "salsa").memory_told.endswith("(estimated)")
    small_model(tmp_path / "shipped" / "models" / "starter", name="starter", kind="cnn", **CNN)
    assert choice_of(tmp_path, "starter").memory_told == "about 450 MB of memory"


@pytest.mark.parametrize("name", ["starter", "clap-general"])
def test_a_model_that_only_has_a_known_name_is_not_taken_for_it(tmp_path: Path, name: str) -> None:
    write_machine(tmp_path, flops=1e12)
    folder = small_model(tmp_path / "models" / name, name=name)
    with (folder / "weights.safetensors").open("ab") as file:
        file.truncate(1_000_000_000)
    choice = choice_of(tmp_path, name)
    assert choice.memory_told == "about 3.5 GB of memory (estimated)"
    assert (choice.speed, choice.title) == (None, "")


def test_the_stated_flop_are_what_torch_counts() -> None:
    def counted(network: torch.nn.Module, *shape: int, device: str = "meta") -> int:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.ones(shape, device=device))
        return counter.get_total_flops()

    with torch.device("meta"):
        passt = Passt(VARIANTS["N"]).eval()
    salsa, starter = known("salsa"), known("starter")
    assert salsa is not None
    assert starter is not None
    assert counted(passt, 1, 1, 128, 1000) == salsa.flop
    shipped = Path(__file__).parents[2] / "resources" / "models" / "starter" / "model.json"
    audio = build(json.loads(shipped.read_text(encoding="utf-8"))).eval().audio
    assert counted(audio, 1, 320_000, device="cpu") == pytest.approx(starter.flop, rel=0.2)
    large = {
        "depths": [2, 2, 12, 2],
        "patch_embeds_hidden_size": 128,
        "hidden_size": 1024,
        "num_attention_heads": [4, 8, 16, 32],
    }
    for name, audio in (("clap-unfused", {}), ("clap-general", large)):
        config = ClapConfig(audio_config={"enable_fusion": False, **audio})
        with torch.device("meta"):
            whole = ClapModel(config)
            network = ClapAudio(clap_config(config.to_dict(), {}, name)["audio"]).eval()
        model = known(name)
        assert model is not None
        # The same network as the published one, by its number of parameters.
        assert 4 * sum(p.numel() for p in whole.parameters()) == model.download
        assert counted(network, 1, 1, 1001, 64) == model.flop


def test_times_in_words() -> None:
    told = [told_time(seconds) for seconds in (5, 80, 600, 3 * 3600, 4 * 86_400)]
    assert told[:2] == ["a minute or less", "about 2 minutes"]
    assert told[2:] == ["about 10 minutes", "about 3 hours", "about 4 days"]


def test_no_torch_is_loaded_to_tell() -> None:
    code = "import sys, soundsearch.models.shelf; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
