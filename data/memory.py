"""How much memory there is, and what is small enough to be held in it beside everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_SHARE = 0.1


def memory_bytes() -> int:
    """Return the memory of this machine, or what the limits of a container, a service or a job leave of it."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        memory = 2**36
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:  # not Linux
        return memory
    for path in limit_files(groups):
        try:
            memory = min(memory, int(path.read_text()))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return memory


def limit_files(groups: str) -> Iterator[Path]:
    """Yield where Linux may say how much memory a process can use: in its control group and in all that are around it.

    A container sees its own group as the root, whatever it is called outside.

    Parameters
    ----------
    groups : str
        What ``/proc/self/cgroup`` says: lines of ``hierarchy:controllers:path``, in which version 2 is hierarchy 0.
    """
    for line in groups.splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        elif hierarchy == "0":
            root, name = "/sys/fs/cgroup", "memory.max"
        else:
            continue
        group = PurePosixPath(path).relative_to("/")
        for around in (group, *group.parents):
            yield Path(root, around, name)


def fits_in_memory(size: float, processes: int = 1) -> bool:
    """Return whether an array of `size` bytes may be held by each of some processes: a tenth of memory for all of them.

    It is of the whole memory, not of what is free now, that what a search does not change from one day to the next.
    """
    return size * processes <= _SHARE * memory_bytes()
