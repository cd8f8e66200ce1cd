"""Whether a window can be shown here, asked before Qt is loaded: without a display Qt ends the
program with a page of advice about plugins. Standard library only."""

import os
import re
import socket
import sys
from collections.abc import Mapping

NO_DISPLAY = "There is no display to open the window on; the commands work without one"
_WITHOUT_ONE = ("offscreen", "minimal", "vnc", "linuxfb", "eglfs")  # Qt's platforms


def why_no_window(environment: Mapping[str, str] = os.environ) -> str:
    """One sentence, or "" when there seems to be a display."""
    if sys.platform in ("darwin", "win32"):
        return ""
    if environment.get("QT_QPA_PLATFORM", "").split(":")[0] in _WITHOUT_ONE:
        return ""
    if environment.get("WAYLAND_DISPLAY"):
        return ""
    name = environment.get("DISPLAY", "")
    if not name:
        return NO_DISPLAY
    if not _answers(name):
        return f"The display {name} does not answer; the commands work without one"
    return ""


def _answers(display: str) -> bool:
    """Whether an X server listens, such as the one that an old ssh session named. Names of other
    forms than host:number are left to Qt."""
    named = re.fullmatch(r"([\w.-]*):(\d+)(\.\d+)?", display)
    if named is None:
        return True
    host, number = named[1], int(named[2])
    if host not in ("", "unix"):
        return _connects(socket.AF_INET, (host, 6000 + number))
    path = f"/tmp/.X11-unix/X{number}"
    return _connects(socket.AF_UNIX, path) or _connects(socket.AF_UNIX, f"\0{path}")


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as link:
        link.settimeout(2.0)
        try:
            link.connect(address)
        except OSError:
            return False
    return True
