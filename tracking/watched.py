"""MLflow's command, which ends with the process that started it, however that one ends.

Its standard input is a pipe that only that process could write to, so that reading ends when that process does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_the_caller() -> None:
    """Wait until nobody holds the other end of standard input, then end the whole process group."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.killpg(0, signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_caller, daemon=True).start()
    from mlflow.cli import cli

    cli(prog_name="mlflow")
