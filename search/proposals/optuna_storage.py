"""Where Optuna keeps the studies: opened, and mended where a process did not live to finish a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.util.exc import CommandError
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import SQLAlchemyError

from regsearch.errors import ConfigError
from regsearch.tracking import durable, postgresql
from regsearch.tracking.addresses import shown
from regsearch.tracking.errors import reason
from regsearch.tracking.locks import Locks
from regsearch.tracking.sqlite_file import LOCKED_SECONDS, database_of
from regsearch.tracking.store import has_table, missing_driver

_BEGINNING = b'{"op_code"'
_LONGEST_LINE = 2**16


def open_storage(url: str | None, home: Path) -> BaseStorage:
    """Open Optuna's storage: a database URL, the path of a journal file, or ``optuna.journal`` in `home`.

    Raises
    ------
    ConfigError
        If there is no such database or folder, the database is MLflow's, its driver is not installed, or the journal
        is damaged.
    StoreError
        If a URL of SQLite names no file.
    """
    if url is not None:
        database_of(url, "storage")
    named = str(home / "optuna.journal") if url is None else f"--storage {shown(url)}"
    try:
        if url is None:
            home.mkdir(parents=True, exist_ok=True)
            return _open_journal(home / "optuna.journal")
        if "://" in url:
            _require_not_mlflows(url, named)
            return RDBStorage(url, engine_kwargs=_engine(url))
        if not Path(url).parent.is_dir():
            raise ConfigError(f"{named}: expected a folder, found no {Path(url).parent}; make it, or correct the path")
        return _open_journal(Path(url))
    except ImportError as error:
        raise ConfigError(f"{named}: {missing_driver(error)}") from error
    except (SQLAlchemyError, CommandError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"{named}: cannot be opened ({type(error).__name__}); give --storage a database URL such as "
            "sqlite:///optuna.db or postgresql://…, or the path of a journal file that can be written"
        ) from error


def _require_not_mlflows(url: str, named: str) -> None:
    """Refuse MLflow's database before Optuna adds its tables; `named` is what messages call the storage."""
    if has_table(url, "experiment_tags"):
        raise ConfigError(
            f"{named}: expected Optuna's database, found MLflow's; give Optuna's by --storage, and MLflow's by "
            "--tracking-uri"
        )


def _engine(url: str) -> dict[str, Any]:
    if postgresql.is_postgresql(url):
        return {"connect_args": postgresql.arguments(), "pool_pre_ping": True}
    return {"connect_args": {"timeout": LOCKED_SECONDS}} if url.startswith("sqlite") else {}


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
    """Open a journal, mending lines that their writers did not live to end: what they held is proposed again."""
    if path.exists():
        _require_journal(path)  # before a lock is left beside what is another file
    lock = _JournalLock(path)
    lock.acquire()
    try:
        if path.exists():
            _mend(path)
    finally:
        lock.release()
    try:
        return JournalStorage(_Journal(str(path), lock_obj=lock))
    except (ValueError, LookupError) as error:
        raise _no_journal(path, reason(error)) from error


def _no_journal(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path}: is not a journal of Optuna, or damaged ({why}); restore a copy or move the file away: the same "
        "search then proposes the same trials again"
    )


def _require_journal(path: Path) -> None:
    """Refuse a file whose first line is not an entry; Optuna would append to it."""
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE).lstrip(b"\0")  # which a power cut can leave
    if first and not first.startswith(_BEGINNING):
        raise _no_journal(path, "it does not begin with an entry")


def _mend(path: Path) -> None:
    """Remove what is left of torn lines, wherever they are, and leave a file that is no journal as it is.

    A process that dies, or whose disk is full, can leave a line without its end.  It was never read as a line, so that
    nothing refers to it.  What another process appended to it is kept.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    mended = [_mended(line) for line in lines]
    first = lines[0].lstrip(b"\0") if lines else b""  # a power cut can leave zeros
    if mended == lines or (first and not first.startswith(_BEGINNING)):
        return
    durable.write(path.parent, {path.name: b"".join(mended)})


def _mended(line: bytes) -> bytes:
    if line.endswith(b"\n") and _is_whole(line):
        return line
    begun = line.rfind(_BEGINNING)
    if begun > 0 and line.endswith(b"\n") and _is_whole(line[begun:]):
        return line[begun:]
    is_torn = line.startswith(_BEGINNING) or not line.endswith(b"\n")
    return b"" if is_torn else line


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


class _Journal(JournalFileBackend):
    """A journal that is appended to only at the beginning of a line."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, all of them or none."""
        path = Path(self._file_path)
        self._lock.acquire()
        try:
            if not _ends_a_line(path):
                _mend(path)
            size = path.stat().st_size
            try:
                super().append_logs(logs)
            except BaseException:  # the disk is full, or the user interrupts
                os.truncate(path, size)
                raise
        finally:
            self._lock.release()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() in (b"", b"\n")


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
