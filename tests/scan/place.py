"""A data folder that scans with the stand-in model."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soundsearch.index.vectors import Vectors
from soundsearch.library.catalog import Library
from soundsearch.library.userdata import UserData
from soundsearch.scan.pipeline import ScanReport, scan
from tests.scan.spectral_encoder import SpectralEncoder


class Place:
    """A data folder with a library, vectors and the stand-in model."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.encoder = SpectralEncoder()

    def scan(self, *folders: Path, model: bool = True, **options: object) -> ScanReport:
        with Library.open(self.data, write=True) as library, UserData.open(self.data) as marks:
            for folder in folders:
                library.add_root(os.fsencode(folder))
            vectors = Vectors.open(self.data / "embeddings", 16, write=True) if model else None
            report = scan(
                library,
                vectors,
                self.encoder if model else None,
                on_changes=marks.follow,
                **options,
            )
            if vectors:
                vectors.close()
        return report

    def read(self, ask: Callable[[Library], Any]) -> Any:
        with Library.open(self.data) as library:
            return ask(library)

    def vectors(self) -> Vectors:
        return Vectors.open(self.data / "embeddings", 16)

    def states(self) -> dict[str, int]:
        return self.read(lambda library: library.counts()["states"])

    def paths(self) -> set[str]:
        return self.read(
            lambda library: {
                os.fsdecode(row[0])
                for row in library.db.execute(
                    "SELECT path FROM files WHERE state NOT IN ('missing', 'failed')"
                )
            }
        )
