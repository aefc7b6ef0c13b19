"""The MLflow UI on this machine's loopback address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from pathlib import Path

import requests

from regsearch.errors import StoreError
from regsearch.tracking import pages
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.queries import searches
from regsearch.tracking.quiet_mlflow import SETTINGS
from regsearch.tracking.store import Store, existing_store

_HOST = "127.0.0.1"
_PORTS = range(5000, 5100)
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 0.2
_ANSWER_SECONDS = 5
_SERVED_BY = "regsearch-process"


def serve(uri: str | None, port: int | None = None, *, browse: bool = False) -> int:
    """Serve the MLflow UI until it is interrupted, and return its exit code.

    One worker and no job execution: two processes instead of sixteen.  MLflow's own checks of the Host and Origin
    headers stay on.

    Parameters
    ----------
    uri : str or None
        Tracking URI of a database.
    port : int or None
        ``None`` for the first free port from 5000 on.
    browse : bool
        Whether to open a browser once the UI answers.

    Raises
    ------
    StoreError
        If there is no store yet, it is a server, or the port is taken.
    """
    store = existing_store(uri)
    if store.artifact_root is None:
        raise StoreError(f"{store.shown} is a server already; open that address in a browser")
    close_orphans(store)
    ports = _PORTS if port is None else (port,)
    for free in filter(_is_free, ports):
        if free != ports[0]:
            print(f"port {ports[0]} is taken by {_holder(ports[0])}; using {free}", file=sys.stderr)
        code = _served(store, free, browse=browse)
        if code is not None:
            return code
    if port is not None:
        raise StoreError(f"port {port} is taken by {_holder(port)}; choose another with --port, or leave it out")
    raise StoreError(f"ports {_PORTS[0]} to {_PORTS[-1]} are all taken; choose another with --port")


def _served(store: Store, port: int, *, browse: bool) -> int | None:
    """Serve a store until that is interrupted; return the exit code, or None if another took the port meanwhile."""
    print(f"MLflow UI of {store.shown}, Ctrl-C to stop; starting …", file=sys.stderr, flush=True)
    process = subprocess.Popen(  # noqa: S603
        _command(port),
        env={**SETTINGS, "PYTHONWARNINGS": "ignore", **os.environ, **_settings(store)},
        stdin=subprocess.PIPE,  # whose end tells it that this process has died
        start_new_session=True,  # so that its own child, which it does not stop, can be stopped with it
    )
    try:
        if _answers(process, port):
            address = f"http://{_HOST}:{port}/{_front(store)}"
            print(f"open {address}", file=sys.stderr, flush=True)
            if browse:
                webbrowser.open(address)
        elif not _is_free(port):
            return None
        while process.poll() is None:  # some libraries' handlers let a blocking wait go on after Ctrl-C
            time.sleep(_LOOK_SECONDS)
        return process.returncode
    except KeyboardInterrupt:
        return 0
    finally:
        if process.stdin:
            process.stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _command(port: int) -> list[str]:
    """Return the server's command, which every user of the machine can read, so that it holds no secret."""
    return [
        *(sys.executable, "-m", "regsearch.tracking.watched", "server"),
        *("--app-name", "regsearch", "--host", _HOST, "--port", str(port), "--workers", "1"),
        *("--uvicorn-opts", f"--log-level warning --header {_SERVED_BY}:{os.getpid()}"),
    ]


def _settings(store: Store) -> dict[str, str]:
    return {
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(store.artifact_root),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _front(store: Store) -> str:
    """Return the page to begin with: the trials of the latest search's experiment."""
    latest = searches(store, limit=1)
    return pages.view(latest[0].info.experiment_id, pages.BEST_FIRST) if latest else pages.experiments()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until this very server answers, and return whether it did before it ended."""
    session = requests.Session()
    session.trust_env = False  # a proxy would be asked for this machine's own address
    while process.poll() is None:
        with suppress(requests.RequestException):
            answer = session.get(f"http://{_HOST}:{port}/health", timeout=_ANSWER_SECONDS)
            if answer.headers.get(_SERVED_BY) == str(os.getpid()):  # another may have taken the port meanwhile
                return True
        time.sleep(_POLL_SECONDS)
    return False


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """Say which process listens on a port, as far as Linux's /proc tells, or else how to find out."""
    listening = "0A"
    with suppress(OSError):
        rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()]
        sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == listening}
        for opened in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):  # of another user, or gone meanwhile
                if str(opened.readlink()) in sockets:
                    process = opened.parents[1]
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    return f"process {process.name} ({command.strip()[:80]})"
    return f"another program (`lsof -i :{port}` names it)"
