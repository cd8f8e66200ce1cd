import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soundsearch.settings import FILE_NAME, Settings, load_settings, peek_settings, save_settings


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    settings = Settings(
        theme="light", compact=True, volume=0.25, last_search="türe 🥁", sort="date"
    )
    save_settings(settings, tmp_path)
    assert load_settings(tmp_path) == settings
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_many_may_save_at_once(tmp_path: Path) -> None:
    def save(number: int) -> None:
        save_settings(Settings(sidebar_width=number), tmp_path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(100, 140)))
    assert load_settings(tmp_path).sidebar_width in range(100, 140)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "nowhere") == Settings()


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"x"', "\udcff"])
def test_a_broken_file_is_set_aside(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert peek_settings(tmp_path) == Settings()  # another process leaves it as it is
    assert file.exists()
    settings = load_settings(tmp_path)
    assert not file.exists()
    (aside,) = tmp_path.iterdir()
    assert aside.name in settings.notice
    settings.notice = ""
    assert settings == Settings()
    assert aside.read_bytes() == text.encode("utf-8", "surrogateescape")


def test_what_is_told_is_never_saved(tmp_path: Path) -> None:
    save_settings(Settings(exclude="*.mp3\nAlte Töne", notice="damaged"), tmp_path)
    assert (
        load_settings(tmp_path) == peek_settings(tmp_path) == Settings(exclude="*.mp3\nAlte Töne")
    )


def test_values_of_the_wrong_type_are_left_out(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(
        json.dumps(
            {
                "compact": 1,
                "volume": 7,
                "sidebar_width": True,
                "theme": None,
                "sort": "name",
                "from_the_future": 3,
            }
        )
    )
    assert load_settings(tmp_path) == Settings(volume=1.0, sort="name")
