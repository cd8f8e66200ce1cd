"""One query vector from words, examples and exclusions."""

from collections.abc import Sequence

import numpy as np


def query_vector(parts: Sequence[tuple[np.ndarray, float]], background: np.ndarray) -> np.ndarray:
    """Σ wᵢ qᵢ / σᵢ at unit length: float32 (D,).

    parts: unit vectors (D,) with weights (negative: "not like this"). background: float32 (M, D),
    vectors of varied sounds; σᵢ is the spread of qᵢ's cosines over it, since cosines between
    sounds are far larger than those between text and sound. Without a background all σ are 1.
    """
    total = np.zeros(len(parts[0][0]), np.float64)
    for vector, weight in parts:
        spread = float(np.std(background @ vector)) if len(background) > 1 else 1.0
        total += weight * vector.astype(np.float64) / max(spread, 1e-6)
    length = float(np.linalg.norm(total))
    return (total / length if length > 0 else total).astype(np.float32)
