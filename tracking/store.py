"""Where MLflow is, and how it is first initialised."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from alembic.util.exc import CommandError
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, MLFLOW_RUN_NOTE
from platformdirs import user_state_path
from sqlalchemy.exc import SQLAlchemyError

_ANSWER_SECONDS = 10
_EXPERIMENT_KIND = "mlflow.experimentKind"  # without it the UI opens on its pages for language models


class StoreError(RuntimeError):
    """A tracking store that cannot be used: the message says what was tried, what was found and what to do."""


@dataclass(frozen=True)
class Store:
    """A tracking store that has answered.

    Attributes
    ----------
    uri : str
        Its tracking URI, secrets included: show `shown` instead.
    client : MlflowClient
    artifact_root : str or None
        Where new experiments put their artifacts; ``None`` where a server decides.
    locks : Path
        Folder of the lock files: beside an embedded database, else one for all that this user runs on this machine.
    """

    uri: str
    client: MlflowClient
    artifact_root: str | None
    locks: Path

    @property
    def shown(self) -> str:
        """The URI without user, password or query, fit for a log."""
        return without_secrets(self.uri)

    def lock_of(self, search_id: str) -> Path:
        """Return the lock file that a search holds while it runs."""
        return self.locks / f"{search_id}.lock"

    def experiments(self) -> list[str]:
        """Return the ids of all experiments."""
        return [experiment.experiment_id for experiment in self.client.search_experiments()]

    def experiment(self, name: str, description: str = "", views: Mapping[str, str] | None = None) -> str:
        """Return the id of the experiment of that name, making it where there is none.

        Parameters
        ----------
        name : str
        description : str
            Of a new experiment.
        views : mapping of str to str
            Tags that it shall have, new or not; see `tracking.pages.view_tags`.

        Raises
        ------
        StoreError
            If it was deleted.
        """
        with FileLock(self.locks / "store.lock"):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                tags = {
                    _EXPERIMENT_KIND: "custom_model_development",
                    MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME: "r2_validation",
                    MLFLOW_RUN_NOTE: description,
                    **(views or {}),
                }
                return self.client.create_experiment(name, artifact_location=self.artifact_root, tags=tags)
            if found.lifecycle_stage == "active":
                for key, value in (views or {}).items():
                    if found.tags.get(key) != value:
                        self.client.set_experiment_tag(found.experiment_id, key, value)
        if found.lifecycle_stage == "deleted":
            raise StoreError(
                f"experiment {name!r} is deleted in {self.shown}; restore it with "
                f"`mlflow experiments restore --experiment-id {found.experiment_id}` or choose another name"
            )
        return found.experiment_id


def home() -> Path:
    """Return the folder of the embedded stores, ``mlruns`` in the current folder."""
    return Path.cwd() / "mlruns"


def tracking_uri(explicit: str | None = None) -> str:
    """Return the URI to use: the explicit one, else ``MLFLOW_TRACKING_URI``, else the embedded database."""
    return explicit or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def open_store(uri: str | None = None) -> Store:
    """Open the tracking store, initialising an embedded one under a lock on first use.

    Parameters
    ----------
    uri : str or None
        Tracking URI; `tracking_uri` says what stands for ``None``.

    Raises
    ------
    StoreError
        If a server does not answer, a folder cannot be written, or the database is of another version of MLflow.
    """
    uri = tracking_uri(uri)
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        _require_answer(uri)
        return Store(uri, MlflowClient(uri), None, _writable(_user_locks()))
    if scheme.split("+")[0] not in ("sqlite", "postgresql", "mysql", "mssql"):
        raise StoreError(
            f"tracking URI {without_secrets(uri)!r} is not supported; give http(s)://…, sqlite:///… or another database"
        )
    database = _sqlite_file(uri)
    folder = _writable(database.parent if database else home())
    locks = _writable(folder / "locks" if database else _user_locks())
    with FileLock(locks / "store.lock"):
        client = _initialised(uri)
        if database:
            _write_ahead(database)
    return Store(uri, client, (folder / "artifacts").as_uri(), locks)


def without_secrets(uri: str) -> str:
    """Return a URI without user, password and query."""
    return re.sub(r"^([^:/]+://)[^/]*@", r"\1", re.sub(r"[?#].*", "", uri))


def _require_answer(uri: str) -> None:
    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise StoreError(
            f"tracking server {without_secrets(uri)} does not answer ({type(error).__name__}); "
            "start it or give another --tracking-uri"
        ) from error


def _sqlite_file(uri: str) -> Path | None:
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(match[1]).absolute() if match else None


def _user_locks() -> Path:
    return user_state_path("regsearch") / "locks"


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be created ({error.strerror}); choose a folder that can be written"
        ) from error
    if not os.access(folder, os.W_OK):
        raise StoreError(f"{folder}: cannot be written; choose another folder or change its permissions")
    return folder


def _initialised(uri: str) -> MlflowClient:
    try:
        with _quiet("mlflow", "alembic"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except (MlflowException, CommandError, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0][:200].replace(uri, without_secrets(uri))
        advice = "use the MLflow that made it, or upgrade a copy with `mlflow db upgrade`"
        raise StoreError(f"{without_secrets(uri)}: cannot be used by this MLflow ({reason}); {advice}") from error
    return client


def _write_ahead(database: Path) -> None:
    with sqlite3.connect(database, timeout=_ANSWER_SECONDS) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
