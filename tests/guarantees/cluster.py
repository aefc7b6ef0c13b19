"""A Dask cluster of processes that can be killed, on this machine or on those of a network of namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.guarantees.network import Network
from tests.servers import until

DASK = [sys.executable, "-m", "dask"]


class Cluster:
    """A scheduler and workers over TCP, each a process of its own.

    Parameters
    ----------
    folder : Path
    workers : int
    port : int
        The scheduler's; 0 for a free one.
    network : Network or None
        Where to run: the scheduler at the switch, the workers on ``worker1``, ``worker2`` and so on.
    tcp_timeout : str
        After how long Dask gives up a connection that is silent.
    """

    def __init__(
        self,
        folder: Path,
        workers: int = 2,
        port: int = 0,
        network: Network | None = None,
        tcp_timeout: str = "30s",
    ) -> None:
        file = folder / f"scheduler{len(list(folder.iterdir()))}.json"
        self._folder = folder
        self._network = network
        self._environment = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": tcp_timeout}
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self._start("switch", "scheduler", "--port", str(port), "--scheduler-file", file)
        until(lambda: file.exists() and file.read_text().endswith("\n}"), self.scheduler)
        self.address = json.loads(file.read_text())["address"]
        for number in range(1, workers + 1):
            self.add_worker(machine=f"worker{number}")

    def add_worker(self, *command: str, machine: str = "worker1") -> None:
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", self._folder)
        self.workers.append(self._start(machine, "worker", self.address, *options, command=command or DASK))

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, machine, *arguments, command=DASK) -> subprocess.Popen:
        host = self._network.address[machine] if self._network else "127.0.0.1"
        command = [*command, *map(str, arguments), "--host", host, "--no-dashboard"]
        return subprocess.Popen(
            self._network.on(machine, *command) if self._network else command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def started(folder: Path, **options) -> Iterator[Cluster]:
    """Start a cluster, and end it with the context."""
    cluster = Cluster(folder, **options)
    try:
        yield cluster
    finally:
        cluster.end()


def trials_logged(folder: Path) -> int:
    """Return how many trials have their artifacts in the store of a folder."""
    return sum(1 for _ in folder.glob("mlruns/artifacts/*/artifacts/weights.npz"))


def assert_stopped(code: int, error: str, says: str) -> None:
    """Assert that a search stopped with one line, which says why, and that it can be resumed."""
    assert code == 1, error
    assert "Traceback" not in error, error
    *_, line = error.splitlines()
    assert line.startswith("regsearch: ")
    assert f"{says}; what was logged is kept, and the same command resumes" in line
