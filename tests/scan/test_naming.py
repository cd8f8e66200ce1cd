"""Which words a file is found by."""

from soundsearch.library.rows import Words
from soundsearch.scan.naming import file_words


def test_words_of_name_folder_texts_and_category() -> None:
    words = file_words(
        "DOORWood_HeavySlam03.wav",
        "Sound Library/Doors&Gates",
        {"title": "Old barn", "description": "Slammed twice"},
    )
    assert words.name.endswith("heavy slam 03")
    assert words.folder == "sound library doors gates"
    assert words.meta == "old barn slammed twice"
    assert {"doors", "wood"} <= set(words.ucs.split())


def test_a_name_without_words() -> None:
    assert file_words("---.wav", "", {}) == Words("", "", "", "")
    assert file_words(".wav", "S", {}).name == "wav"
