"""Engines of this machine: trials are solved on a thread beside the driver, or in processes of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Thread

from threadpoolctl import threadpool_limits

from regsearch.errors import EngineLostError
from regsearch.search.solving.evaluate import Evaluator, Failure, Solved, Task
from regsearch.search.solving.spawning import without_main
from regsearch.search.trial import Proposal

Submit = Callable[[Sequence[Proposal]], Future[list[Solved | Failure]]]
"""Has a path of proposals solved, and returns the future of their outcomes."""
Solve = Callable[[Sequence[Proposal]], list[Solved | Failure]]
"""Solves a path of proposals, in the process that it is called in."""
Engine = Callable[[Task], AbstractContextManager[Submit]]
"""Takes a task; returns a context in which paths can be submitted."""


@contextmanager
def thread(task: Task) -> Iterator[Submit]:
    """Solve on one thread of this process, with all of its cores."""
    evaluator = Evaluator(task)
    with _abandoned_on_error(ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver")) as executor:
        yield lambda proposals: executor.submit(evaluator, proposals)


def processes(workers: int, *, pictures: bool = True) -> Engine:
    """Return an engine of `workers` processes; each has a copy of the rows and its share of the cores.

    A process ends when its parent ends, in whichever way.

    Parameters
    ----------
    workers : int
    pictures : bool
        Whether a process also draws the weights that it found.
    """
    solve = _solve_and_draw_here if pictures else _solve_here

    @contextmanager
    def engine(task: Task) -> Iterator[Submit]:
        pool = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_become_worker,
            initargs=(task, workers),
        )
        try:
            with _abandoned_on_error(pool) as executor:
                yield partial(_submit, executor, solve)
        except BrokenExecutor as error:
            raise EngineLostError(
                "a solver's process died, perhaps for want of memory: give fewer --workers if that was it"
            ) from error

    return engine


def _submit(pool: Executor, solve: Solve, proposals: Sequence[Proposal]) -> Future[list[Solved | Failure]]:
    with without_main():  # the pool starts its processes when it is given work
        return pool.submit(solve, proposals)


def illustrated(evaluator: Evaluator, proposals: Sequence[Proposal]) -> list[Solved | Failure]:
    """Evaluate a path and draw its weights, so that workers share the drawing and the driver does not limit them."""
    from regsearch.tracking import figures  # matplotlib, which a search without tracking does not need

    return [
        replace(outcome, picture=figures.weights_png(outcome.fit.coef, proposal.name))
        if isinstance(outcome, Solved)
        else outcome
        for proposal, outcome in zip(proposals, evaluator(proposals), strict=False)
    ]


@contextmanager
def _abandoned_on_error(executor: Executor) -> Iterator[Executor]:
    with executor:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


_here: Evaluator | None = None


def _become_worker(task: Task, workers: int) -> None:
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(max(1, (os.cpu_count() or 1) // workers))
    try:
        _here = Evaluator(task, workers)
    except MemoryError:
        os._exit(1)  # the driver says so in a line, where the pool would print a traceback


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _solve_here(proposals: Sequence[Proposal]) -> list[Solved | Failure]:
    assert _here is not None, "the worker was not initialised"  # noqa: S101
    return _here(proposals)


def _solve_and_draw_here(proposals: Sequence[Proposal]) -> list[Solved | Failure]:
    assert _here is not None, "the worker was not initialised"  # noqa: S101
    return illustrated(_here, proposals)
