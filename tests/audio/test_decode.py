"""Decoding: every kind of file, the odd ones, regions, and nothing left open."""

import os
import pickle
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from soundsearch.audio.decode import (
    AUDIO_EXTENSIONS,
    DecodeError,
    load_mono,
    mix_down,
    open_audio,
)
from soundsearch.audio.sources import FfmpegSource, Interleaver
from soundsearch.player.track import fold

SOUNDS = Path(__file__).parents[1] / "sounds"
LIBRARY = Path(__file__).parents[3] / "shared" / "audio" / "library"

# file: rate, channels, frames, sample format, container
READABLE = {
    "bell 16bit.wav": (44100, 1, 13230, "pcm_16", "wav"),
    "bell 8bit.wav": (11025, 1, 3308, "pcm_u8", "wav"),
    "bell 24bit stereo.wav": (48000, 2, 4800, "pcm_24", "wav"),
    "bell 32bit.wav": (22050, 1, 2205, "pcm_32", "wav"),
    "bell float.wav": (32000, 1, 3200, "float", "wav"),
    "bell rf64.wav": (22050, 1, 2205, "pcm_16", "wav"),
    "bell 5.1.wav": (16000, 6, 1600, "pcm_16", "wav"),
    "BELLLrg_Village Angelus_Ada_01.wav": (22050, 1, 4410, "pcm_16", "wav"),
    "bell.aiff": (22050, 1, 2205, "pcm_16", "aiff"),
    "bell.flac": (44100, 1, 8820, "pcm_16", "flac"),
    "bell.ogg": (44100, 2, 17640, "vorbis", "ogg"),
    "bell.opus": (48000, 1, 19200, "opus", "ogg"),
    "bell.mp3": (44100, 1, 52920, "mp3", "mp3"),
    "bell.caf": (22050, 1, 2205, "pcm_16", "caf"),
    "bell.m4a": (44100, 1, None, "aac", "m4a"),
    "bell.wma": (44100, 1, None, "wmav2", "wma"),
    "really mp3.wav": (44100, 1, 52920, "mp3", "mp3"),
    "one frame.wav": (22050, 1, 1, "pcm_16", "wav"),
    "silence.wav": (22050, 1, 2205, "pcm_16", "wav"),
}
REFUSED = {
    "empty.wav": "empty",
    "header only.wav": "no sound",
    "text.wav": "not an audio file",
    "._bell.wav": "not an audio file",
}


def read_all(path: Path | bytes, frames: int = 65536) -> np.ndarray:
    with open_audio(os.fsencode(path)) as reader:
        return np.concatenate(list(reader.blocks(frames)))


@pytest.mark.parametrize("name", READABLE)
def test_every_kind_is_read(name: str) -> None:
    rate, channels, frames, sample_format, container = READABLE[name]
    with open_audio(os.fsencode(SOUNDS / name)) as reader:
        assert (reader.samplerate, reader.channels) == (rate, channels)
        assert (reader.sample_format, reader.container) == (sample_format, container)
        sound = np.concatenate(list(reader.blocks(1000)))
    assert sound.dtype == np.float32
    assert sound.shape[1] == channels
    if frames is not None:
        assert len(sound) == frames
    if "bell" in name and "float" not in name and container != "wma":
        # 0.5 by construction; lossy formats come close (the WMA encoder swallows the attack)
        assert np.abs(sound).max() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sound_says_so_in_one_line(name: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read_all(SOUNDS / name)
    assert REFUSED[name] in caught.value.reason
    assert "\n" not in caught.value.reason
    assert not caught.value.retry


def test_every_file_in_sounds_is_listed_here() -> None:
    others = {"truncated.wav", "truncated.flac", "not finite.wav"}
    assert {p.name for p in SOUNDS.iterdir()} == READABLE.keys() | REFUSED.keys() | others


@pytest.mark.parametrize("name", ["bell.m4a", "bell.wma", "bell.ogg", "bell.mp3"])
def test_lossy_formats_sound_like_the_bell(name: str) -> None:
    with open_audio(str(SOUNDS / name)) as reader:
        sound = mix_down(np.concatenate(list(reader.blocks())))
        rate = reader.samplerate
    spectrum = np.abs(np.fft.rfft(sound[: rate // 4]))
    loudest = np.fft.rfftfreq(rate // 4, 1 / rate)[spectrum.argmax()]
    assert loudest == pytest.approx(880, abs=8)


@pytest.mark.parametrize("name", ["bell 16bit.wav", "bell.flac", "bell.ogg", "bell.m4a"])
@pytest.mark.parametrize("frames", [1, 777, 100_000])
def test_block_size_does_not_matter(name: str, frames: int) -> None:
    if frames == 1 and not name.endswith("flac"):
        frames = 13
    np.testing.assert_array_equal(read_all(SOUNDS / name, frames), read_all(SOUNDS / name))


def test_blocks_are_full_but_for_the_last() -> None:
    with open_audio(str(SOUNDS / "bell.m4a")) as reader:
        lengths = [len(block) for block in reader.blocks(1000)]
    assert set(lengths[:-1]) == {1000}
    assert 0 < lengths[-1] <= 1000


def test_truncated_wav_gives_what_is_there() -> None:
    sound = read_all(SOUNDS / "truncated.wav")
    assert len(sound) == (os.path.getsize(SOUNDS / "truncated.wav") - 44) // 2


def test_truncated_flac_gives_what_is_there_and_says_so() -> None:
    whole = read_all(SOUNDS / "bell.flac")
    with open_audio(str(SOUNDS / "truncated.flac")) as reader:
        part = np.concatenate(list(reader.blocks()))
        assert reader.damage
    assert 0 < len(part) < len(whole)
    np.testing.assert_array_equal(part, whole[: len(part)])


def test_damage_after_the_first_block_keeps_what_came_before(tmp_path: Path) -> None:
    rate, x = 44100, np.random.default_rng(3).uniform(-0.5, 0.5, 44100 * 6)
    soundfile.write(tmp_path / "whole.flac", x, rate)
    whole = read_all(tmp_path / "whole.flac")
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) * 3 // 4])
    with open_audio(str(tmp_path / "cut.flac")) as reader:
        part = np.concatenate(list(reader.blocks()))
        assert reader.damage
    assert 0.7 * len(whole) < len(part) < 0.8 * len(whole)
    np.testing.assert_array_equal(part, whole[: len(part)])


@pytest.mark.parametrize("name", ["bell.mp3", "bell.flac", "bell.m4a", "bell.wma", "bell.opus"])
def test_damaged_files_never_raise_anything_else(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = (SOUNDS / name).read_bytes()
    for attempt in range(24):
        broken = bytearray(content)
        if attempt % 3 == 0:
            del broken[len(broken) * (attempt + 1) // 25 :]
        else:
            size = (8, 200)[attempt % 2]
            at = int(rng.integers(0, 150 if attempt % 3 == 1 else len(broken)))
            broken[at : at + size] = rng.bytes(size)
        path = tmp_path / f"{attempt}{Path(name).suffix}"
        path.write_bytes(broken)
        try:
            sound = read_all(path)
        except DecodeError as error:
            reason = error.reason
        else:
            reason = ""
            assert np.isfinite(sound).all()
        assert "\n" not in reason


def test_floats_are_made_finite() -> None:
    sound = read_all(SOUNDS / "not finite.wav")
    assert np.isfinite(sound).all()
    assert not sound[100:110].any()
    assert sound[200, 0] == 1.0
    assert sound[300, 0] == -1.0
    clean = np.delete(np.arange(len(sound)), [*range(100, 110), 200, 300])
    assert np.abs(sound[clean]).max() <= 0.5


def test_floats_above_full_scale_keep_their_level() -> None:
    assert np.abs(read_all(SOUNDS / "bell float.wav")).max() == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("rate", [1, 100, 2**31 - 1])
def test_impossible_rates_are_refused(rate: int, tmp_path: Path) -> None:
    content = bytearray((SOUNDS / "bell 16bit.wav").read_bytes())
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(DecodeError):
        open_audio(str(tmp_path / "x.wav"))


def test_mono_is_the_mean_of_the_channels() -> None:
    block = np.random.default_rng(1).uniform(-1, 1, (1000, 6)).astype(np.float32)
    np.testing.assert_allclose(mix_down(block), block.mean(axis=1), atol=1e-6)
    single = mix_down(block[:, :1])
    np.testing.assert_array_equal(single, block[:, 0])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    for name in ("x.wav", "folder.wav", "device.wav"):
        with pytest.raises(DecodeError, match="not a regular file"):
            open_audio(os.fsencode(tmp_path / name))


def test_missing_files_may_be_tried_again(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.wav", SOUNDS / "bell.mp3" / "x.wav"):
        with pytest.raises(DecodeError) as caught:
            open_audio(str(path))
        assert caught.value.retry


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_unreadable_files_may_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    shutil.copy(SOUNDS / "bell 16bit.wav", path)
    path.chmod(0)
    with pytest.raises(DecodeError, match="permission") as caught:
        open_audio(str(path))
    assert caught.value.retry


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("name", ["bell 16bit.wav", "bell.m4a"])
def test_names_may_hold_any_bytes(name: str, tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"k\xffck\n" + os.fsencode(name))
    shutil.copy(SOUNDS / name, path)
    assert len(read_all(path))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_no_handle_stays_open() -> None:
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))

    def use(path: Path) -> None:
        try:
            with open_audio(str(path)) as reader:
                next(reader.blocks(100))  # left in the middle
        except DecodeError:
            pass

    use(SOUNDS / "bell.m4a")
    before = handles()
    for path in SOUNDS.iterdir():
        use(path)
    assert handles() == before


def test_many_channels_are_read_in_small_blocks(tmp_path: Path) -> None:
    x = np.zeros((3000, 600), np.float32)
    x[:, 7] = 0.5
    soundfile.write(tmp_path / "many.wav", x, 8000)
    with open_audio(str(tmp_path / "many.wav")) as reader:
        blocks = list(reader.blocks(65536))
    assert max(block.size for block in blocks) <= 1 << 20
    assert sum(map(len, blocks)) == 3000


def test_decode_errors_cross_processes() -> None:
    error = pickle.loads(pickle.dumps(DecodeError("holds no sound", retry=True)))
    assert (error.reason, error.retry) == ("holds no sound", True)


# --- regions ---


def changing_tone(rate: int, seconds: float) -> np.ndarray:
    """A sweep, so that a wrong position shows."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * t + 150 * t * t))).astype(np.float32)


def written(folder: Path) -> Iterator[tuple[Path, float]]:
    """The sweep in every format, with the error that the format may make."""
    import av

    x = changing_tone(44100, 6)
    lossless = (("wav", "WAV", "PCM_16"), ("flac", "FLAC", "PCM_16"), ("aiff", "AIFF", "PCM_16"))
    lossy = (("ogg", "OGG", "VORBIS"), ("mp3", "MP3", "MPEG_LAYER_III"))
    for ending, kind, subtype in lossless + lossy:
        path = folder / f"sweep.{ending}"
        with soundfile.SoundFile(path, "w", 44100, 1, subtype=subtype, format=kind) as file:
            for start in range(0, len(x), 4096):
                file.write(x[start : start + 4096])
        yield path, 0.002 if (ending, kind, subtype) in lossless else 0.03
    path = folder / "sweep.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        stream.bit_rate = 192000
        for start in range(0, len(x), 1024):
            part = np.ascontiguousarray(x[None, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    yield path, 0.2


def test_regions_are_where_they_should_be(tmp_path: Path) -> None:
    x = changing_tone(44100, 6)
    for path, tolerance in written(tmp_path):
        whole = load_mono(str(path), 44100)
        assert abs(len(whole) - len(x)) <= 2048, path
        for start, end in ((0.0, 1.5), (2.345, 3.5), (4.0, None)):
            region = load_mono(os.fsencode(path), 44100, start, end)
            first = round(start * 44100)
            expected = whole[first : None if end is None else round(end * 44100)]
            assert abs(len(region) - len(expected)) <= 1, path
            n = min(len(region), len(expected))
            assert np.abs(region[:n] - expected[:n]).max() < 1e-3, (path, start)
            n = min(n, len(x) - first)
            assert np.abs(region[:n] - x[first : first + n]).max() < tolerance, (path, start)


def test_regions_are_resampled() -> None:
    region = load_mono(str(SOUNDS / "bell 16bit.wav"), 32000, 0.1, 0.2)
    assert abs(len(region) - 3200) <= 2
    assert region.dtype == np.float32


def test_a_region_past_the_end_holds_nothing() -> None:
    for name in ("bell 16bit.wav", "bell.mp3", "bell.m4a"):
        with pytest.raises(DecodeError):
            load_mono(str(SOUNDS / name), 32000, start=60.0)


def test_a_wave_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    """Programs that write to a pipe leave the sizes open."""
    content = bytearray((SOUNDS / "bell 16bit.wav").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "streamed.wav").write_bytes(content)
    np.testing.assert_array_equal(
        read_all(tmp_path / "streamed.wav"), read_all(SOUNDS / "bell 16bit.wav")
    )


@pytest.mark.skipif(not LIBRARY.is_dir(), reason="the shared sample library is not here")
def test_every_file_of_the_shared_library() -> None:
    refused = set()
    for path in sorted(LIBRARY.rglob("*")):
        if path.suffix.lower() not in AUDIO_EXTENSIONS:
            continue
        try:
            sound = read_all(path)
        except DecodeError:
            refused.add(path.name)
        else:
            assert len(sound)
            assert np.isfinite(sound).all()
    assert refused == {"empty.wav", "header only.wav", "readme renamed.wav", "._kick.wav"}


def tones(channels: int, rate: int, seconds: float = 0.6) -> tuple[np.ndarray, list[int]]:
    """A tone of its own for each channel, float32 (n, channels), and their frequencies in Hz."""
    frequencies = [200 * (channel + 1) for channel in range(channels)]
    t = np.arange(round(rate * seconds)) / rate
    sides = [0.3 * np.sin(2 * np.pi * f * t) for f in frequencies]
    return np.stack(sides, axis=1).astype(np.float32), frequencies


def heard(sound: np.ndarray, rate: int) -> list[int]:
    """The loudest frequency of each channel of (n, channels), to 20 Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))[:, None], axis=0))
    peaks = np.argmax(spectrum, axis=0) * rate / len(sound)
    return [round(float(peak) / 20) * 20 for peak in peaks]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8])
def test_channels_of_ogg_stand_as_in_wav(tmp_path: Path, channels: int, subtype: str) -> None:
    """Vorbis I, 4.3.9, has the centre second and the low frequencies last. FFmpeg knows that."""
    x, _ = tones(channels, 48000)
    path = tmp_path / "tones.ogg"
    with soundfile.SoundFile(path, "w", 48000, channels, subtype, format="OGG") as out:
        for start in range(0, len(x), 4096):  # much at once crashes libsndfile's encoder
            out.write(x[start : start + 4096])
    with open_audio(path) as reader:
        ours = heard(np.concatenate(list(reader.blocks())), 48000)
    with path.open("rb") as file:
        source = FfmpegSource(file)
        theirs = heard(source.read(len(x)), 48000)
        source.close()
    assert ours == theirs
    assert len(set(ours)) == channels


@pytest.mark.parametrize("layout", ["5.1", "7.1"])
def test_surround_of_ffmpeg(tmp_path: Path, layout: str) -> None:
    channels = {"5.1": 6, "7.1": 8}[layout]
    x, frequencies = tones(channels, 48000)
    path = tmp_path / "tones.wv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("wavpack", rate=48000, layout=layout)  # planes
        frame = av.AudioFrame.from_ndarray(x.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_audio(path) as reader:
        assert reader.channels == channels
        assert heard(np.concatenate(list(reader.blocks())), 48000) == frequencies


def test_planes_beside_each_other() -> None:
    interleave = Interleaver()
    for layout, channels in (("5.1", 6), ("7.1", 8), ("hexadecagonal", 16)):
        x, _ = tones(channels, 48000, 0.02)
        packed = av.AudioFrame.from_ndarray(x.reshape(1, -1), format="flt", layout=layout)
        packed.sample_rate = 48000
        (planar,) = av.AudioResampler("fltp", layout, 48000).resample(packed)
        for _ in range(2):
            np.testing.assert_array_equal(interleave(planar).to_ndarray(), x.reshape(1, -1))


def test_surround_opus_is_left_right_centre_low_behind(tmp_path: Path) -> None:
    places = {"left": 400, "right": 600, "centre": 800, "low": 60, "behind": 1000, "other": 1200}
    t = np.arange(48000) / 48000
    x = np.stack([0.2 * np.sin(2 * np.pi * f * t) for f in places.values()]).astype(np.float32)
    path = tmp_path / "surround.opus"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=48000, layout="5.1")
        stream.bit_rate = 256000
        for start in range(0, 48000, 960):
            part = np.ascontiguousarray(x[:, start : start + 960].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="5.1")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_audio(path) as reader:
        sound = np.concatenate(list(reader.blocks()))[4800:43200]
    assert heard(sound, 48000) == list(places.values())
    # Folded to stereo: what is on the left is not heard on the right, the centre is on both.
    left, right = np.abs(np.fft.rfft(fold(sound) * np.hanning(len(sound))[:, None], axis=0)).T
    at = {place: round(f * len(sound) / 48000) for place, f in places.items()}
    assert left[at["left"]] > 100 * right[at["left"]]
    assert right[at["right"]] > 100 * left[at["right"]]
    assert left[at["centre"]] == pytest.approx(right[at["centre"]], rel=0.02)
    assert left[at["centre"]] == pytest.approx(0.707 * left[at["left"]], rel=0.05)
    mono = np.abs(np.fft.rfft(load_mono(path, 48000)[4800:43200] * np.hanning(len(sound))))
    loudness = [mono[at[place]] for place in ("left", "right", "centre", "behind", "other")]
    np.testing.assert_allclose(loudness, loudness[0], rtol=0.05)
