"""Control groups of Linux, which bound the memory of what runs in them: also the pages of the files that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

_VERSION_1 = Path("/sys/fs/cgroup/memory")
_ROOT = _VERSION_1 if _VERSION_1.exists() else Path("/sys/fs/cgroup")


@contextmanager
def control_group(limit: int | None, parent: Path = _ROOT) -> Iterator[Path]:
    """Make a group whose processes may use `limit` bytes and swap none, and remove it once they have ended.

    Raises
    ------
    OSError
        Without the right to, which takes root, or where the kernel bounds no memory.
    """
    version_1 = parent.is_relative_to(_VERSION_1)
    if not version_1:
        (parent / "cgroup.subtree_control").write_text("+memory")
    group = Path(mkdtemp(prefix="regsearch-", dir=parent))
    try:
        if limit is not None:
            (group / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(limit))
            (group / ("memory.swappiness" if version_1 else "memory.swap.max")).write_text("0")
        yield group
    finally:
        group.rmdir()


def within(group: Path, *command: object) -> list[str]:
    """Return a command that runs another in a group."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *map(str, command)]
