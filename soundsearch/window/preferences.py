"""What the person sets: carried out at once, saved soon, and offered in the menu of the gear."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QMenu, QWidget

from soundsearch.errors import UserError
from soundsearch.models import catalog
from soundsearch.player.client import PlayerClient
from soundsearch.settings import Settings, save_settings
from soundsearch.window import exports
from soundsearch.window.audition import Audition
from soundsearch.window.bridge import Client, Reader
from soundsearch.window.models_page import ModelsPage
from soundsearch.window.player_panel import PlayerPanel
from soundsearch.window.results_view import ResultsView
from soundsearch.window.reveal import reveal
from soundsearch.window.settings_menu import Offers, SettingsMenu
from soundsearch.window.settings_page import SettingsPage
from soundsearch.worker.messages import ModelState, Scan, SwitchModel

_log = logging.getLogger(__name__)
SAVE_AFTER = 1000  # milliseconds


@dataclass(frozen=True)
class Parts:
    """What the window works with; tests give twins."""

    data: Path
    settings: Settings
    reader: Reader
    worker: Client
    player: PlayerClient
    write_demo: Callable[[Path], None] | None = None


class Preferences(QObject):
    """`theme_changed` and `on_top_changed` are for the window itself; `before_saving` asks it to
    put its geometry into the settings."""

    theme_changed = Signal()
    on_top_changed = Signal(bool)
    asked = Signal(str)  # by the page of settings: "export" or "import" what the person made
    cleaned = Signal()  # exported files are gone
    told = Signal(str)  # a sentence
    before_saving = Signal()

    def __init__(
        self,
        parts: Parts,
        audition: Audition,
        panel: PlayerPanel,
        view: ResultsView,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.settings = parts.settings
        self.offers = Offers()
        self._warned: set[tuple[str, str]] = set()  # models whose warnings were told
        self._parts = parts
        self._audition = audition
        self._panel = panel
        self._view = view
        self._save = QTimer(self)
        self._save.setSingleShot(True)
        self._save.setInterval(SAVE_AFTER)
        self._save.timeout.connect(lambda: self._save_off_thread())
        panel.loop_changed.connect(self._set_loop)
        panel.auto_changed.connect(self._set_auto_play)
        panel.volume_changed.connect(self._set_volume)

    def apply(self) -> None:
        """Carries out what was set when the settings were saved."""
        settings, player = self.settings, self._parts.player
        self._panel.set_values(settings.volume, settings.loop, settings.auto_play)
        self._audition.loop = settings.loop
        self._audition.match_loudness = settings.match_loudness
        player.set_volume(settings.volume)
        if settings.output_device or settings.buffer != "safe":
            self._use_output()
        self._view.set_compact(settings.compact)

    def menu(self, parent: QWidget) -> QMenu:
        menu = SettingsMenu(self.settings, self.offers, parent)
        menu.theme_chosen.connect(lambda value: self.set("theme", value))
        menu.device_chosen.connect(lambda value: self.set("output_device", value))
        menu.model_chosen.connect(lambda value: self.set("model", value))
        menu.compact_chosen.connect(self.set_compact)
        menu.on_top_chosen.connect(lambda value: self.set("always_on_top", value))
        menu.even_chosen.connect(self.set_match_loudness)
        return menu

    def page(self, parent: QWidget) -> SettingsPage:
        """The page with everything, ready to be shown."""
        page = SettingsPage(self.settings, self.offers, self._parts.data, parent)
        page.chosen.connect(self.set)
        page.asked.connect(lambda what: self._do(what, page))
        page.destroyed.connect(lambda: self._parts.reader.drop("exports"))
        self._measure(exports.size_of, page)
        return page

    def set(self, name: str, value: Any) -> None:
        """Sets one of Settings' values, or the model, and carries it out."""
        if name == "model":
            self._use_model(value)
            return
        setattr(self.settings, name, value)
        match name:
            case "theme":
                self.theme_changed.emit()
            case "output_device" | "buffer":
                self._use_output()
            case "compact":
                self._view.set_compact(value)
            case "always_on_top":
                self.on_top_changed.emit(value)
            case "match_loudness":
                self._audition.set_match_loudness(value)
            case "auto_play":
                self._panel.auto.setChecked(value)
            case "exclude":  # the worker reads it from the file
                self._save_off_thread(lambda: self._parts.worker.send(Scan()))
                return
        self.save_soon()

    def _use_model(self, name: str) -> None:
        """The catalog keeps which one is in use, for the command line as well."""
        data = self._parts.data

        def switch(entry: catalog.ModelEntry) -> None:
            self._tell_warning(entry.name, entry.warning)
            self._parts.worker.send(SwitchModel(entry.name))

        if name:
            self._parts.reader.ask(
                "",
                lambda desk: catalog.use(data, name),
                switch,
                lambda error: self.told.emit(str(error)),
            )

    def _tell_warning(self, name: str, warning: str) -> None:
        if warning and (name, warning) not in self._warned:
            self._warned.add((name, warning))
            self.told.emit(f"{name}: {warning}")

    def _use_output(self) -> None:
        settings = self.settings
        self._parts.player.set_device(settings.output_device or None, settings.buffer == "short")

    def _do(self, what: str, page: SettingsPage) -> None:
        data = self._parts.data
        if what == "clean":
            self._measure(exports.clean, page)
            self.cleaned.emit()
        elif what == "show data":
            self._parts.reader.ask("", lambda desk: reveal([str(data)]))
        elif what == "models":
            models = ModelsPage(data, self._parts.reader, page)
            models.use_wanted.connect(self._use_model)
            models.changed.connect(self.look_for_models)
            models.show()
        else:
            self.asked.emit(what)

    def _measure(self, work: Callable[[Path], exports.Size], page: SettingsPage) -> None:
        folder = self._parts.data / exports.FOLDER
        self._parts.reader.ask("exports", lambda desk: work(folder), page.show_size)

    def show_outputs(self, names: Sequence[str], default: str | None) -> None:
        self.offers = replace(self.offers, outputs=tuple(names), default_output=default or "")

    def show_model(self, state: ModelState) -> None:
        """Offers show the model in use, or the one that is coming."""
        self.offers = replace(self.offers, model=state.coming or state.name or "")
        self._tell_warning(state.name or "", state.warning)

    def look_for_models(self) -> None:
        """Reads which are installed, for the next menu."""
        data = self._parts.data

        def show(models: list[catalog.ModelEntry]) -> None:
            names = tuple(model.name for model in models)
            warnings = {model.name: model.warning for model in models if model.warning}
            self.offers = replace(self.offers, models=names, warnings=warnings)

        self._parts.reader.ask("models", lambda desk: catalog.installed(data), show)

    def save_soon(self) -> None:
        self._save.start()

    def save_now(self) -> None:
        """For the end of the window; an error is logged, closing goes on."""
        self._save.stop()
        self.before_saving.emit()
        try:
            save_settings(self.settings, self._parts.data)
        except OSError as error:
            _log_unsaved(error)

    def set_compact(self, compact: bool) -> None:
        self.set("compact", compact)

    def toggle_compact(self) -> None:
        self.set_compact(not self.settings.compact)

    def set_match_loudness(self, even: bool) -> None:
        self.set("match_loudness", even)

    def _set_loop(self, loop: bool) -> None:
        self.settings.loop = loop
        self._audition.set_loop(loop)
        self.save_soon()

    def _set_auto_play(self, auto: bool) -> None:
        self.settings.auto_play = auto
        self.save_soon()

    def _set_volume(self, volume: float) -> None:
        self._parts.player.set_volume(volume)
        if not self._panel.mute.isChecked():
            self.settings.volume = volume
        self.save_soon()

    def _save_off_thread(self, then: Callable[[], None] = lambda: None) -> None:
        self.before_saving.emit()
        settings, data = self.settings, self._parts.data
        self._parts.reader.ask(
            "", lambda desk: save_settings(settings, data), lambda saved: then(), _log_unsaved
        )


def _log_unsaved(error: Exception) -> None:
    _log.error("The settings can't be saved: %s", error)


def take_over_model(settings: Settings, data: Path) -> None:
    """What an earlier version's window kept as its model becomes the model in use, unless another
    is in use by now; where it can't be, `notice` says so."""
    name, chosen = settings.model, catalog.in_use(data)
    settings.model = ""
    problem = ""
    if not name or name == chosen:
        return
    if chosen:
        problem = f"The window used the model {name} before. {chosen}, as chosen by "
        problem += "“soundsearch models use”, counts here, too"
    else:
        try:
            catalog.use(data, name)
        except UserError as error:
            problem = str(error)
    settings.notice = ". ".join(text for text in (settings.notice, problem) if text)
