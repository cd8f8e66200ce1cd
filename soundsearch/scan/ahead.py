"""Runs an iterator on a thread of its own, a bounded number of items ahead."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], most: int, end: Callable[[], None]) -> Iterator[Item | None]:
    """Yields what `items` gives, and None when nothing is ready, so that the caller works off
    what it has.

    end: called when no more is wanted, makes `items` end soon. What `items` raises is raised here.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(most)
    stop = threading.Event()

    def put(item: Item | None, error: BaseException | None = None) -> bool:
        while not stop.is_set():
            try:
                ready.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None)
        except BaseException as error:
            put(None, error)

    thread = threading.Thread(target=work, name="decoding", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item, error = ready.get(timeout=0.05)
            except queue.Empty:
                yield None
                continue
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stop.set()
        end()
        thread.join()
