"""What any long piece of work on a search needs: an engine, the search's lock, and one line if something else fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from mlflow.exceptions import MlflowException
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from regsearch.data.refusal import short
from regsearch.errors import MORE_MEMORY, ConfigError, EngineLostError, HeldError, SearchBusyError, SearchStoppedError
from regsearch.search.output.progress import Progress
from regsearch.search.solving.local_engines import is_whole, processes, thread
from regsearch.search.solving.workload import Engine
from regsearch.tracking.errors import reason
from regsearch.tracking.locks import Held
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.quiet_mlflow import quiet
from regsearch.tracking.store import Store

_BUSY_SECONDS = 1.0
"""How long to wait for a search's lock: a database may need a moment to notice that its holder died."""


def engine_of(workers: int | None, cluster: str | None, shown: Progress) -> AbstractContextManager[Engine]:
    """Return the engine that a caller asked for: a thread, processes, or a Dask cluster.

    Entering it says that processes are started, or a cluster is connected to, before the seconds that it takes.

    Raises
    ------
    ConfigError
        If `workers` is no whole number of 1 or more, both are given, the address is malformed, or Dask is missing.
    """
    if workers is not None and not (is_whole(workers) and workers > 0):
        raise ConfigError(
            f"workers: expected a whole number of 1 or more, found {short(workers)}; leave it out for one thread"
        )
    if cluster is None:
        if workers in (None, 1):
            return nullcontext(thread)
        return _announced(shown, f"starting {workers} processes …", nullcontext(processes(int(workers))))
    if workers is not None:
        raise ConfigError("--workers and --cluster exclude each other; a cluster has workers of its own")
    try:
        from regsearch.search.solving.dask_engine import connect, require_address
    except ImportError as error:
        raise ConfigError(
            f"--cluster {cluster}: needs {error.name}, which is not installed; pip install 'regsearch[cluster]'"
        ) from error
    require_address(cluster)
    number = cluster.removeprefix("local:")
    line = f"connecting to {cluster} …" if number == cluster else f"starting a cluster of {number} processes …"
    return _announced(shown, line, connect(cluster))


@contextmanager
def _announced(shown: Progress, line: str, connection: AbstractContextManager[Engine]) -> Iterator[Engine]:
    shown.say(line)
    with connection as engine:
        yield engine


def say_orphans(store: Store, shown: Progress) -> None:
    """Close the open runs of processes that have died, and say so."""
    for closed in close_orphans(store):
        shown.say(f"the process of search {closed} had died; its open runs are closed")


@contextmanager
def alone(store: Store, search_id: str) -> Iterator[Held]:
    """Hold the search's lock; it is released if this process dies."""
    with ExitStack() as stack:
        try:
            held = stack.enter_context(store.locks.hold(search_id, _BUSY_SECONDS))
        except HeldError as error:
            raise SearchBusyError(
                f"search {search_id} is being run by {error.who}; wait for it to end, or stop it first"
            ) from error
        yield held


@contextmanager
def resumable() -> Iterator[None]:
    """Turn a failure outside of the search itself into one line that says that the search can be resumed."""
    try:
        with quiet("mlflow.store", level=logging.CRITICAL):  # its tracebacks
            yield
    except EngineLostError as error:
        raise SearchStoppedError(f"{error}; what was logged is kept, and the same command resumes") from error
    except MemoryError as error:
        raise SearchStoppedError(f"{MORE_MEMORY}; what was logged is kept, and the same command resumes") from error
    except (MlflowException, SQLAlchemyError, StorageInternalError, OSError) as error:
        raise SearchStoppedError(
            f"stopped by {reason(error)}; what was logged is kept, and the same command resumes once this is repaired"
        ) from error
