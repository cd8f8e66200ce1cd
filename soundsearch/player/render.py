"""What is asked besides playing: regions as files, and pictures of sounds.

Files and pictures have a thread each, so that a picture of a long recording holds up no drag.
"""

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from soundsearch.audio import closeup
from soundsearch.audio.decode import DecodeError
from soundsearch.audio.export import export_region
from soundsearch.player.messages import (
    Aside,
    Detail,
    Detailed,
    Export,
    Exported,
    Failed,
    Report,
    Spectrogram,
    Spectrum,
)


class Renderer:
    """`ask` returns at once; send takes the answers, on other threads."""

    def __init__(self, send: Callable[[Report], None]) -> None:
        self._send = send
        self._newest: dict[type, int] = {}  # pictures: kind → id of the last that was asked for
        self._queues: dict[bool, queue.SimpleQueue[Aside]] = {}

    def ask(self, request: Aside) -> None:
        is_file = isinstance(request, Export)
        if not is_file:
            self._newest[type(request)] = request.id
        if is_file not in self._queues:
            self._queues[is_file] = queue.SimpleQueue()
            threading.Thread(
                target=self._run, args=(self._queues[is_file],), name="render", daemon=True
            ).start()
        self._queues[is_file].put(request)

    def _run(self, requests: "queue.SimpleQueue[Aside]") -> None:
        while True:
            request = requests.get()
            try:
                report = self._answer(request)
            except DecodeError as error:
                report = Failed(request.id, error.reason)
            except MemoryError:
                report = Failed(request.id, "it needs more memory than there is")
            except OSError as error:
                report = Failed(request.id, f"it can't be written ({error.strerror or error})")
            except Exception as error:  # a fault of ours must not go unheard
                reason = f"it can't be rendered ({type(error).__name__}: {error})"
                report = Failed(request.id, reason, "player")
            self._send(report)

    def _answer(self, request: Aside) -> Report:
        def old() -> bool:
            return self._newest.get(type(request)) != request.id

        match request:
            case Export(id, path, start, end, folder):
                file, frames = export_region(path, start, end, Path(os.fsdecode(folder)))
                return Exported(id, os.fsencode(file), frames)
            case Detail(id, path, start, end, points):
                if old():
                    return Detailed(id, b"")
                return Detailed(id, closeup.envelope(path, start, end, points, old))
            case Spectrogram(id, path, start, end, columns, rows):
                if old():
                    return Spectrum(id, b"")
                return Spectrum(id, closeup.spectrogram(path, start, end, columns, rows, old))
