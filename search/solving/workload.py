"""What engines have solved: trials of a search, or targets of a null distribution."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from regsearch.data import Development
from regsearch.search.penalty import Penalty

W = TypeVar("W")
"""A unit of work: what one call of a solver takes."""
R = TypeVar("R")
"""What the solver returns for it."""
_W = TypeVar("_W", contravariant=True)
_R = TypeVar("_R", covariant=True)


class Workload(Protocol[_W, _R]):
    """The rows to solve on, and how. It can be pickled, so that each worker makes a solver of its own of it."""

    @property
    def development(self) -> Development:
        """The rows that are solved on."""

    def solver(self) -> Callable[[_W], _R]:
        """Return what solves units of work in the driver's process."""

    def worker(self, processes: int = 1) -> Callable[[_W], _R]:
        """Return what solves them in a process of its own.

        Parameters
        ----------
        processes : int
            How many processes share this machine's memory.
        """

    def check(self, work: _W, result: Any, /) -> None:
        """Raise `EngineLostError` if no solver of this work can have sent that result."""

    def near(self, work: _W) -> Penalty | None:
        """Return the penalty by which to choose a worker: one that solved its neighbours solves it faster."""


class Engine(Protocol):
    """Takes a workload; returns a context in which units of work can be submitted."""

    def __call__(self, workload: Workload[W, R], /) -> AbstractContextManager[Callable[[W], Future[R]]]:
        """Begin to solve."""


AnyWorkload = Workload[Any, Any]
"""A workload of any kind."""
