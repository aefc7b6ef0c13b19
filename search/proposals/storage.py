"""Where Optuna keeps the studies: opened, and repaired where a process did not live to finish a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import SQLAlchemyError

from regsearch.errors import ConfigError
from regsearch.tracking import postgresql
from regsearch.tracking.errors import reason, without_secrets
from regsearch.tracking.locks import Locks

_LOCKED_SECONDS = 20
"""How long to wait for a database that another process has locked, in seconds; MLflow waits as long."""


def open_storage(url: str | None, home: Path) -> BaseStorage:
    """Open Optuna's storage: a database URL, the path of a journal file, or ``optuna.journal`` in `home`.

    Raises
    ------
    ConfigError
        If there is no such database, the folder cannot be made, or the journal is damaged.
    """
    try:
        if url is not None and "://" in url:
            return RDBStorage(url, engine_kwargs=_engine(url))
        path = Path(url) if url is not None else home / "optuna.journal"
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_journal(path)
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise ConfigError(
            f"--storage {without_secrets(str(url))}: cannot be opened ({type(error).__name__}); give a database URL "
            "such as sqlite:///optuna.db or postgresql://…, or the path of a journal file"
        ) from error


def _engine(url: str) -> dict[str, Any]:
    if postgresql.is_postgresql(url):
        return {"connect_args": postgresql.arguments(), "pool_pre_ping": True}
    return {"connect_args": {"timeout": _LOCKED_SECONDS}} if url.startswith("sqlite") else {}


@contextmanager
def storage_at(url: str | None, home: Path, locks: Locks) -> Iterator[BaseStorage]:
    """Open Optuna's storage as `open_storage` does, one process at a time, and close its connections in the end."""
    with locks.hold("store"):
        storage = open_storage(url, home)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def _open_journal(path: Path) -> BaseStorage:
    """Open a journal, cutting off a line that its writer did not live to end: what it held is proposed again."""
    lock = _JournalLock(path)
    lock.acquire()
    try:
        content = path.read_bytes() if path.exists() else b""
        ends = content.rfind(b"\n") + 1
        if ends < len(content) and content.startswith(b'{"op_code"'):
            os.truncate(path, ends)
    finally:
        lock.release()
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, LookupError) as error:
        raise ConfigError(
            f"{path}: is no journal of Optuna's, or damaged ({reason(error)}); restore a copy or move the file "
            "away: the same search then proposes the same trials again"
        ) from error


class _JournalLock(JournalFileSymlinkLock):
    """A lock that the operating system releases when its process dies; Optuna's own then blocks for 30 seconds."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = FileLock(f"{path}.flock")

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()
