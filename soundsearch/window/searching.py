"""One question after the other: names at once, sounds when the worker answers, one list.

Only the newest question counts; answers to older ones are dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Signal

from soundsearch.search.query import Query
from soundsearch.search.ranking import Answer, Match
from soundsearch.window import reading
from soundsearch.window.bridge import ANSWER, Reader, Send
from soundsearch.window.results_model import key_of
from soundsearch.window.search_bar import Asked
from soundsearch.window.sidebar import Scope
from soundsearch.worker.messages import Search

MOST = 300  # rows of an answer
ORDERS = {
    "match": "best first",
    "name": "by name",
    "duration": "shortest first",
    "-duration": "longest first",
    "date": "newest first",
}


@dataclass(frozen=True)
class Shown:
    """What the list is to show: matches, or (while browsing) keys whose rows are read later, with
    the takes that some of them stand for.

    new: the first list of a question, not one that completes it.
    """

    matches: tuple[Match, ...] = ()
    keys: tuple[int, ...] | None = None
    takes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    headline: str = ""
    empty_text: str = ""
    new: bool = True


class Searching(QObject):
    """`answered` carries a Shown, `rows_read` a list of Match, `failed` a sentence."""

    answered = Signal(object)
    rows_read = Signal(object)
    failed = Signal(str)

    def __init__(self, reader: Reader, send: Send, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model_ready = False
        self.model_loading = False
        self._reader = reader
        self._send = send
        self._number = 0
        self._order = "match"
        self._query: Query | None = None
        self._text = ""
        self._answered_by_sound: tuple[Match, ...] = ()
        self._fresh = True

    def type(self, asked: Asked, scope: Scope, order: str, fresh: bool = True) -> None:
        """A key was pressed: names and folders answer at once. fresh: it is another question."""
        self._number += 1
        self._order = order
        self._text = asked.text.strip()
        self._fresh = fresh
        query = self._query = asked.query(scope.filter)
        number = self._number
        if query.browses:
            self._answered_by_sound = ()
            self._reader.ask(
                ANSWER,
                lambda desk: reading.browse(desk, query, order),
                lambda browsed: self._show_keys(number, browsed, scope),
                lambda error: self.failed.emit(str(error)),
            )
        else:
            self._reader.ask(
                ANSWER,
                lambda desk: reading.rank_by_name(desk, query, order, MOST),
                lambda answer: self._show_names(number, answer),
                lambda error: self.failed.emit(str(error)),
            )

    def rest(self, asked: Asked, scope: Scope, order: str) -> None:
        """The typing rests: the worker is asked. Also for the same question anew."""
        self._order = order
        self._query = asked.query(scope.filter)
        if self._query.browses:
            return
        self._send(Search(self._number, self._query, MOST))

    def is_current(self, number: int) -> bool:
        return number == self._number

    def take_answer(self, number: int, answer: Answer) -> None:
        """The worker's Matches."""
        if number != self._number or self._query is None:
            return
        if self._order == "match":
            self._show_sounds(number, answer)
            return
        order = self._order
        self._reader.ask(
            "order",
            lambda desk: reading.in_order(desk, answer, order),
            lambda ordered: self._show_sounds(number, ordered),
        )

    def fetch_rows(self, keys: Sequence[int]) -> None:
        """Rows that are painted and not known yet."""
        self._reader.ask(
            "",
            lambda desk: reading.rows(desk, keys),
            self.rows_read.emit,
        )

    def _show_keys(self, number: int, browsed: reading.Browsed, scope: Scope) -> None:
        if number != self._number:
            return
        count = browsed.sounds
        order = ORDERS["name" if self._order == "match" else self._order]
        what = "" if scope.kind == "all" else f" in {scope.label}"
        headline = f"{count:,} sound{'' if count == 1 else 's'}{what} · {order}" if count else ""
        empty = {
            "favourites": "No favourites yet: Ctrl+D or the star keeps a sound here.",
        }.get(scope.kind, "Nothing here.")
        self.answered.emit(
            Shown((), browsed.keys, browsed.takes, headline, empty_text=empty, new=self._fresh)
        )
        self._fresh = False

    def _show_names(self, number: int, answer: Answer) -> None:
        if number != self._number:
            return
        matches = tuple(answer.matches)
        if self.model_ready:
            # What the last answer found by sound stays below until the new one comes: a list that
            # shrinks and grows with every key would flicker.
            there = {key_of(match) for match in matches}
            matches += tuple(m for m in self._answered_by_sound if key_of(m) not in there)
        waiting = "Listening…" if self.model_ready else "No name has these words."
        if self.model_loading:
            waiting += " Sounds join when the model is loaded."
        headline = self._headline(len(answer.matches), "by name")
        if self.model_ready:
            headline = self._headline(len(matches), "listening…")
        self.answered.emit(Shown(matches, headline=headline, empty_text=waiting, new=self._fresh))
        self._fresh = False

    def _show_sounds(self, number: int, answer: Answer) -> None:
        if number != self._number:
            return
        # A name answer of the same question that is still under way would be older.
        self._reader.drop(ANSWER)
        self._answered_by_sound = matches = tuple(answer.matches)
        headline = self._headline(len(matches), ORDERS[self._order])
        if answer.nothing_matches and matches:
            headline = "Nothing here really matches · the nearest sounds"
        empty = f"Nothing matches “{self._text}”." if self._text else "Nothing matches."
        self.answered.emit(Shown(matches, headline=headline, empty_text=empty, new=self._fresh))
        self._fresh = False

    def _headline(self, count: int, order: str) -> str:
        if not count:
            return ""
        many = f"{count:,} match{'' if count == 1 else 'es'}"
        return f"{many if count < MOST else f'First {MOST} matches'} · {order}"
