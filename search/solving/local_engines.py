"""Engines of this machine: trials are solved on a thread beside the driver, or in processes of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import current_process, get_context, parent_process
from numbers import Integral
from threading import Thread
from typing import Any

from threadpoolctl import threadpool_limits

from regsearch.errors import EngineLostError
from regsearch.search.solving.evaluate import Failure, Solved
from regsearch.search.solving.spawning import without_main
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
    with _abandoned_on_error(ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver")) as executor:
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
        pool = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_become_worker,
            initargs=(workload, workers),
        )
        try:
            with _abandoned_on_error(pool) as executor:
                yield partial(_submit, executor)
        except BrokenExecutor as error:
            raise EngineLostError(
                "a solver's process died, perhaps for want of memory: give fewer --workers if that was it"
            ) from error

    return engine


def _submit(pool: Executor, work: W) -> Future[Any]:
    with without_main():  # the pool starts its processes when it is given work
        return pool.submit(_solve_here, work)


@contextmanager
def _abandoned_on_error(executor: Executor) -> Iterator[Executor]:
    with executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


_here: Callable[[Any], Any] | None = None


def _become_worker(workload: Workload[Any, Any], workers: int) -> None:
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(max(1, (os.cpu_count() or 1) // workers))
    try:
        _here = workload.worker(workers)
    except MemoryError:
        os._exit(1)  # the driver says so in a line, where the pool would print a traceback


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _solve_here(work: Any) -> Any:
    assert _here is not None, "the worker was not initialised"  # noqa: S101
    return _here(work)
