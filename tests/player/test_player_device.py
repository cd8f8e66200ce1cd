"""Once for real: PortAudio, ALSA and its `file` device, which writes down what it is handed."""

import os
import queue
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.player.client import PlayerClient
from soundsearch.player.messages import Devices, Ended, Failed, Output, Report
from soundsearch.player.track import FADE_SECONDS

SYSTEM = Path("/usr/share/alsa/alsa.conf")
CONFIGURATION = """
<{system}>
pcm.recorder {{ type file slave.pcm "null" file "{file}" format "raw" }}
pcm.!default {{ type plug slave.pcm "recorder" }}
"""


def settings(folder: Path) -> dict[str, str]:
    configuration = folder / "alsa.conf"
    file = folder / "handed.raw"
    configuration.write_text(CONFIGURATION.format(system=SYSTEM, file=file))
    return {"ALSA_CONFIG_PATH": str(configuration), "SOUNDSEARCH_OUTPUT": ""}


def devices(environment: dict[str, str]) -> str:
    code = "import sounddevice; print(sounddevice.query_devices(), end='')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return result.stdout


def until(reports: "queue.Queue[Report]", kind: type[Report]) -> Report:
    while True:
        report = reports.get(timeout=20)
        if isinstance(report, kind):
            return report


def test_samples_reach_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SYSTEM.exists() or "recorder" not in devices(settings(tmp_path)):
        pytest.skip("no PortAudio with ALSA here")
    for name, value in settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    rate = 44100  # what ALSA's plug offers
    # Decoded before it starts: this device has no clock and would not wait.
    sound = 0.3 * np.sin(np.arange(round(0.09 * rate)) / 10 + 0.1)
    stereo = np.stack([sound, -0.5 * sound], axis=1).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo, rate, subtype="FLOAT")
    reports: queue.Queue[Report] = queue.Queue()
    with PlayerClient(reports.put) as client:
        id = client.play(os.fsencode(path))
        assert until(reports, Output) == Output("default, ALSA", "open")
        assert until(reports, Ended) == Ended(id)
        time.sleep(0.05)
    raw = np.fromfile(tmp_path / "handed.raw", np.uint8)
    found = [
        start
        for kind in (np.float32, np.int32, np.int16)
        if (start := _find(stereo, _scaled(raw, kind))) is not None
    ]
    assert found


def _scaled(raw: np.ndarray, kind: type) -> np.ndarray:
    """The recorded bytes as float (frames, 2), if they are of this kind."""
    size = 2 * np.dtype(kind).itemsize
    frames = raw[: len(raw) // size * size].view(kind).reshape(-1, 2)
    scale = 1.0 if kind is np.float32 else float(np.iinfo(kind).max)
    return np.nan_to_num(frames.astype(np.float64) / scale)


def _find(sound: np.ndarray, recorded: np.ndarray) -> int | None:
    """Where `sound` stands in `recorded`, its fading end apart."""
    heard = np.flatnonzero(np.abs(recorded[:, 0]) > 1e-4)
    length = len(sound) - round(FADE_SECONDS * 44100) - 1
    if not len(heard):
        return None
    part = recorded[heard[0] : heard[0] + length]
    same = part.shape == sound[:length].shape and np.allclose(part, sound[:length], atol=1e-3)
    return int(heard[0]) if same else None


def test_no_device_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if devices({}):
        pytest.skip("this machine has sound")
    monkeypatch.setenv("SOUNDSEARCH_OUTPUT", "")
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(1000), 44100)
    reports: queue.Queue[Report] = queue.Queue()
    with PlayerClient(reports.put) as client:
        client.play(os.fsencode(path))
        output = until(reports, Output)
        assert isinstance(output, Output)
        assert (output.name, output.state) == (None, "none")
        failed = until(reports, Failed)
        assert isinstance(failed, Failed)
        assert (failed.cause, failed.message) == ("output", output.message)
        client.list_devices()
        assert until(reports, Devices) == Devices((), None)
        assert client.pid is not None
