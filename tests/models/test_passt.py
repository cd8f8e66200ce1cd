"""Our PaSST beside hear21passt's own forward."""

import subprocess
import sys
import warnings
from typing import Any

import pytest
import torch

from soundsearch.models.passt import VARIANTS, Passt, PasstConfig, passt_class

SMALL = PasstConfig(embed_dim=32, depth=2, heads=4)


def published(config: PasstConfig) -> Any:
    network: Any = passt_class()(
        img_size=config.img_size,
        stride=config.stride,
        num_classes=config.classes,
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.heads,
        distilled=True,
    )
    sys.modules[type(network).__module__].first_RUN = False  # type: ignore[attr-defined]
    return network.eval()


@pytest.mark.parametrize("stride", [(16, 16), (10, 10)])
@pytest.mark.parametrize("frames", [16, 200, 990, 1000])
def test_the_features_are_hear21passts(frames: int, stride: tuple[int, int]) -> None:
    config = PasstConfig(embed_dim=32, depth=2, heads=4, stride=stride, classes=5)
    ours, theirs = Passt(config).eval(), published(config)
    theirs.load_state_dict(ours.state_dict())  # strict: the same keys and shapes
    mel = torch.randn(2, 1, 128, frames)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(mel)[1]
        torch.testing.assert_close(ours(mel), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "millions", "rows", "columns", "tensors"),
    [
        ("N", 86.12, 8, 62, 159),
        ("S", 86.15, 12, 99, 159),
        ("L", 50.71, 12, 99, 99),
        ("S20", 86.23, 12, 200, 159),
    ],
)
def test_published_sizes(name: str, millions: float, rows: int, columns: int, tensors: int) -> None:
    with torch.device("meta"):
        network = Passt(VARIANTS[name])
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    keys = network.state_dict()
    assert len(keys) == tensors
    assert keys["freq_new_pos_embed"].shape == (1, 768, rows, 1)
    assert keys["time_new_pos_embed"].shape == (1, 768, 1, columns)
    assert keys["head_dist.weight"].shape == (527, 768)


def tokens_of(network: Passt, frames: int) -> int:
    seen: list[int] = []
    hook = network.blocks.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[1]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, 128, frames))
    hook.remove()
    return seen[0]


def test_patchout_only_in_training_and_in_proportion() -> None:
    config = PasstConfig(embed_dim=32, depth=1, heads=4, patchout_time=15, patchout_frequency=2)
    network = Passt(config)
    assert tokens_of(network, 1000) == 6 * 47 + 2
    assert tokens_of(network, 200) == 6 * (12 - 3) + 2
    assert tokens_of(network, 16) == 6 * 1 + 2
    network.eval()
    assert tokens_of(network, 1000) == 8 * 62 + 2


def test_lengths_that_do_not_fit() -> None:
    network = Passt(SMALL).eval()
    with pytest.raises(ValueError, match="16 frames"):
        network(torch.zeros(1, 1, 128, 15))
    with pytest.raises(ValueError, match="time embeddings"):
        network(torch.zeros(1, 1, 128, 1016))


def test_heads_must_share_the_dimensions() -> None:
    with pytest.raises(ValueError, match="heads"):
        Passt(PasstConfig(embed_dim=32, depth=1, heads=5))


def test_the_import_needs_no_timm_says_nothing_and_leaves_nothing() -> None:
    code = """
import sys, torch
from soundsearch.models.passt import Passt, PasstConfig
network = Passt(PasstConfig(embed_dim=32, depth=1, heads=4)).eval()
network(torch.zeros(1, 1, 128, 200))
assert not [name for name in sys.modules if name.split(".")[0] in ("timm", "torchaudio")]
"""
    told = subprocess.run(
        [sys.executable, "-W", "always::UserWarning:hear21passt", "-c", code],
        capture_output=True,
        text=True,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_a_timm_that_is_there_stays() -> None:
    code = """
import sys, types
for name in ("timm", "timm.models", "timm.models._hub"):
    sys.modules[name] = types.ModuleType(name)
own = sys.modules["timm.models._hub"]
own.download_cached_file = print
from soundsearch.models.passt import passt_class
passt_class()
assert sys.modules["timm.models._hub"] is own and own.download_cached_file is print
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
