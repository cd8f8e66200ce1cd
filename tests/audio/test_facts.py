"""One pass over a sound: facts, segments, identity."""

import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.decode import AUDIO_EXTENSIONS, DecodeError, load_mono
from soundsearch.audio.facts import Facts, analyse, identity

SOUNDS = Path(__file__).parents[1] / "sounds"
LIBRARY = Path(__file__).parents[3] / "shared" / "audio" / "library"


def facts_of(path: Path) -> Facts:
    *segments, facts = analyse(os.fsencode(path), None, 10.0)
    assert not segments
    assert isinstance(facts, Facts)
    return facts


def points(facts: Facts) -> np.ndarray:
    """(points, 3)"""
    return np.frombuffer(facts.envelope, np.int8).reshape(-1, 3)


def write(path: Path, x: np.ndarray, rate: int = 44100, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, x, rate, subtype=subtype)
    return path


def test_facts_of_a_bell() -> None:
    facts = facts_of(SOUNDS / "bell 24bit stereo.wav")
    assert (facts.frames, facts.samplerate, facts.channels) == (4800, 48000, 2)
    assert (facts.sample_format, facts.container) == ("pcm_24", "wav")
    assert facts.peak == pytest.approx(0.5, abs=1e-4)
    assert facts.loudness is not None
    assert -40 < facts.loudness < -5
    assert not facts.silent
    assert facts.damage == ""
    assert pickle.loads(pickle.dumps(facts)) == facts


def test_silence_is_silent() -> None:
    facts = facts_of(SOUNDS / "silence.wav")
    assert facts.silent
    assert facts.loudness is None
    assert (facts.peak, facts.onset) == (0.0, 0.0)
    assert not points(facts).any()


def test_dithered_silence_is_silent_and_a_quiet_sound_is_not(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-1, 2, 44100).astype(np.int16)
    assert facts_of(write(tmp_path / "dither.wav", noise, subtype="PCM_16")).silent
    assert not facts_of(write(tmp_path / "quiet.wav", noise * 8, subtype="PCM_16")).silent


def test_truncated_files_say_so() -> None:
    facts = facts_of(SOUNDS / "truncated.wav")
    assert facts.frames == 2194
    assert "ends before" in facts.damage
    assert facts_of(SOUNDS / "truncated.flac").damage


@pytest.mark.parametrize("name", ["empty.wav", "header only.wav", "text.wav"])
def test_no_facts_without_sound(name: str) -> None:
    with pytest.raises(DecodeError):
        facts_of(SOUNDS / name)


# --- envelope, against the plain way with the whole sound in memory ---


@pytest.mark.parametrize("frames", [1, 2, 299, 301, 5000, 80_000, 88_300, 200_001, 700_123])
@pytest.mark.parametrize("channels", [1, 2])
def test_envelope_covers_the_sound(frames: int, channels: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(frames)
    swell = np.sin(np.linspace(0, 9, frames))[:, None] * 0.9
    x = (rng.uniform(-1, 1, (frames, channels)) * swell).astype(np.float32)
    table = points(facts_of(write(tmp_path / "x.wav", x)))
    most = 300 if frames < 2 * 44100 else 1000
    assert len(table) == min(frames, most)
    for i, (low, high, rms) in enumerate(table.tolist()):
        # Fine bins (1/4096 of the sound or one frame) may move an edge.
        slack = max(1, frames // 4000)
        outer = x[
            max(0, i * frames // len(table) - slack) : (i + 1) * frames // len(table) + slack + 1
        ]
        inner = x[i * frames // len(table) + slack : (i + 1) * frames // len(table) - slack]
        assert outer.min() * 127 - 1 <= low
        assert high <= outer.max() * 127 + 1
        assert 0 <= rms <= max(-low, high) + 1
        if len(inner):
            assert low <= inner.min() * 127 + 1
            assert inner.max() * 127 - 1 <= high
    assert table[:, 1].max() == pytest.approx(x.max() * 127, abs=1)
    assert table[:, 0].min() == pytest.approx(x.min() * 127, abs=1)


def test_envelope_of_a_short_sound_is_exact(tmp_path: Path) -> None:
    x = np.random.default_rng(2).uniform(-1, 1, (250, 2)).astype(np.float32)
    table = points(facts_of(write(tmp_path / "x.wav", x)))
    expected = np.stack((x.min(axis=1), x.max(axis=1), np.sqrt((x * x).mean(axis=1))), axis=1)
    np.testing.assert_allclose(table, np.rint(expected * 127), atol=1)


def test_rms_of_a_long_sound(tmp_path: Path) -> None:
    x = np.repeat([0.1, 0.5], 60_000)
    table = points(facts_of(write(tmp_path / "x.wav", x)))
    assert table[100, 2] == pytest.approx(12.7, abs=1)
    assert table[-100, 2] == pytest.approx(63.5, abs=1)


def test_too_loud_samples_stay_in_range(tmp_path: Path) -> None:
    facts = facts_of(write(tmp_path / "x.wav", np.array([3.0, -3.0] * 500)))
    assert facts.peak == pytest.approx(3.0)
    assert points(facts).max() == 127
    assert points(facts).min() == -127


@pytest.mark.parametrize("lead", [0, 1000, 22050, 300_000])
def test_onset_is_close_and_never_late(lead: int, tmp_path: Path) -> None:
    x = np.concatenate((np.zeros(lead), 0.3 * np.ones(30_000)))
    onset = facts_of(write(tmp_path / "x.wav", x)).onset
    assert onset <= lead / 44100
    assert onset >= (lead - len(x) / 4000 - 1) / 44100


# --- segments ---


@pytest.mark.parametrize("rate", [32000, 44100, 16000])
def test_segments_are_the_sound(rate: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (int(44100 * 2.6), 2)).astype(np.float32)
    path = write(tmp_path / "x.wav", x)
    *segments, facts = analyse(str(path), rate, 1.0)
    assert isinstance(facts, Facts)
    assert [len(s) for s in segments[:-1]] == [rate, rate]
    assert 0 < len(segments[-1]) <= rate
    assert all(s.dtype == np.float32 for s in segments)
    np.testing.assert_allclose(np.concatenate(segments), load_mono(str(path), rate), atol=1e-6)


def test_a_sound_of_exactly_one_segment_gives_one(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", np.full(32000, 0.1), 32000)
    assert [len(s) for s in list(analyse(str(path), 32000, 1.0))[:-1]] == [32000]


def test_memory_does_not_grow_with_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    size = 60_000_000  # 11 minutes; zeros that take no room on the disk
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt ")
        file.write(struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16))
        file.write(b"data" + struct.pack("<I", size))
        file.truncate(size + 44)
    samples = 0
    tracemalloc.start()
    try:
        for item in analyse(str(path), 32000, 10.0):
            if isinstance(item, np.ndarray):
                samples += len(item)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert samples / 32000 == pytest.approx(size / 2 / 44100, abs=0.01)
    assert peak < 24_000_000


# --- identity ---


def wave(payload: bytes, rate: int = 22050, *more: bytes) -> bytes:
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    for chunk in more:
        body += chunk
    body += b"data" + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


def of_bytes(folder: Path, content: bytes) -> bytes:
    path = folder / "x.wav"
    path.write_bytes(content)
    return identity(os.fsencode(path))


def test_metadata_do_not_change_the_identity(tmp_path: Path) -> None:
    payload = np.random.default_rng(4).bytes(4000)
    text = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"new\0"
    plain = of_bytes(tmp_path, wave(payload))
    assert len(plain) == 16
    assert of_bytes(tmp_path, wave(payload, 22050, text)) == plain
    assert of_bytes(tmp_path, wave(payload) + text) == plain


def test_samples_and_rate_change_the_identity(tmp_path: Path) -> None:
    payload = np.random.default_rng(4).bytes(4000)
    plain = of_bytes(tmp_path, wave(payload))
    assert of_bytes(tmp_path, wave(payload[:-1] + bytes([payload[-1] ^ 1]))) != plain
    assert of_bytes(tmp_path, wave(payload, 44100)) != plain
    assert of_bytes(tmp_path, wave(payload[:-2])) != plain


def test_identity_of_aiff_ignores_its_name(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 2000)
    identities = []
    for title in ("one", "another one"):
        with soundfile.SoundFile(tmp_path / f"{title}.aiff", "w", 22050, 1) as file:
            file.title = title
            file.write(x)
        identities.append(identity(str(tmp_path / f"{title}.aiff")))
    assert identities[0] == identities[1]


def test_files_without_plain_payload_are_hashed_whole(tmp_path: Path) -> None:
    content = (SOUNDS / "bell.mp3").read_bytes()
    assert of_bytes(tmp_path, content) == identity(str(SOUNDS / "really mp3.wav"))
    assert of_bytes(tmp_path, content + b"x") != identity(str(SOUNDS / "bell.mp3"))


def test_equal_payloads_in_rf64_and_riff_are_one_sound(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 2000)
    soundfile.write(tmp_path / "a.wav", x, 22050, format="WAV", subtype="PCM_16")
    soundfile.write(tmp_path / "b.wav", x, 22050, format="RF64", subtype="PCM_16")
    assert identity(str(tmp_path / "a.wav")) == identity(str(tmp_path / "b.wav"))


def test_every_file_has_an_identity_of_its_own() -> None:
    names = [p for p in SOUNDS.iterdir() if p.name != "really mp3.wav"]
    assert len({identity(str(p)) for p in names}) == len(names)


def test_identity_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as caught:
        identity(str(tmp_path / "gone.wav"))
    assert caught.value.retry


@pytest.mark.skipif(not LIBRARY.is_dir(), reason="the shared sample library is not here")
def test_the_shared_library() -> None:
    found: dict[str, Facts] = {}
    for path in sorted(LIBRARY.rglob("*")):
        if path.suffix.lower() not in AUDIO_EXTENSIONS:
            continue
        try:
            *segments, facts = analyse(os.fsencode(path), 32000, 10.0)
        except DecodeError:
            continue
        assert isinstance(facts, Facts)
        found[path.name] = facts
        seconds = sum(len(s) for s in segments) / 32000
        assert seconds == pytest.approx(facts.frames / facts.samplerate, abs=0.001)
        assert facts.silent or facts.loudness is not None
    assert [name for name, facts in found.items() if facts.silent] == ["silence 1s.wav"]
    assert [name for name, facts in found.items() if facts.damage] == ["truncated.wav"]
    assert found["rain_5.1.wav"].channels == 6
    assert found["Cymbal 96k.wav"].samplerate == 96000
    kinds = {found["bass hit (1).wav"], found["bass hit (1) - Copy.wav"]}
    assert len(kinds) == 1
