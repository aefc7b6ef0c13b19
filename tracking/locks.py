"""Locks by name: a locked file on this machine, and where machines share a PostgreSQL, an advisory lock in it.

The operating system and the database release them when their holder dies.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from regsearch.errors import HeldError, LostError, StoreError
from regsearch.tracking import postgresql

PATIENCE = 600.0
"""How long to wait for a lock that is held only briefly, in seconds."""

TOLD_AFTER_SECONDS = 5.0
"""After how long a command that waits says what it waits for, in seconds."""

INTERRUPTIONS = (KeyboardInterrupt, SystemExit)
"""What a signal that asks a process to end raises, by Python's own handler or by that of a library."""

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[\w -]+")
_REFUSED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

_POLL_SECONDS = 0.1

_KEEP_ALIVE = text(  # or the lock of a machine that lost its power would be held for two hours more
    "SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false), "
    "set_config('tcp_keepalives_count', '3', false)"
)
_TAKE = text("SELECT pg_try_advisory_lock(:key)")
_LET_GO = text("SELECT pg_advisory_unlock(:key)")
_IS_MINE = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND "
    "((classid::bigint << 32) | objid::bigint) = :key"
)
_WHO = text(
    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND datname = current_database() AND ((classid::bigint << 32) | objid::bigint) = :key"
)


class Held:
    """A lock that is held."""

    def __init__(self, name: str, kept_by: list[Connection]) -> None:
        self._name = name
        self._kept_by = kept_by

    def confirm(self) -> None:
        """Check that the lock is still held, before doing what nobody else may do at the same time.

        Raises
        ------
        LostError
            If it is not.
        """
        for connection in self._kept_by:
            try:
                mine = connection.scalar(_IS_MINE, {"key": _key(self._name)})
            except SQLAlchemyError:
                mine = 0
            if not mine:
                raise LostError(
                    f"the lock {self._name!r} was lost: {postgresql.shown(str(connection.engine.url))} was restarted, "
                    "or the connection to it cut"
                )


@dataclass(frozen=True)
class Locks:
    """Places in which a lock is taken.

    Attributes
    ----------
    folder : Path
        Folder of the lock files.
    databases : tuple of str
        Addresses of PostgreSQL databases, in which all their users see the locks.
    """

    folder: Path
    databases: tuple[str, ...] = ()

    @property
    def places(self) -> list[str]:
        """Names of these places, without secrets.  Processes that have one in common see each other's locks."""
        return [f"{socket.gethostname()}:{self.folder}", *map(postgresql.shown, self.databases)]

    @contextmanager
    def hold(self, name: str, patience: float = PATIENCE) -> Iterator[Held]:
        """Hold a lock.  Once another holder has been waited for for five seconds, a warning names it.

        Parameters
        ----------
        name : str
        patience : float
            Seconds to wait for another holder.

        Raises
        ------
        HeldError
            If somebody else holds it for longer.
        StoreError
            If the folder's file system refuses locks, or the lock's file may not be written.
        ValueError
            If the name could be the path of another folder's file.
        sqlalchemy.exc.SQLAlchemyError
            If a database does not answer.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a lock")
        deadline = time.monotonic() + patience
        with ExitStack() as stack:
            stack.enter_context(_file(self.folder / f"{name}.lock", name, deadline))
            held = [stack.enter_context(_session(database, name, deadline)) for database in self.databases]
            with interruptible():
                yield Held(name, held)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let go of the transaction that an interruption cut short, which keeps everybody from writing to SQLite.

    SQLAlchemy closes the connection, but SQLite goes on with the transaction as long as one of its statements is there,
    and the traceback keeps the frames that use them.
    """
    try:
        yield
    except INTERRUPTIONS as interruption:
        traceback.clear_frames(interruption.__traceback__)
        raise


@contextmanager
def _file(path: Path, name: str, deadline: float) -> Iterator[None]:
    lock, holder = FileLock(path, fallback_to_soft=False), path.with_suffix(".holder")

    def take() -> bool:
        with suppress(Timeout):
            lock.acquire(blocking=False)
        return lock.is_locked

    def who() -> str | None:
        with suppress(FileNotFoundError):
            return holder.read_text()
        return None

    try:
        with _refusals(path):
            _wait(take, who, name, deadline)
            holder.unlink(missing_ok=True)  # that of a process that died, which another user may have run
            holder.write_text(postgresql.process())
        yield
    finally:
        if lock.is_locked:
            with suppress(PermissionError):  # in a sticky folder, only its owner may remove it
                holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Say which file of a lock may not be written, or that its folder's file system refuses locks."""
    try:
        yield
    except PermissionError as error:
        raise StoreError(
            f"{error.filename or path}: cannot be written; ask its owner for the permission to write all of that "
            "folder, or choose another"
        ) from error
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise StoreError(
            f"{path.parent}: its file system refuses locks ({error.strerror}), without which two searches could write "
            f"at once; choose a folder of a local disk: for mlruns by --tracking-uri, else by XDG_STATE_HOME"
        ) from error


@contextmanager
def _session(database: str, name: str, deadline: float) -> Iterator[Connection]:
    key = {"key": _key(name)}
    with postgresql.engine(database).connect() as connection:
        connection.execute(_KEEP_ALIVE)
        _wait(lambda: connection.scalar(_TAKE, key), lambda: connection.scalar(_WHO, key), name, deadline)
        try:
            yield connection
        finally:
            with suppress(SQLAlchemyError):  # closing does it too, but the server might be a moment behind
                connection.execute(_LET_GO, key)


def _wait(take: Callable[[], bool], who: Callable[[], str | None], name: str, deadline: float) -> None:
    """Try to take a lock until the deadline, and say who has it once that has taken a while."""
    told_at = time.monotonic() + TOLD_AFTER_SECONDS
    while not take():
        now = time.monotonic()
        if now >= deadline:
            raise HeldError(name, who() or "another process")
        if now >= told_at:
            _log.warning("waiting for the lock %r, which %s holds; stop that if it hangs", name, who() or "a process")
            told_at = deadline
        time.sleep(_POLL_SECONDS)


def _key(name: str) -> int:
    """Return the number by which PostgreSQL knows a name."""
    return int.from_bytes(hashlib.sha256(f"regsearch/{name}".encode()).digest()[:8], signed=True)
