"""Open a file for reading, without waiting for a pipe or a device."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from regsearch.data.refusal import refusal


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file.  Opening a named pipe in the usual way would wait for somebody to write into it.

    Raises
    ------
    DataError
        If nothing is there, it cannot be read, or it is a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise refusal("a file", "nothing", "check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        found = getattr(error, "strerror", None) or str(error)
        raise refusal("a file that can be read", found, "check the path and its permissions") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise refusal("a file", "a directory" if stat.S_ISDIR(mode) else "no regular file", "check the path")
    return open(descriptor, "rb")  # noqa: PTH123  # it is a descriptor
