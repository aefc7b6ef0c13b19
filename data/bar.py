"""Where a progress bar can be drawn."""

from __future__ import annotations

import sys


def redraws() -> bool:
    """Return whether standard error can show a line anew in its place, as a terminal and a notebook can.

    Of a notebook only its kernel is asked: bars made of widgets stand still where the page cannot show widgets.
    """
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")
