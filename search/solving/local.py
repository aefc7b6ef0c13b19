"""Where trials are solved: on a thread beside the driver, or in processes of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from multiprocessing import get_context, parent_process
from threading import Thread

from threadpoolctl import threadpool_limits

from regsearch.data import Development
from regsearch.errors import EngineLostError
from regsearch.search.penalty import Family, trial_name
from regsearch.search.solving.evaluate import Evaluator, Failure, Solved
from regsearch.tracking import figures

Submit = Callable[[Family, Sequence[Mapping[str, float]]], Future[list[Solved | Failure]]]
Engine = Callable[[Development, float], AbstractContextManager[Submit]]
"""Given the rows and the tolerance, a context in which paths can be submitted."""


@contextmanager
def thread(development: Development, tolerance: float) -> Iterator[Submit]:
    """Solve on one thread of this process, which has all of its cores."""
    evaluator = Evaluator(development, tolerance)
    with _abandoned_on_error(ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver")) as executor:
        yield lambda family, trials: executor.submit(evaluator, family, trials)


def processes(workers: int) -> Engine:
    """Return an engine of `workers` processes, each with its copy of the rows and its share of the cores.

    A process ends with its parent, however that ends.
    """

    @contextmanager
    def engine(development: Development, tolerance: float) -> Iterator[Submit]:
        pool = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_become_worker,
            initargs=(development, tolerance, workers),
        )
        try:
            with _abandoned_on_error(pool) as executor:
                yield lambda family, trials: executor.submit(_solve_here, family, trials)
        except BrokenExecutor as error:
            raise EngineLostError(
                "a solver's process died, perhaps for want of memory: give fewer --workers if that was it"
            ) from error

    return engine


def illustrated(evaluator: Evaluator, family: Family, trials: Sequence[Mapping[str, float]]) -> list[Solved | Failure]:
    """Evaluate a path and draw its weights: workers share that, where one driver would be the limit of all of them."""
    return [
        replace(outcome, picture=figures.weights_png(outcome.fit.coef, trial_name(family, parameters)))
        if isinstance(outcome, Solved)
        else outcome
        for parameters, outcome in zip(trials, evaluator(family, trials), strict=False)
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


def _become_worker(development: Development, tolerance: float, workers: int) -> None:
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(max(1, (os.cpu_count() or 1) // workers))
    _here = Evaluator(development, tolerance, workers)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _solve_here(family: Family, trials: Sequence[Mapping[str, float]]) -> list[Solved | Failure]:
    assert _here is not None, "the worker was not initialised"  # noqa: S101
    return illustrated(_here, family, trials)
