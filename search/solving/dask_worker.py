"""What a worker of a cluster does: it keeps the rows and solvers of a search, and imports nothing that tracks one."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
from distributed import Worker, get_worker
from distributed.worker_state_machine import TaskState
from threadpoolctl import threadpool_limits

from regsearch.data import Development
from regsearch.data.blocks import column_blocks
from regsearch.errors import EngineLostError
from regsearch.search.penalty import Family
from regsearch.search.solving.evaluate import Evaluator, Failure, Solved
from regsearch.search.solving.local import illustrated


@dataclass(frozen=True, eq=False)
class Shipment:
    """What every worker is sent once: the rows of a search, never the test rows, and how to know them again.

    Attributes
    ----------
    development : Development
    tolerance : float
        Relative duality gap that every fit must reach.
    sha256 : str
        Of the values of all rows.
    """

    development: Development
    tolerance: float
    sha256: str

    @classmethod
    def of(cls, development: Development, tolerance: float) -> Shipment:
        """Return what is sent of the rows of a search."""
        return cls(development, tolerance, _sha256(development))


_here: WeakKeyDictionary[TaskState, Evaluator] = WeakKeyDictionary()
"""A worker's solvers, for as long as it has the rows: Dask drops them when the search ends, however it ends."""
_alone = Lock()


def solve(
    key: str, shipment: Shipment, family: Family, trials: Sequence[Mapping[str, float]]
) -> list[Solved | Failure]:
    """Solve a path on this worker: one at a time, on as many BLAS threads as the worker has threads.

    Parameters
    ----------
    key : str
        Dask's, of the shipment.
    shipment : Shipment
    family : str
    trials : sequence of mapping of str to float
        Their strengths, in the order to solve them in.

    Raises
    ------
    EngineLostError
        If the rows are not those that were sent.
    """
    worker = get_worker()
    rows = worker.state.tasks[key]
    with _alone, threadpool_limits(worker.state.nthreads, user_api="blas"):
        if rows not in _here:
            if _sha256(shipment.development) != shipment.sha256:
                raise EngineLostError(f"the rows that reached {worker.address} are not those that were sent")
            _here[rows] = Evaluator(shipment.development, shipment.tolerance)
        return illustrated(_here[rows], family, trials)


def dask_setup(_worker: Worker) -> None:
    """Leave Ctrl-C to the driver; a local cluster's workers call this when they start."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _sha256(development: Development) -> str:
    """Return the SHA-256 of the values of all rows."""
    digest = hashlib.sha256()
    folds = [rows for fold in development.folds for rows in (fold.train, fold.validation)]
    for rows in dict.fromkeys([*folds, development.model]):
        digest.update(f"{rows.X.dtype.str}{rows.X.shape}".encode())
        for columns in column_blocks(rows.X):
            digest.update(np.ascontiguousarray(rows.X[:, columns].T).data)
        for array in (rows.y, rows.index):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
    return digest.hexdigest()
