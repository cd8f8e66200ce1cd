"""Drums, small percussion and drum loops."""

import numpy as np

from soundsearch.demo.parts import (
    Random,
    Sound,
    band,
    decay,
    drive,
    fall_to,
    hit,
    mix,
    modes,
    noise,
    place,
    pulse,
    room,
    shape,
    sine,
    vary,
)


def kick(
    rng: Random, seconds: float = 0.6, top: float = 170, bottom: float = 48, fall: float = 0.5,
    click: float = 0.4,
) -> np.ndarray:  # fmt: skip
    """A sine that falls from `top` to `bottom` Hz, with a click."""
    pitch = fall_to(seconds, vary(rng, top), vary(rng, bottom), vary(rng, 0.035, 0.3))
    body = sine(seconds, pitch) * hit(seconds, vary(rng, fall), 0.001)
    beater = band(noise(rng, 0.02), 1500, 7000) * decay(0.02, 0.015)
    return mix(body, click * beater)


def kick_distorted(rng: Random) -> np.ndarray:
    return drive(kick(rng, 0.5, 220, 52, 0.7, 0.6), vary(rng, 6, 0.3)) * decay(0.5, 0.9)


def snare(
    rng: Random, seconds: float = 0.3, tone: float = 190, fall: float = 0.22, wires: float = 1.0
) -> np.ndarray:
    """A drum head of two modes and the rattle of the wires."""
    tone = vary(rng, tone)
    head = modes(seconds, (tone, tone * 1.75), (fall * 0.6, fall * 0.45), (0.8, 0.4))
    low = vary(rng, 1600, 0.2)
    rattle = band(noise(rng, seconds), low, 11000, 1) * hit(seconds, vary(rng, fall, 0.2), 0.001)
    return head + 0.45 * wires * rattle


def snare_brush(rng: Random) -> np.ndarray:
    stroke = shape(0.5, (0, 0), (0.25, 0.5), (0.55, 1), (1, 0)) ** 2
    swish = band(noise(rng, 0.5), vary(rng, 2500), 9000, 1) * stroke
    return mix(swish, 0.25 * snare(rng, 0.4, 210, 0.25, 0.3))


def rimshot(rng: Random) -> np.ndarray:
    tone = vary(rng, 480, 0.15)
    wood = modes(0.15, (tone, tone * 3.5, tone * 4.8), (0.06, 0.04, 0.03), (0.7, 1, 0.6))
    return mix(wood, 0.5 * band(noise(rng, 0.03), 2000, 9000) * decay(0.03, 0.02))


def clap(rng: Random) -> np.ndarray:
    """A few hands that don't quite meet, then the room."""

    def burst(fall: float) -> np.ndarray:
        return band(noise(rng, 0.3), 900, vary(rng, 3500, 0.2)) * decay(0.3, fall)

    starts = np.cumsum(rng.uniform(0.006, 0.013, 3))
    early = [(float(s), 0.8 * burst(0.03)) for s in (0.0, *starts[:-1])]
    return place(0.35, [*early, (float(starts[-1]), burst(vary(rng, 0.22, 0.2)))])


def metal(rng: Random, seconds: float, base: float, low: float) -> np.ndarray:
    """Six clashing square waves with the bottom cut off: the raw stuff of cymbals."""
    ratios = (2.0, 3.0, 4.16, 5.43, 6.79, 8.21)
    clash = mix(*(pulse(seconds, base * vary(rng, r, 0.03)) for r in ratios))
    return band(clash + 2.5 * noise(rng, seconds), low, 16000, 3)


def hat(rng: Random, seconds: float = 0.12, fall: float = 0.07) -> np.ndarray:
    return metal(rng, seconds, vary(rng, 400, 0.1), 7000) * hit(seconds, vary(rng, fall), 0.001)


def crash(rng: Random) -> np.ndarray:
    wash = metal(rng, 2.5, vary(rng, 300), 3500) * hit(2.5, vary(rng, 2.6), 0.004)
    strike = band(noise(rng, 0.4), 1500, 9000) * decay(0.4, 0.3)
    return room(rng, mix(wash, 1.2 * strike), 0.4, 0.2, 12000)


def ride(rng: Random) -> np.ndarray:
    base = vary(rng, 420)
    ping = modes(
        2.0, [base * r for r in (7.1, 9.7, 12.3, 14.9)], (1.2, 0.9, 1.0, 0.6), (1, 0.8, 0.5, 0.6)
    )
    wash = metal(rng, 2.0, base, 5000) * hit(2.0, 1.8, 0.003)
    return ping + 0.12 * wash


def tom(rng: Random, tone: float) -> np.ndarray:
    tone = vary(rng, tone)
    pitch = fall_to(0.7, tone * 1.5, tone, 0.05)
    skin = sine(0.7, pitch) * hit(0.7, vary(rng, 0.6), 0.002)
    second = sine(0.7, pitch * 1.6) * hit(0.7, 0.25, 0.002)
    return mix(skin + 0.3 * second, 0.3 * band(noise(rng, 0.05), 400, 4000) * decay(0.05, 0.04))


def cowbell(rng: Random) -> np.ndarray:
    base = vary(rng, 540, 0.06)
    pair = pulse(0.4, base) + 0.8 * pulse(0.4, base * 1.48)
    return band(pair, 500, 5000, 1) * (0.6 * hit(0.4, 0.1, 0.001) + 0.4 * hit(0.4, 0.45, 0.001))


def _grit(rng: Random, seconds: float, low: float, high: float) -> np.ndarray:
    rise = shape(seconds, (0, 0), (0.35, 1), (1, 0)) ** 2
    return band(noise(rng, seconds), low, high) * rise


def shaker(rng: Random) -> np.ndarray:
    step = vary(rng, 0.13)
    strokes = [
        (i * step, (1.0 if i % 2 == 0 else 0.6) * _grit(rng, step * 0.9, 4500, 12000))
        for i in range(8)
    ]
    return place(8 * step, strokes)


def _jingle(rng: Random, fall: float) -> np.ndarray:
    tones = rng.uniform(4500, 11500, 9)
    return modes(0.4, tones, rng.uniform(0.5, 1.2, 9) * fall, rng.uniform(0.4, 1, 9))


def tambourine(rng: Random) -> np.ndarray:
    events = [(0.0, _jingle(rng, 0.25))]
    events += [(float(t), 0.5 * _jingle(rng, 0.2)) for t in rng.uniform(0.01, 0.07, 6)]
    slap = 4 * band(noise(rng, 0.1), 300, 2500) * decay(0.1, 0.06)
    return place(0.5, [*events, (0.0, slap)])


def wood_block(rng: Random) -> np.ndarray:
    tone = vary(rng, 820, 0.2)
    return modes(0.25, (tone, tone * 2.57, tone * 4.1), (0.12, 0.06, 0.03), (1, 0.4, 0.2))


def conga(rng: Random) -> np.ndarray:
    tone = vary(rng, 230, 0.15)
    skin = sine(0.5, fall_to(0.5, tone * 1.15, tone, 0.03)) * hit(0.5, 0.4, 0.001)
    slap = band(noise(rng, 0.06), 700, 4500) * decay(0.06, 0.04)
    return mix(skin, modes(0.2, (tone * 2.3, tone * 3.1), (0.12, 0.08), (0.3, 0.2)), 0.5 * slap)


def triangle(rng: Random) -> np.ndarray:
    base = vary(rng, 1250, 0.08)
    ratios = np.array((1.0, 2.73, 3.92, 5.4, 6.7, 8.1))
    falls = (2.0, 2.6, 2.2, 1.6, 1.2, 0.8)
    return modes(2.5, base * ratios, falls, (0.3, 1, 0.8, 0.7, 0.4, 0.3))


def timpani(rng: Random) -> np.ndarray:
    base = vary(rng, 92, 0.12)
    ratios = np.array((1.0, 1.5, 1.98, 2.44, 2.9))
    kettle = modes(2.2, base * ratios, (2.2, 1.8, 1.2, 0.9, 0.6), (1, 0.7, 0.4, 0.25, 0.15))
    thud = band(noise(rng, 0.1), 60, 700) * decay(0.1, 0.08)
    return room(rng, mix(kettle, 0.7 * thud), 1.0, 0.25, 3000)


def loop_house(rng: Random) -> np.ndarray:
    """Two bars, four on the floor, with claps on two and four and open hats between."""
    beat = 60 / rng.integers(120, 129)
    drum, hand, closed = kick(rng), clap(rng), hat(rng, 0.08, 0.05)
    opened = hat(rng, 0.25, 0.2)
    events = []
    for i in range(8):
        events.append((i * beat, drum))
        events.append(((i + 0.5) * beat, 0.18 * opened))
        if i % 2:
            events.append((i * beat, 0.5 * hand))
        events += [((i + q) * beat, 0.08 * closed) for q in (0.25, 0.75) if rng.random() < 0.8]
    return place(8 * beat, events)


def loop_break(rng: Random) -> np.ndarray:
    """Two bars of sixteenths with a late kick, ghost notes and some swing."""
    step = 60 / rng.integers(90, 110) / 4
    swing = rng.uniform(0.0, 0.25) * step
    drum, back, closed = kick(rng, 0.4, 150, 60, 0.3), snare(rng, 0.3), hat(rng, 0.1, 0.06)
    ghosts = set(rng.choice((6, 7, 9, 13, 15), 3, replace=False).tolist())
    events = []
    for i in range(32):
        at = i * step + (swing if i % 2 else 0)
        if i % 16 in (0, 2, 10) or (i % 16 == 11 and rng.random() < 0.6):
            events.append((at, drum))
        if i % 16 in (4, 12):
            events.append((at, 0.9 * back))
        elif i % 16 in ghosts:
            events.append((at, rng.uniform(0.12, 0.25) * back))
        if i % 2 == 0:
            events.append((at, rng.uniform(0.1, 0.16) * closed))
    return place(32 * step, events)


def loop_march(rng: Random) -> np.ndarray:
    """A snare drum march with rolls."""
    step = 60 / rng.integers(104, 122) / 4
    stroke = snare(rng, 0.2, 230, 0.14)
    events = []
    for i in range(32):
        if i % 4 == 0:
            events.append((i * step, stroke))
        elif i % 8 in (2, 3, 6) or i >= 28:
            events += [(i * step + k * step / 2, rng.uniform(0.3, 0.5) * stroke) for k in (0, 1)]
    return room(rng, place(32 * step, events), 0.3, 0.15)


SOUNDS = (
    Sound("Drums/Kick Drum Deep.wav", "a deep kick drum", lambda r: kick(r, 0.8, 140, 44, 0.8)),
    Sound(
        "Drums/Kick Drum Punchy.wav",
        "a short punchy kick drum with a hard click",
        lambda r: kick(r, 0.35, 260, 58, 0.28, 0.9),
    ),
    Sound(
        "Drums/Kick Drum 808 Long.wav",
        "a long booming 808 bass drum",
        lambda r: kick(r, 1.8, 120, 46, 2.0, 0.15),
    ),
    Sound("Drums/Kick Drum Distorted.wav", "a hard distorted techno kick drum", kick_distorted),
    Sound(
        "Drums/Snare Drum Tight.wav",
        "a tight dry snare drum",
        lambda r: snare(r, 0.22, 220, 0.15),
    ),
    Sound(
        "Drums/Snare Drum Fat.wav",
        "a fat snare drum in a room",
        lambda r: room(r, snare(r, 0.4, 165, 0.35), 0.5, 0.25),
    ),
    Sound("Drums/Snare Drum Brush.wav", "a brush swept over a snare drum", snare_brush),
    Sound("Drums/Rimshot.wav", "a stick on the rim of a drum", rimshot),
    Sound("Drums/Hand Clap.wav", "a hand clap from a drum machine", clap),
    Sound("Drums/Hi-Hat Closed.wav", "a closed hi-hat", hat),
    Sound("Drums/Hi-Hat Open.wav", "an open hi-hat", lambda r: hat(r, 0.7, 0.6)),
    Sound("Drums/Crash Cymbal.wav", "a crash cymbal ringing out", crash),
    Sound("Drums/Ride Cymbal.wav", "a ride cymbal with a clear ping", ride),
    Sound("Drums/Tom High.wav", "a high tom", lambda r: tom(r, 165)),
    Sound("Drums/Tom Low.wav", "a low floor tom", lambda r: tom(r, 82)),
    Sound("Drums/Timpani.wav", "a kettle drum in a concert hall", timpani),
    Sound("Percussion/Cowbell.wav", "a cowbell", cowbell),
    Sound("Percussion/Shaker.wav", "a shaker shaken in rhythm", shaker),
    Sound("Percussion/Tambourine.wav", "a tambourine hit with jingles", tambourine),
    Sound("Percussion/Wood Block.wav", "a wood block", wood_block),
    Sound("Percussion/Conga.wav", "a conga played by hand", conga),
    Sound("Percussion/Triangle.wav", "a ringing metal triangle", triangle),
    Sound("Loops/Drum Loop House.wav", "a four on the floor house drum loop", loop_house),
    Sound("Loops/Drum Loop Breakbeat.wav", "a funky breakbeat drum loop", loop_break),
    Sound("Loops/Drum Loop March.wav", "a military snare drum march", loop_march),
)
