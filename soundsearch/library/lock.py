"""One writer: an operating system's lock on the data folder, and who holds it."""

import contextlib
import json
import os
from pathlib import Path

from filelock import FileLock, Timeout

from soundsearch.errors import UserError


class DataLock:
    """Held by whoever writes library.db and embeddings/. The system frees it when we die.

    doing: what the holder does, for the message that a second one gets ("a scan").
    """

    def __init__(self, data: Path, doing: str) -> None:
        """Takes the lock or raises UserError, which names the holder. Creates the folder."""
        self._holder = data / "lock.holder"
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(data / "lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            raise _in_use(self._holder) from None
        except OSError as error:
            raise UserError(
                f"The data folder {data} can't be written ({error.strerror or error})",
                "Choose another one with --data DIR or SOUNDSEARCH_DATA",
            ) from error
        with contextlib.suppress(OSError):
            self._holder.write_text(json.dumps({"pid": os.getpid(), "doing": doing}))

    def release(self) -> None:
        with contextlib.suppress(OSError):
            self._holder.unlink()
        self._lock.release()


def _in_use(holder: Path) -> UserError:
    try:
        known = json.loads(holder.read_text())
        who = f"{known['doing']}, process {known['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another SoundSearch"
    return UserError(f"The library is in use by {who}", "Wait for it to end, or close it")
