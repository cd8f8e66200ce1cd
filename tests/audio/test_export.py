"""Regions as files, against what soundfile reads from source and copy."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.audio.decode import DecodeError, open_audio
from soundsearch.audio.export import export_region, region_name

SOUNDS = Path(__file__).parent.parent / "sounds"
NAMES = {
    "PCM_U8": "8bit.wav",
    "PCM_16": "Tür größer #1 100%.wav",
    "PCM_24": "🥁 take.wav",
    "PCM_32": "thirty-two.wav",
    "FLOAT": "line\nbreak.wav",
    "DOUBLE": "double.wav",
}


def write(folder: Path, subtype: str, rate: int = 44100, channels: int = 2) -> Path:
    random = np.random.default_rng(3)
    path = folder / NAMES[subtype]
    if subtype in ("FLOAT", "DOUBLE"):
        sound = random.normal(0, 2, (rate, channels))  # beyond full scale, which floats may be
        soundfile.write(path, sound, rate, subtype=subtype, format="WAV")
    else:
        numbers = random.integers(-(2**31), 2**31, (rate, channels)).astype(np.int32)
        soundfile.write(path, numbers, rate, subtype=subtype, format="WAV")
    return path


def chunks(path: Path) -> dict[bytes, bytes]:
    content = path.read_bytes()
    assert content[:4] == b"RIFF"
    assert content[8:12] == b"WAVE"
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    found, place = {}, 12
    while place < len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        found[name] = content[place + 8 : place + 8 + size]
        assert len(found[name]) == size
        place += 8 + size + size % 2
    return found


@pytest.mark.parametrize("subtype", list(NAMES))
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_samples_depth_rate_and_channels_are_the_sources(
    tmp_path: Path, subtype: str, channels: int
) -> None:
    source = write(tmp_path, subtype, 22050, channels)
    file, frames = export_region(bytes(source), 0.25, 0.5, tmp_path / "exports")
    first, last = round(0.25 * 22050), round(0.5 * 22050)
    assert frames == last - first
    info, original = soundfile.info(file), soundfile.info(source)
    assert (info.samplerate, info.channels, info.subtype) == (22050, channels, original.subtype)
    kind = "float64" if subtype in ("FLOAT", "DOUBLE") else "int32"
    copied = soundfile.read(file, dtype=kind, always_2d=True)[0]
    there = soundfile.read(source, dtype=kind, always_2d=True)[0]
    np.testing.assert_array_equal(copied, there[first:last])


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_S8"])
def test_flac_keeps_its_depth(tmp_path: Path, subtype: str) -> None:
    source = tmp_path / "a.flac"
    numbers = np.random.default_rng(1).integers(-(2**31), 2**31, (9000, 2)).astype(np.int32)
    soundfile.write(source, numbers, 48000, subtype=subtype)
    file, _ = export_region(bytes(source), 0.01, 0.1, tmp_path)
    assert soundfile.info(file).subtype == subtype.replace("S8", "U8")
    there = soundfile.read(source, dtype="int32")[0]
    np.testing.assert_array_equal(soundfile.read(file, dtype="int32")[0], there[480:4800])


@pytest.mark.parametrize("name", ["bell.mp3", "bell.ogg", "bell.m4a", "bell.opus", "bell.wma"])
def test_what_was_coded_with_losses_becomes_float(tmp_path: Path, name: str) -> None:
    file, frames = export_region(bytes(SOUNDS / name), 0.1, 0.3, tmp_path)
    with open_audio(bytes(SOUNDS / name)) as reader:
        rate, channels = reader.samplerate, reader.channels
        reader.seek_seconds(round(0.1 * rate) / rate)
        expected = np.concatenate(list(reader.blocks()))[:frames]
    info = soundfile.info(file)
    assert (info.subtype, info.samplerate, info.channels) == ("FLOAT", rate, channels)
    assert frames == round(0.3 * rate) - round(0.1 * rate)
    copied = soundfile.read(file, dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(copied, expected)


def test_without_an_end_it_goes_to_the_sounds_end(tmp_path: Path) -> None:
    source = write(tmp_path, "PCM_16")
    file, frames = export_region(bytes(source), 0.75, None, tmp_path)
    assert frames == 44100 - round(0.75 * 44100)
    assert "end" in file.name


def test_the_chunk_of_broadcasting_tells_origin_and_time(tmp_path: Path) -> None:
    source = write(tmp_path, "PCM_24", 48000)
    file, _ = export_region(bytes(source), 0.5, 0.75, tmp_path / "a")
    bext = chunks(file)[b"bext"]
    assert bext[256:288].rstrip(b"\0") == b"SoundSearch"
    assert "🥁 take.wav" in bext[:256].rstrip(b"\0").decode()
    assert struct.unpack_from("<QH", bext, 338) == (24000, 1)
    # A region of the region counts from the first source's own start.
    again, _ = export_region(bytes(file), 0.125, 0.25, tmp_path / "b")
    assert struct.unpack_from("<Q", chunks(again)[b"bext"], 338) == (24000 + 6000,)


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    source = write(tmp_path, "PCM_U8", 1000, 1)
    file, frames = export_region(bytes(source), 0.0, 0.333, tmp_path)
    assert frames == 333
    assert len(chunks(file)[b"data"]) == 333


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    source = write(tmp_path, "PCM_16")
    files = [export_region(bytes(source), 0.1, 0.2, tmp_path / "out")[0] for _ in range(3)]
    assert len(set(files)) == 3
    assert len({file.read_bytes()[1000:] for file in files}) == 1
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "start"), [("text.wav", 0.0), ("bell.flac", 60.0), ("bell.mp3", 60.0)]
)
def test_what_gives_no_sound_leaves_no_file(tmp_path: Path, name: str, start: float) -> None:
    with pytest.raises(DecodeError):
        export_region(bytes(SOUNDS / name), start, start + 1, tmp_path)
    with pytest.raises(DecodeError):
        export_region(bytes(SOUNDS / "bell.flac"), 0.2, 0.2, tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_hold_nothing_that_a_system_forbids() -> None:
    assert region_name("/x/Tür #1 100% 🥁.wav".encode(), 1.25, 62.5) == (
        "Tür #1 100% 🥁 0m01.250-1m02.500.wav"
    )
    odd = region_name(b'/x/a\nb:c"d?\xff.flac', 0.0, None)
    assert odd == "a_b_c_d__ 0m00.000-end.wav"
    assert len(region_name(("ü" * 200).encode() + b".wav", 0, 1).encode()) < 200
