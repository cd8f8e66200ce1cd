"""The page of settings: what it shows, what is carried out, the exported files, the battery."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QMessageBox, QPushButton

from soundsearch.models import catalog
from soundsearch.settings import Settings, load_settings
from soundsearch.window.exports import Size, clean, size_of
from soundsearch.window.power import BatteryPause, linux_on_battery
from soundsearch.window.preferences import take_over_model
from soundsearch.window.settings_page import SettingsPage
from soundsearch.worker import messages
from tests.window.conftest import Open, make_model_folder, until


def open_page(opened: Open) -> SettingsPage:
    opened.window.preferences.show_outputs(("Speakers", "USB & Co"), "Speakers")
    opened.window.show_settings_page()
    (page,) = opened.window.findChildren(SettingsPage)
    return page


def pick(page: SettingsPage, name: str, value: object) -> None:
    choice = page.findChild(QComboBox, name)
    choice.setCurrentIndex(choice.findData(value))
    choice.activated.emit(choice.currentIndex())


def test_what_is_set_is_carried_out_and_saved(open_window: Callable[..., Open]) -> None:
    opened = open_window(auto_play=True)
    page = open_page(opened)
    settings = opened.window.settings
    pick(page, "output_device", "USB & Co")
    pick(page, "buffer", "short")
    assert opened.player.of("set_device")[-1] == ["USB & Co", True]
    pick(page, "theme", "light")
    assert opened.window.theme.name == "light"
    for name in ("auto_play", "match_loudness", "compact", "pause_on_battery"):
        before = getattr(settings, name)
        page.findChild(QCheckBox, name).click()
        assert getattr(settings, name) is not before
    assert not opened.window.panel.auto.isChecked()
    assert opened.window.view.row_delegate.compact
    pick(page, "cores", 1)
    pick(page, "device", "cpu")
    opened.window.preferences.save_now()
    read = load_settings(opened.data)
    assert (read.output_device, read.buffer, read.cores) == ("USB & Co", "short", 1)
    assert (read.theme, read.auto_play, read.device) == ("light", False, "cpu")
    page.close()


def test_patterns_are_saved_before_the_scan_that_follows_them(
    open_window: Callable[..., Open],
) -> None:
    opened = open_window()
    page = open_page(opened)
    before = len(opened.worker.of(messages.Scan))
    page.exclude.setPlainText(" *.mp3 \n\nAlte Töne\n")
    page.close()
    until(lambda: len(opened.worker.of(messages.Scan)) == before + 1)
    assert load_settings(opened.data).exclude == "*.mp3\nAlte Töne"


def test_exported_files_are_counted_and_cleaned_after_a_question(
    open_window: Callable[..., Open],
) -> None:
    opened = open_window()
    exports = opened.data / "exports"
    exports.mkdir()
    for name in ("a.wav", "line\nbreak #%.wav", "notes.txt"):
        (exports / name).write_bytes(bytes(1500))
    page = open_page(opened)
    until(lambda: page.taken.text() == "2 files, 3.0 kB")
    page.clean.click()
    until(lambda: bool(page.findChildren(QMessageBox)))
    (question,) = page.findChildren(QMessageBox)
    assert "2 files" in question.text()
    question.reject()
    QTest.qWait(20)
    assert size_of(exports).files == 2
    page.clean.click()
    until(lambda: any(box.isVisible() for box in page.findChildren(QMessageBox)))
    box = next(box for box in page.findChildren(QMessageBox) if box.isVisible())
    delete = next(b for b in box.findChildren(QPushButton) if b.text() == "Delete")
    delete.click()
    until(lambda: page.taken.text() == "none")
    assert [path.name for path in exports.iterdir()] == ["notes.txt"]
    assert not page.clean.isEnabled()
    page.close()


def test_sizes(tmp_path: Path) -> None:
    assert str(size_of(tmp_path / "nowhere")) == "none"
    assert clean(tmp_path / "nowhere") == Size(0, 0)
    assert str(Size(1, 999)) == "1 file, 999 bytes"
    assert str(Size(1200, 34_560_000)) == "1,200 files, 34.6 MB"
    assert str(Size(2, 3_456_000_000)) == "2 files, 3.5 GB"


def test_a_damaged_file_of_settings_is_told(open_window: Callable[..., Open]) -> None:
    opened = open_window(notice="The settings were damaged")
    assert opened.window.notice.text.text() == "The settings were damaged"


@pytest.mark.parametrize(
    ("before", "in_use", "then", "told"),
    [
        ("large", None, "large", ""),
        ("large", "large", "large", ""),
        ("", "small", "small", ""),
        ("large", "small", "small", "The window used the model large before"),
        ("gone", None, None, "no model named gone"),
    ],
)
def test_the_model_of_earlier_settings_becomes_the_one_in_use(
    tmp_path: Path, before: str, in_use: str | None, then: str | None, told: str
) -> None:
    for name in ("large", "small"):
        make_model_folder(tmp_path, name)
    if in_use:
        catalog.use(tmp_path, in_use)
    (tmp_path / "settings.json").write_text(json.dumps({"model": before, "theme": "light"}))
    settings = load_settings(tmp_path)
    take_over_model(settings, tmp_path)
    assert catalog.in_use(tmp_path) == then
    assert told in settings.notice
    assert bool(settings.notice) == bool(told)
    assert settings == Settings(theme="light", notice=settings.notice)


def test_a_notice_of_the_settings_stays_when_the_worker_is_ready(
    open_window: Callable[..., Open],
) -> None:
    opened = open_window(notice="The settings were damaged")
    opened.window.take_worker_report(messages.Failed("The library is in use by a scan"))
    opened.window.take_worker_report(messages.Ready())
    assert not opened.window.notice.isVisible()
    opened.window.notice.tell("The settings were damaged")
    opened.window.take_worker_report(messages.Ready())
    assert opened.window.notice.isVisible()


def supply(folder: Path, name: str, **values: str) -> None:
    (folder / name).mkdir(parents=True)
    for key, value in values.items():
        (folder / name / key).write_text(value + "\n")


@pytest.mark.parametrize(
    ("online", "status", "expected"),
    [("0", "Discharging", True), ("1", "Charging", False), ("1", "Discharging", False)],
)
def test_battery(tmp_path: Path, online: str, status: str, expected: bool) -> None:
    supply(tmp_path, "AC", type="Mains", online=online)
    supply(tmp_path, "BAT0", type="Battery", status=status)
    assert linux_on_battery(tmp_path) is expected


def test_a_mouse_is_no_battery_of_the_machine(tmp_path: Path) -> None:
    supply(tmp_path, "mouse", type="Battery", status="Discharging", scope="Device")
    assert not linux_on_battery(tmp_path)


def test_indexing_pauses_on_battery_and_goes_on(open_window: Callable[..., Open]) -> None:
    opened = open_window()
    battery = [False]
    pause = BatteryPause(
        opened.window.settings,
        opened.window.parts.reader,
        opened.worker.send,
        opened.window,
        lambda: battery[0],
    )
    opened.worker.sent.clear()
    for state, expected in ((False, []), (True, [messages.Pause]), (True, [messages.Pause])):
        battery[0] = state
        pause.check()
        answered: list = []
        opened.window.parts.reader.ask("", lambda desk: True, answered.append)
        until(lambda: bool(answered))  # noqa: B023
        assert [type(request) for request in opened.worker.sent] == expected
    opened.window.settings.pause_on_battery = False
    pause.check()
    until(lambda: len(opened.worker.sent) == 2)
    assert isinstance(opened.worker.sent[-1], messages.Resume)


def test_a_models_warning_stands_beside_it(open_window: Callable[..., Open]) -> None:
    opened = open_window()
    for name in ("good", "deaf"):
        make_model_folder(opened.data, name)
    warning = {"warning": "it ranks no better than chance"}
    (opened.data / "models" / "deaf" / catalog.CHECK).write_text(json.dumps(warning))
    opened.window.preferences.look_for_models()
    until(lambda: "deaf" in opened.window.preferences.offers.warnings)
    state = messages.ModelState("good", "ready", "cpu")
    opened.window.take_worker_report(state)
    page = open_page(opened)
    assert not page.warning.isVisible()
    pick(page, "model", "deaf")
    assert page.warning.isVisible()
    assert "no better than chance" in page.warning.text()
    pick(page, "model", "good")
    assert not page.warning.isVisible()
    page.close()
