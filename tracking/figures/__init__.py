"""Every picture, each a pure function from arrays to a matplotlib `Figure`, all in one house style.

Matplotlib is imported once the first of them is asked for: a search has trials to solve meanwhile.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regsearch.tracking.figures.gallery import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    gallery = import_module("regsearch.tracking.figures.gallery")
    globals().update({drawn: getattr(gallery, drawn) for drawn in gallery.__all__})
    return getattr(gallery, name)
