"""Decoder processes: what they deliver, and what happens when they die."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from soundsearch.audio.decode import load_mono
from soundsearch.scan.decoders import Decoded, Decoders, Event, Failed, Job, Need, Segment

SOUNDS = Path(__file__).parent.parent / "sounds"
ALL = Need(samples=True, facts=True)


def job(path: Path, key: int = 0) -> Job:
    return Job(key, os.fsencode(path), path.stat().st_size)


def by_key(events: list[Event], kind: type) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for event in events:
        if isinstance(event, kind):
            found.setdefault(event.job.key, []).append(event)
    return found


def test_every_file_ends_with_one_answer_and_its_samples_are_the_files() -> None:
    files = sorted(SOUNDS.iterdir())
    with Decoders(2, 16_000, 0.25) as decoders:
        jobs = [job(path, key) for key, path in enumerate(files)]
        events = list(decoders.run(jobs, lambda job, identity: ALL))
    ended = by_key(events, Decoded) | by_key(events, Failed)
    assert sorted(ended) == list(range(len(files)))
    assert all(len(answers) == 1 for answers in ended.values())
    segments = by_key(events, Segment)
    for key, path in enumerate(files):
        if isinstance(ended[key][0], Decoded):
            samples = np.concatenate([event.samples for event in segments[key]])
            np.testing.assert_allclose(samples, load_mono(os.fsencode(path), 16_000), atol=1e-4)
        else:
            assert ended[key][0].reason


def test_what_is_not_needed_is_not_read() -> None:
    with Decoders(1, 16_000, 1.0) as decoders:
        events = list(
            decoders.run([job(SOUNDS / "bell.flac")], lambda job, identity: Need(False, False))
        )
    assert [type(event) for event in events] == [Decoded]
    assert events[0].facts is None
    assert len(events[0].identity) == 16


def test_a_pipe_named_like_a_sound_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    with Decoders(1, None, 1.0) as decoders:
        events = list(decoders.run([job(tmp_path / "x.wav")], lambda job, identity: ALL))
    assert [type(event) for event in events] == [Failed]


def test_a_decoder_without_progress_is_replaced_and_its_file_fails() -> None:
    """Once is enough: to wait for it a second time would hold up the scan for as long again."""
    files = [SOUNDS / "bell.flac", SOUNDS / "bell.ogg", SOUNDS / "bell.aiff"]
    stopped: list[int] = []

    def need(asked: Job, identity: bytes) -> Need:
        if asked.key == 0:
            stopped.append(decoders.pids[0])
            os.kill(stopped[0], signal.SIGSTOP)
        return ALL

    with Decoders(1, 16_000, 1.0, stall_seconds=3.0) as decoders:
        jobs = [job(path, key) for key, path in enumerate(files)]
        events = list(decoders.run(jobs, need))
        assert stopped[0] not in decoders.pids
    assert len(stopped) == 1
    assert sorted(by_key(events, Decoded)) == [1, 2]
    (failed,) = by_key(events, Failed)[0]
    assert failed.reason == "reading it made no progress for 3 s"
    assert failed.retry


def test_a_decoder_that_starts_slowly_is_no_fault_of_the_file() -> None:
    with Decoders(1, None, 1.0, stall_seconds=2.0) as decoders:
        pid = decoders.pids[0]
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(4.0, os.kill, (pid, signal.SIGCONT)).start()
        events = list(decoders.run([job(SOUNDS / "bell.flac")], lambda job, identity: ALL))
    assert [type(event) for event in events] == [Decoded]


def test_a_file_whose_decoder_died_once_is_read_again() -> None:
    killed: list[int] = []

    def need(asked: Job, identity: bytes) -> Need:
        if not killed:
            killed.append(decoders.pids[0])
            os.kill(killed[0], signal.SIGKILL)
        return ALL

    files = [SOUNDS / "bell.flac", SOUNDS / "bell.ogg"]
    with Decoders(1, 16_000, 1.0) as decoders:
        jobs = [job(path, key) for key, path in enumerate(files)]
        events = list(decoders.run(jobs, need))
    decoded = by_key(events, Decoded)
    assert sorted(decoded) == [0, 1]
    assert decoded[0][0].job.attempt == 2
    assert [event.job.attempt for event in by_key(events, Segment)[0]] == [2]


def test_a_file_that_kills_every_decoder_fails_and_the_others_are_read() -> None:
    files = [SOUNDS / "bell.flac", SOUNDS / "bell.ogg", SOUNDS / "bell.aiff"]

    def need(asked: Job, identity: bytes) -> Need:
        if asked.key == 1:
            os.kill(decoders.pids[0], signal.SIGKILL)
        return ALL

    with Decoders(1, 16_000, 1.0) as decoders:
        jobs = [job(path, key) for key, path in enumerate(files)]
        events = list(decoders.run(jobs, need))
    assert sorted(by_key(events, Decoded)) == [0, 2]
    failed = by_key(events, Failed)[1][0]
    assert "crashes the decoder" in failed.reason
    assert not failed.retry


def test_no_process_is_left_behind() -> None:
    decoders = Decoders(2, 16_000, 1.0)
    pids = decoders.pids
    events = decoders.run([job(SOUNDS / "bell.flac")], lambda job, identity: ALL)
    next(events)
    decoders.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_slow_reader_loses_nothing() -> None:
    """The decoder waits for free slots instead of overwriting what was not taken yet."""
    with Decoders(1, 16_000, 0.05) as decoders:
        parts = []
        for event in decoders.run([job(SOUNDS / "bell.flac")], lambda job, identity: ALL):
            if isinstance(event, Segment):
                parts.append(event.samples)
                time.sleep(0.002)
    whole = load_mono(os.fsencode(SOUNDS / "bell.flac"), 16_000)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_stop_ends_the_run_while_a_decoder_says_nothing() -> None:
    def need(asked: Job, identity: bytes) -> Need:
        os.kill(decoders.pids[0], signal.SIGSTOP)
        threading.Timer(0.1, decoders.stop).start()
        return ALL

    with Decoders(1, None, 1.0) as decoders:
        began = time.monotonic()
        events = list(decoders.run([job(SOUNDS / "bell.flac")], need))
        assert time.monotonic() - began < 10
    assert events == []
