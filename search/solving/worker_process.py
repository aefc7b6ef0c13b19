"""A process that solves what the driver sends it, and ends when the driver does."""

from __future__ import annotations

import os
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Generic

from threadpoolctl import threadpool_limits

from regsearch.errors import EngineLostError
from regsearch.search.solving.spawning import deaf_to_interruptions, without_main
from regsearch.search.solving.workload import R, W, Workload


class WorkerProcess(Generic[W, R]):
    """Solves one unit of work after another in a process of its own.

    Its pipe is its own, too, so that the driver comes to the pipe's end when the process dies, at whatever moment.
    `concurrent.futures.ProcessPoolExecutor` has one pipe for the results of all processes: if one is killed while it
    writes, the driver waits for the rest for ever, because the others hold the pipe open.

    Parameters
    ----------
    workload : Workload
    workers : int
        How many processes share this machine.
    """

    def __init__(self, workload: Workload[W, R], workers: int) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._is_ready = False
        self._process = context.Process(target=_serve, args=(theirs, workload, workers), daemon=True)
        try:
            with theirs, without_main(), deaf_to_interruptions():
                self._process.start()
        except BaseException:  # which a signal's handler raised
            if self._process.is_alive():
                self.kill()
                self.close()
            raise

    def wait_until_ready(self) -> None:
        """Wait until the process can solve, or has died."""
        if not self._is_ready:
            with suppress(EOFError, OSError):  # which the first work comes upon, too
                self._connection.recv()
            self._is_ready = True

    def __call__(self, work: W) -> R:
        """Return the result of a unit of work.

        Raises
        ------
        EngineLostError
            If the process has died.
        """
        self.wait_until_ready()
        try:
            self._connection.send(work)
            is_solved, result = self._connection.recv()
        except (EOFError, OSError) as error:
            raise EngineLostError(
                "a solver's process died, perhaps because memory ran out: if so, give fewer --workers"
            ) from error
        if not is_solved:
            raise result
        found: R = result
        return found

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Let the process end, and wait until it has."""
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, workload: Workload[W, R], workers: int) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(max(1, (os.cpu_count() or 1) // workers))
    try:
        solve = workload.worker(workers)
    except MemoryError:
        os._exit(1)  # the driver says so in a line, where a traceback would be printed
    with suppress(EOFError, ConnectionError):  # the driver is done, perhaps before it has read an answer
        connection.send("ready")
        while True:
            work = connection.recv()
            try:
                answer: tuple[bool, object] = True, solve(work)
            except Exception as error:  # it is raised again in the driver
                answer = False, error
            connection.send(answer)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
