import sys

import pytest

from soundsearch.window.reveal import cleaned_environment, reveal_commands


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's file managers")
def test_odd_names_become_urls() -> None:
    commands = reveal_commands(["/a b/kick #1, ü.wav", "/a b/c.wav"])
    assert (
        "array:string:file:///a%20b/kick%20%231%2C%20%C3%BC.wav,file:///a%20b/c.wav" in commands[0]
    )
    assert commands[1] == ["xdg-open", "/a b"]


def test_a_frozen_program_gives_its_libraries_to_nobody(monkeypatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/bundle")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/before")
    assert cleaned_environment()["LD_LIBRARY_PATH"] == "/before"
    monkeypatch.delenv("LD_LIBRARY_PATH_ORIG")
    assert "LD_LIBRARY_PATH" not in cleaned_environment()
