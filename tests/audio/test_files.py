"""Opening without hindering anybody: for real here, and Windows' calls against a fake."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundsearch.audio import sources
from soundsearch.audio.decode import load_mono, open_regular
from soundsearch.audio.files import open_shared
from soundsearch.audio.tags import read_tags

SOUNDS = Path(__file__).parent.parent / "sounds"


class FakeFunction:
    """A C function as ctypes gives it; keeps what it was called with."""

    argtypes: tuple[Any, ...] = ()
    restype: Any = ctypes.c_int

    def __init__(self, answer: int | None) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any) -> int | None:
        for kind, argument in zip(self.argtypes, arguments, strict=bool(self.argtypes)):
            kind(argument)  # as ctypes would convert it
        self.calls.append(arguments)
        return self.answer


class FakeKernel:
    def __init__(self, handle: int | None) -> None:
        self.CreateFileW = FakeFunction(handle)
        self.CloseHandle = FakeFunction(1)


def failure() -> OSError:
    return PermissionError(13, "Access is denied")


def test_windows_opens_for_reading_and_shares_everything() -> None:
    kernel = FakeKernel(0x1_2345_6789)
    asked: list[tuple[int, int]] = []

    def descriptor_of(handle: int, flags: int) -> int:
        asked.append((handle, flags))
        return 7

    assert open_shared("C:\\Töne\\kick.wav", os.O_RDONLY, kernel, descriptor_of, failure) == 7
    # GENERIC_READ; FILE_SHARE_READ, _WRITE and _DELETE; OPEN_EXISTING; FILE_ATTRIBUTE_NORMAL
    expected = ("C:\\Töne\\kick.wav", 0x80000000, 7, None, 3, 0x80, None)
    assert kernel.CreateFileW.calls == [expected]
    assert kernel.CreateFileW.restype is ctypes.c_void_p
    assert asked == [(0x1_2345_6789, os.O_RDONLY)]
    assert kernel.CloseHandle.calls == []


@pytest.mark.parametrize("handle", [ctypes.c_void_p(-1).value, None])
def test_windows_errors_are_raised(handle: int | None) -> None:
    with pytest.raises(PermissionError):
        open_shared("x.wav", 0, FakeKernel(handle), lambda handle, flags: 7, failure)


def test_no_handle_stays_open_on_windows() -> None:
    kernel = FakeKernel(99)

    def descriptor_of(handle: int, flags: int) -> int:
        raise OSError(24, "Too many open files")

    with pytest.raises(OSError, match="Too many open files"):
        open_shared("x.wav", 0, kernel, descriptor_of, failure)
    assert [argument.value for (argument,) in kernel.CloseHandle.calls] == [99]


def test_an_open_file_can_be_renamed_and_deleted(tmp_path: Path) -> None:
    """The real thing, on every system."""
    place = tmp_path / "a.wav"
    place.write_bytes((SOUNDS / "bell 16bit.wav").read_bytes())
    with open_regular(os.fsencode(place)) as file:
        place.rename(tmp_path / "b.wav")
        assert file.read(4) == b"RIFF"
        (tmp_path / "b.wav").unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="there it is the only way")
@pytest.mark.parametrize("name", ["bell 16bit.wav", "bell.flac", "bell.ogg", "bell.mp3"])
def test_libsndfile_reads_through_the_open_file_as_through_its_descriptor(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows the C library can't use Python's descriptors and would lock a path."""
    path = os.fsencode(SOUNDS / name)
    whole, part = load_mono(path, 16_000), load_mono(path, 16_000, 0.05, 0.1)
    monkeypatch.setattr(sources, "SHARES_DESCRIPTORS", False)
    np.testing.assert_array_equal(load_mono(path, 16_000), whole)
    np.testing.assert_array_equal(load_mono(path, 16_000, 0.05, 0.1), part)
    assert isinstance(read_tags(path), dict)
