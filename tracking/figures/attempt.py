"""Figures are decoration: a search goes on without one that cannot be drawn, and without all if none are wanted."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import TypeVar

from regsearch.tracking.switches import switch

T = TypeVar("T")

FIGURES = "REGSEARCH_FIGURES"
"""Environment variable: 0 leaves out all figures of searches and of their trials."""

_log = logging.getLogger(__name__)


def are_wanted() -> bool:
    """Return whether searches draw figures, which they do unless `FIGURES` says otherwise.

    Raises
    ------
    ConfigError
        If `FIGURES` is neither 0 nor 1.
    """
    return switch(FIGURES, "to have the figures drawn") is not False


def unless_it_fails(name: str, make: Callable[[], T]) -> T | None:
    """Return what a call returns, or ``None`` if it raises; then a warning is logged, once for each name and error.

    Raises
    ------
    KeyboardInterrupt
        If the process was interrupted meanwhile, even where compiled code made another error of that, or none.
    """
    with _noting_signals() as received:
        try:
            made = make()
        except Exception as error:
            if not received:
                _warn(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
            made = None
    if received:
        raise KeyboardInterrupt
    return made


@contextmanager
def _noting_signals() -> Iterator[Sequence[int]]:
    """Return a list of the signals that stop a process, which grows while their handlers do what they do anyway."""
    received: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()  # which alone handles signals
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {
        number: handler
        for number in ((signal.SIGINT, signal.SIGTERM) if is_main else ())
        if callable(handler := signal.getsignal(number))
    }

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handlers[number](number, frame)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@cache
def _warn(name: str, reason: str) -> None:
    _log.warning("%s cannot be drawn (%s); the search goes on without it", name, reason)
