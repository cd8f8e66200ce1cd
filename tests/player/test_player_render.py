"""Regions and pictures through the player process, while it plays."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsearch.player.messages import Detailed, Ended, Exported, Failed, Position, Spectrum
from tests.player.test_player_client import Listener, kill, listener, write

__all__ = ["listener"]


def test_a_region_is_finished_when_it_is_told(listener: Listener, tmp_path: Path) -> None:
    path = write(tmp_path / "a #1 100% ü 🥁\nb.wav", 2.0)
    playing = listener.client.play(path, loop=True)
    exports = tmp_path / "exports"
    id = listener.client.export(path, 0.5, 1.25, os.fsencode(exports))
    done = listener.until(Exported)
    assert (done.id, done.frames) == (id, round(0.75 * 44100))
    file = Path(os.fsdecode(done.path))
    assert file.parent == exports
    np.testing.assert_array_equal(
        soundfile.read(file, dtype="int16")[0],
        soundfile.read(os.fsdecode(path), dtype="int16")[0][22050 : 22050 + done.frames],
    )
    listener.client.stop()
    assert listener.until(Ended) == Ended(playing)


def test_what_cant_be_written_is_told_in_a_line(listener: Listener, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    (tmp_path / "file").write_text("not a folder")
    for request in (
        lambda: listener.client.export(path, 0.5, 0.9, os.fsencode(tmp_path / "file")),
        lambda: listener.client.export(path + b"?", 0.5, 0.9, os.fsencode(tmp_path)),
        lambda: listener.client.detail(path + b"?", 0.5, 0.9, 10),
    ):
        id = request()
        failed = listener.until(Failed)
        assert failed.id == id
        assert failed.message
        assert "\n" not in failed.message


def test_pictures(listener: Listener, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    id = listener.client.detail(path, 0.2, 0.4, 50)
    assert (detail := listener.until(Detailed)).id == id
    points = np.frombuffer(detail.envelope, np.int8).reshape(50, 3)
    assert points[:, 1].min() > 10
    id = listener.client.spectrogram(path, 0.0, 1.0, 60, 32)
    assert (spectrum := listener.until(Spectrum)).id == id
    assert np.frombuffer(spectrum.pixels, np.uint8).reshape(32, 60).max() == 255


def test_a_death_leaves_no_request_without_an_answer(listener: Listener, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 60.0)
    listener.client.play(path)
    listener.until(Position)
    pid = listener.client.pid
    assert pid is not None
    os.kill(pid, 19)  # it stands still
    id = listener.client.spectrogram(path, 0.0, 60.0, 900, 200)
    os.kill(pid, 18)
    kill(listener.client)
    while (answer := listener.until((Failed, Spectrum))).id != id:  # type: ignore[arg-type]
        pass
    assert answer.id == id


@pytest.mark.parametrize("reverse", [False, True])
def test_region_and_pace_change_while_it_plays(
    listener: Listener, tmp_path: Path, reverse: bool
) -> None:
    path = write(tmp_path / "a.wav", 20.0)
    id = listener.client.play(path, 0.0, None, loop=True)
    listener.until(Position)
    listener.client.set_region(10.0, 10.3)
    while not 10 < (place := listener.until(Position)).seconds <= 10.31:
        assert place.seconds < 10
    listener.client.set_pace(0.5, reverse)
    places = [listener.until(Position).seconds for _ in range(40)]
    assert all(9.9 < place < 10.4 for place in places[20:])
    listener.client.stop()
    assert listener.until(Ended) == Ended(id)
