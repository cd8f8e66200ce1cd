"""The demo sounds: seeded, sound, and written where they should be."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.facts import Facts, analyse
from soundsearch.demo import synth

PEAK = 10 ** (-3 / 20)


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    rendered = {}
    for name, sound, rate in synth.render(0):
        assert rate == 44100
        rendered[name] = sound
    return rendered


def test_some_eighty_sounds_with_names_and_descriptions(sounds: dict[str, np.ndarray]) -> None:
    names = synth.names()
    assert list(sounds) == names
    assert 80 <= len(names) == len(set(map(str.lower, names)))
    assert synth.descriptions().keys() == set(names)
    descriptions = list(synth.descriptions().values())
    assert len(set(descriptions)) == len(descriptions)
    for name in names:
        folder, file = name.split("/")
        assert folder
        assert file.endswith(".wav")
        assert all(c.isalnum() or c in " -" for c in file[:-4])
    told = " ".join(names).lower()
    kinds = (
        "drum bass tone noise siren blip boom wind rain engine alarm clock footsteps glass bell "
        "whoosh riser pad pluck vinyl drops birds"
    )
    assert [kind for kind in kinds.split() if kind not in told] == []


def test_levels_and_lengths(sounds: dict[str, np.ndarray]) -> None:
    for name, sound in sounds.items():
        assert sound.dtype == np.float32, name
        assert sound.ndim == 1 or sound.shape[1] == 2, name
        assert np.isfinite(sound).all(), name
        assert np.abs(sound).max() == pytest.approx(PEAK, abs=0.01), name
        assert 0.08 <= len(sound) / 44100 <= 12, name
        assert abs(float(sound.mean())) < 0.02, name
        # no click at either end
        assert np.abs(sound[0]).max() < 0.05, name
        assert np.abs(sound[-1]).max() < 0.01, name


def test_the_same_seed_gives_the_same_sounds(sounds: dict[str, np.ndarray]) -> None:
    for name in synth.names()[::7]:
        np.testing.assert_array_equal(synth.render_one(name, 0), sounds[name])


def test_another_seed_gives_other_sounds(sounds: dict[str, np.ndarray]) -> None:
    for name, sound, _ in synth.render(1):
        first = sounds[name]
        if sound.shape == first.shape:
            assert np.abs(sound - first).max() > 0.01, name


def test_no_two_sounds_are_alike(sounds: dict[str, np.ndarray]) -> None:
    digests = {hashlib.sha256(sound.tobytes()).digest() for sound in sounds.values()}
    assert len(digests) == len(sounds)


def test_the_sounds_are_what_they_are_called(sounds: dict[str, np.ndarray]) -> None:
    def centre(name: str) -> float:
        """Centre of the spectrum, Hz."""
        x = sounds[name] if sounds[name].ndim == 1 else sounds[name].mean(axis=1)
        power = np.abs(np.fft.rfft(x)) ** 2
        return float((np.fft.rfftfreq(len(x), 1 / 44100) * power).sum() / power.sum())

    assert centre("Drums/Kick Drum Deep.wav") < 200
    assert centre("Drums/Hi-Hat Closed.wav") > 6000
    assert centre("Drums/Tom Low.wav") < centre("Drums/Tom High.wav")
    assert centre("Bass/Sub Bass Note.wav") < 120
    assert centre("Noise/Pink Noise.wav") < centre("Noise/White Noise.wav")
    assert centre("Animals/Birds Chirping.wav") > 2000
    short, long = "Drums/Hi-Hat Closed.wav", "Drums/Hi-Hat Open.wav"
    assert len(sounds[short]) < len(sounds[long])


def test_unknown_names() -> None:
    with pytest.raises(KeyError):
        synth.render_one("Drums/Nothing.wav")


def test_written_as_16_bit_wave(tmp_path: Path, sounds: dict[str, np.ndarray]) -> None:
    paths = synth.write(tmp_path / "demo")
    assert [p.relative_to(tmp_path / "demo").as_posix() for p in paths] == synth.names()
    for path, (name, sound) in list(zip(paths, sounds.items(), strict=True))[::9]:
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype, info.format) == (44100, "PCM_16", "WAV")
        read, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_allclose(read, sound, atol=1e-4, err_msg=name)
        facts = list(analyse(str(path), None, 10.0))[-1]
        assert isinstance(facts, Facts)
        assert not facts.silent
