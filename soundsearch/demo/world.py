"""Sounds of the world: weather, water, animals, machines, things and steps."""

import numpy as np

from soundsearch.demo.parts import (
    RATE,
    Random,
    Sound,
    band,
    count,
    decay,
    drive,
    fall_to,
    glide,
    hit,
    mix,
    modes,
    moving_band,
    noise,
    place,
    room,
    saw,
    shape,
    sine,
    spread,
    stereo,
    time,
    vary,
)


def _drift(rng: Random, seconds: float, rate: float) -> np.ndarray:
    """A slow random curve in [0, 1], about `rate` turns a second."""
    knots = rng.random(max(4, round(seconds * rate) + 3))
    x = np.linspace(0, len(knots) - 1.001, count(seconds))
    whole = x.astype(int)
    part = 0.5 - 0.5 * np.cos(np.pi * (x - whole))
    return knots[whole] * (1 - part) + knots[whole + 1] * part


# --- weather and water ---


def wind(rng: Random) -> np.ndarray:
    seconds = 6.0
    sides = []
    gust = _drift(rng, seconds, 0.8)
    for _ in range(2):
        centre = 180 + 650 * gust + 120 * _drift(rng, seconds, 2)
        howl = moving_band(noise(rng, seconds), centre * 0.88, centre * 1.12, 3)
        sides.append((howl + 0.12 * noise(rng, seconds, -4)) * (0.25 + gust))
    return stereo(*sides)


def rain(rng: Random, heavy: bool) -> np.ndarray:
    seconds = 5.0

    def drop() -> np.ndarray:
        tone = rng.uniform(1500, 7000)
        return rng.exponential(0.7) * sine(0.015, tone, rng.random()) * decay(0.015, 0.012)

    sides = []
    for _ in range(2):
        hiss = band(noise(rng, seconds, -1.5), 500, 12000, 1)
        drops = spread(rng, seconds, vary(rng, 180 if heavy else 45, 0.2), drop)
        sides.append((0.35 if heavy else 0.06) * hiss + drops)
    return stereo(*sides)


def thunder(rng: Random) -> np.ndarray:
    seconds = 6.0
    out = np.zeros(count(seconds))
    for start in np.sort(rng.uniform(0, 2.2, int(rng.integers(4, 8)))):
        length = seconds - float(start)
        edge = fall_to(length, vary(rng, 1400, 0.5), 90, 0.4)
        roll = moving_band(noise(rng, length, -3), 25, edge) * hit(length, rng.uniform(2, 5), 0.03)
        out[-len(roll) :] += rng.uniform(0.3, 1) * roll[: len(out)]
    return room(rng, out, 2.0, 0.4, 1500)


def _bubble(rng: Random, low: float, high: float) -> np.ndarray:
    """A drop's ring: its pitch rises as the bubble nears the surface."""
    base, length = rng.uniform(low, high), rng.uniform(0.03, 0.1)
    rise = base * (1 + rng.uniform(0.3, 1.2) * time(length) / length)
    return sine(length, rise) * hit(length, length * 0.9, 0.002)


def water_drops(rng: Random) -> np.ndarray:
    seconds, at, events = 4.0, 0.1, []
    while at < seconds - 0.3:
        events.append((at, rng.uniform(0.5, 1) * _bubble(rng, 700, 1900)))
        at += rng.uniform(0.25, 0.7)
    return room(rng, place(seconds, events), 1.8, 0.35, 7000)


def stream(rng: Random) -> np.ndarray:
    seconds = 5.0
    sides = []
    for _ in range(2):
        bubbles = spread(rng, seconds, 90, lambda: rng.exponential(0.6) * _bubble(rng, 350, 1600))
        sides.append(bubbles + 0.12 * band(noise(rng, seconds), 400, 5000, 1))
    return stereo(*sides)


def waves(rng: Random) -> np.ndarray:
    seconds = 8.0
    turn = vary(rng, 4.0, 0.15)
    swell = (0.5 - 0.5 * np.cos(2 * np.pi * time(seconds) / turn)) ** 2
    sides = []
    for _ in range(2):
        edge = 500 + 6000 * swell
        sides.append(moving_band(noise(rng, seconds, -2), 60, edge, 1) * (0.12 + swell))
    return stereo(*sides)


def fire(rng: Random) -> np.ndarray:
    seconds = 5.0

    def crack() -> np.ndarray:
        length = rng.uniform(0.002, 0.02)
        tone = rng.uniform(900, 5000)
        return (
            rng.exponential(1)
            * band(noise(rng, length), tone * 0.5, tone * 1.5)
            * decay(length, length)
        )

    roar = noise(rng, seconds, -6) * (0.4 + 0.6 * _drift(rng, seconds, 3))
    roar *= 0.1 / float(np.sqrt(np.mean(roar * roar)))
    return roar + spread(rng, seconds, vary(rng, 28, 0.3), crack)


# --- animals ---


def birds(rng: Random) -> np.ndarray:
    seconds = 5.0

    def song() -> list[tuple[float, np.ndarray]]:
        base, syllables = rng.uniform(2400, 5200), int(rng.integers(3, 8))
        length, gap = rng.uniform(0.05, 0.12), rng.uniform(0.07, 0.16)
        bend = rng.uniform(0.6, 1.6)
        chirp = sine(length, glide(length, base, base * bend)) * np.sin(
            np.pi * np.linspace(0, 1, count(length))
        )
        return [(i * gap, chirp) for i in range(syllables)]

    sides: list[list[tuple[float, np.ndarray]]] = [[], []]
    for _ in range(5):
        start, side = rng.uniform(0, seconds - 1.0), rng.random()
        for at, chirp in song():
            sides[0].append((start + at, chirp * (1 - side)))
            sides[1].append((start + at, chirp * side))
    return stereo(*(place(seconds, s) + 0.004 * noise(rng, seconds, -2) for s in sides))


def crickets(rng: Random) -> np.ndarray:
    seconds = 5.0
    sides = []
    for _ in range(2):
        out = 0.02 * noise(rng, seconds, -3)
        for _ in range(3):
            tone, pulses = rng.uniform(3800, 5200), vary(rng, 28)
            trill = np.maximum(0, sine(seconds, pulses, rng.random())) ** 2
            phrase = sine(seconds, rng.uniform(1.5, 3), rng.random()) > -0.2
            soft = np.convolve(phrase.astype(float), np.ones(300) / 300, "same")
            out = out + sine(seconds, tone) * trill * soft * rng.uniform(0.2, 1)
        sides.append(out)
    return stereo(*sides)


# --- machines ---


def _engine(rng: Random, seconds: float, turns: np.ndarray | float) -> np.ndarray:
    """A four-cylinder engine: bursts of exhaust at twice the turns a second, unevenly strong."""
    phase = np.cumsum(np.broadcast_to(np.asarray(turns) * 2, (count(seconds),))) / RATE
    stroke = phase.astype(int)
    strength = rng.uniform(0.75, 1.1, int(stroke[-1]) + 1)[stroke]
    burst = np.exp(-5 * (phase % 1)) * strength
    exhaust = burst * (1 + 0.6 * noise(rng, seconds)) - burst.mean()
    body = band(exhaust, 35, 900, 1) + 0.35 * band(exhaust, 900, 4000)
    return drive(body, 2.0)


def engine_idle(rng: Random) -> np.ndarray:
    return _engine(rng, 4.0, vary(rng, 13) * (1 + 0.03 * _drift(rng, 4.0, 4)))


def engine_rev(rng: Random) -> np.ndarray:
    seconds = 4.5
    turns = shape(seconds, (0, 16), (0.15, 16), (0.4, vary(rng, 85, 0.2)), (0.55, 80), (1, 17))
    return _engine(rng, seconds, turns) * (0.4 + turns / 90)


def helicopter(rng: Random) -> np.ndarray:
    seconds = 5.0
    beat = vary(rng, 11)
    phase = (beat * time(seconds)) % 1
    chop = np.exp(-9 * phase) + 0.15
    rotor = noise(rng, seconds, -3) * chop + 0.6 * np.exp(-12 * phase) * sine(seconds, beat * 5)
    near = shape(seconds, (0, 0.3), (0.5, 1), (1, 0.3))
    turbine = 0.03 * saw(seconds, vary(rng, 1900))
    return room(rng, (band(rotor, 25, 2500, 1) + turbine) * near, 0.6, 0.2, 3000)


def train_horn(rng: Random) -> np.ndarray:
    base = vary(rng, 277, 0.08)
    chord = [base * r for r in (1, 1.19, 1.5, 1.68, 2.0)]

    def blast(seconds: float) -> np.ndarray:
        level = shape(seconds, (0, 0), (0.06, 1), (0.9, 1), (1, 0))
        return mix(*(saw(seconds, f, rng.random()) for f in chord)) * level

    horn = place(3.4, [(0.0, blast(1.1)), (1.4, blast(1.9))])
    return room(rng, band(horn, 250, 3500, 1), 1.8, 0.35, 3500)


def car_horn(rng: Random) -> np.ndarray:
    base = vary(rng, 405, 0.06)
    level = shape(0.9, (0, 0), (0.02, 1), (0.96, 1), (1, 0))
    honk = (saw(0.9, base) + saw(0.9, base * 1.25)) * level
    return room(rng, band(drive(honk, 2), 300, 5000, 1), 0.5, 0.2)


def _tick(rng: Random, tone: float) -> np.ndarray:
    return modes(0.06, (tone, tone * 1.62, tone * 2.9), (0.03, 0.02, 0.01), (1, 0.7, 0.6)) + mix(
        np.zeros(count(0.06)), 0.4 * noise(rng, 0.004)
    )


def clock(rng: Random) -> np.ndarray:
    tick, tock = _tick(rng, vary(rng, 2600, 0.2)), _tick(rng, vary(rng, 2000, 0.2))
    return room(rng, place(4.0, [(i * 0.5, (tick, tock)[i % 2]) for i in range(8)]), 0.3, 0.15)


def church_bell(rng: Random) -> np.ndarray:
    base = vary(rng, 220, 0.2)
    ratios = np.array((0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17))
    falls = (5.0, 4.0, 3.2, 2.4, 3.0, 1.6, 1.4, 1.1, 0.7)
    levels = (0.5, 0.7, 0.5, 0.3, 1.0, 0.4, 0.3, 0.4, 0.3)
    toll = mix(
        modes(5.0, base * ratios * 2, falls, levels),
        modes(5.0, base * ratios * 2 * 1.003, falls, np.multiply(levels, 0.5)),
        0.5 * band(noise(rng, 0.05), 800, 6000) * decay(0.05, 0.04),
    )
    return room(rng, toll, 1.5, 0.2, 5000)


# --- things and steps ---


def _step(rng: Random, ground: str) -> np.ndarray:
    if ground == "gravel":
        stones = spread(
            rng, 0.22, 220, lambda: rng.exponential(1) * noise(rng, 0.004) * decay(0.004, 0.004)
        )
        return band(stones * shape(0.22, (0, 0.2), (0.3, 1), (1, 0)), 900, 8000, 1)
    tone = vary(rng, 130, 0.15)
    knock = modes(0.2, (tone, tone * 2.2, tone * 3.9), (0.12, 0.08, 0.05), (1, 0.6, 0.4))
    heel = 0.6 * band(noise(rng, 0.03), 300, 3500) * decay(0.03, 0.02)
    sole = 0.5 * mix(knock, heel)
    return place(0.35, [(0.0, mix(knock, heel)), (vary(rng, 0.1), sole)])


def footsteps(rng: Random, ground: str) -> np.ndarray:
    pace = vary(rng, 0.55)
    events = [
        (i * pace + rng.uniform(0, 0.03), rng.uniform(0.7, 1) * _step(rng, ground))
        for i in range(7)
    ]
    return room(rng, place(7 * pace, events), 0.5, 0.2)


def _shard(rng: Random) -> np.ndarray:
    tones = rng.uniform(2500, 13000, 4)
    return modes(0.3, tones, rng.uniform(0.05, 0.3, 4), rng.uniform(0.2, 1, 4))


def glass_shatter(rng: Random) -> np.ndarray:
    crash = band(noise(rng, 0.25), 2500, 15000) * decay(0.25, 0.15)
    times = rng.exponential(0.35, 60)
    shards = [(float(t), rng.exponential(0.5) * _shard(rng)) for t in times if t < 1.8]
    return room(rng, place(2.0, [(0.0, 1.5 * crash), *shards]), 0.5, 0.15, 12000)


def glass_clink(rng: Random) -> np.ndarray:
    base = vary(rng, 2100, 0.2)
    tones = (base, base * 2.32, base * 4.25, base * 1.008)
    return modes(1.2, tones, (1.0, 0.7, 0.3, 0.9), (1, 0.6, 0.3, 0.7))


def door_knock(rng: Random) -> np.ndarray:
    tone = vary(rng, 160, 0.2)
    knock = mix(
        modes(0.2, (tone, tone * 1.9, tone * 3.3), (0.12, 0.07, 0.04), (1, 0.6, 0.3)),
        0.4 * band(noise(rng, 0.02), 300, 2500) * decay(0.02, 0.015),
    )
    gap = vary(rng, 0.2, 0.2)
    events = [(i * gap, rng.uniform(0.8, 1) * knock) for i in range(int(rng.integers(3, 5)))]
    return room(rng, place(1.2, events), 0.5, 0.2, 4000)


def door_slam(rng: Random) -> np.ndarray:
    thud = sine(0.5, fall_to(0.5, 120, vary(rng, 62), 0.04)) * hit(0.5, 0.35, 0.001)
    bang = band(noise(rng, 0.2), 150, 3000, 1) * decay(0.2, 0.12)
    latch = (0.05, 0.3 * _tick(rng, vary(rng, 1700)))
    return room(rng, place(0.6, [(0.0, mix(thud, 0.8 * bang)), latch]), 0.8, 0.3, 3500)


def heartbeat(rng: Random) -> np.ndarray:
    turn = vary(rng, 0.85)

    def thump(tone: float, fall: float) -> np.ndarray:
        return sine(0.3, fall_to(0.3, tone * 1.6, tone, 0.03)) * hit(0.3, fall, 0.01)

    first, second = thump(vary(rng, 48), 0.2), thump(vary(rng, 58), 0.14)
    events = []
    for i in range(5):
        events += [(i * turn, first), (i * turn + 0.3 * turn, 0.7 * second)]
    return place(5 * turn, events)


SOUNDS = (
    Sound("Ambience/Howling Wind.wav", "howling wind in a storm", wind),
    Sound("Ambience/Heavy Rain.wav", "heavy rain pouring down", lambda r: rain(r, True)),
    Sound("Ambience/Thunder.wav", "rolling thunder", thunder),
    Sound("Ambience/Ocean Waves.wav", "ocean waves on a beach", waves),
    Sound("Ambience/Campfire Crackling.wav", "a crackling campfire", fire),
    Sound("Ambience/Crickets at Night.wav", "crickets chirping at night", crickets),
    Sound("Water/Water Drops in Cave.wav", "water drops falling in a cave", water_drops),
    Sound("Water/Bubbling Stream.wav", "a small bubbling stream", stream),
    Sound("Animals/Birds Chirping.wav", "birds chirping in a garden", birds),
    Sound("Machines/Car Engine Idling.wav", "a car engine idling", engine_idle),
    Sound("Machines/Car Engine Revving.wav", "a car engine revving up", engine_rev),
    Sound("Machines/Helicopter.wav", "a helicopter flying past", helicopter),
    Sound("Machines/Train Horn.wav", "a train horn blowing", train_horn),
    Sound("Machines/Car Horn.wav", "a car honking its horn", car_horn),
    Sound("Bells and Clocks/Clock Ticking.wav", "a clock ticking", clock),
    Sound("Bells and Clocks/Church Bell.wav", "a church bell tolling", church_bell),
    Sound("Foley/Footsteps on Gravel.wav", "footsteps on gravel", lambda r: footsteps(r, "gravel")),
    Sound(
        "Foley/Footsteps on Wood.wav",
        "footsteps on a wooden floor",
        lambda r: footsteps(r, "wood"),
    ),
    Sound("Foley/Glass Shattering.wav", "glass shattering on the floor", glass_shatter),
    Sound("Foley/Glasses Clinking.wav", "two glasses clinking", glass_clink),
    Sound("Foley/Knocking on Door.wav", "knocking on a wooden door", door_knock),
    Sound("Foley/Door Slam.wav", "a door slamming shut", door_slam),
    Sound("Foley/Heartbeat.wav", "a beating heart", heartbeat),
)
