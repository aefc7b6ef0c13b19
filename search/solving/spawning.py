"""Processes that start without the caller's script, and leave Ctrl-C to the process that started them."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Lock
from types import ModuleType

_changing = Lock()


@contextmanager
def without_main() -> Iterator[None]:
    """Let a process that starts in the context not run the main module again, as `multiprocessing` would have it do.

    A solver needs nothing of the caller's script; and a script without ``if __name__ == "__main__":`` would start its
    search once more in each process.  Nor does it take over the start method of a joblib worker, ``"loky"``, which it
    would not know.
    """
    with _changing:  # of two threads, the second would keep the first one's empty module
        main, method = sys.modules["__main__"], multiprocessing.get_start_method(allow_none=True)
        sys.modules["__main__"] = ModuleType("__main__")
        multiprocessing.set_start_method("spawn", force=True)
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            multiprocessing.set_start_method(method, force=True)


@contextmanager
def deaf_to_interruptions() -> Iterator[None]:
    """Let a process that starts in the context never see Ctrl-C, which a terminal sends to all processes of a command.

    It would print a traceback of whatever it imports at that moment.  What comes meanwhile is raised here at the end.
    """
    resource_tracker.ensure_running()  # which starts with the first process, and would end the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
