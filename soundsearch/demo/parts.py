"""What the demo sounds are made of: oscillators, noise, envelopes, filters, rooms.

All sounds are float64 at 44.1 kHz, (n,) mono or (n, 2) stereo; levels don't matter until the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RATE = 44100

Random = np.random.Generator
Numbers = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Sound:
    """name: the file's path below the demo folder, "/" between folders; description: a phrase
    such as a person would search for; make: a seeded generator → the sound."""

    name: str
    description: str
    make: Callable[[Random], np.ndarray]


def count(seconds: float) -> int:
    """Samples of a length in seconds."""
    return max(1, round(seconds * RATE))


def time(seconds: float) -> np.ndarray:
    """Seconds at each sample, (n,)."""
    return np.arange(count(seconds)) / RATE


def vary(rng: Random, value: float, share: float = 0.1) -> float:
    """`value`, up or down by at most `share` of it."""
    return value * (1 + share * rng.uniform(-1, 1))


def note(number: float) -> float:
    """Hz of a MIDI note number."""
    return float(440 * 2 ** ((number - 69) / 12))


# --- envelopes ---


def decay(seconds: float, fall: float) -> np.ndarray:
    """Exponential decay by 60 dB in `fall` seconds, (n,)."""
    return np.exp(-6.91 * time(seconds) / fall)


def hit(seconds: float, fall: float, rise: float = 0.002) -> np.ndarray:
    """A struck envelope: short rise, exponential decay."""
    return np.minimum(time(seconds) / rise, 1) * decay(seconds, fall)


def shape(seconds: float, *points: tuple[float, float]) -> np.ndarray:
    """Straight lines through (share of the length, level)."""
    places, levels = zip(*points, strict=True)
    return np.interp(np.linspace(0, 1, count(seconds)), places, levels)


def glide(seconds: float, start: float, end: float, curve: float = 1.0) -> np.ndarray:
    """A frequency that moves exponentially; curve < 1 moves early, > 1 late."""
    return start * (end / start) ** (np.linspace(0, 1, count(seconds)) ** curve)


def fall_to(seconds: float, start: float, end: float, fall: float) -> np.ndarray:
    """A frequency that drops from `start` and settles at `end` with time constant `fall`."""
    return end + (start - end) * np.exp(-time(seconds) / fall)


# --- oscillators: a frequency is a number or an array (n,) ---


def _phase(frequency: np.ndarray | float, n: int, start: float = 0.0) -> np.ndarray:
    return start + np.cumsum(np.broadcast_to(frequency, (n,))) / RATE


def sine(seconds: float, frequency: np.ndarray | float, start: float = 0.0) -> np.ndarray:
    """start: phase in turns."""
    return np.sin(2 * np.pi * _phase(frequency, count(seconds), start))


def saw(seconds: float, frequency: np.ndarray | float, start: float = 0.0) -> np.ndarray:
    """A sawtooth with its jumps rounded, so that little folds back from above the Nyquist rate."""
    n = count(seconds)
    step = np.broadcast_to(frequency, (n,)) / RATE
    phase = _phase(frequency, n, start) % 1
    wave = 2 * phase - 1
    early, late = phase < step, phase > 1 - step
    near = phase[early] / step[early]
    wave[early] -= 2 * near - near * near - 1
    near = (phase[late] - 1) / step[late]
    wave[late] -= near * near + 2 * near + 1
    return wave


def pulse(seconds: float, frequency: np.ndarray | float, width: float = 0.5) -> np.ndarray:
    """A pulse wave, the difference of two sawtooths; 0.5 is a square."""
    return saw(seconds, frequency) - saw(seconds, frequency, width)


def modes(seconds: float, frequencies: Numbers, falls: Numbers, levels: Numbers) -> np.ndarray:
    """A struck body: a sum of sines, each with its own decay (60 dB in `falls` seconds)."""
    t = time(seconds)
    out = np.zeros_like(t)
    for frequency, fall, level in zip(frequencies, falls, levels, strict=True):
        if frequency < RATE / 2:
            out += level * np.sin(2 * np.pi * frequency * t) * np.exp(-6.91 * t / fall)
    return out


def plucked(rng: Random, seconds: float, frequency: float, damping: float = 0.5) -> np.ndarray:
    """A string by Karplus and Strong: a burst of noise in a loop that softens it each time.

    damping: 0 rings long, 1 is muted soon.
    """
    period = max(2, round(RATE / frequency))
    rounds = count(seconds) // period + 1
    loop = rng.uniform(-1, 1, period)
    loop -= loop.mean()
    keep = 1 - 0.02 * damping
    out = np.empty((rounds, period))
    for turn in range(rounds):
        out[turn] = loop
        loop = keep * 0.5 * (loop + np.roll(loop, 1))
    return out.ravel()[: count(seconds)]


# --- noise and filters ---


def noise(rng: Random, seconds: float, slope: float = 0.0) -> np.ndarray:
    """Gaussian noise; slope in dB an octave: 0 white, -3 pink, -6 brown."""
    n = count(seconds)
    x = rng.standard_normal(n)
    if not slope:
        return x
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    gain = (np.maximum(frequencies, 20) / 1000) ** (slope / 6.02)
    gain[frequencies < 15] = 0
    return np.fft.irfft(np.fft.rfft(x) * gain, n)


def band(x: np.ndarray, low: float, high: float, order: int = 2) -> np.ndarray:
    """Pass from `low` to `high` Hz (0 and infinity leave a side open), 6·order dB an octave."""
    n = len(x)
    gain = _gain(np.fft.rfftfreq(n, 1 / RATE), low, high, order)
    return np.fft.irfft(np.fft.rfft(x) * gain, n)


def moving_band(
    x: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, order: int = 2
) -> np.ndarray:
    """`band` with edges that move: low, high are numbers or arrays (n,)."""
    size, hop = 1024, 512
    n = len(x)
    low, high = np.broadcast_to(low, (n,)), np.broadcast_to(high, (n,))
    padded = np.pad(x, (hop, size + -n % hop))
    starts = np.arange(0, n + hop, hop)
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    frames = np.stack([padded[s : s + size] for s in starts]) * window  # (frames, size)
    centres = np.minimum(starts, n - 1)
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    gain = _gain(frequencies[None], low[centres, None], high[centres, None], order)
    frames = np.fft.irfft(np.fft.rfft(frames) * gain, size) * window
    out = np.zeros(len(padded))
    for start, frame in zip(starts, frames, strict=True):
        out[start : start + size] += frame
    return out[hop : hop + n]


def _gain(
    frequencies: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, order: int
) -> np.ndarray:
    f = np.maximum(frequencies, 1e-3)
    below = (np.asarray(low) / f) ** (2 * order)
    above = (f / np.asarray(high)) ** (2 * order)
    return 1 / np.sqrt((1 + below) * (1 + above))


def drive(x: np.ndarray, amount: float) -> np.ndarray:
    """Soft clipping of a sound scaled to full scale first."""
    return np.tanh(amount * x / max(float(np.abs(x).max()), 1e-9))


# --- putting together ---


def mix(*sounds: np.ndarray) -> np.ndarray:
    """The sum of mono sounds, as long as the longest."""
    out = np.zeros(max(len(x) for x in sounds))
    for x in sounds:
        out[: len(x)] += x
    return out


def place(seconds: float, events: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
    """Mono sounds laid at their times (seconds); what reaches over the end is cut."""
    out = np.zeros(count(seconds))
    for start, x in events:
        first = round(start * RATE)
        if 0 <= first < len(out):
            part = x[: len(out) - first]
            out[first : first + len(part)] += part
    return out


def spread(rng: Random, seconds: float, rate: float, grain: Callable[[], np.ndarray]) -> np.ndarray:
    """Grains at random times, about `rate` a second."""
    times = rng.uniform(0, seconds, rng.poisson(rate * seconds))
    return place(seconds, [(float(t), grain()) for t in times])


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n, 2)"""
    n = min(len(left), len(right))
    return np.stack((left[:n], right[:n]), axis=1)


def room(
    rng: Random, x: np.ndarray, seconds: float, wet: float, bright: float = 6000
) -> np.ndarray:
    """A mono sound in a stereo room that decays by 60 dB in `seconds`; (n + tail, 2)."""
    tail = count(seconds)
    n = len(x) + tail
    size = 1 << (n - 1).bit_length()
    dry = np.fft.rfft(x, size)
    strength = max(float(np.sqrt(np.mean(x * x))), 1e-9)
    sides = []
    for _ in range(2):
        echo = band(noise(rng, seconds), 80, bright, 1) * decay(seconds, seconds)
        back = np.fft.irfft(dry * np.fft.rfft(echo, size), size)[:n]
        back *= strength / max(float(np.sqrt(np.mean(back[: len(x)] ** 2))), 1e-9)
        sides.append(np.pad(x, (0, tail)) * (1 - wet) + back * wet)
    return stereo(*sides)


def finish(x: np.ndarray, peak: float = 0.7079) -> np.ndarray:
    """Level to -3 dBFS, no offset, 5 ms of fade at the end; float32."""
    x = x - x.mean(axis=0)
    fade = min(len(x), count(0.005))
    ramp = np.linspace(1, 0, fade)
    x[-fade:] *= ramp if x.ndim == 1 else ramp[:, None]
    start = min(len(x), 32)
    ramp = np.linspace(0, 1, start)
    x[:start] *= ramp if x.ndim == 1 else ramp[:, None]
    return (x * (peak / max(float(np.abs(x).max()), 1e-9))).astype(np.float32)
