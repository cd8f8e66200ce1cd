"""Starts the window: one per data folder, clean at SIGTERM, and with a dialog for what nobody
expected."""

import argparse
import contextlib
import hashlib
import logging
import logging.handlers
import os
import platform
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, QSocketNotifier, Qt, QTimer, Signal, Slot, qVersion
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from PySide6.QtWidgets import QApplication

from soundsearch import __version__
from soundsearch.errors import UserError
from soundsearch.paths import data_folder
from soundsearch.player.client import PlayerClient
from soundsearch.settings import load_settings
from soundsearch.window import palette
from soundsearch.window.bridge import Reader, Wire
from soundsearch.window.display import why_no_window
from soundsearch.window.main_window import MainWindow
from soundsearch.window.pages import TextDialog
from soundsearch.window.preferences import Parts, take_over_model
from soundsearch.worker.client import Worker

_log = logging.getLogger("soundsearch.window")
LOG_BYTES = 1_000_000


def run(args: argparse.Namespace) -> int:
    """Opens the window and blocks until it is closed; the exit code.

    args: data, model and device as the command line gives them; optionally add_folder (a path to
    add at once) and write_demo (a function that writes the demo sounds into a folder). Raises
    UserError without a display.
    """
    if problem := why_no_window():
        raise UserError(problem)
    data = data_folder(args.data)
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The data folder {data} can't be made ({error.strerror})",
            "Choose another with --data DIR",
        ) from error
    _start_log(data)
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("SoundSearch")
    application.setApplicationDisplayName("SoundSearch")
    application.setDesktopFileName("soundsearch")
    application.setQuitOnLastWindowClosed(True)
    folder = getattr(args, "add_folder", None)
    if raise_other(data, folder):
        return 0
    single = SingleWindow(data)
    errors = ErrorCatcher()
    errors.install()
    ender = SignalEnder()
    reader = Reader(data)
    settings = load_settings(data)
    take_over_model(settings, data)
    heard = Wire()
    player = PlayerClient(heard.report)
    answered = Wire()
    device = settings.device if args.device == "auto" else args.device
    worker = LateWorker(lambda: Worker(data, args.model, device, answered.report))
    window = MainWindow(
        Parts(data, settings, reader, worker, player, getattr(args, "write_demo", None))
    )
    window.setWindowIcon(QIcon(palette.icon("audio-lines", window.theme.accent, size=64)))
    answered.reported.connect(window.take_worker_report)
    heard.reported.connect(window.take_player_report)
    single.asked.connect(window.come_forward)
    ender.asked.connect(window.close)
    window.closed.connect(single.close)
    errors.parent_window = window
    window.show()
    # The processes start when the window stands: it is there sooner.
    QTimer.singleShot(0, worker.start)
    QTimer.singleShot(0, player.start)
    QTimer.singleShot(0, player.list_devices)
    if folder:
        QTimer.singleShot(0, lambda: window.folders.add([folder]))
    try:
        return int(application.exec())
    finally:
        window.close()
        close_all(worker, player, reader)
        single.close()
        ender.close()
        errors.uninstall()


def close_all(worker: "LateWorker", player: PlayerClient, reader: Reader) -> None:
    """Ends the processes side by side, so that it takes as long as the slowest of them."""
    threads = [
        threading.Thread(target=end, name="closing", daemon=True)
        for end in (worker.close, player.close, reader.close)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3.0)


class LateWorker:
    """The worker before and after its start; what is sent before it is sent then."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None
        self._early: list = []

    def start(self) -> None:
        self._worker = self._make()
        for request in self._early:
            self._worker.send(request)
        self._early.clear()

    def send(self, request: object) -> None:
        if self._worker is None:
            self._early.append(request)
        else:
            self._worker.send(request)  # type: ignore[arg-type]

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


# One window per data folder.


def socket_name(data: Path) -> str:
    """A name for the data folder and its user: short, since socket paths are."""
    user = os.environ.get("USERNAME") or str(getattr(os, "getuid", lambda: 0)())
    key = f"{user}:{os.path.realpath(data)}"
    return (
        "soundsearch-"
        + hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    )


def raise_other(data: Path, folder: str | None = None) -> bool:
    """Asks a window that has this data folder to come to the front; False: there is none."""
    link = QLocalSocket()
    link.connectToServer(socket_name(data))
    if not link.waitForConnected(500):
        return False
    link.write(f"{folder or ''}\n".encode("utf-8", "surrogateescape"))
    link.waitForBytesWritten(1000)
    link.disconnectFromServer()
    return True


class SingleWindow(QObject):
    """Listens for a second start; `asked` carries a folder to add, or "".

    Make it only after raise_other was refused: removing a living server's socket would cut it off.
    """

    asked = Signal(str)

    def __init__(self, data: Path) -> None:
        super().__init__()
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._welcome)
        name = socket_name(data)
        QLocalServer.removeServer(name)  # left behind by a crash
        if not self._server.listen(name):
            _log.warning("A second start won't find this window: %s", self._server.errorString())

    def close(self) -> None:
        """Also what was asked before, but not yet read, is not told any more."""
        self.blockSignals(True)  # a window that closes must not be shown again
        self._server.close()

    @Slot()
    def _welcome(self) -> None:
        link = self._server.nextPendingConnection()
        while link is not None:
            link.readyRead.connect(self._read)
            link.disconnected.connect(link.deleteLater)
            if link.canReadLine():
                self._tell(link)
            link = self._server.nextPendingConnection()

    @Slot()
    def _read(self) -> None:
        link = self.sender()
        if isinstance(link, QLocalSocket) and link.canReadLine():
            self._tell(link)

    def _tell(self, link: QLocalSocket) -> None:
        line = bytes(link.readLine().data())
        self.asked.emit(line.decode("utf-8", "surrogateescape").rstrip("\n"))


class SignalEnder(QObject):
    """SIGTERM and SIGINT as a Qt signal. Python's handlers run only when Python runs, which Qt's
    loop may put off for minutes: a byte through a socket wakes it."""

    asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)
        }
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(self._ours.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._read)

    def close(self) -> None:
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._ours.close()
        self._theirs.close()

    def _note(self, number: int, frame: object) -> None:
        """The byte that was written says it all; this only keeps the default from happening."""

    @Slot()
    def _read(self) -> None:
        with contextlib.suppress(OSError):
            numbers = self._ours.recv(64)
            if any(number in (signal.SIGTERM, signal.SIGINT) for number in numbers):
                self.asked.emit()


# Errors that nobody expected.


class ErrorCatcher(QObject):
    """Logs an unexpected error of any thread and shows it in a dialog that can be copied: one
    dialog at a time, the same error once."""

    caught = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.parent_window: MainWindow | None = None
        self.dialog: TextDialog | None = None
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self.caught.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        self._before = sys.excepthook, threading.excepthook
        sys.excepthook = self.catch
        threading.excepthook = lambda args: self.catch(
            args.exc_type, args.exc_value, args.exc_traceback
        )

    def uninstall(self) -> None:
        sys.excepthook, threading.excepthook = self._before

    def catch(
        self,
        kind: type[BaseException],
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        last = traceback.extract_tb(trace)[-1:] if trace else []
        place = f"{kind.__name__} {[(frame.filename, frame.lineno) for frame in last]}"
        with self._lock:
            if place in self._seen:
                return
            self._seen.add(place)
        _log.error("Unexpected error\n%s", text)
        with contextlib.suppress(RuntimeError):
            self.caught.emit(f"{kind.__name__}: {error}", text)

    @Slot(str, str)
    def _show(self, line: str, text: str) -> None:
        if self.dialog is not None:
            return
        about = (
            f"SoundSearch {__version__}, Python {platform.python_version()}, Qt {qVersion()}, "
            f"{platform.platform()}, {QGuiApplication.platformName()}\n\n"
        )
        self.dialog = TextDialog(
            "An error nobody expected",
            f"Something went wrong ({line}). Your sounds and your data are not affected; you can "
            "go on, or start again. This is what a report should contain:",
            about + text,
            self.parent_window,
        )
        self.dialog.finished.connect(self._closed)
        self.dialog.open()

    @Slot()
    def _closed(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
            self.dialog = None


def _start_log(data: Path) -> None:
    root = logging.getLogger()
    if any(isinstance(h, logging.handlers.RotatingFileHandler) for h in root.handlers):
        return
    with contextlib.suppress(OSError):  # on a read-only disk warnings go to stderr
        handler = logging.handlers.RotatingFileHandler(
            data / "log.txt", maxBytes=LOG_BYTES, backupCount=2, encoding="utf-8"
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
        root.setLevel(logging.INFO)
