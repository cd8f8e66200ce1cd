"""The page of models: what it tells, and what its buttons do, with the real command line."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton

from soundsearch.models import catalog
from soundsearch.models.known import known
from soundsearch.window.models_page import ModelsPage
from soundsearch.window.settings_page import SettingsPage
from soundsearch.worker import messages
from tests.models.small import small_model
from tests.window.conftest import Open, until

LONG = 300_000  # milliseconds: torch is loaded on a busy machine


@pytest.fixture
def opened(open_window: Callable[..., Open], tmp_path: Path) -> Open:
    salsa = known("salsa")
    assert salsa is not None
    data = tmp_path / "data"
    data.mkdir()
    flops = salsa.flop / salsa.shares[0] / 10
    machine = {"device": "cpu", "flops": flops, "bfloat16": 0.0, "when": time.time()}
    (data / "speed.json").write_text(json.dumps({"machine": machine}))
    for name in ("one", "two"):
        small_model(data / "models" / name, name=name)
    (data / "models" / "two" / catalog.CHECK).write_text('{"warning": "deaf"}')
    catalog.use(data, "one")
    return open_window()


def open_page(opened: Open) -> ModelsPage:
    opened.window.show_settings_page()
    (settings,) = opened.window.findChildren(SettingsPage)
    buttons = settings.findChildren(QPushButton)
    next(button for button in buttons if button.text() == "Models…").click()
    (page,) = settings.findChildren(ModelsPage)
    until(lambda: has_button(page, "Use two"))
    return page


def has_button(page: ModelsPage, name: str) -> bool:
    return any(b.accessibleName() == name for b in page.findChildren(QPushButton) if b.isVisible())


def press(page: ModelsPage, name: str) -> None:
    buttons = [b for b in page.findChildren(QPushButton) if b.isVisible()]
    next(b for b in buttons if b.accessibleName() == name).click()


def texts(page: ModelsPage) -> str:
    return "\n".join(label.text() for label in page.findChildren(QLabel) if label.isVisible())


def test_what_is_told_and_used(opened: Open) -> None:
    page = open_page(opened)
    told = texts(page)
    # Six sounds of one to six seconds, each padded to ten, at a second a second.
    assert "Your 6 sounds: a minute or less (1 s of sound/s, estimated)" in told
    assert "about 3.1 GB of memory (estimated)" in told
    assert "no licence stated by its authors" in told
    assert "mAP@10 40.11" in told
    assert "Be careful: deaf" in told
    assert not has_button(page, "Use one")  # it is in use
    press(page, "Use two")
    until(lambda: catalog.in_use(opened.data) == "two")
    until(lambda: messages.SwitchModel("two") in opened.worker.sent)
    page.close()


def test_a_model_is_removed_after_a_question(opened: Open) -> None:
    page = open_page(opened)
    press(page, "Remove… two")
    until(lambda: bool(page.findChildren(QMessageBox)))
    (question,) = page.findChildren(QMessageBox)
    next(b for b in question.findChildren(QPushButton) if b.text() == "Remove").click()
    until(lambda: not (opened.data / "models" / "two").exists())
    until(lambda: not has_button(page, "Use two"))
    assert "two is removed" in texts(page)
    page.close()


def test_what_it_knows_goes_with_it_when_that_is_wished(opened: Open) -> None:
    vectors = [opened.data / "embeddings" / f"{name}-0123456789" for name in ("two", "lost")]
    for folder in vectors:
        folder.mkdir(parents=True)
        (folder / "vectors.f16").write_bytes(b"x" * 3_000_000)
    page = open_page(opened)
    assert "What it knew of your sounds is kept: 3 MB" in texts(page)  # of the lost one
    press(page, "Remove… two")
    until(lambda: bool(page.findChildren(QMessageBox)))
    (question,) = page.findChildren(QMessageBox)
    wish = question.checkBox()
    assert "(3 MB)" in wish.text()
    assert not wish.isChecked()
    wish.setChecked(True)
    next(b for b in question.findChildren(QPushButton) if b.text() == "Remove").click()
    until(lambda: not vectors[0].exists())
    assert not (opened.data / "models" / "two").exists()
    assert vectors[1].exists()
    until(lambda: not has_button(page, "Use two"))

    until(lambda: not page.findChildren(QMessageBox) and has_button(page, "Forget… lost"))
    press(page, "Forget… lost")
    until(lambda: bool(page.findChildren(QMessageBox)))
    (question,) = page.findChildren(QMessageBox)
    next(b for b in question.findChildren(QPushButton) if b.text() == "Forget").click()
    until(lambda: not vectors[1].exists())
    until(lambda: has_button(page, "Download salsa") and not has_button(page, "Forget… lost"))
    assert "What lost knew is forgotten" in texts(page)
    page.close()


def test_a_broken_model_is_told_and_can_be_removed(opened: Open) -> None:
    broken = opened.data / "models" / "torn"
    broken.mkdir()
    (broken / "model.json").write_text("{")
    page = open_page(opened)
    told = texts(page)
    assert "Can't be used" in told
    assert f"The model in {broken} can't be used (weights.safetensors is missing)" in told
    assert not has_button(page, "Use torn")
    press(page, "Remove… torn")
    until(lambda: bool(page.findChildren(QMessageBox)))
    (question,) = page.findChildren(QMessageBox)
    assert question.checkBox() is None
    next(b for b in question.findChildren(QPushButton) if b.text() == "Remove").click()
    page.close()  # before it is told that it is done
    until(lambda: not broken.exists())


def test_files_are_imported_by_the_command_line(opened: Open, tmp_path: Path) -> None:
    page = open_page(opened)
    folder = small_model(tmp_path / "Stick" / "brought here", name="brought")
    page.import_files([str(folder / "model.json")])
    assert page.cancel.isVisible()
    assert not any(
        button.isEnabled()
        for button in page.findChildren(QPushButton)
        if button.isVisible() and button is not page.cancel
    )
    until(lambda: not page.command.is_running, LONG)
    until(lambda: has_button(page, "Use brought-here"))
    assert not page.cancel.isVisible()

    page.import_files([str(tmp_path / "missing.ckpt")])
    until(lambda: not page.command.is_running, LONG)
    assert "missing.ckpt is not there" in page.line.text()
    page.close()


def test_closing_the_page_ends_what_it_runs(opened: Open, tmp_path: Path) -> None:
    page = open_page(opened)
    page.import_files([str(tmp_path / "x.ckpt")])
    assert page.command.is_running
    command = page.command
    page.cancel.click()
    assert not command.is_running
    until(lambda: "Stopped" in page.line.text())
    page.close()
