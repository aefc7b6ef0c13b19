"""Figures are decoration: where one cannot be drawn, a line says so, and the search goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


def unless_it_fails(name: str, make: Callable[[], T]) -> T | None:
    """Return what a call returns, or ``None`` if it raises; then a warning is logged, once for each name and error."""
    try:
        return make()
    except Exception as error:
        _warn(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return None


@cache
def _warn(name: str, reason: str) -> None:
    _log.warning("%s cannot be drawn (%s); the search goes on without it", name, reason)
