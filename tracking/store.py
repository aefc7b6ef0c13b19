"""Opening MLflow's tracking store: a server, a database, or the embedded SQLite file."""

from __future__ import annotations

import os
import shlex
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeGuard
from urllib.parse import urlsplit

from alembic.util.exc import CommandError
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, MLFLOW_RUN_NOTE
from mlflow.utils.rest_utils import http_request
from mlflow.utils.uri import is_local_uri
from platformdirs import user_state_path
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from regsearch.errors import StoreError
from regsearch.tracking import durable, postgresql, sqlite_file
from regsearch.tracking.addresses import shown
from regsearch.tracking.errors import first_cause, reason, require_text
from regsearch.tracking.listing import listed
from regsearch.tracking.locks import Locks
from regsearch.tracking.quiet_mlflow import quiet, quiet_client

_ANSWER_SECONDS = 10
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_APART = "MLflow and Optuna cannot share a database; give --tracking-uri and --storage a database each"
_PRIMARY_METRIC = "r2_validation"
_EXPERIMENT_KIND = "mlflow.experimentKind"  # without it the UI opens on its pages for language models


@dataclass(frozen=True)
class Store:
    """A tracking store that has answered.

    Attributes
    ----------
    uri : str
        Its tracking URI, secrets included: show `shown` instead.
    client : MlflowClient
    artifact_root : str or None
        URI of the folder in which new experiments keep their artifacts; ``None`` if a server decides.
    locks : Locks
        Locks: files beside an embedded database, else files of this user on this machine, and advisory locks in the
        PostgreSQL databases that are named.
    """

    uri: str
    client: MlflowClient
    artifact_root: str | None
    locks: Locks

    @property
    def shown(self) -> str:
        """URI without user, password and query, fit for a log."""
        return shown(self.uri)

    @property
    def is_embedded(self) -> bool:
        """Whether the store is an SQLite database, with its locks beside it."""
        return sqlite_file.database_of(self.uri) is not None

    @property
    def is_of_this_machine(self) -> bool:
        """Whether nobody else's machine keeps what is written."""
        host = urlsplit(self.uri).hostname if self.artifact_root is None else make_url(self.uri).host
        return not host or host == "localhost" or host.startswith("127.") or host == "::1"

    def command(self, arguments: str) -> str:
        """Return a command of MLflow's on this store, without secrets; without the address, MLflow makes a new one."""
        return f"`MLFLOW_TRACKING_URI={shlex.quote(self.shown)} mlflow {arguments}`"

    def holds(self, run_id: str, path: str) -> bool:
        """Return whether a run has an artifact of that path, which is not empty."""
        return self.size(run_id, path) > 0

    def write(self, run: Run, files: Mapping[str, bytes]) -> None:
        """Write artifacts of a run; on this machine they are on the disk once this returns.

        Parameters
        ----------
        run : Run
        files : mapping of str to bytes
            Contents by path.
        """
        self._write(str(run.info.artifact_uri), files, partial(self.client.log_artifacts, run.info.run_id))

    def write_model(self, model: LoggedModel, files: Mapping[str, bytes]) -> None:
        """Write the files of a logged model; see `write`."""
        self._write(model.artifact_location, files, partial(self.client.log_model_artifacts, model.model_id))

    def _write(self, place: str, files: Mapping[str, bytes], upload: Callable[[str], None]) -> None:
        local = local_folder(place)
        if local is not None:
            durable.write(local, files)
            return
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            upload(folder)

    def size(self, run_id: str, path: str) -> int:
        """Return the bytes of a run's artifact, and zero where there is none."""
        folder = path.rpartition("/")[0] or None
        return next(
            (file.file_size or 0 for file in self.client.list_artifacts(run_id, folder) if file.path == path), 0
        )

    def experiments(self, *, deleted: bool = False) -> list[str]:
        """Return the ids of all experiments, with or without those in MLflow's bin."""
        view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
        return [experiment.experiment_id for experiment in listed(self.client.search_experiments, view_type=view)]

    def experiment(self, name: str, description: str = "", views: Mapping[str, str] | None = None) -> str:
        """Return the id of the experiment of that name, making it where there is none.

        Parameters
        ----------
        name : str
        description : str
            Of a new experiment.
        views : mapping of str to str
            Tags that it shall have, new or not; see `regsearch.tracking.pages.view_tags`.

        Raises
        ------
        StoreError
            If it was deleted.
        """
        with self.locks.hold("store"):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                tags = {
                    _EXPERIMENT_KIND: "custom_model_development",
                    MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME: _PRIMARY_METRIC,
                    MLFLOW_RUN_NOTE: description,
                    **(views or {}),
                }
                return self.client.create_experiment(name, artifact_location=self.artifact_root, tags=tags)
            if found.lifecycle_stage == "active":
                for key, value in (views or {}).items():
                    if found.tags.get(key) != value:
                        self.client.set_experiment_tag(found.experiment_id, key, value)
        if found.lifecycle_stage == "deleted":
            restore = self.command(f"experiments restore --experiment-id {found.experiment_id}")
            raise StoreError(
                f"experiment {name!r} is deleted in {self.shown}; restore it with {restore} or choose another name"
            )
        return found.experiment_id


def local_folder(artifact_uri: str) -> Path | None:
    """Return the folder of this machine that an artifact URI names, or ``None`` if it names another place."""
    if not is_local_uri(artifact_uri):
        return None
    return Path(local_file_uri_to_path(artifact_uri)).absolute()


def tracking_uri(explicit: str | None = None) -> str:
    """Return the URI to use: the explicit one, else ``MLFLOW_TRACKING_URI``, else the embedded database."""
    if explicit is not None:
        require_text(explicit, "tracking_uri", "an address such as 'sqlite:///mlruns/mlflow.db' or 'http://host:5000'")
    return explicit or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_file.address(sqlite_file.home() / "mlflow.db")


def storage_url(explicit: str | os.PathLike[str] | None = None) -> str | None:
    """Return the URL of Optuna's storage: the explicit one, else ``REGSEARCH_STORAGE``, else ``None`` (the journal)."""
    if isinstance(explicit, os.PathLike):
        explicit = os.fspath(explicit)
    if explicit is not None:
        require_text(explicit, "storage", "the path of a journal file or the URL of a database")
    return explicit or os.environ.get("REGSEARCH_STORAGE") or None


def is_there(uri: str | None = None) -> bool:
    """Return whether a tracking store can exist at a URI; an embedded one exists if its file does."""
    database = sqlite_file.database_of(tracking_uri(uri))
    return database is None or database.exists()


def open_store(uri: str | None = None, storage: str | None = None) -> Store:
    """Open the tracking store, initialising an embedded one under a lock on first use.

    Parameters
    ----------
    uri : str or None
        Tracking URI; `tracking_uri` resolves ``None``.
    storage : str or None
        URL of Optuna's storage; if it is PostgreSQL, its locks work across machines.  `storage_url` resolves ``None``.

    Raises
    ------
    StoreError
        If a server does not answer, a folder cannot be written, the database is of another version of MLflow, or an
        embedded one was copied or moved.
    """
    uri, storage = tracking_uri(uri), storage_url(storage)
    _require_two_databases(uri, storage)
    shared = tuple(dict.fromkeys(url for url in (uri, storage) if url and postgresql.is_postgresql(url)))
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        _require_answer(uri)
        _require_databases(shared)
        return Store(uri, quiet_client(uri), None, Locks(_writable(_user_locks()), shared))
    if scheme.split("+")[0] not in ("sqlite", "postgresql", "mysql", "mssql"):
        raise StoreError(
            f"tracking URI {shown(uri)!r} is not supported; give http(s)://…, sqlite:///… or another database"
        )
    database = sqlite_file.database_of(uri)
    if database and database.is_dir():
        raise StoreError(
            f"{database}: expected a database file, found a folder; give {sqlite_file.address(database / 'mlflow.db')}"
        )
    _require_databases(shared)
    _require_not_optunas(uri, database)
    folder = _writable(database.parent if database else sqlite_file.home())
    locks = Locks(_writable(folder / "locks" if database else _user_locks()), shared)
    artifact_root = (folder / "artifacts").as_uri()
    with locks.hold("store"):
        if database:
            sqlite_file.prepare(database, artifact_root)
        client = _initialised(uri)
        if database:
            _require_its_folder(client, folder)
    return Store(uri, client, artifact_root, locks)


def existing_store(uri: str | None = None, storage: str | None = None) -> Store:
    """Open the tracking store that is there already; see `open_store`.

    Raises
    ------
    StoreError
        If nothing has been tracked there.
    """
    if not is_there(uri):
        raise StoreError(
            f"nothing is tracked in {shown(tracking_uri(uri))} yet; start a search with `regsearch run`, go "
            "to the folder that holds its mlruns, or give --tracking-uri"
        )
    return open_store(uri, storage)


def _require_answer(uri: str) -> None:
    """Ask a server for its health and for an experiment, as MLflow would: with its credentials, timeout and TLS."""
    server = shown(uri)
    try:
        timeout = MLFLOW_HTTP_REQUEST_TIMEOUT.get() if MLFLOW_HTTP_REQUEST_TIMEOUT.defined else _ANSWER_SECONDS
        credentials = get_default_host_creds(uri)
        for endpoint in ("/health", "/api/2.0/mlflow/experiments/search?max_results=1"):
            answer = http_request(
                credentials, endpoint, "GET", max_retries=0, timeout=timeout, retry_codes=(), raise_on_status=False
            )
            if answer.status_code in (401, 403):
                raise StoreError(
                    f"tracking server {server} refuses ({answer.status_code} {answer.reason}); set "
                    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
                )
            if not answer.ok:
                raise StoreError(
                    f"tracking server {server} answers {answer.status_code} {answer.reason} to "
                    f"{endpoint.split('?')[0]}; check that an MLflow server is at that address, or give another "
                    "--tracking-uri"
                )
    except ValueError as error:
        raise StoreError(f"{error}; correct or unset that variable") from error
    except MlflowException as error:
        cause = first_cause(error)
        raise StoreError(
            f"tracking server {server} does not answer ({type(cause).__name__}); {_advice(cause)}"
        ) from error


def _require_databases(urls: Iterable[str]) -> None:
    """Connect once to each: MLflow would try a database that is not there for minutes."""
    for url in urls:
        try:
            with postgresql.engine(url).connect():
                pass
        except ImportError as error:
            raise StoreError(
                f"{shown(url)}: needs {error.name}, which is not installed; pip install 'regsearch[postgresql]'"
            ) from error
        except SQLAlchemyError as error:
            raise StoreError(
                f"{shown(url)}: cannot be connected to ({reason(error)}); check that PostgreSQL runs there, "
                "and the database, user and password"
            ) from error


def _advice(cause: BaseException) -> str:
    match cause:
        case ssl.SSLError():
            return "give its certificate by MLFLOW_TRACKING_SERVER_CERT_PATH, or set MLFLOW_TRACKING_INSECURE_TLS=true"
        case TimeoutError():
            return "start it, give another --tracking-uri, or raise MLFLOW_HTTP_REQUEST_TIMEOUT (seconds)"
        case _:
            return "start it or give another --tracking-uri"


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


_PACKAGES = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary"}
"""Packages of drivers that are imported under another name."""


def missing_driver(error: ImportError) -> str:
    """Say which package would bring the module that a database's URL needs."""
    module = getattr(first_cause(error), "name", None) or "its driver"
    return f"needs a driver that is not installed; pip install {_PACKAGES.get(module, module)}"


def _initialised(uri: str) -> MlflowClient:
    try:
        with quiet("mlflow", "alembic"), sqlite_file.without_stray_folders(uri):
            client = quiet_client(uri)
            client.search_experiments(max_results=1)
    except ImportError as error:
        raise StoreError(f"{shown(uri)}: {missing_driver(error)}") from error
    except (MlflowException, CommandError, SQLAlchemyError, OSError) as error:
        advice = "use the MLflow that made it, or upgrade a copy with `mlflow db upgrade`"
        raise StoreError(f"{shown(uri)}: cannot be used by this MLflow ({reason(error)}); {advice}") from error
    return client


def _require_its_folder(client: MlflowClient, folder: Path) -> None:
    """Refuse a database that was made in another folder, where MLflow would go on writing the artifacts.

    Regsearch's experiments keep theirs in ``artifacts`` beside the database.  Where other people's do is left to them.
    """
    made_here = f"tags.`{MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME}` = '{_PRIMARY_METRIC}'"
    for experiment in listed(client.search_experiments, view_type=ViewType.ALL, filter_string=made_here):
        place = local_folder(experiment.artifact_location)
        if place is None or place.name != "artifacts":
            continue
        if not (_is_same(place.parent, folder) or _is_same(place, folder / "artifacts")):
            raise StoreError(
                f"{folder}: was copied or moved from {place.parent}, where MLflow would go on reading and writing its "
                'artifacts; run the code that docs/resuming.md shows under "Move", or use it where it was'
            )


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same folder, also by links and mounts."""
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def _require_two_databases(uri: str, storage: str | None) -> None:
    """Refuse addresses that cannot be read, and one database for both libraries.

    Each library keeps the version of its tables in a table of the same name.
    """
    given = {"tracking URI": uri, "storage": storage}
    places = [_place(address, kind) for kind, address in given.items() if _is_database(address)]
    if len({*places}) < len(places):
        raise StoreError(f"{shown(uri)}: {_APART}")


def _require_not_optunas(uri: str, database: Path | None) -> None:
    """Refuse Optuna's database before MLflow writes its tables and its version into it, after which Optuna refuses it.

    `database` is the file of an SQLite database.
    """
    if (database is None or database.exists()) and has_table(uri, "study_directions"):
        raise StoreError(
            f"{shown(uri)}: expected MLflow's database, found Optuna's; give MLflow's by --tracking-uri, and Optuna's "
            "by --storage"
        )


def _is_database(address: str | None) -> TypeGuard[str]:
    return address is not None and "://" in address and not address.startswith(("http://", "https://"))


def _place(address: str, kind: str) -> tuple[object, ...]:
    """Return what tells one database from another; `kind` is what messages call the address."""
    if database := sqlite_file.database_of(address, kind):
        return (database.resolve(),)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            f"{kind} {shown(address)!r} cannot be read; expected an address such as postgresql://USER@HOST:5432/NAME"
        ) from error
    return url.get_backend_name(), url.host, url.port or _PORTS.get(url.get_backend_name()), url.database


def has_table(uri: str, name: str) -> bool:
    """Return whether a database has a table, by which one of MLflow's is told from one of Optuna's."""
    with suppress(SQLAlchemyError, ImportError):
        return inspect(create_engine(uri, poolclass=NullPool)).has_table(name)
    return False
