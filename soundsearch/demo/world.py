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
    gust = _drift(rng, seconds, 0.5)
    sides = []
    for _ in range(2):
        centre = 220 + 380 * gust + 60 * _drift(rng, seconds, 2)
        howl = moving_band(noise(rng, seconds), centre * 0.95, centre * 1.05, 3)
        blow = band(noise(rng, seconds, -5), 30, 1500, 1)
        sides.append((3.0 * howl + 1.5 * blow) * (0.5 + 0.7 * gust))
    return stereo(*sides)


def rain(rng: Random) -> np.ndarray:
    """So many drops that single ones only now and then stand out."""
    seconds = 5.0

    def drop() -> np.ndarray:
        length = rng.uniform(0.002, 0.008)
        splash = noise(rng, length) * decay(length, length)
        return rng.exponential(0.5) * splash

    sides = []
    for _ in range(2):
        hiss = band(noise(rng, seconds, vary(rng, -2)), 300, 14000, 1)
        hiss *= 0.85 + 0.3 * _drift(rng, seconds, 1.5)
        drops = band(spread(rng, seconds, vary(rng, 300, 0.2), drop), 900, 9000, 1)
        sides.append(0.5 * hiss + 1.2 * drops)
    return stereo(*sides)


def thunder(rng: Random) -> np.ndarray:
    """A crack near by, then claps that arrive late and dull from further along the bolt."""
    seconds = 6.0
    crack = band(noise(rng, 1.2), 120, vary(rng, 5000, 0.3), 1) * decay(1.2, 0.5)
    crack *= 0.4 + _drift(rng, 1.2, 25)
    events = [(0.05, vary(rng, 1.5, 0.4) * crack)]
    for start in np.sort(rng.uniform(0.1, 3.0, int(rng.integers(6, 11)))):
        length = seconds - float(start)
        roll = moving_band(noise(rng, length), 40, fall_to(length, vary(rng, 900, 0.5), 140, 0.6))
        swell = shape(length, (0, 0), (0.06, 1), (1, 0)) ** 2 * (0.3 + _drift(rng, length, 7))
        events.append((float(start), rng.uniform(0.5, 1.5) * roll * swell))
    return room(rng, place(seconds, events), 2.0, 0.3, 2000)


def _bubble(rng: Random, low: float, high: float) -> np.ndarray:
    """A drop's ring: its pitch rises as the bubble nears the surface."""
    base, length = rng.uniform(low, high), rng.uniform(0.03, 0.1)
    rise = base * (1 + rng.uniform(0.3, 1.2) * time(length) / length)
    return sine(length, rise) * hit(length, length * 0.9, 0.002)


def water_drops(rng: Random) -> np.ndarray:
    seconds, at, events = 4.0, 0.1, []
    while at < seconds - 0.3:
        strength = rng.uniform(0.5, 1)
        splash = band(noise(rng, 0.02), 1000, 6000, 1) * decay(0.02, 0.02)
        events += [(at, 0.3 * strength * splash), (at + 0.008, strength * _bubble(rng, 400, 1300))]
        at += rng.uniform(0.2, 0.6)
    return room(rng, place(seconds, events), 1.0, 0.2, 7000)


def stream(rng: Random) -> np.ndarray:
    seconds = 5.0
    sides = []
    for _ in range(2):
        bubbles = spread(rng, seconds, 260, lambda: rng.exponential(0.4) * _bubble(rng, 300, 1500))
        rush = band(noise(rng, seconds, -3), 300, 6000, 1) * (0.8 + 0.4 * _drift(rng, seconds, 5))
        sides.append(0.8 * bubbles + rush)
    return stereo(*sides)


def waves(rng: Random) -> np.ndarray:
    """The swell comes, breaks in white foam and draws back."""
    seconds = 8.0
    swell = 0.15 + _drift(rng, seconds, 0.45)
    sides = []
    for _ in range(2):
        roll = moving_band(noise(rng, seconds, -3), 60, 500 + 2500 * swell, 1)
        foam = (
            band(noise(rng, seconds), 800, 9000, 1) * swell * (0.7 + 0.6 * _drift(rng, seconds, 8))
        )
        sides.append(roll * (0.3 + swell) + 0.15 * foam)
    return stereo(*sides)


def fire(rng: Random) -> np.ndarray:
    seconds = 5.0

    def crack() -> np.ndarray:
        length = rng.uniform(0.002, 0.02)
        tone = rng.uniform(900, 5000)
        snap = band(noise(rng, length), tone * 0.5, tone * 1.5)
        return rng.exponential(1) * snap * decay(length, length)

    roar = band(noise(rng, seconds, -5), 30, 900, 1) * (0.5 + 0.7 * _drift(rng, seconds, 5))
    return 0.25 * roar + spread(rng, seconds, vary(rng, 32, 0.3), crack)


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
    """A four-cylinder engine: two bursts of exhaust a turn (a second), each a little different."""
    phase = np.cumsum(np.broadcast_to(np.asarray(turns) * 2, (count(seconds),))) / RATE
    stroke = phase.astype(int)
    strength = rng.uniform(0.5, 1.2, int(stroke[-1]) + 1)[stroke]
    burst = np.exp(-7 * (phase % 1)) * strength
    gas = band(noise(rng, seconds), 60, 5000, 1) * burst
    knock = band(noise(rng, seconds), 900, 7000, 1) * np.exp(-25 * ((phase * 2 + 0.3) % 1))
    body = band(burst, 35, 400, 1) + 1.2 * gas + 0.15 * knock
    return drive(body + 0.08 * noise(rng, seconds, -3), 1.5)


def engine_idle(rng: Random) -> np.ndarray:
    return _engine(rng, 4.0, vary(rng, 13) * (1 + 0.03 * _drift(rng, 4.0, 4)))


def engine_rev(rng: Random) -> np.ndarray:
    seconds = 4.5
    turns = shape(seconds, (0, 16), (0.15, 16), (0.4, vary(rng, 85, 0.2)), (0.55, 80), (1, 17))
    return _engine(rng, seconds, turns) * (0.4 + turns / 90)


def helicopter(rng: Random) -> np.ndarray:
    seconds = 5.0
    beat = vary(rng, 16)
    blade = (0.5 + 0.5 * sine(seconds, beat)) ** 3
    rotor = band(noise(rng, seconds, -3), 30, 700, 1) * (0.25 + blade)
    rush = band(noise(rng, seconds, -2), 300, 6000, 1) * (0.5 + 0.5 * blade)
    near = shape(seconds, (0, 0.4), (0.5, 1), (1, 0.4))
    turbine = 0.1 * saw(seconds, vary(rng, 950)) + 0.1 * sine(seconds, vary(rng, 2400))
    return room(rng, (rotor + 0.7 * rush + 0.5 * turbine) * near, 0.8, 0.3, 4000)


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
    def beat(tone: float) -> np.ndarray:
        wheel = modes(0.03, (tone, tone * 1.7, tone * 2.6), (0.012, 0.01, 0.006), (0.5, 0.7, 0.5))
        return place(
            0.1, [(0.0, wheel + 0.5 * noise(rng, 0.03) * decay(0.03, 0.006)), (0.035, 0.3 * wheel)]
        )

    tick, tock = beat(vary(rng, 3300, 0.2)), beat(vary(rng, 2700, 0.2))
    return room(rng, place(4.0, [(i * 0.5, (tick, tock)[i % 2]) for i in range(8)]), 0.15, 0.1)


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
    """Heel, then sole."""
    if ground == "gravel":

        def stone() -> np.ndarray:
            length = rng.uniform(0.002, 0.012)
            return rng.exponential(0.6) * noise(rng, length) * decay(length, length)

        crunch = spread(rng, 0.3, 260, stone) + 0.25 * noise(rng, 0.3)
        press = shape(0.3, (0, 0), (0.1, 1), (0.3, 0.3), (0.5, 0.8), (1, 0))
        return band(crunch * press, 500, 7000, 1)
    parts = []
    for level in (1.0, 0.45):
        tone = vary(rng, 110, 0.2)
        board = modes(0.2, (tone, tone * 2.6, tone * 5.3), (0.05, 0.03, 0.02), (0.5, 0.2, 0.1))
        shoe = band(noise(rng, 0.05), 250, vary(rng, 4500, 0.3), 1) * decay(0.05, 0.035)
        parts.append(level * mix(board, 1.2 * shoe))
    return place(0.35, [(0.0, parts[0]), (vary(rng, 0.09), parts[1])])


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
    Sound("Ambience/Heavy Rain.wav", "heavy rain pouring down", rain),
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
