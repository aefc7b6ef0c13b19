"""Runs that a dead process left open: its lock is free, so they are closed."""

from __future__ import annotations

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from regsearch.errors import HeldError
from regsearch.tracking.errors import is_denied
from regsearch.tracking.queries import open_runs
from regsearch.tracking.runs import LOCKED_IN
from regsearch.tracking.store import Store


def close_orphans(store: Store) -> list[str]:
    """Close as KILLED the open runs of searches whose process is dead.

    A live search holds its lock and is left alone.  So is a search whose lock cannot be seen from here, or that another
    user of the server began.  Nothing is lost: the same search, started again, resumes a closed run.

    Returns
    -------
    list of str
        The ids of the searches concerned.
    """
    closed = []
    for parent in open_runs(store):
        search_id = parent.data.tags["search_id"]
        if not search_id.isalnum() or not _sees_the_lock(store, parent):
            continue
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


def _sees_the_lock(store: Store, parent: Run) -> bool:
    """Return whether this process would find the search's lock taken if the search were alive.

    The lock of an embedded store lies beside its database, for whoever opens it, under whichever host name or path.
    """
    places = parent.data.tags.get(LOCKED_IN, "").splitlines()
    return store.is_embedded or not set(places).isdisjoint(store.locks.places)
