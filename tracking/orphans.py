"""Runs that a dead process left open: found by the lock that it no longer holds, and closed."""

from __future__ import annotations

from mlflow.exceptions import MlflowException

from regsearch.errors import HeldError
from regsearch.tracking.errors import is_denied
from regsearch.tracking.runs import LOCKED_IN, open_runs
from regsearch.tracking.store import Store


def close_orphans(store: Store) -> list[str]:
    """Close as KILLED the open runs of searches whose process is dead.

    A live search holds its lock, and is left alone; so is one whose lock would not be seen from here, or that another
    user of the server began.  What is closed is not lost: the same search again takes it up.

    Returns
    -------
    list of str
        The ids of the searches concerned.
    """
    closed = []
    for parent in open_runs(store):
        if not {*parent.data.tags.get(LOCKED_IN, "").splitlines()} & {*store.locks.places}:
            continue
        search_id = parent.data.tags["search_id"]
        try:
            with store.locks.hold(search_id, patience=0):
                left = open_runs(store, search_id)  # it may have ended meanwhile
                for run in left:
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
