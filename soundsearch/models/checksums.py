"""What arrived at the first download: later ones must bring the same."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from soundsearch.errors import UserError


def sha256_of(file: Path) -> str:
    """Hex digest. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class Checksums:
    """{address: {"sha256", "bytes"}} in a file of a folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "checksums.json"

    def of(self, address: str) -> str | None:
        return (self._read().get(address) or {}).get("sha256")

    def keep(self, address: str, sha256: str, size: int) -> None:
        """Records the first download of an address; a later one changes nothing."""
        known = self._read()
        if address in known:
            return
        known[address] = {"sha256": sha256, "bytes": size}
        part = self.file.with_name(f"{self.file.name}.part")
        try:
            part.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            os.replace(part, self.file)
        except OSError as error:
            raise UserError(f"{self.file} can't be written ({error.strerror})") from error

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
