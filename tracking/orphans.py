"""Runs that a dead process left open: found by the lock that it no longer holds, and closed."""

from __future__ import annotations

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from regsearch.errors import HeldError
from regsearch.tracking.store import Store, is_denied

LOCKED_IN = "locked_in"
"""Tag of a search's run: the places that keep its lock, a line each."""


def close_orphans(store: Store) -> list[str]:
    """Close as KILLED the open runs of searches whose process is dead.

    A live search holds its lock, and is left alone; so is one whose lock would not be seen from here, or that another
    user of the server began.  What is closed is not lost: the same search again takes it up.

    Returns
    -------
    list of str
        The ids of the searches concerned.
    """
    experiments = store.experiments()
    closed = []
    for parent in _open_runs(store, experiments, "tags.role = 'search'"):
        if not {*parent.data.tags.get(LOCKED_IN, "").splitlines()} & {*store.locks.places}:
            continue
        search_id = parent.data.tags["search_id"]
        try:
            with store.locks.hold(search_id, patience=0):
                left = _open_runs(store, experiments, f"tags.search_id = '{search_id}'")  # it may have ended meanwhile
                for run in sorted(left, key=lambda run: run.data.tags["role"] == "search"):
                    store.client.set_terminated(run.info.run_id, "KILLED")
        except HeldError:
            continue
        except MlflowException as error:
            if not is_denied(error):
                raise
            continue  # another user's: their next command closes them
        if left:
            closed.append(search_id)
    return closed


def _open_runs(store: Store, experiments: list[str], condition: str) -> list[Run]:
    return list(
        store.client.search_runs(experiments, f"attributes.status = 'RUNNING' AND {condition}", max_results=1000)
    )
