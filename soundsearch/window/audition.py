"""Which sound plays: asks the player, follows its reports, and moves the strip at the bottom."""

from PySide6.QtCore import QObject, Signal, Slot

from soundsearch.player import messages
from soundsearch.player.client import PlayerClient
from soundsearch.player.messages import match_gain
from soundsearch.search.ranking import Match
from soundsearch.window.player_panel import PlayerPanel, Shown
from soundsearch.window.results_model import key_of
from soundsearch.window.wave_picture import Region
from soundsearch.window.waveform import Envelopes

LONG = 10.0  # seconds; shorter sounds begin at their onset, whatever moment matched


def first_second(match: Match) -> float:
    """Where listening begins: the best moment of a long sound, else where silence ends."""
    if match.duration >= LONG and 0 < match.start < match.duration:
        return match.start
    return match.onset if match.onset < match.duration else 0.0


class Audition(QObject):
    """`sound_changed` carries the key of the sound that plays, or None; `trouble` a key (or None)
    and why it can't be heard; `output` a name and what is wrong with it; `told` a sentence when the
    output changed other than by the person's choice."""

    sound_changed = Signal(object)
    trouble = Signal(object, str)
    output = Signal(str, str)
    told = Signal(str)
    shown = Signal()  # another sound is in the strip

    def __init__(
        self,
        player: PlayerClient,
        panel: PlayerPanel,
        envelopes: Envelopes,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._player = player
        self._panel = panel
        self._envelopes = envelopes
        self._match: Match | None = None
        self._playing: int | None = None  # the player's id
        self._output_message = ""
        self.loop = False
        self.match_loudness = True
        self.region: Region | None = None  # the part of the sound that is played, looped
        self._speed, self._reverse = 1.0, False
        panel.pace_changed.connect(self._set_pace)
        panel.play_clicked.connect(self.toggle)
        panel.seek.connect(self.seek)
        envelopes.came.connect(self._draw)

    @property
    def match(self) -> Match | None:
        """The sound in the strip."""
        return self._match

    @property
    def is_playing(self) -> bool:
        return self._playing is not None

    def show(self, match: Match, play: bool) -> None:
        """Puts a sound into the strip, and plays it if asked; the same sound keeps its region."""
        if self._playing is not None and not play:
            self._player.stop()
        again = self._match is not None and key_of(self._match) == key_of(match)
        self._quiet()
        self._match = match
        if not again or self._panel.waveform.message:
            self.region = None
            self._show()
        if play:
            self.play()

    def play(self, start: float | None = None) -> None:
        """Plays the region, or the sound of the strip from its best moment, or from `start`
        (seconds)."""
        match = self._match
        if match is None:
            return
        if match.state not in ("ok", "silent"):
            self._fail(f"This sound can't be played: it is {match.state}")
            return
        begin, end, at = 0.0, None, start
        if self.region is not None:
            begin, end = self.region
        elif not self._reverse:  # a loop goes back there
            begin, at = first_second(match) if start is None else start, None
        self._playing = self._player.play(
            match.path,
            begin,
            end,
            loop=self.loop,
            gain=self._gain(match),
            at=at,
            speed=self._speed,
            reverse=self._reverse,
        )
        self.sound_changed.emit(key_of(match))

    def stop(self) -> None:
        if self._playing is not None:
            self._player.stop()
            self._quiet()

    def toggle(self) -> None:
        if self._playing is not None:
            self.stop()
        else:
            self.play()

    def seek(self, seconds: float) -> None:
        if self._playing is not None:
            self._player.seek(seconds)
        else:
            self.play(seconds)

    def set_loop(self, loop: bool) -> None:
        self.loop = loop
        self._player.set_loop(loop)

    def set_region(self, region: Region | None, play: bool = False) -> None:
        """Limits what is played; play: starts it if nothing plays."""
        self.region = region
        match = self._match
        if match is None:
            return
        if self._playing is not None:
            begin, end = region or (0.0 if self._reverse else first_second(match), None)
            self._player.set_region(begin, end)
        elif play:
            self.play()

    def _set_pace(self, speed: float, reverse: bool) -> None:
        self._speed, self._reverse = speed, reverse
        self._player.set_pace(speed, reverse)

    def set_match_loudness(self, match_loudness: bool) -> None:
        self.match_loudness = match_loudness

    @Slot(object)
    def take(self, report: messages.Report) -> None:
        """A report of the player process."""
        match report:
            case messages.Position(id, seconds) if id == self._playing:
                self._panel.show_position(seconds)
            case messages.Playing(id) if id == self._playing:
                self._panel.show_playing(True)
            case messages.Ended(id) if id == self._playing:
                self._quiet()
            case messages.Failed(id, message, cause):
                if id is not None and id == self._playing:
                    self._fail(message, of_the_file=cause == "file")
                elif id is None:
                    self.trouble.emit(None, message)
            case messages.Output(name, state, message):
                self.output.emit(name or "", message if state != "closed" else "")
                if message and message != self._output_message:
                    self.told.emit(message)
                if state != "closed":
                    self._output_message = message

    def _gain(self, match: Match) -> float:
        return match_gain(match.loudness, match.peak) if self.match_loudness else 1.0

    def _show(self) -> None:
        match = self._match
        assert match is not None
        self._panel.show_sound(
            Shown(
                key_of(match),
                match.name,
                match.duration,
                self._envelopes.envelope(match.sound_id),
                match.loudness,
                self._gain(match),
                match.start if match.duration >= LONG else None,
            )
        )
        self.shown.emit()

    @Slot()
    def _draw(self) -> None:
        """Envelopes came; perhaps the one of the strip."""
        if self._match is not None and self._panel.lacks_envelope:
            self._panel.show_envelope(self._envelopes.envelope(self._match.sound_id))

    def _quiet(self) -> None:
        self._playing = None
        self._panel.show_playing(False)
        self.sound_changed.emit(None)

    def _fail(self, message: str, of_the_file: bool = True) -> None:
        self._quiet()
        self._panel.show_trouble(message)
        if not of_the_file:
            self.output.emit("", message)
        elif self._match is not None:
            self.trouble.emit(key_of(self._match), message)
