"""A team's servers: PostgreSQL, with MLflow's tracking server in front of one of its databases."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.launch import Launched
from tests.needs import missing

_SECONDS = 60
_DEBIAN = Path("/usr/lib/postgresql")
_MEMORY = Path("/dev/shm")
_ROOM = 2**30


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], object], process: subprocess.Popen[Any] | Launched | None = None) -> None:
    """Wait until something is true, which it must become while a process lives."""
    deadline = time.monotonic() + _SECONDS
    while not true():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.01)


class PostgreSQL:
    """A PostgreSQL of its own, on a loopback port, in a folder that goes with it.

    People come over TCP with a password, as to a real one; the tests rule it through its socket.

    Parameters
    ----------
    kept : Path or None
        What `keep` made of another, to begin with.
    """

    user = "searcher"
    password = "s3cret-of-the-database"

    def __init__(self, kept: Path | None = None) -> None:
        initdb = _program("initdb")
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir=_in_memory()))
        self._owner = {"user": "postgres"} if os.getuid() == 0 else {}  # it refuses to run as root
        if self._owner:
            shutil.chown(self._folder, self._owner["user"])
        self._process: subprocess.Popen[bytes] | None = None
        if kept is not None:
            _copy(kept, self._folder / "data")
            self.start()
            return
        options = ("--encoding", "UTF8", "--locale", "C", "--auth-local", "trust", "--auth-host", "scram-sha-256")
        self._spawn(initdb, "-D", "data", "-U", "postgres", "--no-sync", *options).wait()
        self.start()
        self.rule(f"CREATE ROLE {self.user} LOGIN CREATEDB PASSWORD '{self.password}'")

    @property
    def socket_folder(self) -> Path:
        """Where it listens to this machine, whose users need no password."""
        return self._folder

    def url(self, database: str) -> str:
        """Return a database's address, password included."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def rule(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement as the superuser, and return the rows."""
        import psycopg

        with psycopg.connect(
            host=str(self._folder), port=self.port, user="postgres", dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def renew(self, database: str, template: str = "template0") -> str:
        """Make a database a new copy of its template, whoever is connected, and return its address."""
        self.start()
        for name in (database, template):
            self.rule(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        self.rule(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.rule(f"CREATE DATABASE {database} OWNER {self.user} TEMPLATE {template}")
        return self.url(database)

    def dump(self, database: str) -> bytes:
        """Return all that a database holds, as text."""
        where = ("--host", str(self._folder), "--port", str(self.port), "--username", "postgres")
        return subprocess.run([_program("pg_dump"), *where, database], check=True, capture_output=True).stdout

    def start(self) -> None:
        """Start it, and wait until it takes connections; nothing if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        settings = (
            *("fsync=off", "synchronous_commit=off", "full_page_writes=off"),
            *("autovacuum=off", "jit=off", "listen_addresses=127.0.0.1"),
            "dynamic_shared_memory_type=mmap",  # which goes with the folder
        )
        self._process = self._spawn(
            *(_program("postgres"), "-D", "data", "-k", str(self._folder), "-p", str(self.port)),
            *(word for setting in settings for word in ("-c", setting)),
        )
        until(self._answers, self._process)

    def kill(self) -> None:
        """End it and everybody's connections at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def keep(self, folder: Path) -> None:
        """Stop it in good order, and copy all that it holds into a folder."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        _copy(self._folder / "data", folder)

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        import psycopg

        try:
            return bool(self.rule("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [program, *arguments],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._owner,
        )


class TrackingServer:
    """`mlflow server` with a database behind it and artifacts proxied, on a loopback port.

    Parameters
    ----------
    backend : str
        Address of its database.
    artifacts : Path
        Folder that it alone writes the artifacts to.
    port : int
    """

    def __init__(self, backend: str, artifacts: Path, port: int | None = None) -> None:
        self.backend = backend
        self.artifacts = artifacts
        self.port = port or free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers; nothing if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
                *("--workers", "1", "--backend-store-uri", self.backend),
                *("--artifacts-destination", str(self.artifacts)),
            ],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that its own child, which it does not stop, can be stopped with it
        )
        until(self._answers, self._process)

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Let it take connections and answer nobody."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it, and not a moment later."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=1).ok
        except requests.RequestException:
            return False


class Cutting(ThreadingHTTPServer):
    """A server that passes on what it is asked, and cuts short its fifth answer to what is posted to each address.

    Parameters
    ----------
    uri : str
        Of the server that answers in truth.
    *addresses : str
        Parts of what it is posted to.
    """

    def __init__(self, uri: str, *addresses: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = uri
        self.uri = f"http://127.0.0.1:{self.server_port}"
        self.asked = dict.fromkeys(addresses, 0)

    def is_to_be_cut(self, method: str, address: str) -> bool:
        """Return whether this is the fifth request to one of the addresses."""
        asked = next((one for one in self.asked if one in address), None)
        if method != "POST" or asked is None:
            return False
        self.asked[asked] += 1
        return self.asked[asked] == 5


class _Passing(BaseHTTPRequestHandler):
    server: Cutting

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name in ("Content-Type", "Authorization")}
        answer = requests.request(self.command, self.server.behind + self.path, data=body, headers=headers, timeout=60)
        cut = self.server.is_to_be_cut(self.command, self.path)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content[:1] if cut else answer.content)

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = _pass  # noqa: N815 (names that http.server looks for)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _in_memory() -> Path | None:
    """Return a folder in memory with room for databases, if there is one: each database is 300 files."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM else None


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with its owners, which `shutil` leaves out."""
    subprocess.run(["cp", "-a", source, target], check=True)


def _program(name: str) -> str:
    """Return a program of PostgreSQL's, which Debian keeps out of the path."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which(name)
    if found is None:
        missing("there is no PostgreSQL; on Debian: apt-get install postgresql")
    return str(found)
