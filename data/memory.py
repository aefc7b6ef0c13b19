"""How much memory this process may use, and which arrays are small enough to be held in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from regsearch.data.refusal import refusal

_SHARE = 0.1


def memory_bytes() -> int:
    """Return the memory of this machine, or the lowest limit that a container, a service or a job sets."""
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
        except (OSError, ValueError):  # no such file, or it says "max"
            continue
    return memory


def limit_files(groups: str) -> Iterator[Path]:
    """Yield the files in which Linux may keep a limit: for the control group of the process and for all around it.

    A container sees its own group as the root, under any name that the group has outside.

    Parameters
    ----------
    groups : str
        Content of ``/proc/self/cgroup``: lines of ``hierarchy:controllers:path``, in which version 2 is hierarchy 0.
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
    """Return whether each of some processes may hold an array of `size` bytes: together a tenth of memory.

    The whole memory counts, not the free part, so that a search makes the same choice every day.
    """
    return size * processes <= _SHARE * memory_bytes()


def require_memory(size: int, what: str) -> None:
    """Raise `DataError` if `size` bytes are more than the memory of this machine."""
    memory = memory_bytes()
    if size > memory:
        found = f"{size / 2**30:.3g} GiB for {what}"
        raise refusal(f"at most the {memory / 2**30:.3g} GiB of this machine", found, "save fewer rows or columns")


def require_share(size: int, what: str, do: str) -> None:
    """Raise `DataError` if `size` bytes are more than the tenth of memory that one array may take."""
    if not fits_in_memory(size):
        raise refusal(f"{what} of at most a tenth of memory", f"{what} of {size / 2**30:.3g} GiB", do)
