"""The worker process: one thread listens, one searches, one scans.

A newer search replaces one that has not begun. Everything that changes the library runs on the
scanning thread, in the order in which it was asked for; Pause, Resume and Cancel reach it at once.
"""

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError
from soundsearch.scan.pipeline import Control, Progress, ScanReport
from soundsearch.worker.engine import Engine
from soundsearch.worker.messages import (
    AddFolder,
    Cancel,
    Failed,
    LibraryChanged,
    Matches,
    ModelState,
    Pause,
    Ready,
    Relocate,
    RemoveFolder,
    Report,
    Request,
    Resume,
    Retry,
    Scan,
    ScanProgress,
    Search,
    Shutdown,
    Stopped,
    SwitchModel,
)

PROGRESS_EVERY = 0.25  # seconds


def serve(pipe: Connection, data: Path, model: str | None, device: str) -> None:
    """Runs until Shutdown or until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the window decides when we end
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    sys.stdout = sys.stderr  # model libraries print
    try:
        _Server(pipe, data, model, device).run()
    except UserError as error:
        with contextlib.suppress(OSError):
            pipe.send(Failed(error.message, error.fix))
            pipe.send(Stopped())


class _Server:
    def __init__(self, pipe: Connection, data: Path, model: str | None, device: str) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._engine = Engine(data, model=model, device=device, write=True)
        self._control = Control()
        self._work: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._search: Search | None = None
        self._search_asked = threading.Condition()
        self._ended = False

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._search_loop, name="search", daemon=True),
            threading.Thread(target=self._work_loop, name="scan", daemon=True),
        ]
        self._report(Ready())
        for thread in threads:
            thread.start()
        with contextlib.suppress(EOFError, OSError):
            while not isinstance(request := self._pipe.recv(), Shutdown):
                self._take(request)
        self._ended = True
        self._control.cancel()
        self._work.put(None)
        with self._search_asked:
            self._search_asked.notify()
        threads[1].join(1.0)  # the batch in hand is committed; a longer one is repeated
        self._report(Stopped())

    def _report(self, report: Report) -> None:
        with self._sending, contextlib.suppress(OSError):
            self._pipe.send(report)

    def _take(self, request: Request) -> None:
        match request:
            case Search():
                with self._search_asked:
                    self._search = request
                    self._search_asked.notify()
            case Pause():
                self._control.pause()
            case Resume():
                self._control.resume()
            case Cancel():
                self._control.cancel()
            case _:
                self._work.put(request)

    def _search_loop(self) -> None:
        reader = self._load()
        while not self._ended:
            with self._search_asked:
                while self._search is None and not self._ended:
                    self._search_asked.wait()
                search, self._search = self._search, None
            if search is None:
                continue
            try:
                self._report(Matches(search.id, reader.search(search.query, search.k)))
            except UserError as error:
                self._report(Failed(error.message, error.fix, search.id))
            except Exception as error:  # the window shows it; the next search may work
                logging.exception("search failed")
                self._report(Failed(f"The search failed ({error})", "", search.id))

    def _load(self) -> Engine:
        """Opens the reader's side on this thread, and loads the model."""
        reader = self._engine.reader()
        self._load_model(reader)
        return reader

    def _load_model(self, engine: Engine) -> None:
        name = engine.model_name
        if name is None:
            self._report(ModelState(None, "none", detail="sounds are found by name only"))
            return
        self._report(ModelState(name, "loading"))
        try:
            encoder = engine.encoder
        except Exception as error:
            logging.exception("the model can't be loaded")
            self._report(ModelState(name, "failed", detail=str(error)))
            return
        self._report(ModelState(name, "ready", device=getattr(encoder, "device", "cpu")))

    def _work_loop(self) -> None:
        while (request := self._work.get()) is not None and not self._ended:
            try:
                self._do(request)
            except UserError as error:
                self._report(Failed(error.message, error.fix))
            except Exception as error:
                logging.exception("%s failed", type(request).__name__)
                self._report(Failed(f"Indexing stopped ({type(error).__name__}: {error})"))
                self._report(ScanProgress(False, False, 0, 0, 0, 0.0, None))

    def _do(self, request: Request) -> None:
        library = self._engine.library
        match request:
            case AddFolder(path):
                self._scan([path])
            case Scan():
                self._scan([])
            case Retry():
                self._scan([], retry=True)
            case RemoveFolder(path):
                library.remove_root(os.fsencode(path))
            case Relocate(old, new):
                library.relocate(os.fsencode(old), os.fsencode(new))
                self._scan([])
            case SwitchModel():
                self._report(Failed("Start SoundSearch again with --model to use another model"))
        self._report(LibraryChanged())

    def _scan(self, folders: list[str], retry: bool = False) -> None:
        self._control = control = Control()
        if self._ended:  # asked to stop before the control was there to be cancelled
            return
        last_progress = last_change = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal last_progress, last_change
            now = time.monotonic()
            if now - last_progress >= PROGRESS_EVERY:
                last_progress = now
                self._report(_as_message(progress, control.paused))
            if now - last_change >= 2.0:
                last_change = now
                self._report(LibraryChanged())

        report = self._engine.scan(folders, retry=retry, on_progress=show, control=control)
        self._report(_finished(report))


def _as_message(progress: Progress, paused: bool) -> ScanProgress:
    return ScanProgress(
        True,
        paused,
        progress.files,
        progress.done,
        progress.failed,
        progress.rate,
        progress.left,
    )


def _finished(report: ScanReport) -> ScanProgress:
    content: dict[str, Any] = report.as_json()
    return ScanProgress(False, False, report.files, report.files, report.failed, 0.0, None, content)
