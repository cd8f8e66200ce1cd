"""How a row of the results looks: where its parts stand, and how they are painted."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from soundsearch.search.ranking import Match
from soundsearch.window import palette
from soundsearch.window.palette import Theme
from soundsearch.window.results_model import INDENT, MATCH, is_scored, key_of, time_text
from soundsearch.window.waveform import Envelopes

PLAYABLE = ("ok", "silent")


@dataclass(frozen=True)
class RowLayout:
    """Where the parts of a row stand; an empty rectangle: no room for it."""

    star: QRectF
    name: QRectF
    below: QRectF  # folder and why; in a compact row beside the name
    wave: QRectF
    bar: QRectF
    duration: QRectF
    form: QRectF


def lay_out(rect: QRect, compact: bool, indent: bool = False) -> RowLayout:
    """Drops columns from the right when the row gets narrow: format, strength, waveform."""
    width = rect.width()
    right = float(rect.right() - 13)
    empty = QRectF()

    def column(wide: float, gap: float) -> QRectF:
        nonlocal right
        found = QRectF(right - wide, rect.top(), wide, rect.height())
        right -= wide + gap
        return found

    form = column(132 if width >= 900 else 92, 12) if width >= 760 else empty
    duration = column(84 if width >= 520 else 56, 12)
    bar = column(74 if width >= 640 else 44, 12) if width >= 460 else empty
    wave = column(150 if width >= 700 else 84, 16) if width >= 400 else empty
    star = QRectF(rect.left() + 8, rect.top(), 26, rect.height())
    left = star.right() + 10 + (20 if indent else 0)
    space = max(0.0, right - left)
    if compact:
        name = QRectF(left, rect.top(), space, rect.height())
        below = empty
    else:
        name = QRectF(left, rect.top() + 5, space, 19)
        below = QRectF(left, rect.top() + 24, space, 16)
    return RowLayout(star, name, below, wave, bar, duration, form)


def marked_spans(name: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Where the matched words stand in a name: (start, end), in order, not overlapping."""
    plain, places = _plain(name)
    marks = [False] * len(name)
    for word in words:
        sought = _plain(word)[0]
        at = plain.find(sought) if sought else -1
        while at >= 0:
            end = at + len(sought)
            marks[places[at] : places[end]] = [True] * (places[end] - places[at])
            at = plain.find(sought, end)
    spans: list[tuple[int, int]] = []
    for place, marked in enumerate(marks):
        if marked and spans and spans[-1][1] == place:
            spans[-1] = (spans[-1][0], place + 1)
        elif marked:
            spans.append((place, place + 1))
    return spans


def _plain(text: str) -> tuple[str, list[int]]:
    """The text as words are looked for, lower case and without accents, and where each of its
    letters and its end stand in `text`."""
    letters, places = [], []
    for place, letter in enumerate(text):
        for plain in unicodedata.normalize("NFKD", letter).lower():
            if not unicodedata.combining(plain):
                letters.append(plain)
                places.append(place)
    return "".join(letters), [*places, len(text)]


def duration_text(match: Match) -> str:
    if match.start and match.start >= 0.5 and match.duration >= 10:
        return f"{time_text(match.start)} of {time_text(match.duration)}"
    return time_text(match.duration) if match.duration else ""


def format_text(match: Match) -> str:
    """WAV 24 · 48k, with the channels where these aren't two."""
    rate = f"{int(match.samplerate / 1000)}k" if match.samplerate else ""
    many = {0: "", 1: "mono", 2: ""}.get(match.channels or 0, f"{match.channels} ch")
    form = f"{match.format.upper()} {_bits(match.sample_format)}".strip()
    return " · ".join(part for part in (form, rate, many) if part)


def _bits(sample_format: str) -> str:
    """Bits a sample where that says something: "24" of pcm_24, "32f" of float."""
    if sample_format.startswith("pcm_"):
        return "".join(letter for letter in sample_format[4:] if letter.isdecimal())
    return {"float": "32f", "double": "64f"}.get(sample_format, "")


class RowDelegate(QStyledItemDelegate):
    """Paints a row from its Match; knows where its star and its takes can be clicked."""

    def __init__(self, theme: Theme, envelopes: Envelopes, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = theme
        self.compact = False
        self.playing: int | None = None  # the key of the sound that plays
        self.favourites: set[int] = set()
        self.ratings: dict[int, int] = {}
        self.open_groups: set[int] = set()
        self.troubles: dict[int, str] = {}  # why a sound couldn't be played
        self._envelopes = envelopes
        self._name_font = palette.font(palette.TEXT, QFont.Weight.DemiBold)
        self._text_font = palette.font(palette.TEXT)
        self._small_font = palette.font(palette.SMALL)

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(200, palette.COMPACT_ROW if self.compact else palette.ROW)

    def pill(self, match: Match, layout: RowLayout) -> QRectF:
        """Where "12 takes ›" stands; empty when there is only one take."""
        if not match.takes or match.takes < 2:
            return QRectF()
        name_width = QFontMetricsF(self._name_font).horizontalAdvance(match.name)
        wide = QFontMetricsF(self._small_font).horizontalAdvance(_takes_text(match, True)) + 16
        left = layout.name.left() + min(name_width + 10, max(0.0, layout.name.width() - wide))
        middle = layout.name.center().y()
        return QRectF(left, middle - 9, wide, 18)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        match: Match | None = index.data(MATCH)
        theme = self.theme
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if selected:
            painter.fillRect(rect, QColor(theme.selected))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(theme.hover))
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, QColor(theme.line))
        if match is not None:
            indent = bool(index.data(INDENT))
            self._paint_match(painter, rect, match, selected, indent)
            if state & QStyle.StateFlag.State_HasFocus and option.widget.hasFocus():
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(theme.accent), 1))
                painter.drawRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -1.5))
        else:
            layout = lay_out(rect, self.compact)
            painter.setPen(QColor(theme.faint))
            painter.setFont(self._text_font)
            painter.drawText(layout.name, Qt.AlignmentFlag.AlignVCenter, "…")
        painter.restore()

    def _paint_match(
        self, painter: QPainter, rect: QRect, match: Match, selected: bool, indent: bool
    ) -> None:
        theme = self.theme
        layout = lay_out(rect, self.compact, indent)
        key = key_of(match)
        away = match.state not in PLAYABLE
        self._paint_star(painter, layout.star, match.sound_id in self.favourites)
        ink = theme.quiet if away else theme.text
        pill = self.pill(match, layout)
        room = pill.left() - 10 - layout.name.left() if pill else layout.name.width()
        used = self._paint_name(painter, layout.name, room, match, ink)
        if pill:
            self._paint_pill(painter, pill, match, key in self.open_groups)
            used = pill.right() - layout.name.left()
        trouble = self.troubles.get(key, "")
        quiet = theme.quiet
        below = layout.below
        if self.compact:
            left = layout.name.left() + used + 12
            below = QRectF(left, rect.top(), layout.name.right() - left, rect.height())
        if below.width() > 30:
            if trouble or away:
                text = trouble or f"{match.state} · {match.folder}"
                quiet = theme.bad if trouble or match.state == "failed" else theme.quiet
            elif self.compact:
                text = match.folder
            else:
                text = self._below_text(match, below.width())
            self._write(painter, below, text, quiet, self._small_font)
        if layout.wave:
            self._paint_wave(painter, layout.wave, match, selected, key == self.playing)
        if layout.bar and is_scored(match):
            self._paint_bar(painter, layout.bar, match.strength)
        right = Qt.AlignmentFlag.AlignRight
        text = duration_text(match)
        narrow = layout.duration.width() < 80
        if narrow or QFontMetricsF(self._text_font).horizontalAdvance(text) > 96:
            text = time_text(match.duration) if match.duration else ""
        place = layout.duration.adjusted(-14, 0, 0, 0)
        self._write(painter, place, text, ink, self._text_font, right)
        if layout.form:
            self._write(painter, layout.form, format_text(match), theme.quiet, self._small_font)

    def _below_text(self, match: Match, room: float) -> str:
        """Folder and why; where both don't fit, the folder gets shorter in its middle."""
        folder, why = _folder(match), f"  ·  {match.why}" if match.why else ""
        if rating := self.ratings.get(match.sound_id, 0):
            why = f"  ·  {'★' * rating}{why}"
        metrics = QFontMetricsF(self._small_font)
        left = max(room * 0.4, room - metrics.horizontalAdvance(why) - 1)
        return metrics.elidedText(folder, Qt.TextElideMode.ElideMiddle, left) + why

    def _paint_star(self, painter: QPainter, place: QRectF, favourite: bool) -> None:
        colour = self.theme.star if favourite else self.theme.faint
        ratio = painter.device().devicePixelRatioF()
        pixmap = palette.icon_pixmap("star", colour, 14, ratio, favourite)
        middle = place.center()
        painter.drawPixmap(QPointF(middle.x() - 7, middle.y() - 7), pixmap)

    def _paint_name(
        self, painter: QPainter, place: QRectF, room: float, match: Match, ink: str
    ) -> float:
        """Draws the name with the matched words marked; gives the width used."""
        metrics = QFontMetricsF(self._name_font)
        name = match.name.replace("\n", "⏎").replace("\r", "")
        name = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, max(0.0, room))
        painter.setFont(self._name_font)
        align = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
        spans = marked_spans(name, match.words)
        at = 0
        for start, end in [*spans, (len(name), len(name))]:
            for part, marked in ((name[at:start], False), (name[start:end], True)):
                if part:
                    # The place comes from the whole beginning, so that kerning stays right.
                    before = start if marked else at
                    x = place.left() + metrics.horizontalAdvance(name[:before])
                    painter.setPen(QColor(self.theme.accent_text if marked else ink))
                    painter.drawText(
                        QRectF(x, place.top(), place.width(), place.height()), align, part
                    )
            at = end
        return metrics.horizontalAdvance(name)

    def _paint_pill(self, painter: QPainter, place: QRectF, match: Match, opened: bool) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.track))
        painter.drawRoundedRect(place, 9, 9)
        self._write(
            painter,
            place,
            _takes_text(match, not opened),
            self.theme.text,
            self._small_font,
            Qt.AlignmentFlag.AlignHCenter,
        )

    def _paint_wave(
        self, painter: QPainter, place: QRectF, match: Match, selected: bool, playing: bool
    ) -> None:
        theme = self.theme
        height = 18 if self.compact else 28
        box = QRectF(place.left(), place.center().y() - height / 2, place.width(), height)
        colour = theme.accent_text if selected or playing else theme.wave
        pixmap = None
        if match.sound_id:
            ratio = painter.device().devicePixelRatioF()
            pixmap = self._envelopes.pixmap(match.sound_id, box.size().toSize(), colour, ratio)
        if pixmap is not None:
            painter.drawPixmap(box.topLeft(), pixmap)
        else:
            painter.fillRect(
                QRectF(box.left(), box.center().y(), box.width(), 1), QColor(theme.track)
            )
        if match.start and match.duration >= 10 and 0 < match.start < match.duration:
            x = box.left() + box.width() * match.start / match.duration
            painter.fillRect(QRectF(x, box.top(), 1.5, box.height()), QColor(theme.accent))

    def _paint_bar(self, painter: QPainter, place: QRectF, strength: float) -> None:
        middle = place.center().y()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.track))
        painter.drawRoundedRect(QRectF(place.left(), middle - 2, place.width(), 4), 2, 2)
        wide = max(4.0, place.width() * min(1.0, max(0.0, strength)))
        painter.setBrush(QColor(self.theme.accent))
        painter.drawRoundedRect(QRectF(place.left(), middle - 2, wide, 4), 2, 2)

    def drag_picture(self, matches: Sequence[Match], ratio: float) -> QPixmap:
        """What hangs at the pointer during a drag: name and waveform, or how many there are."""
        theme = self.theme
        wide, high = 260, 34
        pixmap = QPixmap(QSize(wide, high) * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.accent), 1))
        painter.setBrush(QColor(theme.raised))
        painter.drawRoundedRect(QRectF(0.5, 0.5, wide - 1, high - 1), 6, 6)
        first = matches[0]
        text = first.name if len(matches) == 1 else f"{len(matches)} sounds"
        self._write(painter, QRectF(12, 0, 146, high), text, theme.text, self._text_font)
        self._paint_wave(painter, QRectF(166, 0, 84, high), first, True, False)
        painter.end()
        return pixmap

    def _write(
        self,
        painter: QPainter,
        place: QRectF,
        text: str,
        colour: str,
        chosen: QFont,
        align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    ) -> None:
        painter.setFont(chosen)
        painter.setPen(QColor(colour))
        text = QFontMetricsF(chosen).elidedText(
            text.replace("\n", "⏎"), Qt.TextElideMode.ElideRight, place.width()
        )
        painter.drawText(
            place, align | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, text
        )


def _folder(match: Match) -> str:
    places = f" · {match.places} places" if match.places and match.places > 1 else ""
    return match.folder.replace("/", " / ") + places


def _takes_text(match: Match, closed: bool) -> str:
    return f"{match.takes} takes {'›' if closed else '‹'}"
