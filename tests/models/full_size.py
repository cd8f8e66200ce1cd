"""Imports a checkpoint at full size in each published layout, by hand: `python -m
tests.models.full_size FOLDER [LAYOUT …]`. Prints seconds and peak memory of each step.

Weights are random and there is no optimizer's state. Salsa's comes in five parts. FOLDER needs
6 GB for a while; what is made there is deleted.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.models.published import Published, tokenizer_files, write_checkpoint

PARTS = 5
_USE = """
import sys, time
from pathlib import Path
import numpy as np
from soundsearch.models.encoder import load_model
began = time.perf_counter()
model = load_model(Path(sys.argv[1]), "cpu")
model.embed_audio([np.zeros(320_000, np.float32)] * 8)
model.embed_text(["a dog"])
"""


def measured(what: str, command: list[str]) -> None:
    """Runs it; peak memory is that of its own process. Raises CalledProcessError."""
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9  # from KiB
    busy = usage.ru_utime + usage.ru_stime
    seconds = time.perf_counter() - began
    print(f"{what}: {seconds:.0f} s ({busy:.0f} of processor), peak {peak:.2f} GB", flush=True)


def main(folder: Path, layouts: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer_files(folder / "words")
    for layout in layouts:
        file = folder / f"{layout}.ckpt"
        # In a process of its own, too: this one's memory would count for its children's.
        making = [sys.executable, "-m", "tests.models.full_size", "--make", str(file), layout]
        measured(f"{layout}, made", making)
        files = _split(file) if layout == "salsa" else [file]
        data = folder / f"data-{layout}"
        command = [sys.executable, "-m", "soundsearch", "--data", str(data), "--device", "cpu"]
        importing = [*command, "models", "import", "mine", *map(str, files)]
        measured(f"{layout}, imported and checked", [*importing, "--tokenizer", str(words)])
        model = str(data / "models" / "mine")
        measured(f"{layout}, loaded and used", [sys.executable, "-c", _USE, model])
        for made in files:
            made.unlink()
        shutil.rmtree(data)


def _split(file: Path) -> list[Path]:
    size = -(-file.stat().st_size // PARTS)
    parts = []
    with file.open("rb") as whole:
        for number in range(1, PARTS + 1):
            part = file.with_suffix(f".{number}.ckpt")
            part.write_bytes(whole.read(size))
            parts.append(part)
    file.unlink()
    return parts


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        write_checkpoint(Path(sys.argv[2]), Published(full=True), sys.argv[3])
    else:
        main(Path(sys.argv[1]), sys.argv[2:] or ["2023", "salsa", "2025"])
