"""The shipped starter over the demo's sounds: what a person types first is found by sound alone."""

from pathlib import Path

import numpy as np
import pytest

from soundsearch.audio.resample import resample
from soundsearch.demo import synth
from soundsearch.models.catalog import installed

# Phrase → parts of the names of sounds that are right.
PHRASES = {
    "kick drum": ("Kick Drum",),
    "snare": ("Snare",),
    "closed hi-hat": ("Hi-Hat Closed",),
    "hand clap": ("Hand Clap",),
    "deep sub bass": ("Sub Bass", "Kick Drum 808"),
    "siren": ("Siren",),
    "white noise": ("White Noise",),
    "wind": ("Wind",),
    "heavy rain": ("Heavy Rain",),
    "alarm beep": ("Alarm Clock",),
    "ticking clock": ("Clock Ticking",),
    "breaking glass": ("Glass Shattering",),
    "church bell": ("Church Bell",),
    "engine idling": ("Engine Idling",),
    "laser zap": ("Laser",),
    "explosion": ("Explosion", "Deep Boom"),
    "footsteps": ("Footsteps",),
    "rising whoosh": ("Whoosh", "Riser"),
    "warm pad": ("Warm Pad",),
    "water drops": ("Water Drops",),
}
FIRST = 3


def test_the_demos_phrases_find_their_sounds(tmp_path: Path) -> None:
    entry = next((entry for entry in installed(tmp_path) if entry.name == "starter"), None)
    if entry is None:
        pytest.skip("the starter is not there")
    from soundsearch.models.encoder import load_model

    encoder = load_model(entry.folder, "cpu")
    names, sounds = [], []
    for name, sound, rate in synth.render():
        mono = sound if sound.ndim == 1 else sound.mean(1)
        names.append(name)
        sounds.append(resample(np.ascontiguousarray(mono), rate, encoder.rate))
    vectors = np.concatenate(
        [encoder.embed_audio(sounds[i : i + 16])[0] for i in range(0, len(sounds), 16)]
    )
    cosines = encoder.embed_text(list(PHRASES)) @ vectors.T
    missed = {}
    for (phrase, right), row in zip(PHRASES.items(), cosines, strict=True):
        first = [names[i] for i in np.argsort(-row)[:FIRST]]
        if not any(part in name for part in right for name in first):
            missed[phrase] = first
    assert not missed
