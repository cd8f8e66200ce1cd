"""Captions to tokens to features."""

import pytest
import torch

from soundsearch.models.bert import Bert
from soundsearch.models.text import CaptionTokenizer, TextConfig, TextEncoder, clean_caption
from tests.models.small import small_config, small_tokenizer


@pytest.mark.parametrize(
    ("caption", "cleaned"),
    [
        ("A dog's bark!", "a dogs bark"),
        ("hi-hat (closed), 808", "hihat closed 808"),
        ("“Schöne” Töne…", "“schöne” töne…"),
        ("", ""),
    ],
)
def test_captions_are_cleaned(caption: str, cleaned: str) -> None:
    assert clean_caption(caption) == cleaned


def test_tokens_are_cut_with_their_end_and_padded() -> None:
    tokenize = CaptionTokenizer(small_tokenizer(), tokens=8, pad=0)
    ids, mask = tokenize(["kick " * 20, "Kick!", ""])
    assert ids.shape == mask.shape == (3, 8)
    start, end, kick = int(ids[0, 0]), int(ids[0, -1]), int(ids[0, 1])
    assert ids[1].tolist() == [start, kick, end, 0, 0, 0, 0, 0]
    assert ids[2].tolist() == [start, end, 0, 0, 0, 0, 0, 0]
    assert mask.sum(1).tolist() == [8, 3, 2]
    assert tokenize([])[0].shape == (0, 0)


ROBERTA = {
    "vocab_size": 128,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 42,
    "pad_token_id": 1,
}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("architecture", ["bert", "roberta", "mpnet"])
def test_padding_changes_nothing(architecture: str, pooling: str) -> None:
    settings = small_config()["text"]["config"] if architecture == "bert" else ROBERTA
    config = TextConfig(architecture, settings, pooling)  # type: ignore[arg-type]
    encoder = TextEncoder(config).eval()
    assert encoder.dim == 32
    pad = settings["pad_token_id"]
    ids = torch.tensor([[5, 6, 7, 8]])
    padded = torch.tensor([[5, 6, 7, 8, pad, pad, pad]])
    with torch.inference_mode():
        alone = encoder(ids, torch.ones_like(ids))
        behind = encoder(padded, (torch.arange(7) < 4).long()[None])
        whole = encoder.network(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
    torch.testing.assert_close(alone, behind, atol=1e-5, rtol=1e-5)
    expected = whole[:, 0] if pooling == "cls" else whole.mean(1)
    torch.testing.assert_close(alone, expected, atol=1e-5, rtol=1e-5)


def test_robertas_keys_are_the_published_ones() -> None:
    encoder = TextEncoder(TextConfig("roberta", ROBERTA))
    keys = set(encoder.network.state_dict())
    assert len(keys) == 5 + 2 * 16
    assert "embeddings.LayerNorm.weight" in keys
    assert "encoder.layer.1.attention.self.query.weight" in keys
    assert "encoder.layer.0.output.LayerNorm.bias" in keys


def test_an_unknown_architecture() -> None:
    with pytest.raises(ValueError, match="unknown text encoder"):
        TextEncoder(TextConfig("gpt"))  # type: ignore[arg-type]


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_plain_bert_is_that_of_transformers(pooling: str) -> None:
    settings = small_config()["text"]["config"]
    config = TextConfig("bert", settings, pooling)  # type: ignore[arg-type]
    torch.manual_seed(3)
    trained = TextEncoder(config).eval()
    plain = TextEncoder(config, plain=True).eval()
    assert isinstance(plain.network, Bert)
    for value in trained.parameters():
        torch.nn.init.normal_(value, std=0.3)
    plain.load_state_dict(trained.state_dict())
    ids = torch.randint(1, settings["vocab_size"], (5, 9))
    mask = (torch.arange(9)[None] < torch.tensor([[9], [3], [5], [1], [9]])).long()
    with torch.inference_mode():
        torch.testing.assert_close(plain(ids, mask), trained(ids, mask), atol=1e-4, rtol=1e-4)


def test_what_the_plain_bert_lacks_is_left_to_transformers() -> None:
    settings = small_config()["text"]["config"] | {"hidden_act": "relu"}
    encoder = TextEncoder(TextConfig("bert", settings), plain=True)
    assert not isinstance(encoder.network, Bert)
