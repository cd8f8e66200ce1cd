"""Decoding in processes that may die: one file at a time each, samples through shared memory.

The parent's side is `Decoders.run`; the children import `soundsearch.audio` only. A child that
crashes or stalls is replaced. A file is tried once more after a crash, which may have had another
cause, before it counts as failed; one that stalled a child has cost enough.
"""

import contextlib
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from soundsearch.audio.facts import Facts
from soundsearch.errors import UserError

STALL_SECONDS = 30.0
START_SECONDS = 60.0  # more for a child that is only starting, on a machine with other things to do
SLOWEST_DRIVE = 4e6  # bytes/s; a long file on a network drive is not a stalled decoder
SLOTS = 3  # segments a child may have decoded ahead of the parent
ATTEMPTS = 3  # a file whose decoder dies so often has failed


@dataclass(frozen=True)
class Job:
    """A file to read. `key` is the caller's own and comes back with every event.

    attempt: 1, or 2 when the first decoder died on it; what the first one yielded is then void.
    """

    key: int
    path: bytes
    size: int
    attempt: int = 1


@dataclass(frozen=True)
class Need:
    """What is still to be learnt of a sound whose identity is known now."""

    samples: bool
    facts: bool


@dataclass(frozen=True)
class Segment:
    """At most one segment of mono sound: float32 (samples,) at the model's rate, in order."""

    job: Job
    samples: np.ndarray


@dataclass(frozen=True)
class Decoded:
    """A file read to its end. `facts` is None where they were not needed."""

    job: Job
    identity: bytes
    facts: Facts | None
    tags: dict[str, str]


@dataclass(frozen=True)
class Failed:
    """A file that can't be used, with a reason for a person; `retry`: it may work later."""

    job: Job
    reason: str
    retry: bool


Event = Segment | Decoded | Failed


class Decoders:
    """A pool of decoder processes.

    rate: samples/s of the segments, None when no samples are wanted; segment_seconds: their length.
    """

    def __init__(
        self,
        count: int,
        rate: int | None,
        segment_seconds: float,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._rate = rate
        self._segment_seconds = segment_seconds
        self._stall_seconds = stall_seconds
        self._stopped = False
        self._children = [self._start() for _ in range(max(1, count))]

    def _start(self) -> "_Child":
        return _Child(self._rate, self._segment_seconds)

    @property
    def pids(self) -> list[int]:
        return [child.process.pid for child in self._children if child.process.pid is not None]

    def run(self, jobs: Iterable[Job], need: Callable[[Job, bytes], Need]) -> Iterator[Event]:
        """Reads all jobs, in any order; each ends with one Decoded or Failed.

        need(job, identity) is asked on the thread that iterates. A file whose decoder dies is read
        again from its start, its events then carrying the next `attempt`; one whose decoder makes
        no progress fails at once, and trying again later makes sense.
        """
        waiting = iter(jobs)
        again: deque[Job] = deque()

        def feed(child: _Child) -> None:
            job = again.popleft() if again else next(waiting, None)
            if job is not None:
                child.give(job)

        def replace_child(index: int) -> Job:
            child = self._children[index]
            job = child.job
            assert job is not None
            child.stop()
            self._children[index] = self._start()
            return job

        for child in self._children:
            feed(child)
        while any(child.job for child in self._children) and not self._stopped:
            before = time.monotonic()
            busy = [child for child in self._children if child.job]
            ready = wait([child.pipe for child in busy], timeout=0.5)
            # Only time in which we listened counts: a caller that is busy itself makes nobody late.
            listened = time.monotonic() - before
            for index, child in enumerate(self._children):
                if child.job is None:
                    continue
                if child.pipe not in ready:
                    child.silent += listened
                    patience = self._stall_seconds + child.job.size / SLOWEST_DRIVE
                    if not child.started:  # which is no fault of the file
                        patience += START_SECONDS
                    if child.silent > patience:
                        job = replace_child(index)
                        feed(self._children[index])
                        yield Failed(job, f"reading it made no progress for {patience:.0f} s", True)
                    continue
                child.silent = 0.0
                try:
                    event = child.receive(need)
                except (EOFError, OSError):
                    job, event = replace_child(index), None
                    if job.attempt < ATTEMPTS:
                        again.append(replace(job, attempt=job.attempt + 1))
                    else:
                        event = Failed(job, "its data crashes the decoder", False)
                if event is not None:
                    yield event
                if self._children[index].job is None:
                    feed(self._children[index])

    def stop(self) -> None:
        """Lets `run` end within half a second; for another thread than the one that iterates."""
        self._stopped = True

    def close(self) -> None:
        for child in self._children:
            child.stop()

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Child:
    """The parent's view of one decoder process."""

    def __init__(self, rate: int | None, segment_seconds: float) -> None:
        samples = int(rate * segment_seconds) if rate else 1
        try:
            self._memory = SharedMemory(create=True, size=SLOTS * samples * 4)
        except OSError as error:
            raise UserError(
                f"Decoders can't have memory in common ({error.strerror})",
                "Free some memory (on Linux: space in /dev/shm), then scan again",
            ) from error
        self._slots = np.ndarray((SLOTS, samples), np.float32, self._memory.buf)
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_decode_until_closed,
            args=(theirs, self._memory.name, samples, rate, segment_seconds),
            daemon=True,
        )
        with _one_thread_each():
            self.process.start()
        theirs.close()  # else the end of the child would never be seen
        self.job: Job | None = None
        self.silent = 0.0
        self.started = False

    def give(self, job: Job) -> None:
        self.job, self.silent = job, 0.0
        with contextlib.suppress(OSError):  # a dead child is noticed when it is listened to
            self.pipe.send(job)

    def receive(self, need: Callable[[Job, bytes], Need]) -> Event | None:
        kind, *content = self.pipe.recv()
        job = self.job
        assert job is not None
        if kind == "started":
            self.started = True
            return None
        if kind == "identity":
            self.pipe.send(need(job, content[0]))
            return None
        if kind == "segment":
            slot, length = content
            samples = self._slots[slot, :length].copy()
            self.pipe.send("free")
            return Segment(job, samples)
        self.job = None
        if kind == "decoded":
            return Decoded(job, *content)
        return Failed(job, *content)

    def stop(self) -> None:
        self.pipe.close()
        if self.job is not None:
            self.process.kill()  # a stopped one too; one stuck in network I/O is left behind
        self.process.join(timeout=1.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(timeout=1.0)
        del self._slots
        self._memory.close()
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started within get NumPy's matrix library with one thread.

    There is a decoder for each core: more threads wait for each other and take five times the CPU.
    """
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _decode_until_closed(
    pipe: Connection, memory_name: str, samples: int, rate: int | None, segment_seconds: float
) -> None:
    """The child's main function: reads jobs until the pipe closes."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)  # the person's DAW and our window come first
    # The C libraries below report about broken files on stderr; what matters is in the exception.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno() if sys.stdout else 1)
    os.dup2(null, 2)
    memory = SharedMemory(memory_name)
    slots = np.ndarray((SLOTS, samples), np.float32, memory.buf)
    # Our parent is gone, or done with us, when the pipe ends.
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        pipe.send(("started",))
        while True:
            _read(pipe, pipe.recv(), slots, rate, segment_seconds)


def _read(
    pipe: Connection, job: Job, slots: np.ndarray, rate: int | None, segment_seconds: float
) -> None:
    """Reads one file and tells the parent; any fault of the file becomes a "failed" message."""
    from soundsearch.audio.decode import DecodeError
    from soundsearch.audio.facts import analyse, identity
    from soundsearch.audio.tags import read_tags

    sent = 0
    freed = 0  # the parent frees the slots in the order in which it got them
    answer: tuple[object, ...]
    try:
        sound = identity(job.path)
        pipe.send(("identity", sound))
        need: Need = pipe.recv()
        facts: Facts | None = None
        if need.samples or need.facts:
            for item in analyse(job.path, rate if need.samples else None, segment_seconds):
                if isinstance(item, Facts):
                    facts = item
                    continue
                if sent - freed == SLOTS:
                    pipe.recv()
                    freed += 1
                slot = sent % SLOTS
                slots[slot, : len(item)] = item
                pipe.send(("segment", slot, len(item)))
                sent += 1
        answer = ("decoded", sound, facts, read_tags(job.path))
    except DecodeError as error:
        answer = ("failed", error.reason, error.retry)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise  # the parent is gone
    except MemoryError:
        answer = ("failed", "it needs more memory than there is", True)
    except OSError as error:
        answer = ("failed", error.strerror or "it can't be read", True)
    except Exception as error:  # a fault of ours or of a library: named, and the scan goes on
        answer = ("failed", f"it can't be decoded ({type(error).__name__}: {error})", False)
    for _ in range(sent - freed):
        pipe.recv()
    pipe.send(answer)
