"""The player process: takes messages from the pipe, decodes ahead, keeps one stream.

Five kinds of threads: this one decides, one reads the pipe, one decodes each sound, the stream's
calls back, and two render. They meet in one queue, in `Track` and in `Mixer`.
"""

import contextlib
import enum
import gc
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from soundsearch.player.messages import (
    Detail,
    Devices,
    Ended,
    Export,
    Failed,
    ListDevices,
    Measure,
    Measured,
    Output,
    Play,
    Playing,
    Position,
    Ready,
    Report,
    Request,
    Seek,
    SetDevice,
    SetLoop,
    SetPace,
    SetRegion,
    SetVolume,
    Shutdown,
    Spectrogram,
    Stop,
)
from soundsearch.player.render import Renderer
from soundsearch.player.stream import HungDeviceError, OutputError, Outputs, Stream
from soundsearch.player.track import FADE_SECONDS, Feeder, Track

IDLE_SECONDS = 10.0  # after so much silence other programs get the device
SLOW_SECONDS = 15.0  # a file that gives nothing so long is given up
POSITION_SECONDS = 1 / 30
END_SECONDS = 2.0  # for leaving in good order when the parent is gone
SLOWEST, FASTEST = 0.25, 4.0  # times the speed of the recording
LOSSES = 3  # of the device during one sound; then it is given up


class State(enum.Enum):
    """CLOSED → LOADING → PLAYING → SILENT → CLOSED, and besides:

    SILENT → LOADING: the next sound; PLAYING → LOADING: another sound; LOADING → SILENT: stopped
    or failed; LOADING → CLOSED: no output; PLAYING → CLOSED: the output is lost. A Seek keeps
    PLAYING: the old place is heard until the new one is decoded.
    """

    CLOSED = "no stream"
    LOADING = "the first block is being decoded"
    PLAYING = "samples are handed over"
    SILENT = "the stream is open, nothing to hear"


class Player:
    """One sound at a time through one stream. All methods are called on one thread.

    send takes the reports. wake is called on other threads when `tick` has something to do.
    """

    def __init__(
        self,
        send: Callable[[Report], None],
        wake: Callable[[], None],
        outputs: Outputs,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.state = State.CLOSED
        self._send = send
        self._wake = wake
        self._outputs = outputs
        self._renderer = Renderer(send)
        self._idle_seconds = idle_seconds
        self._volume = 1.0
        self._stream: Stream | None = None
        self._play: Play | None = None
        self._track: Track | None = None  # of the sound that plays
        self._coming: Track | None = None  # being decoded, to take the place of _track
        self._announced = False  # Playing was sent
        self._since = 0.0  # when loading or silence began
        self._losses = 0

    def handle(self, messages: list[Request]) -> bool:
        """Does what was asked, in order; False after Shutdown.

        A Play that another one or Stop overtakes isn't begun.
        """
        cuts = [i for i, m in enumerate(messages) if isinstance(m, Play | Stop)]
        for index, message in enumerate(messages):
            if isinstance(message, Shutdown):
                return False
            if isinstance(message, Play) and index < cuts[-1]:
                self._stop()
                self._send(Ended(message.id))
            else:
                self._handle(message)
        return True

    def _handle(self, message: Request) -> None:
        match message:
            case Play():
                self._stop()
                self._begin(message)
            case Stop():
                self._stop()
            case Seek(seconds):
                if self._play is not None and self._stream is not None:
                    self._load(self._stream, self._play, seconds)
            case SetLoop(loop):
                self._set_loop(loop)
            case SetRegion(start, end):
                self._set_region(start, end)
            case SetPace(speed, reverse):
                if self._play is not None:
                    self._play = replace(self._play, speed=speed, reverse=reverse)
                    if self._stream is not None:
                        self._load(self._stream, self._play, self._heard(self._stream))
            case SetVolume(volume):
                self._volume = min(max(volume, 0.0), 1.0)
                if self._stream is not None:
                    self._stream.mixer.volume = self._volume
            case SetDevice(name, short):
                self._set_device(name, short)
            case ListDevices():
                self._list_devices()
            case Measure():
                self._measure()
            case Export() | Detail() | Spectrogram():
                self._renderer.ask(message)

    def tick(self) -> float | None:
        """Looks how far things are, and returns after how many seconds to look again."""
        stream = self._stream
        if stream is None:
            return None
        if not stream.alive():
            self._lose()
            return 0.0
        now = time.monotonic()
        if self._coming is not None and self._play is not None:
            self._try_coming(stream, self._play, self._coming, now)
        if self._track is not None and self._play is not None:
            return self._follow(stream, self._play, self._track, now)
        if self.state is State.SILENT and now - self._since >= self._idle_seconds:
            self._close()
            return None
        return 0.25

    def close(self) -> None:
        self._stop()
        if self._stream is not None:
            time.sleep(FADE_SECONDS + min(self._stream.latency, 0.1))
            self._close()

    def give_up(self, message: str) -> None:
        """Ends the sound after a fault of ours."""
        self._end(Failed(self._play.id if self._play else None, message, "player"))

    # Sounds.
    def _begin(self, play: Play) -> None:
        self._play = play
        self._announced = False
        self._losses = 0
        if stream := self._open():
            self._load(stream, play, play.at)
            self.state = State.LOADING

    def _load(self, stream: Stream, play: Play, at: float | None) -> None:
        if self._coming is not None:
            self._coming.cancelled.set()
        speed = min(max(play.speed, SLOWEST), FASTEST)
        pace = -speed if play.reverse else speed
        self._coming = Track(stream.rate, play.loop, pace)
        self._since = time.monotonic()
        Feeder(self._coming, play.path, at, play.start, play.end, play.gain, self._wake).start()

    def _try_coming(self, stream: Stream, play: Play, coming: Track, now: float) -> None:
        """Lets the decoded track begin, or gives up on it."""
        if coming.ready and (coming.written or not coming.error):
            if self._track is not None:
                self._track.cancelled.set()
            stream.mixer.play(coming)
            self._track, self._coming = coming, None
            self.state = State.PLAYING
        elif coming.ready or now - self._since > SLOW_SECONDS:
            self._end(Failed(play.id, coming.error or "reading it takes too long"))

    def _follow(self, stream: Stream, play: Play, track: Track, now: float) -> float:
        """Reports where the ear is, and the end."""
        if track.handed is not None and not self._announced:
            self._announced = True
            self._send(Playing(play.id, track.duration, track.handed))
        ear = stream.mixer.ear(track, stream.latency, now)
        if ear is None:
            if track.finished and track.drained and self._coming is None:
                self._end(Ended(play.id))  # nothing lies there, such as behind the file's end
            return 0.003
        if track.finished and ear >= track.written and self._coming is None:
            self._send(Position(play.id, track.second(ear)))
            self._end(Failed(play.id, track.error) if track.error else Ended(play.id))
            return 0.25
        self._send(Position(play.id, track.second(ear)))
        return POSITION_SECONDS

    def _stop(self) -> None:
        if self._play is not None:
            self._end(Ended(self._play.id))

    def _end(self, report: Report) -> None:
        for track in (self._track, self._coming):
            if track is not None:
                track.cancelled.set()
        self._play = self._track = self._coming = None
        if self._stream is not None:
            self._stream.mixer.stop()
            self.state = State.SILENT
            self._since = time.monotonic()
        else:
            self.state = State.CLOSED
        self._send(report)

    def _set_loop(self, loop: bool) -> None:
        if self._play is None:
            return
        self._play = replace(self._play, loop=loop)
        for track in (self._track, self._coming):
            if track is not None:
                track.loop = loop

    def _set_region(self, start: float, end: float | None) -> None:
        if self._play is None or self._stream is None:
            return
        self._play = replace(self._play, start=start, end=end)
        at = self._heard(self._stream)
        inside = at is not None and start <= at and (end is None or at < end)
        self._load(self._stream, self._play, at if inside else None)

    # The output.
    def _open(self) -> Stream | None:
        """Opens the stream unless it is open; without one the sound that was asked for fails."""
        if self._stream is not None:
            return self._stream
        try:
            self._stream, note = self._outputs.open()
        except OutputError as error:
            self._send(Output(None, "none", str(error)))
            if self._play is not None:
                self._end(Failed(self._play.id, str(error), "output"))
            return None
        self._stream.mixer.volume = self._volume
        self._send(Output(self._stream.name, "open", note))
        self._since = time.monotonic()
        self.state = State.SILENT
        return self._stream

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self.state = State.CLOSED
        stream.close()
        self._send(Output(stream.name, "closed"))

    def _lose(self) -> None:
        """The device went away: goes on through what there is now, from where the ear was."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        play, at = self._play, self._heard(stream)
        self.state = State.CLOSED
        self._send(Output(stream.name, "lost", f"{stream.name} went away"))
        stream.close()
        if play is None:
            return
        self._losses += 1
        self._outputs.forget()
        if self._losses >= LOSSES:
            self._end(Failed(play.id, f"{stream.name} keeps going away", "output"))
        elif opened := self._open():
            self._resume(opened, play, at)

    def _set_device(self, name: str | None, short: bool) -> None:
        if (name, short) == (self._outputs.wanted, self._outputs.short):
            return
        self._outputs.wanted, self._outputs.short = name, short
        if self._stream is None:
            return
        play, at = self._play, self._heard(self._stream)
        self._stream.mixer.stop()
        time.sleep(FADE_SECONDS + min(self._stream.latency, 0.1))
        self._close()
        if play is not None and (opened := self._open()):
            self._resume(opened, play, at)

    def _heard(self, stream: Stream) -> float | None:
        """The second of the file where the ear is, or will be; None: where the sound begins."""
        if self._track is not None:
            ear = stream.mixer.ear(self._track, stream.latency, time.monotonic())
            return self._track.second(ear or 0.0)
        return self._play.at if self._play is not None else None

    def _resume(self, stream: Stream, play: Play, at: float | None) -> None:
        if self._track is not None:
            self._track.cancelled.set()
            self._track = None
        self._load(stream, play, at)
        self.state = State.LOADING

    def _list_devices(self) -> None:
        try:
            names, default = self._outputs.names(renew=self._stream is None)
        except OutputError as error:
            self._send(Output(None, "none", str(error)))
            names, default = (), None
        self._send(Devices(names, default))

    def _measure(self) -> None:
        stream = self._stream
        if stream is None:
            self._send(Measured(0, 0, 0))
        else:
            self._send(Measured(stream.mixer.callbacks, stream.late, stream.mixer.starved))


def serve(
    pipe: Connection,
    outputs: Outputs,
    idle_seconds: float = IDLE_SECONDS,
    leave: Callable[[], object] = lambda: None,
) -> None:
    """Plays what comes through the pipe until Shutdown or its end.

    leave is called on another thread if, after the pipe's end, this one doesn't come back from a
    driver. Raises HungDeviceError when the process can't play any more.
    """
    inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    sending = threading.Lock()  # rendering threads report, too

    def send(report: Report) -> None:
        # `read` sees the end of the pipe.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError), sending:
            pipe.send(report)

    player = Player(send, lambda: inbox.put(None), outputs, idle_seconds)

    def read() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                inbox.put(pipe.recv())
        inbox.put(Shutdown())
        time.sleep(END_SECONDS)
        leave()

    threading.Thread(target=read, name="pipe", daemon=True).start()
    send(Ready())
    timeout: float | None = None
    while True:
        messages = _wait(inbox, timeout)
        try:
            if not player.handle(messages):
                player.close()
                return
            timeout = player.tick()
        except HungDeviceError:
            raise
        except Exception as error:  # a fault of ours: named, and the next sound may play
            player.give_up(f"it can't be played ({type(error).__name__}: {error})")
            timeout = 0.25


def _wait(inbox: "queue.SimpleQueue[Request | None]", timeout: float | None) -> list[Request]:
    """All that has come, at the latest after `timeout`."""
    messages = []
    with contextlib.suppress(queue.Empty):
        messages.append(inbox.get(timeout=timeout))
        while True:
            messages.append(inbox.get_nowait())
    return [message for message in messages if message is not None]


def main(pipe: Connection) -> None:
    """The player process from start to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is meant for the parent, which ends us
    # The C libraries report about broken files and missing devices there; we do it by messages.
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(null, stream.fileno())
    sys.setswitchinterval(0.001)  # the callback must not wait long for the interpreter
    gc.freeze()
    try:
        serve(pipe, Outputs(), leave=lambda: os._exit(0))
    except HungDeviceError:
        os._exit(1)  # the client starts another one
