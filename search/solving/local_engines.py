"""Engines of this machine: trials are solved on a thread beside the driver, or in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import current_process
from numbers import Integral
from queue import SimpleQueue
from threading import Lock
from typing import Generic

from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.solving.plane_row import PlaneRow, nearest
from regsearch.search.solving.worker_process import WorkerProcess
from regsearch.search.solving.workload import Engine, R, W, Workload
from regsearch.search.trial import Proposal

Submit = Callable[[Sequence[Proposal]], Future[list[Solved | Failure]]]
"""Has a path of proposals solved, and returns the future of their outcomes."""


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number, of Python or NumPy, as a number of processes must be."""
    return isinstance(value, Integral) and not isinstance(value, bool)


@contextmanager
def thread(workload: Workload[W, R]) -> Iterator[Callable[[W], Future[R]]]:
    """Solve on one thread of this process, with all of its cores."""
    solve = workload.solver()
    with _threads(1) as executor:
        yield lambda work: executor.submit(solve, work)


def processes(workers: int) -> Engine:
    """Return an engine of `workers` processes; each has a copy of the rows and its share of the cores.

    A process ends when its parent ends, in whichever way.  A daemonic process, such as a worker of
    `multiprocessing.Pool`, may have no children, and solves on a thread.
    """
    if current_process().daemon:
        return thread

    @contextmanager
    def engine(workload: Workload[W, R]) -> Iterator[Callable[[W], Future[R]]]:
        pool = _Pool(workload, workers)
        try:
            with _threads(workers, pool.kill) as executor:
                yield partial(pool.submit, executor)
        finally:
            pool.close()

    return engine


class _Pool(Generic[W, R]):
    """Processes that solve what waits, each started when there is work for it."""

    def __init__(self, workload: Workload[W, R], workers: int) -> None:
        self._workload = workload
        self._workers = workers
        self._solvers: list[_Solver[W, R]] = []
        self._idle: SimpleQueue[_Solver[W, R]] = SimpleQueue()
        self._waiting: list[_Waiting[W, R]] = []
        self._choosing = Lock()

    def submit(self, executor: Executor, work: W) -> Future[R]:
        """Have a unit of work solved, on a thread that waits for the process which solves it."""
        if len(self._solvers) < self._workers:
            self._solvers.append(_Solver(WorkerProcess(self._workload, self._workers)))
            self._idle.put(self._solvers[-1])
        one: _Waiting[W, R] = _Waiting(work, PlaneRow.of(self._workload.near(work)))
        self._waiting.append(one)
        executor.submit(self._solve_one)
        return one.outcome

    def _solve_one(self) -> None:
        solver = self._idle.get()
        solver.process.wait_until_ready()  # so that it can choose among all that wait by then
        with self._choosing:
            one = solver.best_of(self._waiting, self._solvers)
            self._waiting.remove(one)
            solver.rows.add(one.row)
        try:
            one.outcome.set_result(solver.process(one.work))
        except BaseException as error:  # it is raised again in the driver
            one.outcome.set_exception(error)
        finally:
            self._idle.put(solver)

    def kill(self) -> None:
        """End the processes, whatever they are doing."""
        for solver in self._solvers:
            solver.process.kill()

    def close(self) -> None:
        """Let the processes end, and wait until they have."""
        for solver in self._solvers:
            solver.process.close()


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[W, R]):
    """Work that no process has begun, with its row of the penalty plane if it has one."""

    work: W
    row: PlaneRow | None
    outcome: Future[R] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class _Solver(Generic[W, R]):
    """A process, and the rows of the penalty plane that it has solved."""

    process: WorkerProcess[W, R]
    rows: set[PlaneRow | None] = field(default_factory=set)

    def best_of(self, waiting: Sequence[_Waiting[W, R]], solvers: Sequence[_Solver[W, R]]) -> _Waiting[W, R]:
        """Return the work that this process has solved nearer neighbours of than others have; of equals the oldest.

        So one process decomposes the rows for ridge, and another follows the paths.
        """
        others = {row for solver in solvers if solver is not self for row in solver.rows}
        return min(waiting, key=lambda one: nearest(one.row, self.rows) - nearest(one.row, others))


@contextmanager
def _threads(number: int, abandon: Callable[[], object] = lambda: None) -> Iterator[Executor]:
    """Yield threads, and wait for them at the end; after an error, drop what waits and abandon what they do."""
    with ThreadPoolExecutor(number, thread_name_prefix="solver") as executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            abandon()
            raise
