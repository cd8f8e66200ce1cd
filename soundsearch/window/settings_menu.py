"""The menu behind the gear: what can be set without a dialog."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from soundsearch.settings import Settings

THEMES = (("As the system", "system"), ("Dark", "dark"), ("Light", "light"))


class SettingsMenu(QMenu):
    """Shows the settings as they are; tells what was chosen. device_chosen: "" is the default."""

    theme_chosen = Signal(str)
    device_chosen = Signal(str)
    compact_chosen = Signal(bool)
    on_top_chosen = Signal(bool)
    even_chosen = Signal(bool)

    def __init__(self, settings: Settings, devices: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        _choices(self.addMenu("Theme"), THEMES, settings.theme, self.theme_chosen.emit)
        outputs = [("The system's default", ""), *((name, name) for name in devices)]
        _choices(self.addMenu("Output"), outputs, settings.output_device, self.device_chosen.emit)
        self.addSeparator()
        for name, value, chosen in (
            ("Compact list", settings.compact, self.compact_chosen),
            ("Always on top", settings.always_on_top, self.on_top_chosen),
            ("Even loudness", settings.match_loudness, self.even_chosen),
        ):
            action = self.addAction(name)
            action.setCheckable(True)
            action.setChecked(value)
            action.triggered.connect(chosen)


def _choices(
    menu: QMenu,
    choices: Sequence[tuple[str, str]],
    current: str,
    chosen: Callable[[str], None],
) -> None:
    group = QActionGroup(menu)
    for name, value in choices:
        action = QAction(name, menu)
        action.setCheckable(True)
        action.setChecked(value == current)
        action.triggered.connect(lambda checked=False, value=value: chosen(value))
        group.addAction(action)
        menu.addAction(action)
