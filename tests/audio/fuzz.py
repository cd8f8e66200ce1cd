"""A coverage-guided fuzzer for what reads a file's texts and identity, to be run by hand:

    pip install atheris
    python -m tests.audio.fuzz NEW_FOLDER SECONDS

Ends with 0 when nothing was found; else NEW_FOLDER keeps the input that raised, hung for five
seconds, or took 2 GB.
"""

import contextlib
import shutil
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found]  # no part of what the tests need

with atheris.instrument_imports(include=["soundsearch.audio", "tinytag"]):
    import tinytag  # noqa: F401  read_tags imports it late

    from soundsearch.audio.decode import DecodeError
    from soundsearch.audio.facts import identity
    from soundsearch.audio.tags import read_tags

SOUNDS = Path(__file__).parent.parent / "sounds"


def main(folder: Path, seconds: int) -> None:
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    for sound in SOUNDS.iterdir():
        if sound.stat().st_size < 1 << 20:
            shutil.copy(sound, corpus)
    file = folder / "input"

    def one(data: bytes) -> None:
        file.write_bytes(data)
        texts = read_tags(str(file))
        assert all(isinstance(text, str) for item in texts.items() for text in item)
        with contextlib.suppress(DecodeError):
            assert len(identity(str(file))) == 16

    limits = [f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-max_len=65536"]
    options = [*limits, f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
