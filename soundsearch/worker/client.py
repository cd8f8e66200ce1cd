"""The worker process seen from outside: starts it, sends requests, hands on reports, restarts it.

Standard library and `messages` only: the window imports this, and torch never enters its process.
"""

import atexit
import contextlib
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from soundsearch.worker.messages import (
    AddFolder,
    Failed,
    Report,
    Request,
    Scan,
    ScanProgress,
    Shutdown,
    Stopped,
    SwitchModel,
)

_log = logging.getLogger(__name__)

DEATHS = 3  # within DEATH_SECONDS, after which the worker is not started again
DEATH_SECONDS = 60.0
STOP_SECONDS = 1.5


class Worker:
    """A running worker.

    on_report is called on a thread of this object, with one report of `messages` at a time; the
    last one is Stopped. A worker that dies is started again and goes on with the scan it was at.
    """

    def __init__(
        self,
        data: Path,
        model: str | None,
        device: str,
        on_report: Callable[[Report], None],
    ) -> None:
        self._data = str(data)
        self._model = model
        self._device = device
        self._on_report = on_report
        self._sending = threading.Lock()
        self._closing = False
        self._scanning = False
        self._start()
        self._listener = threading.Thread(target=self._listen, name="worker reports", daemon=True)
        self._listener.start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve,
            args=(theirs, self._data, self._model, self._device),
            name="SoundSearch worker",
        )
        self.process.start()
        theirs.close()  # else the end of the worker would never be seen

    def send(self, request: Request) -> None:
        """Sends a request; never blocks for work. A dead worker misses all but scans."""
        with self._sending, contextlib.suppress(OSError, ValueError):
            if isinstance(request, Scan | AddFolder | SwitchModel):
                self._scanning = True
            if isinstance(request, SwitchModel):  # for a restart
                self._model = request.name
            self._pipe.send(request)

    def close(self) -> None:
        """Ends the worker within two seconds; a scan goes on at the next start."""
        self._closing = True
        self.send(Shutdown())
        self.process.join(STOP_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._listener.join(1.0)

    def _listen(self) -> None:
        deaths: list[float] = []
        while True:
            self._pass_on_reports()
            self.process.join(STOP_SECONDS)
            if self._closing:
                break
            _log.warning("The search process ended (exit code %s)", self.process.exitcode)
            now = time.monotonic()
            deaths = [t for t in deaths if now - t < DEATH_SECONDS] + [now]
            if len(deaths) >= DEATHS:
                self._on_report(
                    Failed(
                        "The search process ended three times within a minute",
                        "Start SoundSearch again; log.txt in the data folder has the reason",
                    )
                )
                break
            with self._sending:
                self._pipe.close()
                self._start()
            if self._scanning:
                self.send(Scan())
        self._on_report(Stopped())

    def _pass_on_reports(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                report = self._pipe.recv()
                if isinstance(report, Stopped):
                    continue  # ours follows when the process has ended
                if isinstance(report, ScanProgress):
                    self._scanning = report.running
                self._on_report(report)


def _serve(pipe: Connection, data: str, model: str | None, device: str) -> None:
    # The last of all that is done at the end: taking torch apart takes longer than all before it,
    # and whoever closes the window waits for it.
    atexit.register(os._exit, 0)
    from soundsearch.worker.server import serve

    serve(pipe, Path(data), model, device)
