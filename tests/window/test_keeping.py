"""Collections, tags, ratings and searches by the window; undo; copies, lists and exports."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from soundsearch.library.userdata import UserData
from soundsearch.search.query import Example
from soundsearch.window.chips import Chip
from soundsearch.window.popups import NamePopup, TagPopup
from soundsearch.window.search_bar import Asked
from soundsearch.window.sidebar import NOTE, SCOPE, Scope
from tests.window.conftest import ODD_NAMES, Open, until


def scopes(opened: Open, kind: str) -> dict[str, Scope]:
    """The scopes of a kind in the panel at the left, by label."""
    tree = opened.window.sidebar.tree
    found = {}
    for place in range(tree.topLevelItemCount()):
        section = tree.topLevelItem(place)
        for child in range(section.childCount()):
            scope = section.child(child).data(0, SCOPE)
            if scope.kind == kind:
                found[scope.label] = scope
    return found


def choose(opened: Open, kind: str, label: str) -> None:
    tree = opened.window.sidebar.tree
    for place in range(tree.topLevelItemCount()):
        section = tree.topLevelItem(place)
        for child in range(section.childCount()):
            scope = section.child(child).data(0, SCOPE)
            if (scope.kind, scope.label) == (kind, label):
                tree.setCurrentItem(section.child(child))
                return
    raise AssertionError(label)


def select(opened: Open, *rows: int) -> list[str]:
    view = opened.window.view
    view.go_to(rows[0])
    for row in rows[1:]:
        flag = view.selectionModel().SelectionFlag
        view.selectionModel().select(view.results().index(row, 0), flag.Select | flag.Rows)
    return [match.name for match in view.selected_matches()]


def undo(opened: Open) -> None:
    until(lambda: opened.window.notice.isVisible())
    assert opened.window.notice.action.text() == "Undo"
    opened.window.notice.action.click()


def popup(kind: type) -> NamePopup | TagPopup:
    found: list = []

    def there() -> bool:
        found[:] = [
            widget
            for widget in QApplication.topLevelWidgets()
            if isinstance(widget, kind) and widget.isVisible()
        ]
        return bool(found)

    until(there)
    return found[0]


def enter(field: object, text: str) -> None:
    field.setText(text)  # type: ignore[attr-defined]
    QTest.keyClick(field, Qt.Key.Key_Return)  # type: ignore[arg-type]


@pytest.fixture
def opened(open_window: Callable[..., Open]) -> Open:
    return open_window(auto_play=False)


def test_a_collection_from_the_selection_to_its_end(opened: Open, tmp_path: Path) -> None:
    keeping = opened.window.keeping
    names = select(opened, 0, 2, 3)
    keeping._ask_collection(opened.window.view.selected_matches())
    enter(popup(NamePopup).field, 'Trailer "hits" & #1 🥁')
    assert opened.window.notice.text.text().startswith("3 added to Trailer")
    until(lambda: bool(scopes(opened, "collection")))
    (label,) = scopes(opened, "collection")
    choose(opened, "collection", label)
    opened.wait_for_rows(3)
    until(lambda: sorted(opened.names()) == sorted(names))
    # A sound is taken out, and comes back.
    select(opened, 1)
    scope = opened.window.sidebar.scope()
    keeping._take_out(scope, opened.window.view.selected_matches())
    opened.wait_for_rows(2)
    undo(opened)
    opened.wait_for_rows(3)
    keeping.do("rename", scope)
    enter(popup(NamePopup).field, "Hits")
    until(lambda: "Hits" in scopes(opened, "collection"))
    # The scope has another name now; the list is what the panel shows.
    choose(opened, "collection", "Hits")
    opened.wait_for_rows(3)
    # Copies, and a list; the second time nothing is overwritten.
    hits = scopes(opened, "collection")["Hits"]
    for count in (3, 6):
        keeping.copy_to(hits, tmp_path / "out")
        until(lambda count=count: _files(tmp_path / "out") == count and not keeping._copying)
    keeping.copy_to(hits, opened.sounds / "new")
    until(lambda: "never writes" in opened.window.notice.text.text())
    assert not (opened.sounds / "new").exists()
    keeping.write_list(hits, tmp_path / "list.csv")
    until(lambda: (tmp_path / "list.csv").exists())
    with open(tmp_path / "list.csv", encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    # The whole collection goes, and comes back.
    keeping.do("remove", hits)
    until(lambda: not scopes(opened, "collection"))
    opened.wait_for_rows(len(ODD_NAMES))
    undo(opened)
    until(lambda: "Hits" in scopes(opened, "collection"))
    choose(opened, "collection", "Hits")
    opened.wait_for_rows(3)


def _files(folder: Path) -> int:
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_tags_of_many_sounds_at_once(opened: Open) -> None:
    keeping = opened.window.keeping
    select(opened, 0, 1, 2)
    keeping.edit_tags()
    tags = popup(TagPopup)
    enter(tags.field, "rain, größer 100%")
    until(lambda: set(scopes(opened, "tag")) == {"rain", "größer 100%"})
    tags.close()
    choose(opened, "tag", "größer 100%")
    opened.wait_for_rows(3)
    # One of them loses a tag; the others keep it.
    select(opened, 0)
    keeping.edit_tags()
    tags = popup(TagPopup)
    tags.removed.emit("rain")
    until(lambda: _note(opened, "tag", "rain") == "2")
    tags.close()
    undo(opened)
    until(lambda: _note(opened, "tag", "rain") == "3")
    keeping.do("untag", scopes(opened, "tag")["rain"])
    until(lambda: set(scopes(opened, "tag")) == {"größer 100%"})
    undo(opened)
    until(lambda: _note(opened, "tag", "rain") == "3")


def _note(opened: Open, kind: str, label: str) -> str:
    tree = opened.window.sidebar.tree
    for place in range(tree.topLevelItemCount()):
        section = tree.topLevelItem(place)
        for child in range(section.childCount()):
            scope = section.child(child).data(0, SCOPE)
            if (scope.kind, scope.label) == (kind, label):
                return str(section.child(child).data(0, NOTE))
    return ""


def test_ratings(opened: Open) -> None:
    keeping = opened.window.keeping
    (name,) = select(opened, 1)
    keeping.rate(4)
    until(lambda: "Rated" in scopes(opened, "rated"))
    match = opened.window.view.current_match()
    assert match is not None
    assert opened.window.view.row_delegate.ratings == {match.sound_id: 4}
    choose(opened, "rated", "Rated")
    opened.wait_for_rows(1)
    assert opened.names() == [name]
    select(opened, 0)
    keeping.rate(0)
    until(lambda: not scopes(opened, "rated"))
    opened.wait_for_rows(len(ODD_NAMES))


def test_saved_and_recent_searches(opened: Open) -> None:
    keeping, bar = opened.window.keeping, opened.window.bar
    for text in ("rain", "kick #1"):
        keeping.remember(text)
    until(lambda: set(scopes(opened, "search")) == {"rain", "kick #1"})
    bar.field.setText("metal hit")
    bar.set_filters("dur:<5")
    keeping.do("save", None)
    enter(popup(NamePopup).field, "Metal, short")
    until(lambda: "Metal, short" in scopes(opened, "saved"))
    bar.clear()
    choose(opened, "saved", "Metal, short")
    assert bar.asked().text == "metal hit dur:<5"
    keeping.do("let go", scopes(opened, "saved")["Metal, short"])
    until(lambda: not scopes(opened, "saved"))
    undo(opened)
    until(lambda: "Metal, short" in scopes(opened, "saved"))
    keeping.do("forget", None)
    until(lambda: not scopes(opened, "search"))
    assert scopes(opened, "saved")
    undo(opened)
    until(lambda: set(scopes(opened, "search")) == {"rain", "kick #1"})


def test_a_saved_search_keeps_its_examples(opened: Open) -> None:
    keeping, bar = opened.window.keeping, opened.window.bar
    bar.field.setText("metal")
    more = Chip(Example(sound=b"s" * 16, weight=2.0), "anvil.wav")
    less = Chip(Example(path=b"/caf\xe9 #1.wav", start=0.5, end=1.25, weight=-1.0), "a\nb")
    bar.add_chip(more)
    bar.add_chip(less)
    keeping.do("save", None)
    field = popup(NamePopup).field
    assert field.text() == "metal + 2× anvil.wav − a b"
    enter(field, "Anvils")
    until(lambda: "Anvils" in scopes(opened, "saved"))
    opened.window._remember_search()
    bar.clear()
    choose(opened, "saved", "Anvils")
    assert bar.asked().text == "metal"
    assert bar.asked().chips == (more, less)
    bar.clear()
    bar.add_chip(more)  # without words
    opened.window._remember_search()
    until(lambda: "+ 2× anvil.wav" in scopes(opened, "search"))
    bar.clear()
    choose(opened, "search", "+ 2× anvil.wav")
    assert bar.asked() == Asked("", (more,))


def test_everything_goes_out_and_comes_in(opened: Open, tmp_path: Path) -> None:
    keeping = opened.window.keeping
    select(opened, 0, 1)
    keeping.rate(5)
    keeping._collect("Mine", opened.window.view.selected_matches())
    until(lambda: "Mine" in scopes(opened, "collection"))
    keeping.export_to(opened.sounds / "x.db")
    until(lambda: "never writes" in opened.window.notice.text.text())
    keeping.export_to(tmp_path / "everything.db")
    until(lambda: "everything.db" in opened.window.notice.text.text())
    with UserData.open(tmp_path / "other") as other:
        other.merge(tmp_path / "everything.db")
        other.add_tag(b"z" * 16, os.fsencode(tmp_path / "z.wav"), "from elsewhere")
        assert len(other.ratings()) == 2
        other.export(tmp_path / "back.db")
    keeping.import_from(tmp_path / "back.db")
    until(lambda: "from elsewhere" in scopes(opened, "tag"))
    (tmp_path / "no.db").write_text("not a database")
    keeping.import_from(tmp_path / "no.db")
    until(lambda: "holds no favourites" in opened.window.notice.text.text())


def test_every_action_is_in_the_menu(opened: Open) -> None:
    select(opened, 0)
    texts = [action.text() for action in opened.window.rows.menu().actions()]
    for name in ("Tags…", "Rating", "Add to collection"):
        assert name in texts
    menu = opened.window.sidebar.menu_for(Scope("collection", "Mine", id=3))
    assert [action.text() for action in menu.actions()] == [
        "Rename…",
        "Copy the sounds to a folder…",
        "Export the list as CSV…",
        "Remove the collection",
    ]
