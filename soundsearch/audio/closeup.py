"""What a part of a sound looks like: its envelope in detail, and its spectrogram.

Both read the file once and hold only the picture in memory. A Cancelled that turns true ends
them early with what there is.
"""

from collections.abc import Callable

import numpy as np

from soundsearch.audio.decode import mix_down, open_audio

Cancelled = Callable[[], bool]

WINDOW = 2048  # frames of one spectrum
SPECTRA = 4  # at most so many are taken for one column
LOWEST = 40.0  # Hz
HIGHEST = 20_000.0
RANGE = 80.0  # dB from black to the loudest

_BLOCK = 65536


def envelope(
    path: bytes, start: float, end: float, points: int, cancelled: Cancelled = lambda: False
) -> bytes:
    """int8 triples (minimum, maximum, RMS; 127 = full scale), row-major (points, 3), of the part
    from `start` to `end` in seconds. Raises DecodeError.

    Where there are fewer frames than points, neighbours are alike; behind the sound's end all
    are 0.
    """
    with open_audio(path) as reader:
        first = max(0, round(start * reader.samplerate))
        count = max(1, round(end * reader.samplerate) - first)
        # A frame belongs to the point in whose stretch it lies: point p begins at edges[p].
        points = max(1, points)
        edges = np.arange(points) * count // points
        low, high = np.zeros(points, np.float32), np.zeros(points, np.float32)
        energy = np.zeros(points, np.float64)
        sizes = np.zeros(points, np.int64)
        if first:
            reader.seek_seconds(first / reader.samplerate)
        place = 0
        for block in reader.blocks(_BLOCK):
            if cancelled() or place >= count:
                break
            block = block[: count - place]
            begin = int(np.searchsorted(edges, place, "right")) - 1
            inside = np.unique(edges[(edges > place) & (edges < place + len(block))])
            starts = np.concatenate([[0], inside - place]).astype(np.int64)
            which = np.concatenate([[begin], np.searchsorted(edges, inside, "right") - 1])
            known = sizes[which] > 0
            lowest = np.minimum.reduceat(block.min(axis=1), starts)
            highest = np.maximum.reduceat(block.max(axis=1), starts)
            low[which] = np.where(known, np.minimum(low[which], lowest), lowest)
            high[which] = np.where(known, np.maximum(high[which], highest), highest)
            energy[which] += np.add.reduceat(np.square(block).mean(axis=1), starts)
            sizes[which] += np.diff(starts, append=len(block))
            place += len(block)
    table = np.stack([low, high, np.sqrt(energy / np.maximum(sizes, 1))], axis=1)
    # Several points on one frame: the last of them has it, the others show the same.
    owner = np.searchsorted(edges, edges, "right") - 1
    return np.clip(np.rint(table[owner] * 127), -127, 127).astype(np.int8).tobytes()


def spectrogram(
    path: bytes,
    start: float,
    end: float,
    columns: int,
    rows: int,
    cancelled: Cancelled = lambda: False,
) -> bytes:
    """uint8 (rows, columns) of the part from `start` to `end` in seconds: row 0 is the highest
    frequency, rows are spaced evenly in log frequency, 255 is the loudest place and 0 lies 80 dB
    below it. Raises DecodeError.
    """
    with open_audio(path) as reader:
        rate = reader.samplerate
        first = max(0, round(start * rate))
        count = max(1, round(end * rate) - first)
        centres = (np.arange(columns * SPECTRA) + 0.5) * count / (columns * SPECTRA)
        if count < columns * SPECTRA * WINDOW // 4:  # windows that overlap by 3/4 tell it all
            centres = (np.arange(columns) + 0.5) * count / columns
        begins = np.rint(centres).astype(np.int64) - WINDOW // 2
        lead = min(first, WINDOW // 2)
        if first - lead:
            reader.seek_seconds((first - lead) / rate)
        # Silence stands for what lies before the file.
        held = np.zeros(WINDOW // 2 - lead, np.float32)
        held_from = -WINDOW // 2
        bands = _bands(rate, rows)
        loud = np.zeros((len(begins), rows), np.float32)
        done = 0
        for block in reader.blocks(_BLOCK):
            if cancelled():
                break
            held = np.concatenate([held, mix_down(block)])
            ready = int(np.searchsorted(begins, held_from + len(held) - WINDOW, "right"))
            loud[done:ready] = _spectra(held, begins[done:ready] - held_from, bands)
            done = max(done, ready)
            if done == len(begins):
                break
            drop = max(0, min(len(held), int(begins[done]) - held_from))
            held, held_from = held[drop:], held_from + drop
        if done < len(begins):  # the last windows reach beyond the end
            held = np.concatenate([held, np.zeros(WINDOW, np.float32)])
            rest = begins[done:] - held_from
            rest = rest[rest + WINDOW <= len(held)]
            loud[done : done + len(rest)] = _spectra(held, rest, bands)
    loud = loud.reshape(columns, -1, rows).max(axis=1)  # (columns, rows)
    peak = float(loud.max())
    if peak <= 0:
        return bytes(rows * columns)
    level = 20 * np.log10(np.maximum(loud / peak, 1e-10)) / RANGE + 1
    return np.rint(np.clip(level, 0, 1) * 255).astype(np.uint8).T[::-1].tobytes()


def _bands(rate: int, rows: int) -> list[tuple[int, int]]:
    """For each row, lowest first, the bins of a spectrum that it shows: at least one."""
    edges = np.geomspace(LOWEST, max(2 * LOWEST, min(HIGHEST, rate / 2)), rows + 1)
    bins = edges * WINDOW / rate
    last = WINDOW // 2
    found = []
    for low, high in zip(bins, bins[1:], strict=False):
        first = min(last, round(float(low)))
        found.append((first, min(last + 1, max(first + 1, round(float(high))))))
    return found


def _spectra(sound: np.ndarray, begins: np.ndarray, bands: list[tuple[int, int]]) -> np.ndarray:
    """Magnitudes of windows of float32 (n,): float32 (windows, rows)."""
    found = np.zeros((len(begins), len(bands)), np.float32)
    hann = np.hanning(WINDOW + 1)[:WINDOW].astype(np.float32)
    for at in range(0, len(begins), 64):  # few at a time: the sound goes on while we work
        part = begins[at : at + 64]
        windows = sound[part[:, None] + np.arange(WINDOW)] * hann  # (windows, WINDOW)
        size = np.abs(np.fft.rfft(windows, axis=1))  # (windows, WINDOW // 2 + 1)
        for row, (low, high) in enumerate(bands):
            found[at : at + 64, row] = size[:, low:high].max(axis=1)
    return found
