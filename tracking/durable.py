"""Files that survive a power cut: written, synced to the disk and then moved into place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

_TOGETHER = 8
"""Number of files that are synced at once: a file system then commits them together, in a fraction of the time."""


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made where there is none; once this returns, they are on the disk.

    Parameters
    ----------
    folder : Path
    files : mapping of str to bytes
        Contents by path within the folder.
    """
    places = {folder / name: content for name, content in files.items()}
    changed = {place.parent for place in places}
    for parent in list(changed):
        changed |= _make(parent)
    for place, content in places.items():
        _unfinished(place).write_bytes(content)
    list(_pool().map(sync, map(_unfinished, places)))
    for place in places:
        _unfinished(place).replace(place)
    list(_pool().map(sync, changed))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_TOGETHER, thread_name_prefix="sync")


if hasattr(os, "register_at_fork"):  # a forked process has the pool without its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _make(folder: Path) -> set[Path]:
    """Make a folder, and return the folders that list it or another new one."""
    changed = set()
    for parent in (folder, *folder.parents):
        if parent.exists():
            break
        changed.add(parent.parent)
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")
