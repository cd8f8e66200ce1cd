"""Shows files in the system's file manager."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote


def cleaned_environment() -> dict[str, str]:
    """Our environment as it was before a frozen program's start changed the library path
    (pyinstaller/pyinstaller #1759): else the file manager would load our libraries."""
    environment = dict(os.environ)
    if getattr(sys, "frozen", False):
        for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
            original = environment.pop(f"{name}_ORIG", None)
            environment.pop(name, None)
            if original:
                environment[name] = original
    return environment


def reveal_commands(paths: Sequence[str]) -> list[list[str]]:
    """What to try, in this order, until one can be started."""
    if sys.platform == "darwin":
        return [["open", "-R", *paths]]
    if sys.platform == "win32":
        return [["explorer", f"/select,{paths[0]}"]]
    urls = ",".join("file://" + quote(os.fsencode(path), safe="/") for path in paths)
    return [
        [
            *("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.FileManager1"),
            *("/org/freedesktop/FileManager1", "org.freedesktop.FileManager1.ShowItems"),
            *(f"array:string:{urls}", "string:"),
        ],
        ["xdg-open", str(Path(paths[0]).parent)],
    ]


def reveal(paths: Sequence[str]) -> bool:
    """Blocks until a command has taken the request; call it off the GUI thread. False: none did."""
    for command in reveal_commands(paths):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                command,
                env=cleaned_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=10,
                check=False,
            )
            # Windows' explorer answers 1 also when all is well.
            if done.returncode == 0 or command[0] == "explorer":
                return True
    return False
