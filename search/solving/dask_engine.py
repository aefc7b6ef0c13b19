"""The engine beyond this machine: trials are solved on the workers of a Dask cluster."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.metadata import version

from distributed import Client, KilledWorker, LocalCluster
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.comm.core import CommClosedError

from regsearch.errors import ConfigError, EngineLostError
from regsearch.search.solving.dask_worker import Shipment, solve
from regsearch.search.solving.placement import SentPath, place
from regsearch.search.solving.plane_row import PlaneRow
from regsearch.search.solving.spawning import deaf_to_interruptions, without_main
from regsearch.search.solving.workload import Engine, R, W, Workload
from regsearch.tracking.errors import reason
from regsearch.tracking.quiet_mlflow import quiet

_ANSWER_SECONDS = 10
_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")

_LOUD = ("distributed", "distributed.client", "tornado.application")
"""Loggers that print tracebacks when a connection is lost, which one line says."""


def require_address(address: str) -> None:
    """Raise `ConfigError` unless an address is one of a scheduler, or ``local:4``; nothing is connected to."""
    if isinstance(address, str) and address.startswith("local:"):
        if not re.fullmatch(r"local:[1-9]\d*", address):
            raise ConfigError(f"--cluster {address}: expected a number of processes, as in local:4")
        return
    try:
        scheme, location = parse_address(address)
        host, port = parse_host_port(location)
    except (ValueError, TypeError):
        scheme, host, port = "", "", 0
    if scheme not in _SCHEMES or not host or not 0 < port < 2**16:
        raise ConfigError(
            f"--cluster {address}: expected the address that `dask scheduler` prints, such as tcp://scheduler:8786, or "
            "local:4 for four processes of this machine; give the host and the port"
        )


@contextmanager
def connect(address: str) -> Iterator[Engine]:
    """Connect to a cluster and yield an engine of its workers, including those that join later.

    Parameters
    ----------
    address : str
        One that `require_address` takes: that of a scheduler, or ``local:4`` for a cluster of four processes on this
        machine, which ends with the context.

    Raises
    ------
    ConfigError
        If no scheduler answers, it has no worker, or a worker has another regsearch.
    EngineLostError
        If the scheduler, or every worker that had the rows, is lost inside the context.
    """
    with quiet(*_LOUD, level=logging.CRITICAL), client_of(address) as client:
        _require_workers(client, address)
        try:
            yield partial(_engine, client, address)
        except KilledWorker as error:
            raise EngineLostError(
                f"several workers of {address} died of the same trials, perhaps because memory ran out: give them more"
            ) from error
        except (CancelledError, CommClosedError) as error:
            is_connected = client.status == "running" and not isinstance(error, CommClosedError)
            lost = "every worker that had the rows" if is_connected else "the connection to the scheduler"
            raise EngineLostError(f"{lost} of {address} was lost") from error


@contextmanager
def client_of(address: str) -> Iterator[Client]:
    """Yield a client of the cluster at an address; one of this machine is started, and ends with the context.

    Raises
    ------
    ConfigError
        If no scheduler answers.
    """
    if address.startswith("local:"):
        with ExitStack() as stack:
            with without_main(), deaf_to_interruptions():
                processes = stack.enter_context(
                    LocalCluster(
                        n_workers=int(address.removeprefix("local:")),
                        threads_per_worker=1,
                        memory_limit=None,
                        security=True,  # or anybody with an account here could run code
                        dashboard_address="127.0.0.1:0",
                        silence_logs=logging.CRITICAL,
                    )
                )
            yield stack.enter_context(_closing(Client(processes, set_as_default=False)))
        return
    try:
        client = Client(address, timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"--cluster {address}: no Dask scheduler answers there ({reason(error)}); give the address that "
            "`dask scheduler` prints, such as tcp://scheduler:8786, or local:4 for four processes of this machine"
        ) from error
    with _closing(client):
        yield client


@contextmanager
def _closing(client: Client) -> Iterator[Client]:
    """Close a client in the end; what happened inside is what counts, whatever closing raises.

    Where the scheduler is lost, Dask fails to close if an attempt to reach it times out at that moment.
    """
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close()


def _require_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_ANSWER_SECONDS)
    except TimeoutError as error:
        raise ConfigError(
            f"--cluster {address}: no worker joined within {_ANSWER_SECONDS} s; start some with "
            f"`dask worker {address} --nthreads 1`"
        ) from error
    _require_our_version(client, address, list(client.nthreads()))


def _require_our_version(client: Client, address: str, workers: list[str]) -> None:
    ours = version("regsearch")
    for worker, theirs in client.run(version, "regsearch", workers=workers, on_error="return").items():
        if theirs != ours and not isinstance(theirs, OSError):  # a worker out of reach, which Dask gives up
            found = f"regsearch {theirs}" if isinstance(theirs, str) else "no regsearch"
            raise ConfigError(
                f"--cluster {address}: expected regsearch {ours} on every worker, found {found} on {worker}; "
                "install the same there"
            )


@contextmanager
def _engine(client: Client, address: str, workload: Workload[W, R]) -> Iterator[Callable[[W], Future[R]]]:
    """Send each path to the worker that solved its row, or one near it: that worker's solver remembers it.

    This is a preference: the paths of a lost or overloaded worker are solved by others.  So that others can, all
    workers keep the rows.  Dask's active memory manager would leave them to one worker, so it is stopped.
    """
    with _reaching():
        client.amm.stop()
        shipment = client.scatter(Shipment.of(workload), broadcast=True, hash=False)
        known = set(client.nthreads())
    executor = client.get_executor(pure=False, allow_other_workers=True)
    sent: list[SentPath] = []

    def submit(work: W) -> Future[R]:
        row = PlaneRow.of(workload.near(work))
        with _reaching():
            workers = list(client.nthreads())
        if not workers:
            raise CancelledError
        if joined := [worker for worker in workers if worker not in known]:
            _require_our_version(client, address, joined)
            known.update(joined)
        path = SentPath(row, place(row, workers, sent))
        sent.append(path)
        outcome: Future[R] = executor.submit(solve, shipment.key, shipment, work, workers=[path.worker])
        outcome.add_done_callback(path.close)
        return _checked(outcome, partial(workload.check, work))

    try:
        yield submit
    finally:
        executor.shutdown(wait=False)


@contextmanager
def _reaching() -> Iterator[None]:
    """Have a call that finds no way to the scheduler fail as it does when an open connection is lost."""
    try:
        yield
    except OSError as error:
        raise CommClosedError(str(error)) from error


def _checked(outcome: Future[R], check: Callable[[R], None]) -> Future[R]:
    """Return a future of the same outcome, or of what a check of it raises."""
    checked: Future[R] = Future()

    def pass_on(done: Future[R]) -> None:
        try:
            check(done.result())
        except BaseException as error:
            checked.set_exception(error)
        else:
            checked.set_result(done.result())

    outcome.add_done_callback(pass_on)
    return checked
