"""The menu behind the gear: what can be set without a dialog."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from soundsearch.settings import Settings

THEMES = (("As the system", "system"), ("Dark", "dark"), ("Light", "light"))


@dataclass(frozen=True)
class Offers:
    """What there is to choose from. default_output: what the system plays through; model: the one
    in use, or the one that is coming; warnings: of models that are not to be trusted."""

    outputs: tuple[str, ...] = ()
    default_output: str = ""
    models: tuple[str, ...] = ()
    model: str = ""
    warnings: Mapping[str, str] = field(default_factory=dict)


class SettingsMenu(QMenu):
    """Shows the settings as they are; tells what was chosen. device_chosen: "" is the default."""

    theme_chosen = Signal(str)
    device_chosen = Signal(str)
    model_chosen = Signal(str)
    compact_chosen = Signal(bool)
    on_top_chosen = Signal(bool)
    even_chosen = Signal(bool)

    def __init__(self, settings: Settings, offers: Offers, parent: QWidget) -> None:
        super().__init__(parent)
        _choices(self.addMenu("Theme"), THEMES, settings.theme, self.theme_chosen.emit)
        _choices(
            self.addMenu("Output"),
            output_choices(settings.output_device, offers),
            settings.output_device,
            self.device_chosen.emit,
        )
        if offers.models:
            models = [(name, name) for name in offers.models]
            _choices(self.addMenu("Model"), models, offers.model, self.model_chosen.emit)
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


def output_choices(chosen: str, offers: Offers) -> list[tuple[str, str]]:
    """(text, name of the output): the default, what there is, and the chosen one if it is away."""
    default = "The system's default"
    if offers.default_output:
        default += f" · {offers.default_output}"
    outputs = [(default, ""), *((name, name) for name in offers.outputs)]
    if chosen and chosen not in offers.outputs:
        outputs.append((f"{chosen} (not connected)", chosen))
    return outputs


def _choices(
    menu: QMenu,
    choices: Sequence[tuple[str, str]],
    current: str,
    chosen: Callable[[str], None],
) -> None:
    group = QActionGroup(menu)
    for name, value in choices:
        action = QAction(name.replace("&", "&&"), menu)  # one alone underlines a letter
        action.setCheckable(True)
        action.setChecked(value == current)
        action.triggered.connect(lambda checked=False, value=value: chosen(value))
        group.addAction(action)
        menu.addAction(action)
