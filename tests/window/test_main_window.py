import json
import logging
import os
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAccessible, QAction, QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QFileDialog, QMenu, QWidget

from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.models import catalog
from soundsearch.player import messages as player_messages
from soundsearch.search.ranking import Answer
from soundsearch.settings import Settings, load_settings
from soundsearch.window.bridge import Reader
from soundsearch.window.main_window import MainWindow
from soundsearch.window.pages import SHORTCUTS
from soundsearch.window.preferences import Parts
from soundsearch.window.results_model import key_of
from soundsearch.window.sidebar import folder_scope
from soundsearch.worker import messages
from tests.window.conftest import (
    ODD_NAMES,
    FakePlayer,
    FakeWorker,
    Open,
    make_match,
    make_model_folder,
    until,
)


def answer_of(one: Open, *numbers: int, **changes) -> Answer:
    """The worker's answer: these sounds of the library in this order."""
    model = one.window.model
    known = {}
    for row in range(model.rowCount()):
        match = model.match_at(row)
        if match:
            known[key_of(match)] = match
    return Answer(tuple(known.get(n) or make_match(n) for n in numbers), **changes)


def type_and_wait(one: Open, qtbot, text: str) -> messages.Search:
    """Types and returns what the worker is then asked."""
    before = len(one.worker.of(messages.Search))
    qtbot.keyClicks(one.window.bar.field, text)
    until(lambda: len(one.worker.of(messages.Search)) > before)
    return one.worker.of(messages.Search)[-1]


def keys(one: Open) -> list[int | None]:
    model = one.window.model
    return [model.key(row) for row in range(model.rowCount())]


def chooser(one: Open, does: Callable[[], object]) -> Iterator[QFileDialog]:
    """The dialog for a folder that something opens; closed afterwards."""
    does()
    dialog = one.window.findChild(QFileDialog)
    assert dialog is not None
    yield dialog
    dialog.reject()
    until(lambda: one.window.findChild(QFileDialog) is None)


def test_an_empty_field_shows_the_whole_library_by_name(open_window) -> None:
    one = open_window()
    model = one.window.model
    until(lambda: None not in [model.match_at(row) for row in range(len(ODD_NAMES))])
    assert one.names() == sorted(one.names(), key=str.lower)
    assert one.window.count.text() == "6 sounds · by name"


def test_names_answer_at_once_and_sounds_join(open_window, qtbot) -> None:
    one = open_window()
    qtbot.wait(30)
    everything = answer_of(one, 6, 5, 1)
    one.window.take_worker_report(messages.ModelState("starter", "ready", "cpu"))
    search = type_and_wait(one, qtbot, "rain")
    until(lambda: one.names() == ["rain on tin roof.wav"])
    assert search.query.words == ("rain",)
    one.window.take_worker_report(messages.Matches(search.id, everything))
    assert keys(one) == [6, 5, 1]
    assert one.window.count.text() == "3 matches · best first"


def test_an_answer_to_an_older_question_is_dropped(open_window, qtbot) -> None:
    one = open_window()
    first = type_and_wait(one, qtbot, "rain")
    second = type_and_wait(one, qtbot, "y")
    assert second.id != first.id
    one.window.take_worker_report(messages.Matches(second.id, answer_of(one, 1, 2)))
    one.window.take_worker_report(messages.Matches(first.id, answer_of(one, 3)))
    assert keys(one) == [1, 2]


def test_the_selection_stays_with_its_sound(open_window, qtbot) -> None:
    one = open_window()
    search = type_and_wait(one, qtbot, "metallic")
    until(lambda: keys(one) == [5])
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Down)
    assert one.window.view.current_match().sound_id == 5
    played = len(one.player.played)
    one.window.take_worker_report(messages.Matches(search.id, answer_of(one, 2, 5, 1)))
    assert keys(one) == [5, 2, 1]  # nothing moves above what was looked at
    assert one.window.view.selected_rows() == [0]
    assert len(one.player.played) == played  # and nothing plays by itself


def test_a_new_question_begins_at_its_first_row(open_window, qtbot) -> None:
    one = open_window(names=("rain.wav", "rain on tin.wav"))
    type_and_wait(one, qtbot, "tin")
    until(lambda: keys(one) == [2])
    one.window.bar.field.selectAll()
    type_and_wait(one, qtbot, "rain")
    until(lambda: keys(one) == [1, 2])
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Down)
    assert one.window.view.current_match().sound_id == 1  # not 2, the first of before


def test_a_key_goes_to_the_first_row_also_when_sounds_came_above_it(open_window, qtbot) -> None:
    one = open_window()
    search = type_and_wait(one, qtbot, "metallic")
    until(lambda: keys(one) == [5])
    one.window.take_worker_report(messages.Matches(search.id, answer_of(one, 2, 5, 1)))
    assert keys(one) == [2, 5, 1]  # nobody went to a row yet
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Down)
    assert one.window.view.current_match().sound_id == 2


def test_a_sound_far_down_does_not_hold_the_keys_of_a_new_question(open_window, qtbot) -> None:
    one = open_window(names=("last drum.wav", *(f"drum {number}.wav" for number in range(60))))
    type_and_wait(one, qtbot, "last")
    until(lambda: keys(one) == [1])
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Down)
    one.window.bar.field.selectAll()
    search = type_and_wait(one, qtbot, "drum")
    until(lambda: keys(one) != [1])
    one.window.take_worker_report(messages.Matches(search.id, answer_of(one, *range(2, 62), 1)))
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Down)
    assert one.window.view.currentIndex().row() == 0  # what is seen, not the row below the old one


def test_while_the_model_loads_an_empty_list_says_so(open_window, qtbot) -> None:
    one = open_window()
    one.window.take_worker_report(messages.ModelState("starter", "loading"))
    type_and_wait(one, qtbot, "dinosaur")
    until(lambda: "the model is loaded" in one.window.view._empty_text)
    one.window.take_worker_report(messages.ModelState("starter", "ready", "cpu"))
    until(lambda: one.window.view._empty_text == "Listening…")


def test_nothing_really_matches(open_window, qtbot) -> None:
    one = open_window()
    search = type_and_wait(one, qtbot, "dinosaur")
    one.window.take_worker_report(
        messages.Matches(search.id, answer_of(one, 2, nothing_matches=True))
    )
    assert one.window.count.text().startswith("Nothing here really matches")


def test_arrow_keys_play_while_the_field_keeps_the_focus(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    field = one.window.bar.field
    qtbot.keyClick(field, Qt.Key.Key_Down)
    qtbot.keyClick(field, Qt.Key.Key_Down)
    assert [os.path.basename(path) for path, _ in one.player.played] == [
        os.fsencode(match.path).rpartition(b"/")[2]
        for match in (one.window.model.match_at(0), one.window.model.match_at(1))
    ]
    assert one.player.played[0][1] == pytest.approx(0.01)  # leading silence is skipped
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert len(one.player.played) == 3


def test_without_auto_play_only_enter_plays(open_window, qtbot) -> None:
    one = open_window(auto_play=False)
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Down)
    assert one.player.played == []
    assert one.window.panel.shown is not None
    qtbot.keyClick(one.window.bar.field, Qt.Key.Key_Return)
    assert len(one.player.played) == 1


def test_long_sounds_begin_at_their_best_moment(open_window, qtbot) -> None:
    one = open_window()
    one.window.model.show_matches([make_match(1, duration=252.0, start=151.0)])
    one.window.view.go_to(0)
    assert one.player.played[-1][1] == 151.0
    assert one.window.panel.waveform.best == 151.0


def test_loudness_is_matched_unless_not_wanted(open_window) -> None:
    one = open_window()
    one.window.model.show_matches([make_match(1, loudness=-30.0, peak=0.1)])
    one.window.view.go_to(0)
    assert one.player.calls[-1][1]["gain"] == pytest.approx(10 ** (12 / 20))
    one.window.preferences.set_match_loudness(False)
    one.window.view.go_to(0)
    assert one.player.calls[-1][1]["gain"] == 1.0


def test_what_plays_shows_in_the_strip(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(0)
    number = len(one.player.played)
    panel = one.window.panel
    one.window.take_player_report(player_messages.Playing(number, 1.0, 0.0))
    one.window.take_player_report(player_messages.Position(number, 0.5))
    assert panel.playing
    assert panel.waveform.playhead == pytest.approx(0.5, abs=0.05)
    one.window.take_player_report(player_messages.Ended(number - 1))  # an older sound's end
    assert panel.playing
    one.window.take_player_report(player_messages.Ended(number))
    assert not panel.playing


def test_a_sound_that_cannot_be_played_says_why(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(2)
    number = len(one.player.played)
    one.window.take_player_report(player_messages.Failed(number, "The file is cut short"))
    key = one.window.model.key(2)
    assert one.window.view.row_delegate.troubles[key] == "The file is cut short"
    assert one.window.panel.waveform.message == "The file is cut short"
    one.window.view.go_to(3)  # and the list goes on
    assert len(one.player.played) == number + 1


def test_without_an_output_the_row_is_not_to_blame(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(2)
    number = len(one.player.played)
    one.window.take_player_report(
        player_messages.Failed(number, "No audio output was found", "output")
    )
    assert one.window.view.row_delegate.troubles == {}
    assert one.window.status.output.text() == "no sound output"


def test_space_plays_and_stops_in_the_list_and_types_in_the_field(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(0)
    one.window.view.setFocus()
    qtbot.keyClick(one.window.view, Qt.Key.Key_Space)
    assert one.player.calls[-1] == ("stop",)
    qtbot.keyClick(one.window.view, Qt.Key.Key_Space)
    assert one.player.calls[-1][0] == "play"
    qtbot.keyClick(one.window.view, "x")
    assert one.window.bar.field.text() == "x"
    assert one.window.bar.field.hasFocus()


def test_favourites_are_kept_by_sound(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(0)
    sound = one.window.view.current_match()
    qtbot.keyClick(one.window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert one.window.view.row_delegate.favourites == {sound.sound_id}

    def kept() -> bool:
        with UserData.open(one.data) as person:
            return person.favourites() == {sound.identity}

    until(kept)
    again = open_window()
    until(lambda: again.window.view.row_delegate.favourites == {sound.sound_id})
    again.window.sidebar.tree.setCurrentItem(again.window.sidebar._collections.child(0))
    again.wait_for_rows(1)


def test_copied_paths_are_those_of_the_files(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.selectAll()
    one.window.rows.copy_paths()
    copied = QGuiApplication.clipboard().text()
    assert all(os.fspath(one.sounds / name) in copied for name in ODD_NAMES)


def test_ctrl_c_in_the_field_copies_its_text_when_some_is_selected(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(0)
    field = one.window.bar.field
    field.setText("some words")
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "some words"
    field.deselect()
    qtbot.keyClick(field, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().startswith(os.fspath(one.sounds))


def test_more_like_this_puts_the_sound_into_the_query(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    one.window.view.go_to(1)
    identity = one.window.view.current_match().identity
    qtbot.keyClick(one.window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    (example,) = one.worker.of(messages.Search)[-1].query.examples
    assert (example.sound, example.weight) == (identity, 1.0)


def test_the_menu_has_every_action_of_a_row(open_window, qtbot) -> None:
    one = open_window()
    one.window.view.go_to(0)
    texts = [action.text() for action in one.window.rows.menu().actions() if action.text()]
    assert texts == [
        "Play",
        "Favourite",
        "More like this",
        "Less like this",
        "Copy path",
        "Show in the file manager",
        "Tags…",
        "Rating",
        "Add to collection",
    ]


def drop(window: QWidget, urls: list[QUrl], action: Qt.DropAction) -> QDropEvent:
    data = QMimeData()
    data.setUrls(urls)
    buttons, modifiers = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    actions = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
    enter = QDragEnterEvent(QPoint(9, 9), actions, data, buttons, modifiers)
    enter.setDropAction(action)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    event = QDropEvent(QPointF(9, 9), actions, data, buttons, modifiers)
    event.setDropAction(action)
    QApplication.sendEvent(window, event)
    return event


def test_dropped_folders_are_added_and_never_moved(open_window, tmp_path) -> None:
    one = open_window()
    folder = tmp_path / "Neue #1 Töne"
    folder.mkdir()
    event = drop(one.window, [QUrl.fromLocalFile(str(folder))], Qt.DropAction.MoveAction)
    # A move that is accepted makes Windows delete the folder.
    assert event.dropAction() == Qt.DropAction.CopyAction
    assert one.worker.of(messages.AddFolder) == []  # the file manager isn't kept waiting
    until(lambda: one.worker.of(messages.AddFolder) == [messages.AddFolder(str(folder))])


def test_a_dropped_file_becomes_an_example(open_window, tmp_path) -> None:
    one = open_window()
    file = tmp_path / "like this.wav"
    file.write_bytes(b"RIFF")
    drop(one.window, [QUrl.fromLocalFile(str(file))], Qt.DropAction.CopyAction)
    until(lambda: bool(one.worker.of(messages.Search)))
    (example,) = one.worker.of(messages.Search)[-1].query.examples
    assert example.path == os.fsencode(file)


def test_the_first_start_offers_a_folder_and_the_demo(open_window, qtbot) -> None:
    one = open_window(names=())
    until(lambda: one.window.welcome.isVisible())
    assert one.window.welcome.choose.isVisible()
    assert one.window.welcome.demo.isVisible()
    assert not one.window.panel.isVisible()
    one.window.folders.add([str(one.sounds)])
    assert one.worker.of(messages.AddFolder) == [messages.AddFolder(str(one.sounds))]
    assert not one.window.welcome.isVisible()


def test_a_removed_folder_can_be_had_back(open_window) -> None:
    one = open_window()
    one.window.folders.remove(str(one.sounds))
    assert one.worker.of(messages.RemoveFolder) == [messages.RemoveFolder(str(one.sounds))]
    assert one.window.notice.isVisible()
    one.window.notice.action.click()
    assert one.worker.of(messages.AddFolder) == [messages.AddFolder(str(one.sounds))]


def test_folders_are_chosen_where_sounds_may_be(open_window, tmp_path) -> None:
    one = open_window()
    for dialog in chooser(one, one.window.folders.choose):
        assert dialog.directory().absolutePath() != os.getcwd()
    old = tmp_path / "moved" / "Old Drums"
    old.parent.mkdir()
    for dialog in chooser(one, lambda: one.window.folders.locate(str(old))):
        assert dialog.directory().absolutePath() == str(old.parent)


def test_favourites_of_a_removed_folder_are_not_told_to_be_none(open_window, tmp_path) -> None:
    one = open_window()
    one.window.view.go_to(0)
    one.window.rows.toggle_favourite()
    other = tmp_path / "Others"
    other.mkdir()
    with Library.open(one.data, write=True) as library:
        library.remove_root(os.fsencode(one.sounds))
        library.add_root(os.fsencode(other))
    one.window.refresh()
    until(lambda: not one.window.model.rowCount())
    tree = one.window.sidebar.tree
    tree.setCurrentItem(tree.findItems("Favourites", Qt.MatchFlag.MatchRecursive)[0])
    until(lambda: "(1)" in one.window.view._empty_text)
    assert "lies in folders that SoundSearch doesn't have now" in one.window.view._empty_text


def test_the_last_folder_that_goes_leaves_the_keyboard_to_the_field(open_window) -> None:
    one = open_window()
    one.window.activateWindow()
    one.window.sidebar.tree.setFocus()
    until(lambda: one.window.sidebar.tree.hasFocus())
    with Library.open(one.data, write=True) as library:
        library.remove_root(os.fsencode(one.sounds))
    one.window.refresh()
    until(lambda: one.window.welcome.isVisible())
    assert one.window.bar.field.hasFocus()


def test_one_folder_or_all_are_looked_at(open_window) -> None:
    one = open_window()
    sidebar = one.window.sidebar
    for scope, request in (
        (folder_scope("My Sounds", str(one.sounds)), messages.Scan((str(one.sounds),))),
        (None, messages.Scan()),
    ):
        menu = sidebar.menu_for(scope)
        next(a for a in menu.actions() if a.text() == "Look for changes").trigger()
        assert one.worker.sent[-1] == request


def test_folders_below_folders_limit_the_list(open_window, qtbot) -> None:
    one = open_window(names=("Kicks/a.wav", "Kicks/Deep/b.wav", "Snares/c.wav"))
    sidebar = one.window.sidebar
    root = sidebar._places.child(1)
    assert root.text(0) == "My Sounds"
    root.setExpanded(True)
    assert [root.child(i).text(0) for i in range(root.childCount())] == ["Kicks", "Snares"]
    sidebar.tree.setCurrentItem(root.child(0))
    one.wait_for_rows(2)
    root.child(0).setExpanded(True)
    sidebar.tree.setCurrentItem(root.child(0).child(0))
    one.wait_for_rows(1)
    one.window.refresh()  # what was chosen and open stays so
    until(lambda: sidebar._places.child(1) is not root)
    assert sidebar.scope().label == "Deep"
    one.wait_for_rows(1)
    sidebar.show_all()
    one.wait_for_rows(3)


def test_sorted_by_length_and_date(open_window, qtbot) -> None:
    one = open_window()
    one.window._sort_changed("-duration")
    until(lambda: keys(one) == [6, 5, 4, 3, 2, 1])
    one.window._sort_changed("duration")
    until(lambda: keys(one) == [1, 2, 3, 4, 5, 6])
    one.window._filters_changed("dur:<3")
    until(lambda: keys(one) == [1, 2])


def test_what_the_worker_tells_stands_in_the_status_line(open_window) -> None:
    one = open_window()
    status = one.window.status
    one.window.take_worker_report(messages.ModelState("starter", "loading"))
    assert status.model.text() == "loading starter…"
    one.window.take_worker_report(messages.ScanProgress(True, False, 48214, 18204, 0, 212.4, 130.0))
    assert status.text.text() == "Indexing 18,204 of 48,214 · 212 files/s · 2 min left"
    status.pause.click()
    assert isinstance(one.worker.sent[-1], messages.Pause)
    one.window.take_worker_report(messages.ScanProgress(True, True, 48214, 18204, 0, 212.4, 130.0))
    status.pause.click()
    assert isinstance(one.worker.sent[-1], messages.Resume)
    one.window.take_worker_report(messages.ScanProgress(False, False, 1, 1, 0, 0.0, None))
    assert not status.bar.isVisible()
    one.window.take_player_report(player_messages.Output(None, "none", "There is no output device"))
    assert status.output.text() == "no sound output"


def menu_of(one: Open, name: str) -> dict[str, QAction]:
    menu = one.window.settings_menu()
    (found,) = (below for below in menu.findChildren(QMenu) if below.title() == name)
    return {action.text(): action for action in found.actions()}


def test_the_output_is_named_before_anything_plays(open_window) -> None:
    one = open_window()
    assert not one.window.status.output.isVisible()
    one.window.take_player_report(player_messages.Devices(("Speakers",), "Speakers"))
    assert one.window.status.output.text() == "Speakers"
    assert one.window.status.output.isVisible()
    one.window.take_player_report(player_messages.Output("USB", "open"))
    one.window.take_player_report(player_messages.Devices(("Speakers",), "Speakers"))
    assert one.window.status.output.text() == "USB"


def test_the_demo_keeps_the_keyboard_in_the_field(open_window, qtbot) -> None:
    one = open_window(names=())
    until(lambda: one.window.welcome.isVisible())
    one.window.folders.demo_runs.emit(True)
    assert not one.window.welcome.demo.isEnabled()
    assert one.window.focusWidget() is one.window.bar.field


def test_the_output_is_chosen_in_the_menu(open_window) -> None:
    one = open_window(output_device="USB Interface, ALSA")
    names = ("Speakers & more, ALSA", "Headphones, ALSA")
    one.window.take_player_report(player_messages.Devices(names, "Headphones, ALSA"))
    outputs = menu_of(one, "Output")
    assert list(outputs) == [
        "The system's default · Headphones, ALSA",
        "Speakers && more, ALSA",
        "Headphones, ALSA",
        "USB Interface, ALSA (not connected)",
    ]
    assert [text for text, a in outputs.items() if a.isChecked()][0].startswith("USB")
    outputs["Speakers && more, ALSA"].trigger()
    assert one.player.calls[-1] == ("set_device", "Speakers & more, ALSA", False)
    menu_of(one, "Output")["The system's default · Headphones, ALSA"].trigger()
    assert one.player.calls[-1] == ("set_device", None, False)
    one.window.close()
    assert load_settings(one.data).output_device == ""


def test_an_output_that_goes_away_is_told_once(open_window) -> None:
    one = open_window()
    note = "USB is not connected; playing through Speakers"
    one.window.take_player_report(player_messages.Output("USB", "lost", "USB went away"))
    assert one.window.notice.text.text() == "USB went away"
    one.window.take_player_report(player_messages.Output("Speakers", "open", note))
    assert one.window.notice.text.text() == note
    assert one.window.status.output.text() == "Speakers"
    one.window.notice.hide()
    one.window.take_player_report(player_messages.Output("Speakers", "closed"))
    one.window.take_player_report(player_messages.Output("Speakers", "open", note))
    assert not one.window.notice.isVisible()
    one.window.take_player_report(player_messages.Output("USB", "open"))
    assert one.window.status.output.text() == "USB"


def test_the_model_is_chosen_in_the_menu(open_window) -> None:
    one = open_window()
    for name in ("large", "small"):
        make_model_folder(one.data, name)
    one.window.take_worker_report(messages.Ready())
    one.window.take_worker_report(messages.ModelState("small", "ready", "cpu"))
    until(lambda: {"large", "small"} <= set(one.window.preferences.offers.models))
    models = menu_of(one, "Model")
    assert models["small"].isChecked()
    models["large"].trigger()
    until(lambda: one.worker.sent[-1] == messages.SwitchModel("large"))
    one.window.take_worker_report(messages.ModelState("small", "ready", "cpu", coming="large"))
    assert one.window.status.model.text() == "small · CPU · then large"
    assert menu_of(one, "Model")["large"].isChecked()
    assert one.window.searching.model_ready
    chosen = catalog.find(one.data, None)  # what the command line goes by
    assert chosen is not None
    assert chosen.name == "large"
    one.window.close()
    assert "model" not in json.loads((one.data / "settings.json").read_text())


def test_a_model_that_is_gone_is_told_and_not_used(open_window) -> None:
    one = open_window()
    one.window.preferences.set("model", "gone")
    until(lambda: "no model named gone" in one.window.notice.text.text())
    assert not one.worker.of(messages.SwitchModel)
    assert catalog.in_use(one.data) is None


def test_a_model_that_ranks_no_better_than_chance_is_told_once(open_window) -> None:
    one = open_window()
    warning = "it ranks 92 test sounds no better than chance would (mean place 49 of 100)"
    state = messages.ModelState("deaf", "ready", "cpu", warning=warning)
    one.window.take_worker_report(state)
    assert one.window.notice.text.text() == f"deaf: {warning}"
    assert "not to be trusted" in one.window.status.model.text()
    assert warning in one.window.status.model.toolTip()
    one.window.notice.hide()
    one.window.take_worker_report(state)
    assert not one.window.notice.isVisible()
    one.window.take_worker_report(messages.ModelState("good", "ready", "cpu"))
    assert one.window.status.model.text() == "good · CPU"
    assert one.window.status.model.objectName() == "quiet"


def test_what_the_worker_logs_is_in_the_log(open_window, caplog) -> None:
    one = open_window()
    one.window.take_worker_report(messages.Logged(logging.WARNING, "soundsearch.x", "a line"))
    assert ("soundsearch.x", logging.WARNING, "a line") in caplog.record_tuples


def test_new_sounds_appear_when_the_library_changes(open_window, qtbot) -> None:
    one = open_window()
    with Library.open(one.data, write=True) as library:
        library.db.execute("UPDATE files SET state = 'missing' WHERE name LIKE 'rain%'")
    one.window.take_worker_report(messages.LibraryChanged())
    one.wait_for_rows(len(ODD_NAMES) - 1)


def test_a_library_that_is_made_later_is_found(open_window, tmp_path) -> None:
    from tests.window.conftest import fill_library

    one = open_window(names=())
    until(lambda: one.window.welcome.isVisible())
    fill_library(one.data, one.sounds, ("a.wav", "b.wav"))
    one.window.take_worker_report(messages.LibraryChanged())
    one.wait_for_rows(2)
    assert not one.window.welcome.isVisible()


def test_the_first_window_fits_the_screen(qapp, tmp_path) -> None:
    reader = Reader(tmp_path)
    window = MainWindow(Parts(tmp_path, Settings(), reader, FakeWorker(), FakePlayer()))  # type: ignore[arg-type]
    room = window.screen().availableGeometry()  # at 200% often below 1240 x 760
    assert window.width() <= room.width()
    assert window.height() < room.height()  # the title is above it
    window.close()
    reader.close()
    window.deleteLater()


def test_settings_stay(open_window, qtbot) -> None:
    one = open_window()
    window = one.window
    window.preferences.set_compact(True)
    window._sort_changed("date")
    window._filters_changed("ch:2")
    window.panel.volume.setValue(30)
    window.panel.loop.setChecked(True)
    type_and_wait(one, qtbot, "rain")
    window.close()
    kept = load_settings(one.data)
    assert (kept.compact, kept.sort, kept.filters) == (True, "date", "ch:2")
    assert (kept.volume, kept.loop, kept.last_search) == (0.3, True, "rain")
    assert kept.geometry


@pytest.mark.parametrize("size", [(480, 360), (360, 300), (760, 520), (1920, 1080)])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_every_size(open_window, qtbot, size, theme) -> None:
    one = open_window(theme=theme)
    one.window.resize(*size)
    qtbot.wait(20)
    assert (one.window.width(), one.window.height()) == size
    assert one.window.sidebar.isVisible() == (size[0] >= 640)
    image = one.window.grab().toImage()
    assert image.pixelColor(2, 2).name() == one.window.theme.ground


def test_everything_that_takes_the_focus_has_a_name(open_window) -> None:
    one = open_window()
    window = one.window
    window.notice.tell("Something happened", "Undo", lambda: None)
    window.status.set_failures(3)
    window.take_worker_report(messages.ScanProgress(True, False, 9, 1, 0, 1.0, None))
    window.filters.show_below(window.filters_button)
    nameless = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible():
            continue
        if widget.focusPolicy() == Qt.FocusPolicy.NoFocus or widget.focusProxy() is not None:
            continue
        if widget.objectName().startswith("qt_"):
            continue  # parts of Qt's own widgets
        interface = QAccessible.queryAccessibleInterface(widget)
        if interface is None or not interface.text(QAccessible.Text.Name):
            nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
        if isinstance(widget, QAbstractButton) and interface is not None:
            assert interface.role() in (
                QAccessible.Role.Button,
                QAccessible.Role.CheckBox,
                QAccessible.Role.ButtonMenu,
            )
    window.filters.hide()
    assert ", ".join(nameless) == ""


def test_screen_readers_hear_the_rows(open_window, qtbot) -> None:
    one = open_window()
    qtbot.waitUntil(lambda: len(one.names()) == len(ODD_NAMES))
    table = QAccessible.queryAccessibleInterface(one.window.view)
    assert table.role() == QAccessible.Role.Table
    assert one.window.view.currentIndex().isValid()
    spoken = [table.child(n).text(QAccessible.Text.Name) for n in range(table.childCount())]
    assert any("in My Sounds" in text and "seconds" in text for text in spoken)


def test_the_focus_goes_from_the_field_to_the_list(open_window, qtbot) -> None:
    one = open_window()
    one.window.bar.field.setFocus()
    following = one.window.bar.field.nextInFocusChain()
    while following.focusPolicy() == Qt.FocusPolicy.NoFocus or not following.isVisible():
        following = following.nextInFocusChain()
    assert following is one.window.view


def test_f1_shows_every_shortcut(open_window, qtbot) -> None:
    one = open_window()
    qtbot.keyClick(one.window, Qt.Key.Key_F1)
    sheet = one.window.findChild(QDialog)
    assert sheet is not None
    assert sheet.isVisible()
    shown = " ".join(f"{keys} {what}" for keys, what in SHORTCUTS)
    shown = shown.replace("←", "Left").replace("→", "Right")
    first = [action.shortcut().toString() for action in one.window.actions()]
    known = {"Exit", *(f"Ctrl+{stars}" for stars in range(2, 6))}  # Ctrl+1 to 5; Quit
    assert [keys for keys in first if keys not in shown and keys not in known] == []
    sheet.close()


def test_a_worker_that_stopped_is_told(open_window) -> None:
    one = open_window()
    one.window.take_worker_report(messages.Failed("Another SoundSearch scans", "Close it"))
    assert one.window.notice.text.text() == "Another SoundSearch scans. Close it"
    one.window.take_worker_report(messages.Ready())
    assert not one.window.notice.isVisible()
    one.window.take_worker_report(messages.Stopped())
    assert one.window.status.model.text() == "search process stopped"


def test_the_list_does_not_jump_while_sounds_are_added(open_window, qtbot) -> None:
    letters = "abcdefghij"  # numbers would be takes
    one = open_window(names=tuple(f"m {a}{b}.wav" for a in letters for b in letters))
    view = one.window.view
    view.verticalScrollBar().setValue(40 * 46 + 11)
    top = one.window.model.key(view.rowAt(0))
    with Library.open(one.data, write=True) as library:
        library.db.execute("UPDATE files SET name = 'z' || name WHERE name < 'm ca'")
    one.window.take_worker_report(messages.LibraryChanged())
    until(lambda: one.window.model.row_of(top) == 20)
    assert one.window.model.key(view.rowAt(0)) == top
    assert view.verticalScrollBar().value() == 20 * 46 + 11
