"""The server that deploy/ describes, started from its own files, with nothing changed but places and secrets."""

from __future__ import annotations

import configparser
import getpass
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import needs
from tests.guarantees.conftest import undisturbed, undisturbed_folder  # noqa: F401  (fixtures)
from tests.servers import PostgreSQL, free_port, until

DEPLOY = Path(__file__).parents[2] / "deploy"
ADMIN = "the-administrator's"
PAUSING = """#!/bin/sh -e
PATH=${PATH#*:}
%s "$@"
touch "$0.paused"
while [ -e "$0.paused" ]; do sleep 0.01; done
"""
"""A tool that does what the one of that name does, and pauses before it returns."""
PASSWORDS = {"ada": "the-password-of-ada", "bob": "the-password-of-bob"}


def settings(text: str) -> dict[str, str]:
    """Return the variables of an environment file, as systemd reads it."""
    lines = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


def unit(name: str) -> configparser.RawConfigParser:
    """Return a systemd unit."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string((DEPLOY / name).read_text())
    return parser


class Deployment:
    """PostgreSQL prepared by ``databases.sql``, and the server that the unit starts with the environment file.

    Parameters
    ----------
    folder : Path
        For what would be in ``/etc`` and ``/var``.
    """

    def __init__(self, folder: Path) -> None:
        self.postgresql = PostgreSQL()
        self.artifacts = folder / "artifacts"
        self.backups = folder / "backups"
        self.tools = folder / "tools"
        self._file = folder / "server.env"
        self._process: subprocess.Popen[bytes] | None = None
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self._write(
            MLFLOW_FLASK_SERVER_SECRET_KEY="known-to-nobody",
            MLFLOW_AUTH_ADMIN_PASSWORD=ADMIN,
            MLFLOW_SERVER_ALLOWED_HOSTS=f"127.0.0.1:{port}",
            MLFLOW_AUTH_CONFIG_PATH=DEPLOY / "basic-auth.ini",
            MLFLOW_ARTIFACTS_DESTINATION=self.artifacts,
            MLFLOW_PORT=port,
            MLFLOW_WORKERS=1,
            PGHOST=self.postgresql.socket_folder,
            BACKUPS=self.backups,
            PATH=f"{self.tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        )
        self.rule("-f", str(DEPLOY / "databases.sql"))
        self.start()

    @property
    def settings(self) -> dict[str, str]:
        """The variables of the environment file."""
        return settings(self._file.read_text())

    def start(self) -> None:
        """Start what the unit starts, with the variables that it is given there and no others."""
        program, *arguments = shlex.split(unit("mlflow.service")["Service"]["ExecStart"])
        self._process = subprocess.Popen(
            [sys.executable, "-m", Path(program).name, *arguments],
            cwd=self._file.parent,
            env=self.settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self._answers, self._process)

    def stop(self) -> None:
        """Stop it with all of its processes, as systemd does; nothing if it has been."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        until(lambda: not self.postgresql.rule("SELECT 1 FROM pg_stat_activity WHERE datname = 'mlflow'"))

    def script(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts as the user of the server."""
        with self._begin(name, *arguments) as process:
            printed = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, *printed)

    def back_up(self, meanwhile: Callable[[], object] | None = None) -> Path:
        """Back up, and return the folder; what is to happen meanwhile does so after each of the three parts."""
        if meanwhile:
            self.tools.mkdir()
            for name in ("pg_dump", "rsync"):
                (self.tools / name).write_text(PAUSING % name)
                (self.tools / name).chmod(0o755)
        with self._begin("backup.sh") as process:
            for _ in range(3 if meanwhile else 0):
                until(lambda: list(self.tools.glob("*.paused")), process)
                meanwhile()
                next(self.tools.glob("*.paused")).unlink()
            printed, error = process.communicate()
        shutil.rmtree(self.tools, ignore_errors=True)
        assert process.returncode == 0, error
        return Path(printed.strip())

    def environment(self, user: str, password: str | None = None) -> dict[str, str]:
        """Return the variables that a user sets to search."""
        given = password or PASSWORDS[user]
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": given,
            "REGSEARCH_STORAGE": f"postgresql://{user}@127.0.0.1:{self.postgresql.port}/optuna",
            "PGPASSWORD": given,
        }

    def add(self, user: str) -> None:
        """Add a user as the README says."""
        self.rule("-c", f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORDS[user]}' IN ROLE optuna")
        self.administer("adds a user", PASSWORDS[user], ada=user)

    def administer(self, what: str, password: str = "", **replaced: str) -> None:
        """Run the README's code for something as the administrator, with other words in place of some."""
        page = (DEPLOY / "README.md").read_text()
        code = "\n".join(re.findall(r"```python\n(.*?)```", page.split(f"{what} -->")[1], re.DOTALL)[:1])
        for old, new in {"https://mlflow.example.org": self.uri, **replaced}.items():
            assert old in code
            code = code.replace(old, new)
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's client imports its server, on a deprecated part of Starlette's
            patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
            patch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN)
            patch.setattr(getpass, "getpass", lambda _: password)
            exec(code, {})

    def rule(self, *arguments: str) -> None:
        """Have psql do something as PostgreSQL's superuser."""
        connection = ("-h", str(self.postgresql.socket_folder), "-p", str(self.postgresql.port), "-U", "postgres")
        subprocess.run(["psql", *connection, "-q", *arguments], check=True, capture_output=True)

    def _begin(self, name: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [DEPLOY / name, *map(str, arguments)],
            env={"PATH": os.environ["PATH"], "SERVER_ENV": str(self._file)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _write(self, **values: Any) -> None:
        """Write the environment file of deploy/ with other values, and those by which PostgreSQL is not at home."""
        text = (DEPLOY / "server.env").read_text()
        for name, value in values.items():
            text, found = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text)
            assert found == 1, name
        self._file.write_text(f"{text}PGPORT={self.postgresql.port}\nPGUSER=mlflow\n")

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=1).ok
        except requests.RequestException:
            return False


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return a server with two users."""
    needs.command("rsync", "rsync")
    deployment = Deployment(tmp_path_factory.mktemp("deployment"))
    try:
        for user in PASSWORDS:
            deployment.add(user)
        yield deployment
    finally:
        deployment.stop()
        deployment.postgresql.remove()


@pytest.fixture
def as_user(deployment: Deployment, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes this process a user's, in an empty folder."""

    def become(user: str) -> None:
        for name, value in deployment.environment(user).items():
            monkeypatch.setenv(name, value)

    return become
