"""Whether the machine runs on its battery, and an indexing that pauses while it does."""

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from soundsearch.settings import Settings
from soundsearch.window.bridge import Reader, Send
from soundsearch.worker import messages

LOOK_EVERY = 30_000  # milliseconds
SUPPLIES = Path("/sys/class/power_supply")


def on_battery() -> bool:
    """False also where nobody knows."""
    try:
        if sys.platform == "win32":
            status = (ctypes.c_ubyte * 12)()
            known = ctypes.windll.kernel32.GetSystemPowerStatus(ctypes.byref(status))
            return bool(known) and status[0] == 0
        if sys.platform == "darwin":
            told = subprocess.run(
                ["pmset", "-g", "batt"], capture_output=True, text=True, timeout=5, check=False
            )
            return "'Battery Power'" in told.stdout
        return linux_on_battery(SUPPLIES)
    except (OSError, subprocess.SubprocessError):
        return False


def linux_on_battery(supplies: Path) -> bool:
    """A battery of the machine (not of a mouse) is being emptied, and no mains is plugged in."""
    mains, draining = False, False
    for supply in supplies.iterdir():
        kind = _word(supply / "type")
        if kind in ("Mains", "USB"):
            mains = mains or _word(supply / "online") == "1"
        elif kind == "Battery" and _word(supply / "scope") != "Device":
            draining = draining or _word(supply / "status") == "Discharging"
    return draining and not mains


def _word(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


class BatteryPause(QObject):
    """Pauses indexing when the mains goes, and resumes what it paused itself."""

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        send: Send,
        parent: QObject,
        look: Callable[[], bool] = on_battery,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._reader = reader
        self._send = send
        self._look = look
        self._paused = False
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY)
        self._timer.timeout.connect(self.check)
        self._timer.start()

    def check(self) -> None:
        look = self._look
        self._reader.ask("power", lambda desk: look(), self._act)

    def _act(self, battery: bool) -> None:
        pause = battery and self._settings.pause_on_battery
        if pause != self._paused:
            self._paused = pause
            self._send(messages.Pause() if pause else messages.Resume())
