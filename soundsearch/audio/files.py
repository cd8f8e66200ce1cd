"""Opening a person's files so that nobody else is hindered: neither by a lock nor by waiting."""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

_GENERIC_READ = 0x80000000
_SHARE_READ_WRITE_DELETE = 0x1 | 0x2 | 0x4
_OPEN_EXISTING = 3
_ATTRIBUTE_NORMAL = 0x80
_INVALID_HANDLE = ctypes.c_void_p(-1).value


def without_hindrance(path: bytes | str, flags: int) -> int:
    """For `open(path, "rb", opener=…)`: a descriptor for reading. Raises OSError.

    Should a pipe take the file's place, opening it doesn't block. On Windows the file can be
    renamed and deleted while it is open, as it can be everywhere else.
    """
    if sys.platform == "win32":
        import msvcrt

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        return open_shared(
            os.fsdecode(path),
            flags,
            kernel32,
            msvcrt.open_osfhandle,
            lambda: ctypes.WinError(ctypes.get_last_error()),
        )
    return os.open(path, flags | os.O_NONBLOCK)


def open_shared(
    path: str,
    flags: int,
    kernel32: Any,
    descriptor_of: Callable[[int, int], int],
    last_error: Callable[[], OSError],
) -> int:
    """CreateFileW with FILE_SHARE_DELETE; Python's own `open` leaves that out.

    kernel32: the library; descriptor_of: msvcrt.open_osfhandle; last_error: what went wrong.
    """
    create = kernel32.CreateFileW
    word, pointer = ctypes.c_uint32, ctypes.c_void_p
    create.argtypes = (ctypes.c_wchar_p, word, word, pointer, word, word, pointer)
    create.restype = pointer  # an int would lose half of a handle
    handle = create(
        path, _GENERIC_READ, _SHARE_READ_WRITE_DELETE, None, _OPEN_EXISTING, _ATTRIBUTE_NORMAL, None
    )
    if handle is None or handle == _INVALID_HANDLE:
        raise last_error()
    try:
        return descriptor_of(handle, flags)
    except BaseException:
        kernel32.CloseHandle(ctypes.c_void_p(handle))
        raise
