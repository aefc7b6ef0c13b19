"""What is said on standard error while something is done."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(line: str) -> None:
    """Print a line, if anybody still reads it: the pipe or the terminal may be closed."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def redraws() -> bool:
    """Return whether it can show a line anew in its place, as a terminal and a notebook can.

    Of a notebook only its kernel is asked: bars made of widgets stand still where the page cannot show widgets.
    """
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")
