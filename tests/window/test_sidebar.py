"""The panel at the left: where its arrows stand, and rows that are dropped on it."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QTreeWidgetItem

from soundsearch.window.popups import NamePopup
from soundsearch.window.sidebar_tree import SCOPE
from tests.window.conftest import Open, until


@pytest.fixture
def opened(open_window: Callable[..., Open]) -> Open:
    return open_window(auto_play=False)


def item_of(opened: Open, label: str) -> QTreeWidgetItem:
    tree = opened.window.sidebar.tree
    return tree.findItems(label, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)[0]


def drop(opened: Open, label: str, monkeypatch: pytest.MonkeyPatch, *rows: int) -> bool:
    """Drags rows of the list onto an item; whether the panel takes them there."""
    view, tree = opened.window.view, opened.window.sidebar.tree
    results = opened.window.model
    view.dragged = [match for row in rows if (match := results.match_at(row)) is not None]
    place = tree.visualItemRect(item_of(opened, label)).center()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/somewhere/a.wav")])
    buttons, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for kind in (QDragEnterEvent, QDragMoveEvent, QDropEvent):
        monkeypatch.setattr(kind, "source", lambda event: view)
    enter = QDragEnterEvent(place, Qt.DropAction.CopyAction, data, buttons, none)
    tree.dragEnterEvent(enter)
    assert enter.isAccepted()
    move = QDragMoveEvent(place, Qt.DropAction.CopyAction, data, buttons, none)
    tree.dragMoveEvent(move)
    last = QDropEvent(place, Qt.DropAction.CopyAction, data, buttons, none)
    tree.dropEvent(last)
    view.dragged = []
    assert move.isAccepted() == last.isAccepted()
    return last.isAccepted()


def test_rows_are_dropped_on_a_collection(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened.window.keeping
    made._collect("Trailer hits", ())
    until(lambda: len(made.made.collections) == 1)
    assert drop(opened, "Trailer hits", monkeypatch, 0, 2)
    until(lambda: made.made.collections[0].sounds == 2)
    assert "Trailer hits" in opened.window.notice.text.text()


def test_rows_are_dropped_on_favourites(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drop(opened, "Favourites", monkeypatch, 1)
    match = opened.window.model.match_at(1)
    assert match is not None
    until(lambda: opened.window.rows.favourites == {match.sound_id})


def test_rows_are_dropped_on_a_tag(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    match = opened.window.model.match_at(0)
    assert match is not None
    opened.window.view.go_to(0)
    opened.window.keeping._change(lambda desk: desk.person.add_tag(match.identity, match.path, "x"))  # type: ignore[union-attr]
    until(lambda: opened.window.keeping.made.tags == {"x": 1})
    assert drop(opened, "x", monkeypatch, 1, 2)
    until(lambda: opened.window.keeping.made.tags == {"x": 3})
    assert opened.window.notice.text.text() == "2 tagged x"


def test_rows_on_the_heading_make_a_new_collection(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drop(opened, "Collections", monkeypatch, 0)
    until(lambda: bool(opened.window.findChildren(NamePopup)))
    popup = opened.window.findChildren(NamePopup)[0]
    popup.field.setText("Doors")
    popup.field.returnPressed.emit()
    until(
        lambda: (
            [(c.name, c.sounds) for c in opened.window.keeping.made.collections] == [("Doors", 1)]
        )
    )


def test_folders_take_no_rows(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not drop(opened, "All sounds", monkeypatch, 0)
    assert not drop(opened, "My Sounds", monkeypatch, 0)


def test_what_comes_from_elsewhere_goes_to_the_window(opened: Open) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/somewhere")])
    event = QDragEnterEvent(
        QPoint(20, 20),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    opened.window.sidebar.tree.dragEnterEvent(event)
    assert not event.isAccepted()


def test_the_arrow_opens_a_folder_and_its_name_chooses_it(
    open_window: Callable[..., Open], qtbot
) -> None:
    opened = open_window(("Drums/kick.wav", "Pads/warm.wav"), auto_play=False)
    tree = opened.window.sidebar.tree
    item = item_of(opened, "My Sounds")
    rect = tree.visualItemRect(item)
    qtbot.mouseClick(
        tree.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(rect.left(), rect.center().y())
    )
    assert item.isExpanded()
    assert opened.window.sidebar.scope().kind == "all"
    inside = item.child(0)
    assert inside.data(0, SCOPE).label == "Drums"
    rect = tree.visualItemRect(inside)
    qtbot.mouseClick(
        tree.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(rect.left() + 30, rect.center().y())
    )
    assert opened.window.sidebar.scope().label == "Drums"
