"""The MLflow UI on this machine's loopback address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from tracking.orphans import close_orphans
from tracking.store import Store, StoreError, open_store

_HOST = "127.0.0.1"


def serve(uri: str | None, port: int) -> int:
    """Serve the MLflow UI until it is interrupted, and return its exit code.

    One worker and no job execution: two processes instead of sixteen.  MLflow's own checks of the Host and Origin
    headers stay on.

    Parameters
    ----------
    uri : str or None
        Tracking URI of a database; a server's own UI is already at its address.
    port : int

    Raises
    ------
    StoreError
        If the store is a server, or the port is taken.
    """
    store = open_store(uri)
    if store.artifact_root is None:
        raise StoreError(f"{store.shown} is a server already; open that address in a browser")
    close_orphans(store)
    _require_free(port)
    print(f"MLflow UI of {store.shown} on http://{_HOST}:{port}, Ctrl-C to stop", file=sys.stderr, flush=True)
    process = subprocess.Popen(  # noqa: S603
        _command(store, port),
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        return 0
    finally:
        process.terminate()


def _command(store: Store, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", store.uri),
        *("--default-artifact-root", str(store.artifact_root)),
        *("--host", _HOST, "--port", str(port), "--workers", "1"),
    ]


def _require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise StoreError(
                f"port {port} is taken by another program; choose another with --port {port + 1}"
            ) from error
