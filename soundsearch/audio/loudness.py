"""Loudness in LUFS by ITU-R BS.1770-4, streamed.

The K-weighting filter is run as an exact block recursion: a block's output is a matrix product of
its own samples plus the response to the four filter states at its start, and the states follow
from block to block by another, shorter recursion. NumPy has no IIR filter, and this one costs
0.3 ms a second of stereo sound.
"""

import math
from functools import lru_cache

import numpy as np

_BLOCK = 64  # samples of one matrix product
_GROUP = 32  # blocks whose states are found by one matrix product
_STEP = _BLOCK * _GROUP
# Matrix products stay below the size (2^18 multiplications) from which OpenBLAS starts threads:
# those spin while they wait, and decoders are one process a core already.
_PIECE = 8 * _STEP

_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU
_OFFSET = -0.691
_HOPS = 4  # a gating block of 0.4 s spans four hops of 0.1 s
_SURROUND = 1.41

# The analogue prototypes behind the coefficients that BS.1770 prints for 48 kHz (shelf and
# high-pass), so that other rates get the same curve.
_SHELF = (1681.974450955533, 0.7071752369554196, 3.999843853973347)  # Hz, Q, dB
_HIGH_PASS = (38.13547087602444, 0.5003270373238773)  # Hz, Q


class LoudnessMeter:
    """Takes a sound block by block and holds one energy per 0.1 s of it."""

    def __init__(self, samplerate: int, channels: int) -> None:
        self._rate = samplerate
        self._filter = _KWeighting(samplerate, channels)
        self._weights = _channel_weights(channels)
        self._done = 0  # filtered frames
        self._energies: list[float] = []  # by hop; the last one may be unfinished

    def add(self, block: np.ndarray) -> None:
        """The next float32 (n, channels)."""
        self._measure(self._filter.process(block))

    def integrated(self) -> float | None:
        """Loudness in LUFS of all that was added, None when nothing passes the absolute gate.

        Sounds below 0.4 s are one block of their own length. Call it once, at the end.
        """
        self._measure(self._filter.finish())
        if not self._done:
            return None
        powers = self._block_powers()
        gate = 10 ** ((_ABSOLUTE_GATE - _OFFSET) / 10)
        loud = powers[powers > gate]
        if not len(loud):
            return None
        loud = loud[loud > loud.mean() * 10 ** (_RELATIVE_GATE / 10)]
        return _OFFSET + 10 * math.log10(loud.mean())

    def _hop_start(self, hop: int) -> int:
        return hop * self._rate // 10

    def _measure(self, filtered: np.ndarray) -> None:
        """Add the power of filtered float64 (channels, n) to its hops."""
        count = filtered.shape[1]
        if not count:
            return
        power = np.einsum("cn,cn,c->n", filtered, filtered, self._weights)
        first = self._done * 10 // self._rate
        while self._hop_start(first + 1) <= self._done:
            first += 1
        edges = [0]
        hop = first + 1
        while (start := self._hop_start(hop) - self._done) < count:
            edges.append(start)
            hop += 1
        sums = np.add.reduceat(power, edges)
        for number, energy in enumerate(sums.tolist(), first):
            if number < len(self._energies):
                self._energies[number] += energy
            else:
                self._energies.append(energy)
        self._done += count

    def _block_powers(self) -> np.ndarray:
        """Mean square of each gating block, float64 (blocks,).

        The last block counts when less than half a hop of it is missing, as in pyloudnorm.
        """
        blocks = round((self._done / self._rate - 0.4) / 0.1) + 1
        if self._done < 0.4 * self._rate or blocks < 1:
            return np.array([sum(self._energies) / self._done])
        energies = np.zeros(blocks + _HOPS - 1)
        held = self._energies[: len(energies)]
        energies[: len(held)] = held
        return np.convolve(energies, np.ones(_HOPS), "valid") / (0.4 * self._rate)


class _KWeighting:
    """The filter of one stream; holds what doesn't fill a step yet."""

    def __init__(self, samplerate: int, channels: int) -> None:
        self._own, self._free, self._drive, self._inner, self._outer, self._carry = _matrices(
            samplerate
        )
        self._states = np.zeros((channels, 4))
        self._rest = np.empty((channels, 0))

    def process(self, block: np.ndarray) -> np.ndarray:
        """float32 (n, channels) → what is ready, float64 (channels, m)."""
        x = block.T.astype(np.float64, order="C")  # (c, n)
        if self._rest.shape[1]:
            x = np.concatenate((self._rest, x), axis=1)
        whole = x.shape[1] // _STEP * _STEP
        self._rest = x[:, whole:].copy()
        return self._run(x[:, :whole])

    def finish(self) -> np.ndarray:
        """The rest, float64 (channels, m)."""
        count = self._rest.shape[1]
        if not count:
            return self._rest
        padded = np.pad(self._rest, ((0, 0), (0, -count % _STEP)))
        self._rest = self._rest[:, :0]
        return self._run(padded)[:, :count]

    def _run(self, x: np.ndarray) -> np.ndarray:
        pieces = [
            self._piece(x[:, start : start + _PIECE]) for start in range(0, x.shape[1], _PIECE)
        ]
        return np.concatenate(pieces, axis=1) if pieces else x

    def _piece(self, x: np.ndarray) -> np.ndarray:
        """Whole groups, float64 (c, g·G·L), through the filter."""
        channels, count = x.shape
        groups = count // _STEP
        blocks = x.reshape(channels, groups, _GROUP, _BLOCK)  # (c, g, G, L)
        driven = (blocks @ self._drive).reshape(channels, groups, _GROUP * 4)
        inner = driven @ self._inner  # states as if each group began at rest, (c, g, (G+1)·4)
        starts = np.empty((channels, groups, 4))
        for group in range(groups):
            starts[:, group] = self._states
            self._states = self._states @ self._carry + inner[:, group, -4:]
        states = starts @ self._outer + inner[:, :, :-4]  # (c, g, G·4)
        filtered = blocks @ self._own
        filtered += states.reshape(channels, groups, _GROUP, 4) @ self._free
        return filtered.reshape(channels, count)


@lru_cache(maxsize=16)
def _matrices(samplerate: int) -> tuple[np.ndarray, ...]:
    """The block recursion of the K-weighting filter at one rate, all float64, for row vectors.

    own (L, L): samples → output; free (4, L): states at the block's start → output;
    drive (L, 4): samples → their part in the states at the block's end;
    inner (G·4, (G+1)·4): driven parts → states at the start of each block and after the last;
    outer (4, G·4): states at the group's start → states at the start of each block;
    carry (4, 4): states over a group.
    """
    a, b, c, d = _series(_biquad_shelf(samplerate), _biquad_high_pass(samplerate))
    powers = [np.eye(4)]
    for _ in range(_BLOCK):
        powers.append(a @ powers[-1])
    response = [d] + [float(c @ powers[k] @ b) for k in range(_BLOCK - 1)]
    own = np.zeros((_BLOCK, _BLOCK))
    for row in range(_BLOCK):
        own[row, row:] = response[: _BLOCK - row]
    free = np.stack([c @ powers[k] for k in range(_BLOCK)], axis=1)
    drive = np.stack([powers[_BLOCK - 1 - k] @ b for k in range(_BLOCK)])

    jumps = [np.eye(4)]  # states over k blocks
    for _ in range(_GROUP):
        jumps.append(powers[_BLOCK] @ jumps[-1])
    spread = np.zeros((_GROUP, 4, _GROUP + 1, 4))
    for source in range(_GROUP):
        for target in range(source + 1, _GROUP + 1):
            spread[source, :, target] = jumps[target - source - 1].T
    inner = spread.reshape(_GROUP * 4, (_GROUP + 1) * 4)
    outer = np.concatenate([jumps[k].T for k in range(_GROUP)], axis=1)
    return own, free, drive, inner, outer, np.ascontiguousarray(jumps[_GROUP].T)


_Biquad = tuple[float, float, float, float, float]  # b0, b1, b2, a1, a2


def _biquad_shelf(samplerate: int) -> _Biquad:
    frequency, quality, gain = _SHELF
    k = math.tan(math.pi * min(frequency / samplerate, 0.45))
    high = 10 ** (gain / 20)
    band = high**0.4996667741545416
    scale = 1 + k / quality + k * k
    return (
        (high + band * k / quality + k * k) / scale,
        2 * (k * k - high) / scale,
        (high - band * k / quality + k * k) / scale,
        2 * (k * k - 1) / scale,
        (1 - k / quality + k * k) / scale,
    )


def _biquad_high_pass(samplerate: int) -> _Biquad:
    frequency, quality = _HIGH_PASS
    k = math.tan(math.pi * min(frequency / samplerate, 0.45))
    scale = 1 + k / quality + k * k
    return 1.0, -2.0, 1.0, 2 * (k * k - 1) / scale, (1 - k / quality + k * k) / scale


def _series(first: _Biquad, second: _Biquad) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """State space (A, B, C, D) of two biquads, one after the other."""
    (a1, b1, c1, d1), (a2, b2, c2, d2) = _state_space(first), _state_space(second)
    a = np.block([[a1, np.zeros((2, 2))], [np.outer(b2, c1), a2]])
    return a, np.concatenate((b1, b2 * d1)), np.concatenate((c1 * d2, c2)), d1 * d2


def _state_space(biquad: _Biquad) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A biquad in transposed direct form II."""
    b0, b1, b2, a1, a2 = biquad
    a = np.array([[-a1, 1.0], [-a2, 0.0]])
    return a, np.array([b1 - a1 * b0, b2 - a2 * b0]), np.array([1.0, 0.0]), b0


def _channel_weights(channels: int) -> np.ndarray:
    """BS.1770's weights for mono, stereo, 5.0 and 5.1 in the order of WAV; others count fully."""
    weights = np.ones(channels)
    if channels == 5:
        weights[3:] = _SURROUND
    elif channels == 6:
        weights[3] = 0.0  # low-frequency effects
        weights[4:] = _SURROUND
    return weights
