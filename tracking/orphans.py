"""Runs that a dead process left open: found by the lock that it no longer holds, and closed."""

from __future__ import annotations

import socket

from filelock import FileLock, Timeout
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from tracking.store import Store, is_denied

HOST = "host"
"""Tag of a search's run: the machine whose lock files can tell whether its process lives."""


def close_orphans(store: Store) -> list[str]:
    """Close as KILLED the open runs of searches whose process on this machine is dead.

    A live search holds its lock, and is left alone; so is one of another machine, or of another user of the server.
    What is closed is not lost: the same search again takes it up.

    Returns
    -------
    list of str
        The ids of the searches concerned.
    """
    experiments = store.experiments()
    closed = []
    for parent in _open_runs(store, experiments, f"tags.role = 'search' AND tags.{HOST} = '{socket.gethostname()}'"):
        search_id = parent.data.tags["search_id"]
        try:
            with FileLock(store.lock_of(search_id), timeout=0):
                for child in _open_runs(store, experiments, f"tags.search_id = '{search_id}' AND tags.role = 'trial'"):
                    store.client.set_terminated(child.info.run_id, "KILLED")
                store.client.set_terminated(parent.info.run_id, "KILLED")
        except Timeout:
            continue
        except MlflowException as error:
            if not is_denied(error):
                raise
            continue  # another user's: their next command closes them
        closed.append(search_id)
    return closed


def _open_runs(store: Store, experiments: list[str], condition: str) -> list[Run]:
    return list(
        store.client.search_runs(experiments, f"attributes.status = 'RUNNING' AND {condition}", max_results=1000)
    )
