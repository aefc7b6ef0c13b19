"""Engines of this machine: trials are solved on a thread beside the driver, or in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import current_process
from numbers import Integral
from queue import SimpleQueue

from regsearch.search.solving.evaluate import Failure, Solved
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
        started: list[WorkerProcess[W, R]] = []
        idle: SimpleQueue[WorkerProcess[W, R]] = SimpleQueue()

        def kill() -> None:
            for worker in started:
                worker.kill()

        def solve(work: W) -> R:
            worker = idle.get()
            try:
                return worker(work)
            finally:
                idle.put(worker)

        try:
            with _threads(workers, kill) as executor:

                def submit(work: W) -> Future[R]:
                    if len(started) < workers:
                        started.append(WorkerProcess(workload, workers))
                        idle.put(started[-1])
                    return executor.submit(solve, work)

                yield submit
        finally:
            for worker in started:
                worker.close()

    return engine


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
