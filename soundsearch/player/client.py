"""The window's side of the player: starts the process, restarts it, passes messages.

Standard library only; what decodes and plays is imported by the child.
"""

import contextlib
import itertools
import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from soundsearch.player.messages import (
    Aside,
    Detail,
    Detailed,
    Ended,
    Export,
    Exported,
    Failed,
    ListDevices,
    Measure,
    Output,
    Play,
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
    Spectrum,
    Stop,
)

DEATHS = 3
WITHIN_SECONDS = 60.0
CLOSE_SECONDS = 1.0

_log = logging.getLogger(__name__)
_ANSWERS = Ended | Failed | Exported | Detailed | Spectrum


class PlayerClient:
    """A player process that is there when it is needed.

    report is called with each report, in order, on a thread of the client's (or within `play`,
    when nothing can be started). Calls return at once, from any thread. When the process dies, the
    sound that played is reported as failed and a new process is started, with the volume and
    device as they were; after three deaths within a minute the next Play a minute later starts one.
    """

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._reader: threading.Thread | None = None
        self._open: dict[int, None] = {}  # ids of sounds without Ended or Failed, oldest first
        self._asides: dict[int, None] = {}  # ids of other requests without an answer
        self._volume: SetVolume | None = None
        self._device: SetDevice | None = None
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process that runs now, if any."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def start(self) -> None:
        """Starts the process, unless it runs; `play` does so itself."""
        with self._lock:
            if self._closed or self._reader is not None or self._worn_out():
                return
            self._reader = threading.Thread(target=self._run, name="player client", daemon=True)
            self._spawn()
            self._reader.start()

    def play(
        self,
        path: bytes,
        start: float = 0.0,
        end: float | None = None,
        loop: bool = False,
        gain: float = 1.0,
        at: float | None = None,
        speed: float = 1.0,
        reverse: bool = False,
    ) -> int:
        """Plays a file instead of what plays; returns the id of the reports about it.

        See messages.Play and messages.match_gain.
        """
        with self._lock:
            play = Play(next(self._ids), path, start, end, loop, gain, at, speed, reverse)
            self._open[play.id] = None
            self.start()
            sent = self._send(play)
            if not sent:
                del self._open[play.id]
        if not sent:
            self._report(Failed(play.id, "the player isn't running", "player"))
        return play.id

    def stop(self) -> None:
        self._send(Stop())

    def seek(self, seconds: float) -> None:
        self._send(Seek(seconds))

    def set_loop(self, loop: bool) -> None:
        self._send(SetLoop(loop))

    def set_region(self, start: float, end: float | None) -> None:
        """Other ends for the sound that plays."""
        self._send(SetRegion(start, end))

    def set_pace(self, speed: float, reverse: bool) -> None:
        """Another speed or direction for the sound that plays."""
        self._send(SetPace(speed, reverse))

    def export(self, path: bytes, start: float, end: float | None, folder: bytes) -> int:
        """Writes a region as a file; answered by Exported or Failed with the returned id."""
        return self._ask(lambda id: Export(id, path, start, end, folder))

    def detail(self, path: bytes, start: float, end: float, points: int) -> int:
        """Answered by Detailed or Failed with the returned id."""
        return self._ask(lambda id: Detail(id, path, start, end, points))

    def spectrogram(self, path: bytes, start: float, end: float, columns: int, rows: int) -> int:
        """Answered by Spectrum or Failed with the returned id."""
        return self._ask(lambda id: Spectrogram(id, path, start, end, columns, rows))

    def set_volume(self, volume: float) -> None:
        """volume: linear, 0.0 to 1.0."""
        with self._lock:
            self._volume = SetVolume(volume)
            self._send(self._volume)

    def set_device(self, name: str | None, short: bool = False) -> None:
        """name: one of Devices.names; None: the system's default. short: a small buffer."""
        with self._lock:
            self._device = SetDevice(name, short)
            self._send(self._device)

    def list_devices(self) -> None:
        """Answered by Devices."""
        self.start()
        self._send(ListDevices())

    def measure(self) -> None:
        """Answered by Measured."""
        self._send(Measure())

    def close(self) -> None:
        """Ends the process; no reports come after this."""
        with self._lock:
            self._closed = True
            self._send(Shutdown())
            process, reader = self._process, self._reader
        if process is not None:
            process.join(CLOSE_SECONDS)
            if process.is_alive():
                process.kill()
        if reader is not None and reader is not threading.current_thread():
            reader.join(CLOSE_SECONDS)

    def __enter__(self) -> "PlayerClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, make: Callable[[int], Aside]) -> int:
        with self._lock:
            request = make(next(self._ids))
            self.start()
            if sent := self._send(request):
                self._asides[request.id] = None
        if not sent:  # told when the caller knows the id
            failed = Failed(request.id, "the player isn't running", "player")
            threading.Thread(target=self._report, args=(failed,), daemon=True).start()
        return request.id

    def _send(self, request: Request) -> bool:
        with self._lock:
            if self._pipe is None:
                return False
            with contextlib.suppress(OSError):  # a death is noticed where reports are read
                self._pipe.send(request)
            return True

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=_run_player, args=(theirs,), name="soundsearch player", daemon=True
        )
        process.start()
        theirs.close()  # else the end of the child would never be seen
        self._pipe, self._process = pipe, process
        for setting in (self._volume, self._device):
            if setting is not None:
                self._send(setting)

    def _worn_out(self) -> bool:
        deaths = self._deaths
        return len(deaths) == DEATHS and time.monotonic() - deaths[0] < WITHIN_SECONDS

    def _run(self) -> None:
        """Reads reports from one process after the other."""
        while True:
            pipe, process = self._pipe, self._process
            if pipe is None or process is None:
                return
            with contextlib.suppress(EOFError, OSError):
                while True:
                    report = pipe.recv()
                    if isinstance(report, _ANSWERS) and report.id is not None:
                        with self._lock:
                            self._open.pop(report.id, None)
                            self._asides.pop(report.id, None)
                    if not self._closed:
                        self._report(report)
            process.join(CLOSE_SECONDS)
            if process.is_alive():  # it closed its pipe and hangs
                process.kill()
                process.join(CLOSE_SECONDS)
            if not self._bury(process.exitcode):
                return

    def _bury(self, code: int | None) -> bool:
        """After the process's death: reports what it left behind, and starts the next one."""
        with self._lock:
            assert self._pipe is not None
            self._pipe.close()
            self._pipe = self._process = None
            if self._closed:
                return False
            left, asides = list(self._open), list(self._asides)
            self._open.clear()
            self._asides.clear()
            self._deaths.append(time.monotonic())
            alive = not self._worn_out()
            if alive:
                self._spawn()
            else:
                self._reader = None
        _log.warning(
            "The player process ended (exit code %s) and %s",
            code,
            "is started again" if alive else "rests",
        )
        for id in left[:-1]:
            self._report(Ended(id))
        if left:
            self._report(Failed(left[-1], "the player broke down at this sound", "player"))
        for id in asides:
            self._report(Failed(id, "the player broke down over it", "player"))
        if not alive:
            self._report(Output(None, "stopped", "Playback broke down several times; it rests"))
        return alive


def _run_player(pipe: Connection) -> None:
    from soundsearch.player.server import main

    main(pipe)
