"""Which worker of a cluster is sent a path: one that solved its row, or one near it, remembers most of the work."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from regsearch.search.solving.plane_row import PlaneRow, nearest


@dataclass(eq=False)
class SentPath:
    """Work that was sent to a worker: a path of trials if it has a row.

    Attributes
    ----------
    row : PlaneRow or None
    worker : str
        Address of the worker.
    is_open : bool
        Whether it is still being solved.
    """

    row: PlaneRow | None
    worker: str
    is_open: bool = True

    def close(self, _outcome: Future[Any]) -> None:
        """Note that it is solved."""
        self.is_open = False


def place(row: PlaneRow | None, workers: Sequence[str], sent: Sequence[SentPath]) -> str:
    """Return the worker that solved this row, or else, of the least busy workers, the one that solved the nearest."""
    solved: dict[str, set[PlaneRow | None]] = {worker: set() for worker in workers}
    busy = dict.fromkeys(workers, 0)
    for path in sent:
        if path.worker in solved:
            solved[path.worker].add(path.row)
            busy[path.worker] += path.is_open
    distance = {worker: nearest(row, rows) for worker, rows in solved.items()}
    return min(workers, key=lambda worker: (distance[worker] > 0, busy[worker], distance[worker]))
