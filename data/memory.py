"""How much memory there is, and what is small enough to be held in it beside everything else."""

from __future__ import annotations

import os
from pathlib import Path

_SHARE = 0.1

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says what a container may use, by version 2 and 1 of its control groups."""


def memory_bytes() -> int:
    """Return the memory of this machine, or what a container's limit leaves of it."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        memory = 2**36
    for path in _LIMITS:
        try:
            memory = min(memory, int(path.read_text()))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return memory


def fits_in_memory(size: float, processes: int = 1) -> bool:
    """Return whether an array of `size` bytes may be held by each of some processes: a tenth of memory for all of them.

    It is of the whole memory, not of what is free now, that what a search does not change from one day to the next.
    """
    return size * processes <= _SHARE * memory_bytes()
