"""Basses, keys, strings and other notes."""

import numpy as np

from soundsearch.demo.parts import (
    Random,
    Sound,
    band,
    count,
    decay,
    drive,
    glide,
    hit,
    mix,
    modes,
    moving_band,
    noise,
    note,
    place,
    plucked,
    pulse,
    room,
    saw,
    shape,
    sine,
    stereo,
    time,
    vary,
)

_MINOR = (0, 3, 5, 7, 10)
_MAJOR = (0, 2, 4, 7, 9)


def _root(rng: Random, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def _vibrato(rng: Random, seconds: float, depth: float = 0.006) -> np.ndarray:
    """A factor for a frequency: a wobble that sets in slowly."""
    onset = np.minimum(time(seconds) / 0.6, 1)
    return 1 + depth * onset * sine(seconds, vary(rng, 5.4))


def bass_sub(rng: Random) -> np.ndarray:
    f = note(_root(rng, 28, 36))
    level = shape(1.6, (0, 0), (0.02, 1), (0.7, 0.8), (1, 0))
    return (sine(1.6, f) + 0.15 * sine(1.6, 2 * f)) * level


def bass_pluck(rng: Random) -> np.ndarray:
    return band(plucked(rng, 1.5, note(_root(rng, 31, 40)), 0.3), 40, 2500, 1) * decay(1.5, 2.2)


def bass_acid(rng: Random) -> np.ndarray:
    """Sixteen short notes through a filter that squeaks."""
    step, root = 60 / rng.integers(118, 132) / 4, _root(rng, 33, 38)
    events = []
    for i in range(16):
        if rng.random() < 0.15:
            continue
        pitch = note(root + int(rng.choice(_MINOR)) + 12 * int(rng.random() < 0.2))
        long = step * 1.1
        open_to = rng.uniform(700, 3200)
        edge = glide(long, open_to, 180, 0.6)
        raw = saw(long, pitch)
        tone = moving_band(raw, 30, edge, 3) + 1.2 * moving_band(raw, edge * 0.8, edge * 1.2, 4)
        events.append((i * step, tone * hit(long, 0.5, 0.003)))
    return drive(place(16 * step, events), 2.0)


def bass_wobble(rng: Random) -> np.ndarray:
    f = note(_root(rng, 28, 34))
    turns = rng.choice((2.0, 3.0, 4.0, 6.0))
    lfo = 0.5 - 0.5 * np.cos(2 * np.pi * turns * time(2.4))
    raw = saw(2.4, f) + saw(2.4, f * 1.007, 0.3) + pulse(2.4, f / 2)
    return drive(moving_band(raw, 30, 120 * 22**lfo, 3), 2.5) * shape(2.4, (0, 1), (0.9, 1), (1, 0))


def _chord(rng: Random, low: int, high: int, minor: bool) -> list[float]:
    root = _root(rng, low, high)
    third = 3 if minor else 4
    return [note(root + step) for step in (0, third, 7, 12, int(rng.choice((10, 14))))]


def pad_warm(rng: Random) -> np.ndarray:
    seconds = 5.0
    tones = _chord(rng, 45, 52, rng.random() < 0.4)
    level = shape(seconds, (0, 0), (0.3, 1), (0.7, 1), (1, 0)) ** 1.5
    sides = []
    for _ in range(2):
        raw = np.zeros(count(seconds))
        for tone in tones:
            for detune in rng.uniform(-0.006, 0.006, 2):
                raw += saw(seconds, tone * (1 + detune), rng.random())
        edge = shape(seconds, (0, 500), (0.5, vary(rng, 1800, 0.3)), (1, 500))
        sides.append(moving_band(raw, 60, edge, 1) * level)
    return stereo(*sides)


def drone_dark(rng: Random) -> np.ndarray:
    seconds = 6.0
    f = note(_root(rng, 26, 32))
    sides = []
    for _ in range(2):
        ratios = (1, 1.5, 2, 2.99)
        raw = mix(*(saw(seconds, f * r * vary(rng, 1, 0.004), rng.random()) for r in ratios))
        slow = 0.5 + 0.5 * sine(seconds, vary(rng, 0.25, 0.3), rng.random())
        sides.append(moving_band(raw + noise(rng, seconds, -6), 30, 180 + 500 * slow, 2))
    level = shape(seconds, (0, 0), (0.25, 1), (0.75, 1), (1, 0))
    return stereo(*(side * level for side in sides))


def strings(rng: Random) -> np.ndarray:
    seconds = 3.5
    tones = _chord(rng, 52, 58, rng.random() < 0.5)[:4]
    raw = np.zeros(count(seconds))
    for tone in tones:
        for _ in range(3):
            wobble = _vibrato(rng, seconds, 0.005)
            raw += saw(seconds, tone * wobble * vary(rng, 1, 0.004), rng.random())
    level = shape(seconds, (0, 0), (0.15, 1), (0.8, 0.9), (1, 0))
    return room(rng, band(raw, 180, 4500, 1) * level, 1.2, 0.3)


def lead_melody(rng: Random) -> np.ndarray:
    step, root = 60 / float(rng.integers(100, 140)) / 2, _root(rng, 60, 67)
    scale = _MINOR if rng.random() < 0.5 else _MAJOR
    events = []
    for i in range(8):
        pitch = note(root + int(rng.choice(scale)) + 12 * int(rng.random() < 0.3))
        tone = saw(step * 1.2, pitch) + saw(step * 1.2, pitch * 1.006, 0.4)
        events.append((i * step, band(tone, 100, 5000, 1) * hit(step * 1.2, 1.2, 0.01)))
    return room(rng, place(8.5 * step, events), 0.5, 0.2)


def arpeggio_chip(rng: Random) -> np.ndarray:
    step, root = vary(rng, 0.075), _root(rng, 64, 72)
    third = int(rng.choice((3, 4)))
    cycle = rng.permutation([0, third, 7, 12]).tolist()
    events = []
    for i in range(24):
        pitch = note(root + cycle[i % 4] + (5 if 8 <= i < 16 else 0))
        events.append((i * step, pulse(step, pitch, 0.25) * shape(step, (0, 1), (1, 0.4))))
    return place(24 * step, events)


def organ(rng: Random) -> np.ndarray:
    seconds = 2.5
    raw = np.zeros(count(seconds))
    for tone in _chord(rng, 48, 55, False)[:4]:
        for ratio, draw in ((0.5, 0.6), (1, 1), (1.5, 0.5), (2, 0.7), (3, 0.4), (4, 0.4)):
            raw += draw * sine(seconds, tone * ratio, rng.random())
    turn = 1 + 0.15 * sine(seconds, vary(rng, 6.5))
    level = shape(seconds, (0, 0), (0.01, 1), (0.97, 1), (1, 0))
    return room(rng, raw * turn * level, 0.8, 0.2)


def piano_electric(rng: Random) -> np.ndarray:
    seconds = 2.5
    out = np.zeros(count(seconds))
    for tone in _chord(rng, 53, 60, rng.random() < 0.5):
        tine = 0.8 * sine(seconds, tone * 14) * decay(seconds, 0.25)
        body = np.sin(2 * np.pi * tone * time(seconds) + tine)
        out += body * hit(seconds, vary(rng, 2.8), 0.003)
    left = 1 + 0.3 * sine(seconds, 4.5)
    return stereo(out * left, out * (2 - left))


def guitar(rng: Random) -> np.ndarray:
    """Six strings strummed."""
    root = _root(rng, 40, 45)
    third = int(rng.choice((15, 16)))
    steps = (0, 7, 12, third, 19, 24)
    gap = rng.uniform(0.012, 0.035)
    events = [(i * gap, plucked(rng, 2.5, note(root + step), 0.2)) for i, step in enumerate(steps)]
    return band(place(2.6, events), 70, 6000, 1) * decay(2.6, 3.5)


def string_plucked(rng: Random) -> np.ndarray:
    return plucked(rng, 1.8, note(_root(rng, 50, 64)), vary(rng, 0.2, 0.5)) * decay(1.8, 2.4)


def harp(rng: Random) -> np.ndarray:
    root, gap = _root(rng, 48, 55), vary(rng, 0.07)
    ladder = [root + 12 * octave + step for octave in range(3) for step in _MAJOR]
    if rng.random() < 0.3:
        ladder.reverse()
    events = [(i * gap, plucked(rng, 1.8, note(n), 0.15)) for i, n in enumerate(ladder)]
    return room(rng, band(place(2.8, events), 100, 7000, 1), 1.2, 0.25)


def _bar(seconds: float, f: float, ratios: tuple[float, ...], fall: float) -> np.ndarray:
    falls = [fall / (1 + 1.5 * i) for i in range(len(ratios))]
    levels = [1 / (1 + 2 * i) for i in range(len(ratios))]
    return modes(seconds, [f * r for r in ratios], falls, levels)


def music_box(rng: Random) -> np.ndarray:
    root, step = _root(rng, 79, 86), vary(rng, 0.24)
    tune = rng.choice(_MAJOR, 12) + 12 * rng.integers(0, 2, 12)
    events = [
        (i * step + rng.uniform(0, 0.015), _bar(1.2, note(root + int(n)), (1, 2.9, 5.4), 1.0))
        for i, n in enumerate(tune)
    ]
    return room(rng, place(13 * step + 0.6, events), 0.6, 0.2, 9000)


def marimba(rng: Random) -> np.ndarray:
    f = note(_root(rng, 55, 67))
    mallet = band(noise(rng, 0.03), 200, 1800) * decay(0.03, 0.03)
    return mix(_bar(1.0, f, (1, 3.93, 9.2), 0.8), 0.3 * mallet)


def bell_fm(rng: Random) -> np.ndarray:
    f, seconds = note(_root(rng, 67, 79)), 2.5
    ratio = rng.choice((1.41, 2.76, 3.52))
    t = time(seconds)
    index = vary(rng, 3.5, 0.3) * decay(seconds, 2.0)
    tone = np.sin(2 * np.pi * f * t + index * np.sin(2 * np.pi * f * ratio * t))
    return room(rng, tone * hit(seconds, 2.5, 0.002), 1.0, 0.2, 10000)


def flute(rng: Random) -> np.ndarray:
    seconds = 2.0
    f = note(_root(rng, 72, 82)) * _vibrato(rng, seconds, 0.008)
    tone = sine(seconds, f) + 0.25 * sine(seconds, 2 * f) + 0.08 * sine(seconds, 3 * f)
    breath = band(noise(rng, seconds), 1500, 6000, 1) * 0.05
    level = shape(seconds, (0, 0), (0.06, 0.9), (0.5, 1), (0.9, 0.8), (1, 0))
    return room(rng, (tone + breath) * level, 1.2, 0.25)


def choir(rng: Random) -> np.ndarray:
    """Sawtooth voices through the formants of an "ah"."""
    seconds = 4.0
    raw = np.zeros(count(seconds))
    for tone in _chord(rng, 50, 57, rng.random() < 0.5)[:4]:
        for _ in range(3):
            wobble = _vibrato(rng, seconds, 0.007) * vary(rng, 1, 0.005)
            raw += saw(seconds, tone * wobble, rng.random())
    size = vary(rng, 1, 0.08)
    formants = ((750, 1.0), (1150, 0.55), (2600, 0.25), (3300, 0.12))
    voice = mix(*(level * band(raw, size * f * 0.9, size * f * 1.1, 2) for f, level in formants))
    return room(rng, voice * shape(seconds, (0, 0), (0.25, 1), (0.8, 1), (1, 0)), 1.8, 0.4)


def theremin(rng: Random) -> np.ndarray:
    seconds = 4.0
    places = np.linspace(0, 1, 6)
    tones = [note(69 + float(n)) for n in rng.choice((-5, 0, 2, 3, 7, 10, 12), 6)]
    f = np.exp(np.interp(np.linspace(0, 1, count(seconds)), places, np.log(tones)))
    f = f * _vibrato(rng, seconds, 0.02)
    tone = sine(seconds, f) + 0.2 * sine(seconds, 2 * f)
    return room(rng, tone * shape(seconds, (0, 0), (0.1, 1), (0.9, 1), (1, 0)), 1.0, 0.25)


def brass_stab(rng: Random) -> np.ndarray:
    seconds = 0.9
    raw = np.zeros(count(seconds))
    for tone in _chord(rng, 53, 60, rng.random() < 0.5)[:4]:
        scoop = 1 - 0.03 * np.exp(-time(seconds) / 0.04)
        raw += saw(seconds, tone * scoop) + saw(seconds, tone * 1.005 * scoop, 0.3)
    edge = shape(seconds, (0, 400), (0.08, vary(rng, 5000, 0.2)), (0.4, 2200), (1, 600))
    level = shape(seconds, (0, 0), (0.04, 1), (0.3, 0.7), (0.7, 0.6), (1, 0))
    return room(rng, moving_band(raw, 120, edge, 2) * level, 0.7, 0.2)


SOUNDS = (
    Sound("Bass/Sub Bass Note.wav", "a deep sub bass note", bass_sub),
    Sound("Bass/Plucked Bass Note.wav", "a plucked electric bass string", bass_pluck),
    Sound("Bass/Acid Bass Line.wav", "a squelchy acid bass line", bass_acid),
    Sound("Bass/Wobble Bass.wav", "a wobbling dubstep bass", bass_wobble),
    Sound("Synths/Warm Pad Chord.wav", "a warm slow synthesizer pad", pad_warm),
    Sound("Synths/Dark Drone.wav", "a dark ominous drone", drone_dark),
    Sound("Synths/String Ensemble.wav", "a string ensemble holding a chord", strings),
    Sound("Synths/Saw Lead Melody.wav", "a melody on a bright synthesizer lead", lead_melody),
    Sound("Synths/Chiptune Arpeggio.wav", "a fast 8-bit chiptune arpeggio", arpeggio_chip),
    Sound("Synths/Choir Pad.wav", "a choir of voices singing ah", choir),
    Sound("Synths/Theremin.wav", "an eerie theremin gliding between notes", theremin),
    Sound("Synths/Brass Stab.wav", "a short brass section stab", brass_stab),
    Sound("Instruments/Organ Chord.wav", "a chord on an organ", organ),
    Sound("Instruments/Electric Piano Chord.wav", "a mellow electric piano chord", piano_electric),
    Sound("Instruments/Guitar Strum.wav", "a strummed acoustic guitar chord", guitar),
    Sound("Instruments/Plucked String.wav", "a single plucked string", string_plucked),
    Sound("Instruments/Harp Glissando.wav", "a harp glissando", harp),
    Sound("Instruments/Music Box.wav", "a music box playing a tune", music_box),
    Sound("Instruments/Marimba Note.wav", "a wooden marimba note", marimba),
    Sound("Instruments/Glassy Bell.wav", "a bright glassy synthesizer bell", bell_fm),
    Sound("Instruments/Flute Note.wav", "a breathy flute note", flute),
)
