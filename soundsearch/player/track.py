"""A file's sound on its way to the stream: decoded ahead on a thread into a ring of bounded size.

The ring has one writer, the `Feeder`, and one reader, the audio callback. It needs no lock, since
each of its counters is written by one side only.
"""

import threading
from collections.abc import Callable, Iterator

import numpy as np

from soundsearch.audio.decode import AudioReader, DecodeError, open_audio
from soundsearch.audio.resample import Resampler
from soundsearch.player.messages import CEILING

FADE_SECONDS = 0.004
AHEAD_SECONDS = 2.0  # how far decoding runs ahead of the ear
READY_SECONDS = 0.1  # so much is decoded before the sound starts
SHORTEST_LOOP = 0.01
KEPT_SECONDS = 5.0  # loops up to this length are decoded once and repeated from memory
BLOCK = 8192  # frames
PAUSE = 0.02  # seconds between two looks for room in the ring
BACKWARD_SECONDS = 0.5  # so much is read at once and turned round

_HALF_POWER = 0.7071
# ITU-R BS.775, annex 4; WAV order: L R C LFE then rear (and side) pairs. LFE is left out.
_FOLD_5_1 = np.array(
    [[1, 0], [0, 1], [_HALF_POWER] * 2, [0, 0], [_HALF_POWER, 0], [0, _HALF_POWER]], np.float32
)
_FOLD_7_1 = np.vstack([_FOLD_5_1, _FOLD_5_1[4:]])


def fold(block: np.ndarray) -> np.ndarray:
    """Folds float32 (frames, channels) down to (frames, 1) or (frames, 2).

    5.1 and 7.1 by ITU-R BS.775, other layouts of more than two channels by their average, since
    they may be anything (ambisonics, several microphones).
    """
    channels = block.shape[1]
    if channels <= 2:
        return block
    if channels == 6:
        return block @ _FOLD_5_1  # (n, 6) @ (6, 2)
    if channels == 8:
        return block @ _FOLD_7_1
    return block.mean(axis=1, keepdims=True)


def fade_in(rate: int) -> np.ndarray:
    """A rising half cosine, float32 (frames, 1), FADE_SECONDS long."""
    frames = max(1, round(FADE_SECONDS * rate))
    steps = (np.arange(frames) + 0.5) / frames
    return (0.5 - 0.5 * np.cos(np.pi * steps)).astype(np.float32)[:, None]


class Track:
    """A ring of stereo frames at the device's rate, and which second of the file each one is.

    pace: seconds of the file that pass while one is heard, negative in reverse.
    """

    def __init__(self, rate: int, loop: bool = False, pace: float = 1.0) -> None:
        self.rate = rate
        self.pace = pace
        self.loop = loop  # may be changed while it plays
        self.duration = 0.0  # seconds of the file, as its header says
        self.error = ""
        self.handed: float | None = None  # when the callback took the first frame
        self.written = 0
        self.read = 0
        self.finished = False  # nothing will be written any more
        self.cancelled = threading.Event()
        self._early = round(READY_SECONDS * rate)
        self._ring = np.zeros((round(AHEAD_SECONDS * rate), 2), np.float32)
        # (frame, second) at the start and at each return of a loop; replaced, never changed.
        self._marks: list[tuple[int, float]] = []

    # The reader's side.
    def take(self, out: np.ndarray) -> int:
        """Copies as many frames as there are, at most len(out), and returns how many."""
        frames = max(0, min(len(out), self.written - self.read))
        start = self.read % len(self._ring)
        first = min(frames, len(self._ring) - start)
        out[:first] = self._ring[start : start + first]
        if frames > first:
            out[first:frames] = self._ring[: frames - first]
        self.read += frames
        return frames

    # The writer's side.
    @property
    def room(self) -> int:
        return len(self._ring) - (self.written - self.read)

    @property
    def ready(self) -> bool:
        """Enough is decoded to begin, or all there is."""
        return self.finished or self.written >= self._early

    @property
    def drained(self) -> bool:
        return self.read >= self.written

    def write(self, block: np.ndarray) -> None:
        """Appends float32 (frames, 1 or 2); the frames must fit into `room`."""
        start = self.written % len(self._ring)
        first = min(len(block), len(self._ring) - start)
        self._ring[start : start + first] = block[:first]
        self._ring[: len(block) - first] = block[first:]
        self.written += len(block)

    def mark(self, frame: int, second: float) -> None:
        old = self._marks
        past = sum(mark < self.read - 10 * self.rate for mark, _ in old)  # the ear is long beyond
        self._marks = [*old[max(0, past - 1) :], (frame, second)]

    def end_round(self, fade_out: np.ndarray) -> bool:
        """Drops the rounds of a loop that are decoded ahead; False when there are none.

        The end of the round is chosen some way ahead of the reader, who does not wait for us.
        """
        soonest = self.read + self.rate // 20
        ends = [frame for frame, _ in self._marks[1:] if soonest < frame <= self.written]
        if not ends:
            return False
        end = ends[0]
        length = min(len(fade_out), self.rate // 50)
        self._ring[np.arange(end - length, end) % len(self._ring)] *= fade_out[-length:]
        self.written = end
        self._marks = [mark for mark in self._marks if mark[0] < end]
        return True

    def second(self, frame: float) -> float:
        """Which second of the file the given frame of the track is."""
        marks = self._marks
        if not marks:
            return 0.0
        mark, second = next((m for m in reversed(marks) if m[0] <= frame), marks[0])
        return second + self.pace * max(0.0, frame - mark) / self.rate


class Feeder(threading.Thread):
    """Decodes one file into `track` until it has been heard or is cancelled.

    at: the second to begin with (None: where the region begins for the ear); start and end: the
    region that a loop repeats. Speed and direction are the track's pace. ready is called on this
    thread when the sound may start, and again when it is decoded or has failed (track.error). A
    thread that hangs on a dead network drive hurts nobody.
    """

    def __init__(
        self,
        track: Track,
        path: bytes,
        at: float | None,
        start: float,
        end: float | None,
        gain: float,
        ready: Callable[[], None],
    ) -> None:
        super().__init__(name="feeder", daemon=True)
        self._track = track
        self._path = path
        self._speed = abs(track.pace)
        self._reverse = track.pace < 0
        self._at = at
        self._start = max(0.0, start)
        self._end = end
        if at is not None:  # someone who seeks beyond the region wants to hear what is there
            if self._reverse and at <= self._start:
                self._start = 0.0
            elif not self._reverse and end is not None and at >= end:
                self._end = None
        self._gain = gain
        self._ready = ready
        self._fade_in = fade_in(track.rate)
        self._kept: list[np.ndarray] | None = None
        self._samplerate = 0

    def run(self) -> None:
        track = self._track
        try:
            if self._reverse:
                length = _seconds(self._path)
                self._end = length if self._end is None else min(self._end, length)
            self._feed(self._origin if self._at is None else max(0.0, self._at))
            while track.loop or not track.drained:
                if track.cancelled.wait(0 if track.loop else PAUSE):
                    return
                if track.loop:  # switched on after the last frame was decoded
                    track.finished = False
                    before = track.written
                    self._feed(self._origin)
                    if track.written == before:
                        return
        except DecodeError as error:
            track.error = error.reason
        except MemoryError:
            track.error = "it needs more memory than there is"
        except OSError as error:
            track.error = error.strerror or "it can't be read"
        except Exception as error:  # a fault of ours or of a library must not go unheard
            track.error = f"it can't be decoded ({type(error).__name__}: {error})"
        finally:
            if not track.finished:
                track.finished = True
                self._ready()

    @property
    def _origin(self) -> float:
        """The second where each round of a loop begins."""
        return (self._end or 0.0) if self._reverse else self._start

    def _feed(self, at: float) -> None:
        """Decodes from `at` to the end, or on and on in a loop."""
        track = self._track
        base = track.written
        tail = np.zeros((0, 1), np.float32)  # held back, to be faded if it turns out to be the end
        level = self._gain
        fade = self._fade_in
        # A file's own attack is left as it is.
        ramp = 0 if at > 0 or self._reverse else len(fade)
        for block in self._resampled(at, base):
            level = _limit(block, level)
            if ramp < len(fade):
                part = fade[ramp : ramp + len(block)]
                block[: len(part)] *= part
                ramp += len(part)
            if tail.shape[1] != block.shape[1]:
                tail = np.zeros((0, block.shape[1]), np.float32)
            block = np.concatenate([tail, block])
            keep = max(0, len(block) - len(fade))
            tail = block[keep:]
            if not self._write(block[:keep]):
                return
        if self._write(tail * fade[::-1][len(fade) - len(tail) :]):
            track.finished = True
            self._ready()

    def _write(self, block: np.ndarray) -> bool:
        """Waits for room; False when cancelled, or when the loop was ended."""
        track = self._track
        while len(block):
            frames = min(track.room, len(block))
            before = track.ready
            track.write(block[:frames])
            block = block[frames:]
            if track.ready and not before:
                self._ready()
            if not track.loop and track.end_round(self._fade_in[::-1]):
                track.finished = True
                return False
            if track.cancelled.wait(PAUSE if len(block) and not frames else 0):
                return False
        return True

    def _resampled(self, at: float, base: int) -> Iterator[np.ndarray]:
        """Yields what `_blocks` yields at the device's rate; it may be changed by the caller."""
        resamplers: list[Resampler] = []
        for block in self._blocks(at, base):
            # Half the speed is the same samples at half the rate: the pitch goes with it.
            source = self._samplerate * self._speed
            if source == self._track.rate:
                yield block.copy()
                continue
            if not resamplers:
                resamplers = [Resampler(source, self._track.rate) for _ in range(block.shape[1])]
            yield _columns(
                r.process(np.ascontiguousarray(block[:, i])) for i, r in enumerate(resamplers)
            )
        if resamplers:
            none = np.zeros(0, np.float32)
            yield _columns(r.process(none, last=True) for r in resamplers)

    def _blocks(self, at: float, base: int) -> Iterator[np.ndarray]:
        """Yields the file's sound, folded, at its own rate, and marks where each round starts."""
        # The fade lies before the moment that was asked for, so that a drum keeps its attack.
        lead = FADE_SECONDS * self._speed
        second = at + lead if self._reverse else max(0.0, at - lead)
        frames = 0
        while True:
            place = base
            if frames:
                place += round(frames * self._track.rate / (self._samplerate * self._speed))
            self._track.mark(place, second)
            length = 0
            again = second == self._origin and self._kept is not None
            for block in (self._kept or []) if again else self._round(second):
                length += len(block)
                yield block
            frames += length
            if length == 0 or not self._track.loop:
                return
            if second == self._origin and length < SHORTEST_LOOP * self._samplerate:
                self._track.loop = False
                return
            second = self._origin

    def _round(self, second: float) -> Iterator[np.ndarray]:
        """Reads the file once from `second` to the region's end; closed again when done."""
        kept: list[np.ndarray] | None = [] if second == self._origin else None
        with open_audio(self._path) as reader:
            self._samplerate = reader.samplerate
            self._track.duration = reader.frames / reader.samplerate
            if self._reverse:
                blocks = _backward(reader, second, self._start)
            else:
                blocks = _forward(reader, second, self._end)
            length = 0
            for block in blocks:
                block = fold(block)
                length += len(block)
                if kept is not None:
                    kept.append(block.copy())
                    if length > KEPT_SECONDS * reader.samplerate:
                        kept = None
                yield block
        if second == self._origin:
            self._kept = kept


def _forward(reader: AudioReader, second: float, end: float | None) -> Iterator[np.ndarray]:
    """Yields float32 (n, channels) from `second` to `end`."""
    left = None
    if end is not None:
        left = round(end * reader.samplerate) - round(second * reader.samplerate)
    if second > 0:
        reader.seek_seconds(second)
    for block in reader.blocks(BLOCK):
        yield block if left is None else block[:left]
        if left is not None:
            left -= len(block)
            if left <= 0:
                return


def _backward(reader: AudioReader, second: float, start: float) -> Iterator[np.ndarray]:
    """Yields float32 (n, channels) from `second` back to `start`, the last frame first."""
    rate = reader.samplerate
    first, last = round(start * rate), round(second * rate)
    while last > first:
        begin = max(first, last - round(BACKWARD_SECONDS * rate))
        left = last - begin
        reader.seek_seconds(begin / rate)
        parts = []
        for block in reader.blocks(BLOCK):
            parts.append(block[:left])
            left -= len(block)
            if left <= 0:
                break
        if parts:
            yield np.concatenate(parts)[::-1]
        last = begin


def _seconds(path: bytes) -> float:
    """How long a file is; read to its end when its head doesn't tell."""
    with open_audio(path) as reader:
        frames = reader.frames or sum(len(block) for block in reader.blocks())
        return frames / reader.samplerate


def _limit(block: np.ndarray, level: float) -> float:
    """Multiplies `block` in place by `level`, lowered for good where the sound would clip.

    Folding and resampling may lift a peak above what the gain was made for.
    """
    if not len(block):
        return level
    peak = float(np.abs(block).max()) * level
    lowered = level * CEILING / peak if peak > CEILING else level
    if lowered < level:
        glide = np.full((len(block), 1), lowered, np.float32)
        length = min(len(block), 256)
        glide[:length, 0] = np.linspace(level, lowered, length, dtype=np.float32)
        block *= glide
        np.clip(block, -CEILING, CEILING, out=block)
    elif level != 1.0:
        block *= np.float32(level)
    return lowered


def _columns(channels: Iterator[np.ndarray]) -> np.ndarray:
    return np.stack(list(channels), axis=1)
