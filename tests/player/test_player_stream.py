"""The callback's work, the silent twin, and choosing a device."""

import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from soundsearch.player.stream import DeviceStream, Mixer, OutputError, Outputs, SilentStream
from soundsearch.player.track import FADE_SECONDS, Track

RATE = 8000
FADE = round(FADE_SECONDS * RATE)


def track_of(values: np.ndarray | float, frames: int = 4000) -> Track:
    track = Track(RATE)
    track.mark(0, 0.0)
    track.write(np.broadcast_to(np.asarray(values, np.float32), (frames, 1)))
    track.finished = True
    return track


def fill(mixer: Mixer, frames: int, block: int = 64) -> np.ndarray:
    blocks = []
    for _ in range(0, frames, block):
        out = np.full((block, 2), np.nan, np.float32)
        mixer.fill(out)
        blocks.append(out)
    return np.concatenate(blocks)


@pytest.mark.parametrize("block", [7, 64, 1024])
def test_tracks_are_copied_and_cut_with_fades(block: int) -> None:
    mixer = Mixer(RATE)
    assert not fill(mixer, 100, block).any()
    first, second = track_of(0.5), track_of(0.25)
    mixer.play(first)
    assert (fill(mixer, 200, block) == 0.5).all()
    mixer.play(second)
    heard = fill(mixer, 1024, block)
    # The new one is there at once, the old one falls without a step.
    assert heard[0, 0] == pytest.approx(0.75, abs=0.01)
    assert (np.diff(heard[:FADE, 0]) < 0).all()
    assert np.abs(np.diff(heard[:, 0])).max() < 0.05
    assert (heard[FADE:] == 0.25).all()
    mixer.stop()
    heard = fill(mixer, 200, block)
    assert np.abs(np.diff(heard[:, 0])).max() < 0.05
    assert not heard[FADE:].any()
    assert mixer.starved == 0


def test_many_cuts_in_a_row_make_no_steps() -> None:
    mixer = Mixer(RATE)
    heard = []
    fade_in = np.sin(np.linspace(0, np.pi / 2, FADE)) ** 2
    for _ in range(20):
        values = np.full((400, 1), 0.05, np.float32)
        values[:FADE, 0] *= fade_in
        mixer.play(track_of(values, 400))
        heard.append(fill(mixer, 16, 16))  # shorter than the fades
    assert np.abs(np.diff(np.concatenate(heard)[:, 0])).max() < 0.02


@pytest.mark.parametrize("block", [16, 64, 1024])
def test_volume_glides(block: int) -> None:
    mixer = Mixer(RATE)
    mixer.play(track_of(1.0, 12000))
    fill(mixer, block, block)
    mixer.volume = 0.25
    heard = fill(mixer, 2048, block)[:, 0]
    assert np.abs(np.diff(heard)).max() < 0.06
    assert (heard[1000:] == 0.25).all()


def test_too_little_decoded_is_counted_and_silent() -> None:
    mixer = Mixer(RATE)
    track = track_of(0.5, 100)
    track.finished = False
    mixer.play(track)
    heard = fill(mixer, 128, 128)
    assert not heard[100:].any()
    assert mixer.starved == 1


def test_the_ear_is_behind_by_the_latency() -> None:
    mixer = Mixer(RATE)
    track = track_of(0.5, 1000)
    assert mixer.ear(track, 0.1, time.monotonic()) is None
    mixer.play(track)
    fill(mixer, 500, 500)
    handed = track.handed
    assert handed is not None
    assert mixer.ear(track, 0.1, handed + 0.1) == pytest.approx(0, abs=1)
    assert mixer.ear(track, 0.1, handed + 0.15) == pytest.approx(400, abs=1)
    assert mixer.ear(track, 0.1, handed + 0.5) == 500  # never ahead of what was handed over
    fill(mixer, 1000, 500)  # the second of these holds nothing
    late = time.monotonic()
    assert mixer.ear(track, 0.1, late) < 1000
    assert mixer.ear(track, 0.1, late + 0.2) == 1000


def test_the_silent_twin_keeps_time_and_what_it_was_handed() -> None:
    stream = SilentStream(RATE, 80, keep=True)
    began = time.monotonic()
    stream.mixer.play(track_of(0.5, 800))
    time.sleep(0.4)
    taken = stream.mixer.callbacks
    seconds = time.monotonic() - began
    stream.close()
    assert taken * 0.01 <= seconds + 0.02
    assert taken + stream.late >= 5
    assert (stream.handed[stream.handed[:, 0] > 0] == 0.5).all()
    assert np.count_nonzero(stream.handed[:, 0]) == 800
    assert not stream.alive()


class FakePortAudio:
    """Stands in for the sounddevice module: devices come, go and refuse."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *names: str, default: int = 0) -> None:
        self.plugged = list(names)
        self.default_index = default
        self.broken: set[str] = set()
        self.channels = 2
        self.streams: list[Any] = []
        self.renewals = -1
        self._initialize()

    def _terminate(self) -> None:
        assert not any(stream.active for stream in self.streams), "renewed under an open stream"

    def _initialize(self) -> None:
        self.renewals += 1
        self.listed = list(self.plugged)
        index = self.default_index if self.listed else -1
        self.default = SimpleNamespace(device=(-1, index))

    def query_hostapis(self, index: int | None = None) -> Any:
        apis = [{"name": "Fake API", "default_output_device": self.default.device[1]}]
        return apis if index is None else apis[index]

    def query_devices(self, index: int | None = None) -> Any:
        devices = [
            {
                "name": name,
                "hostapi": 0,
                "max_output_channels": self.channels,
                "default_samplerate": 44100.0,
            }
            for name in self.listed
        ]
        return devices if index is None else devices[index]

    def OutputStream(self, **settings: Any) -> Any:
        name = self.listed[settings["device"]]
        if name in self.broken or name not in self.plugged:
            raise self.PortAudioError("Device unavailable [PaErrorCode -9985]", -9985)
        stream = SimpleNamespace(**settings)
        stream.active, stream.latency, stream.start = True, 0.05, lambda: None
        stream.abort = lambda: setattr(stream, "active", False)
        stream.close = stream.abort
        self.streams.append(stream)
        return stream


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    monkeypatch.delenv("SOUNDSEARCH_OUTPUT", raising=False)
    return Outputs()


def use(monkeypatch: pytest.MonkeyPatch, fake: Any) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", fake)


def test_the_default_device(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakePortAudio("Speakers", "Headphones", default=1))
    stream, note = outputs.open()
    assert (stream.name, stream.rate, stream.latency, note) == (
        "Headphones, Fake API",
        44100,
        0.05,
        "",
    )
    assert outputs.names(renew=False) == (
        ("Speakers, Fake API", "Headphones, Fake API"),
        "Headphones, Fake API",
    )


def test_a_wanted_device_is_found_again_at_another_index(
    outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePortAudio("Speakers", "Interface")
    use(monkeypatch, fake)
    outputs.wanted = "Interface, Fake API"
    stream, note = outputs.open()
    assert (stream.name, note) == ("Interface, Fake API", "")
    stream.close()
    fake.plugged = ["Speakers"]
    stream, note = outputs.open()
    assert stream.name == "Speakers, Fake API"
    assert "Interface, Fake API" in note
    stream.close()
    fake.plugged = ["Interface", "Speakers"]
    stream, note = outputs.open()
    assert (stream.name, note) == ("Interface, Fake API", "")


def test_a_device_that_refuses(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio("Speakers", "Interface")
    fake.broken = {"Interface"}
    use(monkeypatch, fake)
    outputs.wanted = "Interface, Fake API"
    stream, note = outputs.open()
    assert stream.name == "Speakers, Fake API"
    assert note == (
        "Interface, Fake API can't be opened (Device unavailable); "
        "playing through Speakers, Fake API"
    )
    stream.close()
    fake.broken = {"Interface", "Speakers"}
    with pytest.raises(OutputError, match="Speakers.*Device unavailable"):
        outputs.open()


def test_no_device_then_one(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio()
    use(monkeypatch, fake)
    with pytest.raises(OutputError, match="No audio output"):
        outputs.open()
    assert outputs.names(renew=True) == ((), None)
    fake.plugged = ["Speakers"]
    stream, note = outputs.open()
    assert (stream.name, note) == ("Speakers, Fake API", "")


def test_no_portaudio(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, None)
    with pytest.raises(OutputError, match="sounddevice"):
        outputs.open()


def test_the_twin_stands_in_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakePortAudio())
    monkeypatch.setenv("SOUNDSEARCH_OUTPUT", "device-or-silent")
    stream, _ = Outputs().open()
    assert isinstance(stream, SilentStream)
    stream.close()
    use(monkeypatch, FakePortAudio("Speakers"))
    stream, _ = Outputs().open()
    assert isinstance(stream, DeviceStream)


def test_a_mono_device_gets_the_mean(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio("Bell")
    fake.channels = 1
    use(monkeypatch, fake)
    stream, _ = outputs.open()
    track = Track(44100)
    track.write(np.tile(np.array([[0.5, 0.1]], np.float32), (10000, 1)))
    track.finished = True
    stream.mixer.play(track)
    out = np.zeros((9000, 1), np.float32)
    fake.streams[0].callback(out, 9000, None, SimpleNamespace(output_underflow=True))
    np.testing.assert_allclose(out, 0.3, atol=1e-6)
    assert stream.late == 1


def test_a_device_that_went_away_is_seen(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio("Speakers")
    use(monkeypatch, fake)
    stream, _ = outputs.open()
    assert stream.alive()
    fake.streams[0].active = False
    assert not stream.alive()
