"""A worker of a cluster: it keeps the rows and the solvers of a search.  It imports nothing that tracks a search."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from distributed import get_worker
from distributed.worker_state_machine import TaskState
from threadpoolctl import threadpool_limits

from regsearch.data import Development
from regsearch.data.blocks import column_blocks
from regsearch.errors import EngineLostError
from regsearch.search.solving.workload import AnyWorkload


@dataclass(frozen=True, eq=False)
class Shipment:
    """What every worker is sent once: the rows of a search without its test rows, and their hash.

    Attributes
    ----------
    task : Workload
        What is solved.
    sha256 : str
        SHA-256 of the values of all rows.
    """

    task: AnyWorkload
    sha256: str

    @classmethod
    def of(cls, task: AnyWorkload) -> Shipment:
        """Return the shipment of a search's rows."""
        return cls(task, _sha256(task.development))


solvers_here: WeakKeyDictionary[TaskState, Callable[[Any], Any]] = WeakKeyDictionary()
"""A worker's solvers.  They live as long as the worker has the rows, which Dask drops when the search ends."""
_alone = Lock()


def solve(key: str, shipment: Shipment, work: Any) -> Any:
    """Solve a unit of work on this worker: one at a time, on as many BLAS threads as the worker has threads.

    Parameters
    ----------
    key : str
        Dask's key of the shipment.
    shipment : Shipment
    work : object
        Such as a path of proposals, in the order to solve it in.

    Raises
    ------
    EngineLostError
        If the rows are not those that were sent.
    """
    worker = get_worker()
    rows = worker.state.tasks[key]
    with _alone, threadpool_limits(worker.state.nthreads, user_api="blas"):
        if rows not in solvers_here:
            if _sha256(shipment.task.development) != shipment.sha256:
                raise EngineLostError(f"the rows that reached {worker.address} are not those that were sent")
            solvers_here[rows] = shipment.task.worker()
        return solvers_here[rows](work)


def _sha256(development: Development) -> str:
    """Return the SHA-256 of the values of all rows."""
    digest = hashlib.sha256()
    for rows in development.sets:
        digest.update(f"{rows.X.dtype.str}{rows.X.shape}".encode())
        for columns in column_blocks(rows.X):
            digest.update(np.ascontiguousarray(rows.X[:, columns].T).data)
        for array in (rows.y, rows.index):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
    return digest.hexdigest()
