"""What the window does with folders: choose, drop, add, remove, find again, the demo sounds."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from soundsearch.search.query import Example
from soundsearch.window import reading
from soundsearch.window.bridge import Reader, Send
from soundsearch.window.chips import Chip
from soundsearch.window.pages import Notice, TextDialog, failures_text
from soundsearch.worker import messages

MOST_DROPPED_EXAMPLES = 5


class Folders(QObject):
    """`added` carries a sentence about what is being added, `chip` an example from a dropped
    file, `demo_runs` whether the demo sounds are being written."""

    added = Signal(str)
    chip = Signal(object)
    demo_runs = Signal(bool)

    def __init__(
        self,
        send: Send,
        reader: Reader,
        notice: Notice,
        data: Path,
        write_demo: Callable[[Path], object] | None,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._send = send
        self._reader = reader
        self._notice = notice
        self._data = data
        self._write_demo = write_demo
        self._window = window

    def choose(self) -> None:
        music = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MusicLocation)
        start = music if os.path.isdir(music) else os.path.expanduser("~")
        self._ask_folder("Add a folder of sounds", start, lambda path: self.add([path]))

    def add(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._send(messages.AddFolder(path))
        if paths:
            name = Path(paths[0]).name if len(paths) == 1 else f"{len(paths)} folders"
            self.added.emit(f"Adding {name}…")

    def remove(self, path: str) -> None:
        """Not asked before: nothing is lost, and it can be undone."""
        self._send(messages.RemoveFolder(path))
        self._notice.tell(
            f"{Path(path).name} was removed from SoundSearch. Its files stay as they are.",
            "Undo",
            lambda: self.add([path]),
        )

    def locate(self, old: str) -> None:
        self._ask_folder(
            f"Where is {Path(old).name} now?",
            _nearest(Path(old)),
            lambda new: self._send(messages.Relocate(old, new)),
        )

    def rescan(self, path: str = "") -> None:
        """Looks for changes in one folder, or in all."""
        self._send(messages.Scan((path,)) if path else messages.Scan())

    def try_demo(self) -> None:
        write = self._write_demo
        if write is None:
            self._notice.tell("Start 'soundsearch demo' to try the demo sounds.")
            return
        folder = self._data / "demo"
        self.demo_runs.emit(True)

        def done(_: object) -> None:
            self.demo_runs.emit(False)
            self.add([str(folder)])

        def failed(error: Exception) -> None:
            self.demo_runs.emit(False)
            self._notice.tell(f"The demo sounds could not be written: {error}")

        self._reader.ask("demo", lambda desk: write(folder), done, failed)

    def take_dropped(self, paths: Sequence[str]) -> None:
        """Folders are added, files become examples: "more like this"."""

        def show(found: tuple[list[str], list[str]]) -> None:
            folders, files = found
            self.add(folders)
            for path in files[:MOST_DROPPED_EXAMPLES]:
                self.chip.emit(Chip(Example(path=os.fsencode(path)), Path(path).name))

        self._reader.ask("", lambda desk: _folders_and_files(paths), show)

    def show_failures(self) -> None:
        def show(failures: list[tuple[str, str]]) -> None:
            dialog = TextDialog(
                "Failed files",
                f"{len(failures):,} files could not be used. They are found by name only.",
                failures_text(failures),
                self._window,
                "Try again",
                lambda: self._send(messages.Retry()),
            )
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()

        self._reader.ask("failures", reading.failures, show)

    def _ask_folder(self, title: str, start: str, chosen: Callable[[str], None]) -> None:
        dialog = QFileDialog(self._window, title, start)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(chosen)
        dialog.open()


def _nearest(path: Path) -> str:
    """The last folder on the way to a path that is still there."""
    return str(next((folder for folder in path.parents if folder.is_dir()), Path.home()))


def _folders_and_files(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    folders = [path for path in paths if os.path.isdir(path)]
    return folders, [path for path in paths if os.path.isfile(path)]
