"""Processes that start without the caller's script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_main() -> Iterator[None]:
    """Let a process that starts in the context not run the main module again, as `multiprocessing` would have it do.

    A solver needs nothing of the caller's script; and a script without ``if __name__ == "__main__":`` would start its
    search once more in each process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
