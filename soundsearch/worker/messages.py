"""What the window and the worker say to each other: frozen dataclasses over a pipe.

Standard library and `search.query` only. A newer Search cancels an older one; everything else is
done in the order in which it was sent, searches in between.
"""

from dataclasses import dataclass, field
from typing import Any

from soundsearch.search.query import Query


# Window to worker.
@dataclass(frozen=True)
class Search:
    """Rank by name and by sound; answered by Matches with the same id."""

    id: int
    query: Query
    k: int = 200


@dataclass(frozen=True)
class Scan:
    """Look for changes in these added folders, or in all, and index what is new."""

    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddFolder:
    path: str


@dataclass(frozen=True)
class RemoveFolder:
    path: str


@dataclass(frozen=True)
class Relocate:
    old: str
    new: str


@dataclass(frozen=True)
class Retry:
    """Read the failed files again."""


@dataclass(frozen=True)
class Pause:
    pass


@dataclass(frozen=True)
class Resume:
    pass


@dataclass(frozen=True)
class Cancel:
    """End the scan that runs; what it has done stays."""


@dataclass(frozen=True)
class SwitchModel:
    """Search with another model. The old one answers until the new one knows most sounds; what
    was embedded with either is kept."""

    name: str


@dataclass(frozen=True)
class Shutdown:
    pass


# Worker to window.
@dataclass(frozen=True)
class Ready:
    """The data folder is open; searches and scans are taken."""


@dataclass(frozen=True)
class ModelState:
    """The model that answers.

    state: "none" (no model installed), "loading", "ready" or "failed"; detail: for a person;
    coming: the name of the model that will take its place, for which sounds are being embedded;
    warning: what the person should know before they trust the model that answers.
    """

    name: str | None
    state: str
    device: str = ""
    detail: str = ""
    coming: str = ""
    warning: str = ""


@dataclass(frozen=True)
class ScanProgress:
    """Sent at most four times a second; `running` is False in the last one of a scan.

    files and done count what this scan has to read; rate is files/s; left is seconds or None.
    """

    running: bool
    paused: bool
    files: int
    done: int
    failed: int
    rate: float
    left: float | None
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LibraryChanged:
    """Rows, folders or states changed: what is shown may be read again."""


@dataclass(frozen=True)
class Matches:
    """The answer to Search(id): a search.ranking.Answer."""

    id: int
    answer: Any


@dataclass(frozen=True)
class Failed:
    """Something went wrong that a person should read; `fix` says what to do or is empty."""

    message: str
    fix: str = ""
    search_id: int | None = None


@dataclass(frozen=True)
class Logged:
    """A line for the log. level: as in `logging`."""

    level: int
    logger: str
    text: str


@dataclass(frozen=True)
class Stopped:
    """The worker's last word."""


Request = (
    Search | Scan | AddFolder | RemoveFolder | Relocate | Retry | Pause | Resume | Cancel
    | SwitchModel | Shutdown
)  # fmt: skip
Report = Ready | ModelState | ScanProgress | LibraryChanged | Matches | Failed | Logged | Stopped
