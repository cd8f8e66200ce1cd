"""The one place of colours, sizes and icons: a dark and a light set, chosen by the system or the
person. Text stands on every ground with a contrast of at least 4.5:1 (tested)."""

from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QComboBox, QListView

from soundsearch.paths import resources

STEP = 4  # every distance is a multiple of it
ROW = 46
COMPACT_ROW = 28
TEXT = 13  # pixels
SMALL = 11.5


@dataclass(frozen=True)
class Theme:
    """Colours as #rrggbb. ground < raised < hover are surfaces; text > quiet > faint are inks
    (faint only for what needn't be read, such as an empty star)."""

    name: str
    ground: str
    raised: str
    sunken: str
    hover: str
    line: str
    text: str
    quiet: str
    faint: str
    accent: str
    accent_text: str  # accent as ink on ground and on selected
    on_accent: str
    selected: str
    track: str
    wave: str
    star: str
    good: str
    bad: str
    bad_ground: str


DARK = Theme(
    name="dark",
    ground="#1b1c20",
    raised="#25272c",
    sunken="#17181b",
    hover="#22242a",
    line="#2e3036",
    text="#eceef2",
    quiet="#9da1ab",
    faint="#5d616b",
    accent="#4d8df6",
    accent_text="#82b1ff",
    on_accent="#0d1524",
    selected="#263651",
    track="#33363d",
    wave="#7a7f8a",
    star="#f2b544",
    good="#57b98a",
    bad="#f08a84",
    bad_ground="#4a2a2e",
)
LIGHT = Theme(
    name="light",
    ground="#fbfbfc",
    raised="#eef0f3",
    sunken="#f4f5f7",
    hover="#f1f3f6",
    line="#dcdfe4",
    text="#1c1e23",
    quiet="#5c616c",
    faint="#a3a8b2",
    accent="#2f6fe0",
    accent_text="#1c56bd",
    on_accent="#ffffff",
    selected="#dbe7fc",
    track="#dde0e6",
    wave="#878d99",
    star="#c98700",
    good="#2c8a5d",
    bad="#ad2f29",
    bad_ground="#fbe0de",
)


def choose_theme(wish: str, application: QApplication) -> Theme:
    """`wish` is "dark", "light" or "system". Where the system doesn't tell, its palette does."""
    if wish in ("dark", "light"):
        return DARK if wish == "dark" else LIGHT
    scheme = application.styleHints().colorScheme()
    if scheme == Qt.ColorScheme.Unknown:
        window = application.style().standardPalette().color(QPalette.ColorRole.Window)
        return DARK if window.lightness() < 128 else LIGHT
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Fusion with our palette: native styles follow the system's scheme only in part."""
    if application.style().objectName() != "fusion":
        application.setStyle("fusion")
    roles = QPalette.ColorRole
    palette = QPalette()
    for role, colour in (
        (roles.Window, theme.ground),
        (roles.Base, theme.ground),
        (roles.AlternateBase, theme.raised),
        (roles.Button, theme.raised),
        (roles.ToolTipBase, theme.raised),
        (roles.WindowText, theme.text),
        (roles.Text, theme.text),
        (roles.ButtonText, theme.text),
        (roles.ToolTipText, theme.text),
        (roles.BrightText, theme.text),
        (roles.PlaceholderText, theme.quiet),
        (roles.Highlight, theme.accent),
        (roles.HighlightedText, theme.on_accent),
        (roles.Accent, theme.accent),
        (roles.Link, theme.accent_text),
        (roles.Light, theme.line),
        (roles.Midlight, theme.line),
        (roles.Mid, theme.line),
        (roles.Dark, theme.line),
        (roles.Shadow, theme.sunken),
    ):
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.faint))
    application.setPalette(palette)
    application.setStyleSheet(style_sheet(theme))


def font(pixels: float = TEXT, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The system's family with tabular figures, so that times don't jump."""
    chosen = QFont(QApplication.font().families())
    chosen.setPixelSize(round(pixels))
    if pixels != round(pixels):
        # Pixel sizes are whole; points are not.
        screen = QApplication.primaryScreen()
        dots = screen.logicalDotsPerInchY() if screen else 96.0
        chosen.setPointSizeF(pixels * 72.0 / dots)
    chosen.setWeight(weight)
    chosen.setFeature(QFont.Tag("tnum"), 1)
    return chosen


def style_sheet(theme: Theme) -> str:
    return f"""
* {{ font-size: {TEXT}px; }}
QWidget#window, QWidget#page {{ background: {theme.ground}; }}
QToolTip {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.line};
  padding: 4px; }}
QLabel#quiet, QLabel#count {{ color: {theme.quiet}; font-size: {SMALL}px; }}
QLabel#bad {{ color: {theme.bad}; font-size: {SMALL}px; }}
QLabel#section {{ color: {theme.quiet}; font-size: 11px; font-weight: 600; letter-spacing: 1px; }}
QLabel#title {{ font-size: 20px; font-weight: 600; }}
QFrame#line {{ background: {theme.line}; border: 0; }}
QFrame#field {{ background: {theme.raised}; border: 1px solid {theme.line}; border-radius: 8px; }}
QFrame#field[focused="true"] {{ border: 1px solid {theme.accent}; }}
QFrame#field QLineEdit {{ background: transparent; border: 0; font-size: 15px; padding: 0;
  selection-background-color: {theme.accent}; selection-color: {theme.on_accent}; }}
QFrame#chip, QFrame#badchip {{ border-radius: 11px; }}
QFrame#chip {{ background: {theme.selected}; }}
QFrame#badchip {{ background: {theme.bad_ground}; }}
QFrame#chip QLabel {{ color: {theme.accent_text}; font-size: {SMALL}px; }}
QFrame#badchip QLabel {{ color: {theme.bad}; font-size: {SMALL}px; }}
QFrame#chip QToolButton, QFrame#badchip QToolButton {{ background: transparent; border: 0;
  padding: 0; border-radius: 8px; }}
QToolButton, QPushButton {{ background: {theme.raised}; color: {theme.text};
  border: 1px solid transparent; border-radius: 6px; padding: 5px 8px; }}
QPushButton {{ padding: 8px 16px; }}
QToolButton:hover, QPushButton:hover {{ background: {theme.track}; }}
QToolButton:focus, QPushButton:focus {{ border: 1px solid {theme.accent}; }}
QToolButton:checked {{ background: {theme.selected}; color: {theme.accent_text}; }}
QToolButton:disabled, QPushButton:disabled {{ color: {theme.faint}; }}
QPushButton#busy:disabled {{ color: {theme.quiet}; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}
QToolButton#flat {{ background: transparent; padding: 2px 4px; }}
QToolButton#flat:hover {{ background: {theme.raised}; }}
QToolButton#link {{ background: transparent; color: {theme.quiet}; font-size: {SMALL}px;
  padding: 2px 4px; }}
QToolButton#link:hover {{ color: {theme.text}; }}
QToolButton#primary, QPushButton#primary {{ background: {theme.accent};
  color: {theme.on_accent}; }}
QPushButton#primary {{ font-weight: 600; }}
QAbstractScrollArea#results, QTreeWidget#sidebar {{ background: {theme.ground}; border: 0;
  outline: 0; }}
QTreeWidget#sidebar {{ background: {theme.ground}; }}
QFrame#popup {{ background: {theme.raised}; border: 1px solid {theme.line}; border-radius: 8px; }}
QFrame#popup QLineEdit, QFrame#popup QComboBox {{ background: {theme.ground};
  border: 1px solid {theme.line}; border-radius: 4px; padding: 3px 6px; min-height: 18px; }}
QFrame#popup QLineEdit:focus, QFrame#popup QComboBox:focus {{ border-color: {theme.accent}; }}
QWidget#page QComboBox {{ background: {theme.raised}; border: 1px solid {theme.line};
  border-radius: 6px; padding: 4px 8px; min-height: 18px; }}
QWidget#page QComboBox:focus, QWidget#page QPlainTextEdit:focus {{ border-color: {theme.accent}; }}
QCheckBox::indicator {{ width: 14px; height: 14px; border: 1px solid {theme.faint};
  border-radius: 4px; background: {theme.ground}; }}
QCheckBox::indicator:hover, QCheckBox:focus::indicator {{ border-color: {theme.accent}; }}
QCheckBox::indicator:checked {{ background: {theme.accent}; border-color: {theme.accent};
  image: url("{(resources() / "ticks" / f"{theme.name}.svg").as_posix()}"); }}
QCheckBox {{ spacing: 8px; }}
QComboBox::drop-down {{ border: 0; width: 22px; }}
QComboBox::down-arrow {{ width: 14px; height: 14px;
  image: url("{(resources() / "ticks" / f"down-{theme.name}.svg").as_posix()}"); }}
QComboBox {{ combobox-popup: 0; }}
QComboBox QAbstractItemView {{ background: {theme.raised}; border: 1px solid {theme.line};
  padding: 4px; outline: 0; selection-background-color: {theme.selected};
  selection-color: {theme.text}; }}
QFrame#notice {{ background: {theme.raised}; border: 1px solid {theme.line};
  border-radius: 8px; }}
QMenu {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.line};
  padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {theme.selected}; }}
QMenu::item:disabled {{ color: {theme.faint}; }}
QMenu::separator {{ height: 1px; background: {theme.line}; margin: 4px 8px; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {theme.track}; border-radius: 3px; min-height: 24px;
  min-width: 24px; margin: 2px; }}
QScrollBar::handle:hover {{ background: {theme.faint}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSplitter::handle {{ background: {theme.line}; }}
QSlider::groove:horizontal {{ height: 4px; background: {theme.track}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {theme.wave}; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {theme.text}; width: 10px; height: 10px;
  margin: -3px 0; border-radius: 5px; }}
QProgressBar {{ background: {theme.track}; border: 0; border-radius: 2px; max-height: 4px;
  min-height: 4px; }}
QProgressBar::chunk {{ background: {theme.good}; border-radius: 2px; }}
QPlainTextEdit {{ background: {theme.sunken}; border: 1px solid {theme.line};
  border-radius: 4px; }}
"""


def loosen(choice: QComboBox) -> None:
    """Gives the entries of a choice the room that a menu's have; style sheets can't."""
    entries = choice.view()
    if isinstance(entries, QListView):
        entries.setSpacing(STEP // 2)


@lru_cache(maxsize=512)
def icon_pixmap(name: str, colour: str, size: int, ratio: float, filled: bool = False) -> QPixmap:
    """A square icon of `size` logical pixels, sharp on a screen with `ratio` pixels each."""
    text = (resources() / "icons" / f"{name}.svg").read_text("utf-8")
    text = text.replace("currentColor", colour)
    if filled:
        text = text.replace('fill="none"', f'fill="{colour}"')
    renderer = QSvgRenderer(QByteArray(text.encode()))
    pixmap = QPixmap(QSize(size, size) * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap


def icon(name: str, colour: str, size: int = 16, filled: bool = False) -> QIcon:
    """An icon that holds pixmaps for the usual densities."""
    made = QIcon()
    for ratio in (1.0, 1.5, 2.0, 3.0):
        made.addPixmap(icon_pixmap(name, colour, size, ratio, filled))
    return made


def contrast(ink: str, ground: str) -> float:
    """The contrast of two colours by WCAG 2.2, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = []
        for part in (QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()):
            parts.append(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
