"""The ways off the GUI thread and back: the thread that reads the library, and the two processes.

Everything comes back on the thread that owns these objects, as one object per signal.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal, Slot

from soundsearch.errors import UserError
from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.search.names import Names

_log = logging.getLogger(__name__)


class Client(Protocol):
    """The worker, as far as the window needs it."""

    def send(self, request: Any) -> None: ...


ANSWER = "answer"  # the topic of what the person waits for
OVERVIEW = "overview"  # the topic of what may come a little later

Send = Callable[[Any], None]


class Wire(QObject):
    """Turns the reports of a child process, which come on a thread of its client, into a signal."""

    reported = Signal(object)

    def report(self, report: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the program ends, the signal's owner is gone
            self.reported.emit(report)


@dataclass(frozen=True)
class Desk:
    """What lies open on the reading thread. library and names are None while there is no library;
    person is None when the person's data can't be opened."""

    library: Library | None
    names: Names | None
    person: UserData | None


Work = Callable[[Desk], Any]


@dataclass(frozen=True)
class Job:
    topic: str
    number: int
    work: Work
    on_result: Callable[[Any], None]
    on_error: Callable[[Exception], None]


class Reader(QObject):
    """A thread with the library open for reading, and the person's own data.

    `ask` runs work there; the result comes back on the owner's thread by `on_result` or
    `on_error`, exactly one of them. A newer question of the same topic makes an older one void:
    it isn't started, is interrupted, or its result is dropped. Topic "" is never void. What the
    person waits for (ANSWER) goes before everything that has not begun, the OVERVIEW after it.
    """

    _done = Signal(object, object, object)

    def __init__(self, data: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._data = data
        self._jobs: queue.PriorityQueue[tuple[int, int, Job | None]] = queue.PriorityQueue()
        self._switching = threading.Lock()  # held while the running job changes or is interrupted
        self._running: Job | None = None
        self._library: Library | None = None
        self._newest: dict[str, int] = {}
        self._number = 0
        self._reopen = threading.Event()
        self._done.connect(self._deliver)
        self._thread = threading.Thread(target=self._run, name="library reader", daemon=True)
        self._thread.start()

    def ask(
        self,
        topic: str,
        work: Work,
        on_result: Callable[[Any], None] = lambda result: None,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._number += 1
        if topic:
            self._newest[topic] = self._number
            self._interrupt(topic)
        job = Job(topic, self._number, work, on_result, on_error or _log_error)
        priority = {ANSWER: 0, OVERVIEW: 2}.get(topic, 1)
        self._jobs.put((priority, self._number, job))

    def drop(self, topic: str) -> None:
        """Makes what is asked under a topic void."""
        self._number += 1
        self._newest[topic] = self._number

    def library_changed(self) -> None:
        """The worker made or replaced the library: it is opened again if it isn't open."""
        self._reopen.set()

    def close(self, seconds: float = 1.0) -> None:
        self._newest = {topic: self._number + 1 for topic in self._newest}
        self._jobs.put((3, self._number + 1, None))
        self._thread.join(seconds)

    def _interrupt(self, topic: str) -> None:
        """Ends the query that runs for an older question of this topic."""
        with self._switching:
            if self._running is not None and self._running.topic == topic and self._library:
                self._library.db.interrupt()

    def _void(self, job: Job) -> bool:
        return bool(job.topic) and self._newest.get(job.topic) != job.number

    def _run(self) -> None:
        desk = Desk(None, None, None)
        self._reopen.set()
        while (job := self._jobs.get()[2]) is not None:
            if self._void(job):
                continue
            if self._reopen.is_set():
                self._reopen.clear()
                desk = _laid_out(self._data, desk)
            with self._switching:
                self._running, self._library = job, desk.library
            try:
                result, error = job.work(desk), None
            except Exception as raised:
                result, error = None, raised
            with self._switching:
                self._running = None
            with contextlib.suppress(RuntimeError):  # the window is gone
                self._done.emit(job, result, error)
        for store in (desk.library, desk.person):
            if store is not None:
                with contextlib.suppress(Exception):
                    store.close()

    @Slot(object, object, object)
    def _deliver(self, job: Job, result: Any, error: Exception | None) -> None:
        if self._void(job):
            return
        if error is not None:
            job.on_error(error)
        else:
            job.on_result(result)


def _laid_out(data: Path, desk: Desk) -> Desk:
    """The desk with what can be opened by now; what is open stays."""
    library, names, person = desk.library, desk.names, desk.person
    if library is None:
        try:
            library = Library.open(data, write=False)
            names = Names(library.db)
        except UserError as error:
            _log.info("Nothing to read yet: %s", error)
    if person is None:
        try:
            person = UserData.open(data)
        except (UserError, OSError) as error:
            _log.error("The favourites can't be opened: %s", error)
    return Desk(library, names, person)


def _log_error(error: Exception) -> None:
    _log.error("Reading the library failed", exc_info=error)
