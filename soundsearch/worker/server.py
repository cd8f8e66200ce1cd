"""The worker process: one thread listens, one searches, one scans; others watch the folders.

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
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from soundsearch.audio.decode import AUDIO_EXTENSIONS
from soundsearch.errors import UserError
from soundsearch.models import catalog
from soundsearch.scan.pipeline import Control, Progress, ScanReport
from soundsearch.scan.watch import Watch
from soundsearch.settings import peek_settings
from soundsearch.worker.engine import Engine, vectors_of
from soundsearch.worker.messages import (
    AddFolder,
    Cancel,
    Failed,
    LibraryChanged,
    Logged,
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

_log = logging.getLogger(__name__)

PROGRESS_EVERY = 0.25  # seconds
CHANGES_EVERY = 2.0
OPEN_AGAIN = 1.0
IDLE_CHECK = 30.0  # at most: how often the model's idleness is looked at
ENOUGH = 0.9  # of the sounds that the old model knows; then a new one takes its place


def serve(pipe: Connection, data: Path, model: str | None, device: str) -> None:
    """Runs until Shutdown or until the pipe ends. A data folder that can't be opened is told, and
    tried again until it can."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the window decides when we end
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    sys.stdout = sys.stderr  # model libraries print
    early: list[Request] = []
    told = ""
    while True:
        try:
            server = _Server(pipe, data, model, device)
            break
        except UserError as error:  # such as a scan of the command line that has the library
            problem = error
        try:
            if str(problem) != told:
                told = str(problem)
                pipe.send(Failed(problem.message, problem.fix))
            if pipe.poll(OPEN_AGAIN):
                early.append(pipe.recv())
        except (EOFError, OSError):
            return
        if early and isinstance(early[-1], Shutdown):
            return
    server.run(early)


class _Server:
    """_engine answers, and its model is used for new sounds unless another one is coming: that
    one is used by scans until it knows enough. Both belong to the scanning thread; the searching
    thread follows `_answering`."""

    def __init__(self, pipe: Connection, data: Path, model: str | None, device: str) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._data = data
        self._work: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        first, chosen, problem = _model_to_begin_with(data, model)
        self._engine = self._answering = Engine(
            data, model=first, device=device, write=True, doing="the window"
        )
        self._coming: Engine | None = None
        self._previous: Engine | None = None  # kept open, so that switching back is instant
        self._notices = [Failed(notice) for notice in self._engine.notices]
        if problem is not None:
            self._notices.append(Failed(problem.message, problem.fix))
        elif chosen is not None and first != chosen:
            self._work.put(SwitchModel(chosen))
        self._control = Control()
        self._scans = self._stays_paused = False
        # Carried out before any scan: who pauses one adds and removes folders nevertheless.
        self._folders: queue.SimpleQueue[AddFolder | RemoveFolder | Relocate] = queue.SimpleQueue()
        self._search: Search | None = None
        self._search_asked = threading.Condition()
        self._watch = Watch(self._hint, AUDIO_EXTENSIONS)
        self._hinted: set[bytes] = set()  # folders whose scan is queued
        self._ended = False

    def run(self, early: Sequence[Request] = ()) -> None:
        """early: what was asked for before."""
        _log_to(self._report)
        threads = [
            threading.Thread(target=self._search_loop, name="search", daemon=True),
            threading.Thread(target=self._work_loop, name="scan", daemon=True),
        ]
        self._report(Ready())
        for notice in self._notices:
            self._report(notice)
        for thread in threads:
            thread.start()
        for request in early:
            self._take(request)
        with contextlib.suppress(EOFError, OSError):
            while not isinstance(request := self._pipe.recv(), Shutdown):
                self._take(request)
        self._ended = True
        self._control.cancel()
        self._work.put(None)
        with self._search_asked:
            self._search_asked.notify()
        end = time.monotonic() + 1.0
        self._watch.close()
        # The batch in hand is committed; a longer one is repeated.
        threads[1].join(max(0.0, end - time.monotonic()))
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
            case SwitchModel():
                self._control.cancel()  # the switch goes on with what is missing
                self._work.put(request)
            case AddFolder() | RemoveFolder() | Relocate():
                self._folders.put(request)
                self._work.put(request)
                if self._scans:  # nobody waits hours for it; the scan goes on after it
                    self._stays_paused |= self._control.paused
                    self._control.cancel()
                    self._work.put(Scan())
            case _:
                self._work.put(request)

    def _hint(self, folder: bytes) -> None:
        """Something changed in a folder, says the watch."""
        if folder not in self._hinted:
            self._hinted.add(folder)
            self._work.put(Scan((os.fsdecode(folder),)))

    def _search_loop(self) -> None:
        engine = self._answering
        reader = self._open_reader(engine)
        while not self._ended:
            with self._search_asked:
                while self._search is None and engine is self._answering and not self._ended:
                    if not self._search_asked.wait(self._idle_check()):
                        self._free_idle_models()
                search, self._search = self._search, None
            if engine is not self._answering:
                engine = self._answering
                reader.library.close()
                reader = self._open_reader(engine)
            if search is None:
                continue
            try:
                if reader.model_is_away and not search.query.browses:
                    self._report(ModelState(engine.model_name, "loading"))
                    self._report(_state_of(reader))
                with self._control.giving_way():  # two cores are few for model and question
                    matches = reader.search(search.query, search.k)
                self._report(Matches(search.id, matches))
            except UserError as error:
                self._report(Failed(error.message, error.fix, search.id))
            except Exception as error:  # the window shows it; the next search may work
                _log.exception("The search failed")
                self._report(Failed(f"The search failed ({error})", "", search.id))

    def _idle_seconds(self) -> float:
        """After how many seconds without use the model is freed; 0: never."""
        return 60.0 * peek_settings(self._data).free_model_after

    def _idle_check(self) -> float:
        idle = self._idle_seconds()
        return min(IDLE_CHECK, max(idle / 2, 0.05)) if idle > 0 else IDLE_CHECK

    def _free_idle_models(self) -> None:
        idle = self._idle_seconds()
        if idle <= 0:
            return
        for engine in {self._answering, self._engine, self._coming, self._previous} - {None}:
            if engine is not None and engine.free_model(idle):
                _log.info("The model %s was idle and is freed", engine.model_name)

    def _open_reader(self, engine: Engine) -> Engine:
        """The searching thread's side of an engine, its model loaded; by name only without one."""
        if engine.model_name is not None:
            self._report(ModelState(engine.model_name, "loading"))
        try:
            self._report(_state_of(engine))
        except Exception as error:
            _log.exception("The model can't be loaded")
            self._report(ModelState(engine.model_name, "failed", detail=str(error)))
            return Engine(self._data, model="")
        return engine.reader()

    def _work_loop(self) -> None:
        while (request := self._work.get()) is not None and not self._ended:
            try:
                self._do(request)
            except UserError as error:
                self._report(Failed(error.message, error.fix))
            except Exception as error:
                _log.exception("%s failed", type(request).__name__)
                self._report(Failed(f"Indexing stopped ({type(error).__name__}: {error})"))
                self._report(ScanProgress(False, False, 0, 0, 0, 0.0, None))

    def _do(self, request: Request) -> None:
        library = self._engine.library
        while not self._folders.empty():
            self._change_folders(self._folders.get())
        match request:
            case AddFolder() | Relocate():
                self._scan()
            case Scan(folders):
                self._hinted.difference_update(os.fsencode(folder) for folder in folders)
                self._scan(only=folders)
            case Retry():
                self._scan(retry=True)
            case SwitchModel(name):
                self._switch(name)
                self._scan()
        self._report(LibraryChanged())
        if not self._ended:
            self._watch.follow(root.path for root in library.roots() if root.state == "ok")

    def _change_folders(self, request: AddFolder | RemoveFolder | Relocate) -> None:
        library = self._engine.library
        try:
            match request:
                case AddFolder(path):
                    if not library.bring_back_root(os.fsencode(path)):  # the undo of a removal
                        library.add_root(os.fsencode(os.path.abspath(path)))
                case RemoveFolder(path):
                    library.remove_root(os.fsencode(path))
                case Relocate(old, new):
                    library.relocate(os.fsencode(old), os.fsencode(new))
        except UserError as error:
            self._report(Failed(error.message, error.fix))
        self._report(LibraryChanged())

    def _switch(self, name: str) -> None:
        """Lets a model come, or stay. Raises UserError when it can't be used."""
        if name == self._engine.model_name:
            self._coming = None
            self._report(_state_of(self._engine))
            return
        previous = self._previous
        if previous is not None and previous.model_name == name:
            coming = previous
        else:
            coming = self._engine.with_model(name)
        self._report(_state_of(self._engine, coming=name))
        try:
            coming.encoder  # noqa: B018  loads it
        except Exception as error:
            _log.exception("The model %s can't be loaded", name)
            self._report(_state_of(self._engine))
            stays = self._engine.model_name
            raise UserError(
                f"The model {name} can't be loaded ({error})",
                f"{stays} goes on answering" if stays else "Choose another one",
            ) from error
        self._coming = coming
        self._take_over()

    def _take_over(self, complete: bool = False) -> None:
        """The coming model answers from now on, if it knows enough. complete: a scan with it came
        to its end; what it doesn't know now, it can't."""
        coming = self._coming
        if coming is None:
            return
        if complete or coming.vector_count >= ENOUGH * self._engine.vector_count:
            self._previous, self._engine, self._coming = self._engine, coming, None
            with self._search_asked:
                self._answering = coming
                self._search_asked.notify()

    def _scanning_engine(self) -> Engine:
        """Without a model that can be loaded, files are listed and found by name."""
        engine = self._coming or self._engine
        try:
            engine.encoder  # noqa: B018  loads it
        except Exception as error:
            _log.warning("Scanning without the model: %s", error)
            return engine.with_model("")
        return engine

    def _scan(self, only: Sequence[str] = (), retry: bool = False) -> None:
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
            if now - last_change >= CHANGES_EVERY:
                last_change = now
                self._report(LibraryChanged())
                self._take_over()

        if self._stays_paused:
            control.pause()
        self._stays_paused, self._scans = False, True
        try:
            engine = self._scanning_engine()
            report = engine.scan([], only=only, retry=retry, on_progress=show, control=control)
        finally:
            self._scans = False
        if engine is self._coming and not control.cancelled:
            self._take_over(complete=True)
        self._report(_finished(report))


def _model_to_begin_with(
    data: Path, wish: str | None
) -> tuple[str | None, str | None, UserError | None]:
    """The model that answers at first: the one that was wished for (None: the one in use), if it
    knows enough sounds, else the one that knows most; the one that is to answer in the end; and
    what is wrong with the wish."""
    problem = None
    try:
        entry = catalog.find(data, wish)
    except UserError as error:
        problem = error
        entry = catalog.find(data, None)
    if entry is None:
        return None, None, problem
    if problem is None and wish is None and catalog.in_use(data) not in (None, entry.name):
        problem = UserError(f"{entry.name} answers: {entry.warning}", "Choose a model on its page")
    best = max(catalog.installed(data), key=lambda other: vectors_of(data, other))
    if vectors_of(data, entry) < ENOUGH * vectors_of(data, best):
        return best.name, entry.name, problem
    return entry.name, entry.name, problem


def _state_of(engine: Engine, coming: str = "") -> ModelState:
    """Loads the model; raises what that raises."""
    encoder = engine.encoder
    if encoder is None:
        return ModelState(None, "none", detail="Sounds are found by name only", coming=coming)
    device = getattr(encoder, "device", "cpu")
    return ModelState(
        engine.model_name, "ready", device=device, coming=coming, warning=engine.model_warning
    )


def _log_to(report: Callable[[Report], None]) -> None:
    """What this process logs goes to the window, which writes the log."""

    class Pipe(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(Logged(record.levelno, record.name, self.format(record)))

    logging.getLogger().addHandler(Pipe())
    logging.getLogger("soundsearch").setLevel(logging.INFO)


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
