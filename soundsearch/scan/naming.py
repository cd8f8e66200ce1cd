"""From a file's name, folder and texts to the words by which it is found."""

import os
from collections.abc import Mapping
from pathlib import PurePosixPath

from soundsearch.audio.tags import split_words, ucs_text
from soundsearch.library.rows import Words


def file_words(name: str, folder: str, tags: Mapping[str, str]) -> Words:
    """name: display name with its extension; folder: "Drum Samples/Loops"; tags: texts by kind."""
    stem = os.path.splitext(name)[0] or name
    return Words(
        " ".join(split_words(stem)),
        " ".join(split_words(folder)),
        " ".join(word for text in tags.values() for word in split_words(text)),
        " ".join(split_words(ucs_text(PurePosixPath(name).stem))),
    )
