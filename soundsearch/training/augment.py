"""Changes to a sound that leave its label true. float32 (samples,) in, float32 (samples,) out."""

import numpy as np

from soundsearch.audio.resample import resample

LEVEL = 0.1  # RMS that every sound is brought to, about -20 dB below full scale
_MOST_GAIN = 1000.0  # silence stays silence


def normalise(x: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """The sound at an RMS of `level`, lifted by at most 60 dB."""
    rms = float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if len(x) else 0.0
    return (x * min(level / max(rms, 1e-9), _MOST_GAIN)).astype(np.float32)


def crop(x: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """At most `length` samples; of four random places the loudest but one in four times any."""
    if len(x) <= length:
        return x
    starts = random.integers(0, len(x) - length + 1, 1 if random.random() < 0.25 else 4)
    energies = [float(np.square(x[s : s + length]).sum()) for s in starts]
    start = int(starts[int(np.argmax(energies))])
    return x[start : start + length]


def change_speed(x: np.ndarray, factor: float, rate: int) -> np.ndarray:
    """Faster and higher (factor > 1) or slower and lower."""
    return resample(x, round(rate * factor), rate)


def low_pass(x: np.ndarray, cutoff: float, rate: int) -> np.ndarray:
    """Takes away what lies above `cutoff` Hz, with a slope of a third of an octave."""
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / rate)
    octaves = np.log2(np.maximum(hz, 1.0) / cutoff)
    spectrum *= np.clip(1.0 - 3.0 * octaves, 0.0, 1.0)
    return np.fft.irfft(spectrum, len(x)).astype(np.float32)


def reverberate(
    x: np.ndarray, seconds: float, wet: float, rate: int, random: np.random.Generator
) -> np.ndarray:
    """Adds a decaying tail of noise (60 dB in `seconds`), `wet` as loud as the sound itself."""
    times = np.arange(int(rate * seconds)) / rate
    tail = random.standard_normal(len(times)) * 10.0 ** (-3.0 * times / seconds)
    size = 1 << (len(x) + len(tail) - 1).bit_length()
    room = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail, size), size)[: len(x) + len(tail)]
    strength = np.sqrt(np.square(x).sum() / max(np.square(room).sum(), 1e-12))
    room *= wet * strength
    room[: len(x)] += x
    return room.astype(np.float32)


def coloured_noise(length: int, slope: float, random: np.random.Generator) -> np.ndarray:
    """Noise of RMS 1 whose power falls with frequency ** slope (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    spectrum[0] = 0.0  # no offset
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** (-slope / 2)
    noise = np.fft.irfft(spectrum, length)
    return (noise / max(float(noise.std()), 1e-9)).astype(np.float32)


def mix(
    x: np.ndarray, other: np.ndarray, decibels: float, random: np.random.Generator
) -> np.ndarray:
    """`other` is added at `decibels` below `x` (both by RMS), somewhere within its length."""
    length = max(len(x), min(len(other), 2 * len(x)))
    mixed = np.zeros(length, np.float32)
    mixed[: len(x)] = normalise(x)
    other = normalise(other[:length]) * np.float32(10.0 ** (decibels / 20.0))
    start = int(random.integers(0, length - len(other) + 1))
    mixed[start : start + len(other)] += other
    return mixed


def vary(
    x: np.ndarray,
    other: np.ndarray | None,
    decibels: float,
    length: int,
    rate: int,
    seed: list[int],
) -> np.ndarray:
    """One version of a sound: crop, speed, room, a second sound, low-pass, noise, gain.

    other is mixed in at `decibels` (negative) when given; at most `length` samples come out, with
    an RMS around `LEVEL`. The same seed gives the same version.
    """
    random = np.random.default_rng(seed)
    x = crop(x, int(length * 1.3), random)
    if random.random() < 0.7:
        x = change_speed(x, float(2.0 ** random.uniform(-0.35, 0.35)), rate)
    if random.random() < 0.2:
        x = reverberate(x, float(random.uniform(0.15, 1.2)), random.uniform(0.1, 0.7), rate, random)
    x = crop(x, length, random)
    if other is not None:
        other = change_speed(crop(other, length, random), float(random.uniform(0.85, 1.2)), rate)
        x = mix(x, other, decibels, random)[:length]
    x = normalise(x)
    if random.random() < 0.6:
        # Sources differ in bandwidth; without this the model learns the source by it.
        x = low_pass(x, float(np.exp(random.uniform(np.log(2500.0), np.log(15000.0)))), rate)
    if random.random() < 0.4:
        level = LEVEL * 10.0 ** (random.uniform(-50.0, -18.0) / 20.0)
        x = x + np.float32(level) * coloured_noise(len(x), random.uniform(0.0, 2.0), random)
    return (normalise(x) * 10.0 ** (random.uniform(-8.0, 6.0) / 20.0)).astype(np.float32)
