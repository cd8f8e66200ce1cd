import threading
from pathlib import Path

import pytest

from soundsearch.window.bridge import ANSWER, Desk, Reader, Wire
from tests.window.conftest import fill_library, until


@pytest.fixture
def reader(qtbot, tmp_path: Path):
    data, sounds = tmp_path / "data", tmp_path / "sounds"
    data.mkdir()
    sounds.mkdir()
    fill_library(data, sounds, ("a.wav", "b.wav"))
    reader = Reader(data)
    yield reader
    reader.close()


def test_results_and_errors_come_back_on_the_asking_thread(reader: Reader) -> None:
    seen: list = []

    def work(desk: Desk) -> str:
        assert threading.current_thread() is not threading.main_thread()
        assert desk.library is not None
        return f"{desk.library.counts()['files']} files"

    def fail(desk: Desk) -> None:
        raise ValueError("not so")

    reader.ask("", work, lambda result: seen.append((threading.current_thread(), result)))
    reader.ask("", fail, seen.append, lambda error: seen.append(str(error)))
    until(lambda: len(seen) == 2)
    assert seen == [(threading.main_thread(), "2 files"), "not so"]


def test_only_the_newest_question_of_a_topic_is_answered(reader: Reader) -> None:
    gate = threading.Event()
    seen: list = []
    begun: list[int] = []
    reader.ask("", lambda desk: gate.wait(10))
    for number in range(5):
        reader.ask("t", lambda desk, number=number: begun.append(number) or number, seen.append)
        reader.ask("", lambda desk, number=number: f"other {number}", seen.append)
    gate.set()
    until(lambda: len(seen) == 6)
    assert sorted(map(str, seen)) == ["4", *(f"other {number}" for number in range(5))]
    assert begun == [4]


def test_a_long_query_makes_way_for_the_next_question(reader: Reader) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    running = threading.Event()
    seen: list = []

    def count(desk: Desk) -> object:
        assert desk.library is not None
        running.set()
        return desk.library.db.execute(endless).fetchone()

    reader.ask(ANSWER, count, seen.append, seen.append)
    assert running.wait(10)
    threading.Event().wait(0.1)  # the query itself has begun
    reader.ask(ANSWER, lambda desk: "next", seen.append, seen.append)
    until(lambda: seen == ["next"])


def test_answers_go_before_other_reading(reader: Reader) -> None:
    gate = threading.Event()
    seen: list = []
    reader.ask("", lambda desk: gate.wait(10))
    reader.ask("", lambda desk: "envelopes", seen.append)
    reader.ask(ANSWER, lambda desk: "answer", seen.append)
    gate.set()
    until(lambda: len(seen) == 2)
    assert seen == ["answer", "envelopes"]


def test_what_is_dropped_is_not_answered(reader: Reader) -> None:
    seen: list = []
    reader.ask("t", lambda desk: 1, seen.append)
    reader.drop("t")
    reader.ask("", lambda desk: 2, seen.append)
    until(lambda: bool(seen))
    assert seen == [2]


def test_the_library_cannot_be_written_from_here(reader: Reader) -> None:
    seen: list = []

    def write(desk: Desk) -> None:
        assert desk.library is not None
        desk.library.db.execute("DELETE FROM files")

    reader.ask("", write, seen.append, lambda error: seen.append(type(error).__name__))
    until(lambda: bool(seen))
    assert seen == ["OperationalError"]


def test_reports_from_a_thread_arrive_in_order(qtbot) -> None:
    wire = Wire()
    seen: list[int] = []
    threads: set[threading.Thread] = set()

    def take(report: int) -> None:
        threads.add(threading.current_thread())
        seen.append(report)

    from PySide6.QtCore import QObject, Slot

    class Receiver(QObject):
        @Slot(object)
        def take(self, report: int) -> None:
            take(report)

    receiver = Receiver()
    wire.reported.connect(receiver.take)
    thread = threading.Thread(target=lambda: [wire.report(n) for n in range(1000)])
    thread.start()
    until(lambda: len(seen) == 1000)
    thread.join()
    assert seen == list(range(1000))
    assert threads == {threading.main_thread()}
