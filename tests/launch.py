"""The command as a process of its own, forked from one that has imported it already.

A Python that imports regsearch takes two seconds to start, and the tests start it hundreds of times.  What is launched
here is a real process, with its own id, folder, environment and files for what it prints; it can be killed and it ends
with an exit code.  Only variables that are read while a module is imported come too late for it.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path

_PATIENCE = 300
_FORK_SERVER = get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(
    [
        *("pytest", "regsearch.search.process", "regsearch.search.launch", "regsearch.search.plan"),
        *("regsearch.search.output.terminal", "regsearch.tracking.figures.gallery", "regsearch.data.sources"),
        *("mlflow.sklearn", "mlflow.store.model_registry.sqlalchemy_store", "mlflow.store.tracking.sqlalchemy_store"),
        "mlflow.store.model_registry.sqlalchemy_workspace_store",
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        *("alembic.command", "pandas.io.formats.csvs", "pyarrow.csv", "pyarrow.pandas_compat", "pyarrow.parquet"),
        *("optuna.importance", "skops.io", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite"),
        "tests.preloaded",
    ]
)


class Launched:
    """A process that runs the command.

    Parameters
    ----------
    arguments : sequence of str
    printed : Path
        Stem of the files that take what it prints.
    before : callable or None
        Called in the process before the command starts; can be pickled.
    environment : mapping of str to str or None
        ``None`` for that of this process.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        printed: Path,
        before: Callable[[], object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._files = printed.with_suffix(".out"), printed.with_suffix(".err")
        for file in self._files:
            file.touch()
        self._process = _FORK_SERVER.Process(
            target=_run, args=(arguments, Path.cwd(), dict(environment or os.environ), self._files, before)
        )
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, or ``None`` while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the same, as `subprocess.Popen` has it."""
        return self.returncode

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._files[0].read_text()

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return self._files[1].read_text()

    def wait(self) -> int:
        """Return the exit code, once there is one."""
        self._process.join(_PATIENCE)
        assert self.returncode is not None, f"process {self.pid} has not ended in {_PATIENCE} s: {self.stderr}"
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.send_signal(signal.SIGKILL)
        self.wait()


def _run(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    printed: tuple[Path, Path],
    before: Callable[[], object] | None,
) -> None:
    for stream, file in zip((1, 2), printed, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["regsearch", *arguments]
    if before:
        before()
    from regsearch.search.process import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # which multiprocessing leaves out
