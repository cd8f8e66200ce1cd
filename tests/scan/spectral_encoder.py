"""A stand-in for a model: the same calls, vectors from a plain spectrum, no torch."""

import hashlib

import numpy as np


class SpectralEncoder:
    """Vectors (16,) of 16 bands' energies; text vectors from a hash. Counts what it embeds."""

    model_id = "spectral-0"
    name = "spectral"
    dim = 16
    rate = 8000
    segment_seconds = 1.0
    device = "cpu"

    def __init__(self) -> None:
        self.segments = 0

    def segment_features(self, segments: list[np.ndarray]) -> np.ndarray:
        self.segments += len(segments)
        return np.stack([self._bands(samples) for samples in segments])

    def pool(self, features: np.ndarray) -> np.ndarray:
        mean = features.mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        rows = [
            np.random.default_rng(int(hashlib.md5(t.encode()).hexdigest()[:8], 16)).normal(size=16)
            for t in texts
        ]
        return np.stack([r / np.linalg.norm(r) for r in rows]).astype(np.float32)

    def _bands(self, samples: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(samples, 8192)) ** 2
        bands = power[:4096].reshape(16, 256).sum(axis=1)
        return np.log1p(1e3 * bands).astype(np.float32) + 0.01
