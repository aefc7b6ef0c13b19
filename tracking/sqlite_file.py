"""The SQLite database of an embedded store: its address, and how a new one is made whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from regsearch.errors import StoreError
from regsearch.tracking import durable
from regsearch.tracking.errors import reason
from regsearch.tracking.quiet_mlflow import quiet, settled

LOCKED_SECONDS = 20
"""How long to wait for a SQLite database that another process has locked, in seconds; MLflow waits as long."""

_MLFLOW = {"experiments", "runs", "tags", "metrics", "params", "registered_models"}


def home() -> Path:
    """Return the folder of the embedded stores, ``mlruns`` in the current folder."""
    return Path.cwd() / "mlruns"


def address(database: Path) -> str:
    """Return the URI of a database file.

    Only what would be read as something else is escaped: from the address as it stands, MLflow makes the folder of the
    file, so that every other escape would make a folder of that name.
    """
    return f"sqlite:///{str(database).replace('%', '%25').replace('?', '%3F')}"


def database_of(uri: str, kind: str = "tracking URI") -> Path | None:
    """Return the file that a URI names, or ``None`` if the URI is not one of SQLite.

    Parameters
    ----------
    uri : str
    kind : str
        What messages call it.

    Raises
    ------
    StoreError
        If it is one of SQLite, but names no file, or a user or a server.
    """
    if uri.partition("://")[0].partition("+")[0] != "sqlite":
        return None
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"{kind} {uri!r} cannot be read; expected sqlite:///FOLDER/NAME.db") from error
    if not url.database or url.database == ":memory:" or url.query.get("mode") == "memory":
        raise StoreError(f"{kind} {uri!r} names no file, so nothing would be kept; give sqlite:///FOLDER/NAME.db")
    if url.host or url.username or url.query.get("uri"):
        raise StoreError(
            f"{kind} {uri!r} is not supported; expected sqlite:///RELATIVE/NAME.db or sqlite:////ABSOLUTE/…"
        )
    return Path(url.database).absolute()


def prepare(database: Path, artifact_root: str) -> None:
    """Make the database where there is none, and let readers go on while it is written to.

    A new one is made under another name and moved into place, so that it is whole or not there.  Whoever calls this
    holds the store's lock.

    Parameters
    ----------
    database : Path
    artifact_root : str
        Where experiments put their artifacts by default.

    Raises
    ------
    StoreError
        If the database cannot be made or opened.
    """
    try:
        for left in _family(_unfinished(database)):  # by a call that was interrupted
            left.unlink()
        if not database.exists() or _is_half_made(database):
            _create(database, artifact_root)
        _write_ahead(database)
    except (OSError, MlflowException, SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(
            f"{database}: cannot be used as a database ({reason(error)}); repair it, or choose another folder"
        ) from error


def _create(database: Path, artifact_root: str) -> None:
    unfinished = _unfinished(database)
    uri = address(unfinished)
    unfinished.touch()  # or SQLite makes a file that a group may not write, whatever the umask
    with quiet("mlflow", "alembic"), settled(), without_stray_folders(uri), _unsynced(unfinished):
        SqlAlchemyStore(uri, artifact_root)._dispose_engine()
    _write_ahead(unfinished)
    durable.sync(unfinished)
    for left in _family(database)[1:]:
        left.unlink()
    unfinished.replace(database)
    durable.sync(database.parent)


@contextmanager
def _unsynced(database: Path) -> Iterator[None]:
    """Let SQLite not wait for the disk in a database that is synced once it is whole: one wait instead of hundreds."""

    def hurry(connection: Any, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        if Path(connection.execute("PRAGMA database_list").fetchone()[2]).name == database.name:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA journal_mode=MEMORY")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


@contextmanager
def without_stray_folders(uri: str) -> Iterator[None]:
    """Remove the empty folders that MLflow makes of an escaped address, which it does not unescape there."""
    database, literal = database_of(uri), Path(uri.partition(":///")[2].partition("?")[0]).absolute().parent
    stray = [folder for folder in (literal, *literal.parents) if database and not folder.exists()]
    try:
        yield
    finally:
        for folder in stray:
            with suppress(OSError):
                folder.rmdir()


def _is_half_made(database: Path) -> bool:
    """Return whether a database is one that MLflow was stopped from making, so that nothing is lost with it.

    Regsearch 0.1 made databases in place.  MLflow ends by making an experiment, which cannot be removed.
    """
    with closing(sqlite3.connect(database, timeout=LOCKED_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables & _MLFLOW:
            return not tables
        return all(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
            for table in tables & _MLFLOW
        )


def _write_ahead(database: Path) -> None:
    """Have SQLite write ahead; once this returns, all that the database holds is in its one file."""
    with closing(sqlite3.connect(database, timeout=LOCKED_SECONDS)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _unfinished(database: Path) -> Path:
    return database.with_name(f".{database.name}.unfinished")


def _family(database: Path) -> list[Path]:
    """Return the database and the files that SQLite keeps beside it, as far as they exist."""
    names = (database.name, *(f"{database.name}-{ending}" for ending in ("wal", "shm", "journal")))
    return [file for file in map(database.with_name, names) if file.exists()]
