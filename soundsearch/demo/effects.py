"""Made sounds: tones and noises, signals of devices and games, whooshes, impacts."""

import numpy as np

from soundsearch.demo.parts import (
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
    note,
    place,
    pulse,
    room,
    saw,
    shape,
    sine,
    spread,
    stereo,
    time,
    vary,
)


def _gate(seconds: float, edge: float = 0.005) -> np.ndarray:
    """On for the whole length, with soft edges."""
    share = min(0.5, edge / seconds)
    return shape(seconds, (0, 0), (share, 1), (1 - share, 1), (1, 0))


# --- tones and noises ---


def tone_sine(rng: Random) -> np.ndarray:
    return sine(2.0, rng.choice((220.0, 440.0, 1000.0)) * vary(rng, 1, 0.02)) * _gate(2.0, 0.02)


def noise_white(rng: Random) -> np.ndarray:
    return noise(rng, 2.5) * _gate(2.5, 0.05)


def noise_pink(rng: Random) -> np.ndarray:
    return noise(rng, 2.5, vary(rng, -3)) * _gate(2.5, 0.05)


def radio_static(rng: Random) -> np.ndarray:
    seconds = 3.0
    hiss = band(noise(rng, seconds), 250, 7000, 1)
    fading = 0.7 + 0.3 * _drift(rng, seconds)
    tuning = 300 * glide(seconds, 1, vary(rng, 6, 0.3)) + 900 * _drift(rng, seconds)
    crackle = spread(rng, seconds, 25, lambda: 1.5 * noise(rng, 0.006) * decay(0.006, 0.006))
    return hiss * fading + 0.04 * sine(seconds, tuning) + band(crackle, 300, 6000, 1)


def hum_mains(rng: Random) -> np.ndarray:
    base = rng.choice((50.0, 60.0))
    parts = [
        rng.uniform(0.3, 1) / k * sine(3.0, base * k, rng.random()) for k in (1, 2, 3, 4, 6, 8, 10)
    ]
    return (mix(*parts) + 0.02 * noise(rng, 3.0)) * _gate(3.0, 0.1)


def vinyl(rng: Random) -> np.ndarray:
    seconds = 4.0

    def tick() -> np.ndarray:
        length = rng.uniform(0.0006, 0.004)
        return rng.exponential(1) * noise(rng, length) * decay(length, length)

    ticks = [spread(rng, seconds, vary(rng, 22, 0.3), tick) for _ in range(2)]
    turns = [0.06 * noise(rng, seconds, -3) for _ in range(2)]
    return stereo(*(band(t + h, 60, 9000, 1) for t, h in zip(ticks, turns, strict=True)))


# --- signals ---


def phone_ring(rng: Random) -> np.ndarray:
    """A clapper between two gongs, twice."""
    low, high = vary(rng, 1400, 0.12), vary(rng, 1750, 0.12)
    strokes = []
    for f in (low, high):
        gong = modes(
            0.5, (f, f * 1.004, f * 2.71, f * 4.9), (0.5, 0.5, 0.3, 0.15), (1, 0.6, 0.8, 0.4)
        )
        strokes.append(mix(gong, 0.6 * band(noise(rng, 0.008), 2000, 9000)))
    step = 1 / vary(rng, 38)
    ring = [(i * step, strokes[i % 2]) for i in range(round(1.1 / step))]
    return room(rng, place(3.0, ring + [(start + 1.6, x) for start, x in ring]), 0.3, 0.15)


def siren_police(rng: Random) -> np.ndarray:
    seconds = 5.0
    turn = 0.5 - 0.5 * np.cos(2 * np.pi * vary(rng, 0.35, 0.3) * time(seconds))
    pitch = vary(rng, 620) * 2.3**turn
    horn = band(saw(seconds, pitch), 400, 4000, 1)
    return room(rng, horn * _gate(seconds, 0.2), 1.0, 0.3, 4000)


def siren_two_tone(rng: Random) -> np.ndarray:
    low, length = vary(rng, 440, 0.06), vary(rng, 0.55)
    horns = [pulse(length, low * ratio) * _gate(length) for ratio in (1.0, 1.335)]
    wail = place(8 * length, [(i * length, horns[i % 2]) for i in range(8)])
    return room(rng, band(wail, 300, 3500, 1), 0.8, 0.25, 4000)


def siren_air_raid(rng: Random) -> np.ndarray:
    seconds = 7.0
    pitch = vary(rng, 1) * shape(seconds, (0, 80), (0.35, 420), (0.6, 440), (1, 110))
    horn = band(saw(seconds, pitch) + saw(seconds, pitch * 1.2), 150, 3000, 1)
    return room(rng, horn * shape(seconds, (0, 0), (0.2, 1), (0.8, 1), (1, 0)), 1.5, 0.35, 3500)


def alarm_clock(rng: Random) -> np.ndarray:
    tone, beep = vary(rng, 2050, 0.15), vary(rng, 0.08)
    one = pulse(beep, tone) * _gate(beep)
    events = [(group * 0.9 + i * beep * 1.6, one) for group in range(3) for i in range(4)]
    return place(2.7, events)


def blip(rng: Random) -> np.ndarray:
    return sine(0.09, glide(0.09, vary(rng, 900, 0.3), vary(rng, 1300, 0.3))) * hit(0.09, 0.08)


def confirm(rng: Random) -> np.ndarray:
    root = float(rng.integers(76, 84))
    steps = (0, 5, 9) if rng.random() < 0.5 else (0, 4, 7)
    tones = [sine(0.35, note(root + step)) * hit(0.35, 0.3, 0.004) for step in steps]
    return place(0.6, [(i * 0.085, tone) for i, tone in enumerate(tones)])


def failure(rng: Random) -> np.ndarray:
    tone = vary(rng, 150, 0.15)
    buzz = [pulse(0.14, tone * factor) * _gate(0.14) for factor in (1.0, 0.84)]
    return band(place(0.36, [(0.0, buzz[0]), (0.18, buzz[1])]), 80, 3500, 1)


def click(rng: Random) -> np.ndarray:
    tone = vary(rng, 2600, 0.2)
    snap = modes(0.04, (tone, tone * 1.9), (0.012, 0.008), (1, 0.7))
    return place(0.12, [(0.0, snap), (vary(rng, 0.07, 0.2), 0.5 * snap)])


def coin(rng: Random) -> np.ndarray:
    low = note(float(rng.integers(81, 86)))
    return place(0.6, [(0.0, pulse(0.07, low)), (0.07, pulse(0.5, low * 4 / 3) * decay(0.5, 0.45))])


def laser(rng: Random) -> np.ndarray:
    pitch = fall_to(0.35, vary(rng, 3400, 0.3), vary(rng, 160), vary(rng, 0.07, 0.3))
    return (saw(0.35, pitch) + pulse(0.35, pitch * 0.5)) * hit(0.35, 0.4)


def power_up(rng: Random) -> np.ndarray:
    seconds = vary(rng, 1.3)
    pitch = glide(seconds, vary(rng, 140), vary(rng, 1400), 1.4)
    wobbling = pulse(seconds, pitch * (1 + 0.06 * sine(seconds, 14)))
    return wobbling * shape(seconds, (0, 0.4), (0.95, 1), (1, 0))


def robot(rng: Random) -> np.ndarray:
    events, at = [], 0.0
    for _ in range(9):
        length = rng.uniform(0.06, 0.2)
        start, end = rng.uniform(400, 2600, 2)
        carrier = sine(length, glide(length, start, end) * (1 + 0.2 * sine(length, 45)))
        events.append((at, carrier * _gate(length)))
        at += length + rng.uniform(0.01, 0.06)
    return place(at, events)


# --- movement and impacts ---


def _whoosh(rng: Random, seconds: float, top: float) -> np.ndarray:
    middle = vary(rng, 0.45, 0.2)
    centre = shape(seconds, (0, 250), (middle, vary(rng, top, 0.2)), (1, 200))
    air = moving_band(noise(rng, seconds), centre * 0.6, centre * 1.5, 2)
    level = shape(seconds, (0, 0), (middle, 1), (1, 0)) ** 2
    pan = np.linspace(0.15, 0.85, len(air))
    if rng.random() < 0.5:
        pan = pan[::-1]
    return stereo(air * level * np.sqrt(1 - pan), air * level * np.sqrt(pan))


def riser(rng: Random) -> np.ndarray:
    seconds = 4.0
    climb = np.linspace(0, 1, count(seconds)) ** 2
    centre = 300 * vary(rng, 30, 0.2) ** np.linspace(0, 1, count(seconds))
    sides = []
    for _ in range(2):
        air = moving_band(noise(rng, seconds), centre * 0.5, centre * 1.6)
        tone = saw(seconds, glide(seconds, vary(rng, 110), vary(rng, 880), 1.3), rng.random())
        sides.append((air + 0.25 * tone) * climb)
    return stereo(*sides)


def impact_deep(rng: Random) -> np.ndarray:
    boom = sine(1.8, fall_to(1.8, vary(rng, 110), vary(rng, 34), 0.15)) * hit(1.8, 1.8, 0.003)
    crack = band(noise(rng, 0.3), 60, 1800, 1) * decay(0.3, 0.2)
    return room(rng, drive(mix(boom, 0.35 * crack), 2), 2.0, 0.35, 2500)


def impact_metal(rng: Random) -> np.ndarray:
    base = vary(rng, 310, 0.25)
    ratios = np.sort(rng.uniform(1, 14, 14))
    plate = modes(2.0, base * ratios, rng.uniform(0.4, 2.0, 14), rng.uniform(0.3, 1, 14))
    strike = 2 * band(noise(rng, 0.05), 800, 9000) * decay(0.05, 0.04)
    return room(rng, mix(plate, strike), 1.2, 0.2, 9000)


def explosion(rng: Random) -> np.ndarray:
    seconds = 3.5
    blast = moving_band(noise(rng, seconds), 30, fall_to(seconds, 6000, vary(rng, 220), 0.5), 1)
    sub = sine(seconds, fall_to(seconds, 65, 30, 0.5)) * decay(seconds, 1.5)
    rumble = 0.5 + _drift(rng, seconds)
    body = drive(blast * decay(seconds, 3.5) * rumble + 0.25 * sub, 3) * decay(seconds, 5)
    debris = spread(
        rng, seconds, 30, lambda: band(noise(rng, 0.04), 400, 6000, 1) * decay(0.04, 0.04)
    )
    late = shape(seconds, (0, 0), (0.2, 1), (1, 0))
    return room(rng, body + 0.08 * debris * late, 1.5, 0.25, 4000)


def _drift(rng: Random, seconds: float) -> np.ndarray:
    """Slow uneven swelling, in [0, 1]."""
    slow = band(noise(rng, seconds), 1, 9, 2)
    return 0.5 + 0.5 * slow / float(np.abs(slow).max())


SOUNDS = (
    Sound("Tones/Sine Tone.wav", "a pure steady sine tone", tone_sine),
    Sound("Noise/White Noise.wav", "white noise", noise_white),
    Sound("Noise/Pink Noise.wav", "soft pink noise", noise_pink),
    Sound("Noise/Radio Static.wav", "radio static between stations", radio_static),
    Sound("Noise/Mains Hum.wav", "electrical mains hum", hum_mains),
    Sound("Noise/Vinyl Crackle.wav", "crackle of an old vinyl record", vinyl),
    Sound("Signals/Telephone Ringing.wav", "an old telephone ringing", phone_ring),
    Sound("Signals/Police Siren.wav", "a wailing police siren", siren_police),
    Sound("Signals/Ambulance Siren Two Tone.wav", "a two tone ambulance siren", siren_two_tone),
    Sound("Signals/Air Raid Siren.wav", "an air raid siren slowly rising", siren_air_raid),
    Sound("Signals/Alarm Clock Beeping.wav", "a digital alarm clock beeping", alarm_clock),
    Sound("Interface/Blip.wav", "a short interface blip", blip),
    Sound("Interface/Confirm Chime.wav", "a cheerful confirmation chime", confirm),
    Sound("Interface/Error Buzz.wav", "an error buzz", failure),
    Sound("Interface/Button Click.wav", "a mouse button click", click),
    Sound("Game/Coin Pickup.wav", "picking up a coin in a retro video game", coin),
    Sound("Game/Laser Zap.wav", "a science fiction laser gun", laser),
    Sound("Game/Power Up.wav", "a rising power up in a video game", power_up),
    Sound("Game/Robot Beeps.wav", "a robot talking in beeps", robot),
    Sound("Impacts/Deep Boom.wav", "a deep cinematic boom", impact_deep),
    Sound("Impacts/Metal Clang.wav", "a heavy metal clang", impact_metal),
    Sound("Impacts/Explosion.wav", "an explosion with falling debris", explosion),
    Sound(
        "Transitions/Whoosh Fast.wav",
        "a fast whoosh passing by",
        lambda r: _whoosh(r, 0.6, 3500),
    ),
    Sound("Transitions/Whoosh Slow.wav", "a slow airy whoosh", lambda r: _whoosh(r, 2.2, 1400)),
    Sound("Transitions/Riser.wav", "a tense riser building up", riser),
)
