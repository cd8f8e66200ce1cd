"""kill -9 of the worker at any moment of a scan: started again, it ends with the same library."""

import os
import queue
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from soundsearch.index.vectors import Vectors
from soundsearch.worker import client
from soundsearch.worker.messages import AddFolder, Failed, Ready, ScanProgress
from tests.scan.crashing import (
    assert_same,
    content,
    mixed_folder,
    serve,
    slow_encoder,
    spectral_model,
)
from tests.scan.place import Place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")


def wait(reports: "queue.Queue[Any]", kind: type, running: bool | None = None) -> None:
    until = time.monotonic() + 300
    while True:
        report = reports.get(timeout=max(until - time.monotonic(), 0.01))
        assert not isinstance(report, Failed), report
        if isinstance(report, kind) and running in (None, getattr(report, "running", None)):
            return


def test_the_worker(tmp_path: Path, long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_serve", serve)
    moments = 20 if long else 4
    folder, data = tmp_path / "Sounds", tmp_path / "data"
    mixed_folder(folder, 12 * moments)
    whole = Place(tmp_path / "undisturbed")
    whole.encoder = slow_encoder()
    seconds = whole.scan(folder).seconds
    model_id = spectral_model(data)
    chance = random.Random(4)

    def scan(deaths: int) -> None:
        """Starts a worker, asks for the folder once, and kills it now and then; it goes on by
        itself. Without deaths the scan comes to its end."""
        reports: queue.Queue[Any] = queue.Queue()
        worker = client.Worker(data, None, "cpu", reports.put)
        try:
            wait(reports, Ready)
            worker.send(AddFolder(str(folder)))
            wait(reports, ScanProgress)
            for _ in range(deaths):
                time.sleep(chance.uniform(0, 1.5 * seconds / moments))
                assert worker.process.pid is not None
                os.kill(worker.process.pid, signal.SIGKILL)
                wait(reports, Ready)
            if not deaths:
                wait(reports, ScanProgress, running=False)
        finally:
            worker.close()

    for _ in range(moments // 2):
        scan(client.DEATHS - 1)  # one more, and it would not be started again
    scan(0)
    vectors = Vectors.open(data / "embeddings" / model_id, 16)
    assert_same(content(whole.data, whole.vectors()), content(data, vectors))
