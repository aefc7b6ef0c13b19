"""A small recording that behaves like the large one, a finished search of it, and an empty workspace."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import mlflow
import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from mlflow.entities.model_registry import ModelVersion

from regsearch import SearchConfig, SearchResult, run_search
from regsearch.data import Development, Recording, SealedTest, Split, seal
from regsearch.search.process import main
from regsearch.search.proposals.optuna_storage import storage_at
from regsearch.tracking.figures.attempt import FIGURES
from regsearch.tracking.store import open_store
from tests.launch import Launched
from tests.servers import PostgreSQL, TrackingServer

settings.register_profile("regsearch", deadline=None)  # how long an example takes is no claim of any test
settings.load_profile("regsearch")

SMALL = """
name = "small"
seed = 3

[data]
source = "{source}"

[data.split]
train = [40, 120]
validation = [0, 40]
test = [120, 160]

[families.ridge]
alpha = {{ low = 0.01, high = 100 }}
trials = 12

[families.lasso]
alpha = [0.001, 0.01, 0.1]

[families.elasticnet]
l1_alpha = [0.001, 0.01]
l2_alpha = [0.1, 10]
"""


def _small_recording(seed: int = 0, n_rows: int = 160, n_features: int = 200) -> Recording:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * rng.uniform(0.5, 20, n_features)
    y = X[:, :6] @ rng.standard_normal(6) / 5 + rng.standard_normal(n_rows)
    return Recording.checked(X, y, source="small")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run of the tests kill a search more often than is affordable every time."""
    parser.addoption("--random-kills", type=int, default=9, help="moments at which a search is killed (default: 9)")


LONGEST_FIRST = ("test_notebooks", "test_examples", "deploy", "browser", "test_network", "guarantees")
SLOW_FOLDERS = ("deploy", "browser")
SERVERS = {"postgresql", "tracking_server"}


@pytest.hookimpl(tryfirst=True)  # pytest chooses by markers afterwards
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or a browser as slow, and start the longest tests first.

    If the longest tests started last, one worker would run them while the others had nothing left to do.
    """

    def rank(item: pytest.Item) -> int:
        places = [number for number, place in enumerate(LONGEST_FIRST) if f"/{place}" in item.path.as_posix()]
        return min(places, default=len(LONGEST_FIRST))

    for item in items:
        if item.path.parent.name in SLOW_FOLDERS or needs_server(item):
            item.add_marker("slow")
    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among what was imported: that takes a tenth of the tests' time."""
    gc.freeze()
    gc.set_threshold(10_000)


def needs_server(item: pytest.Item) -> bool:
    """Return whether a test needs one of a team's servers."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return bool(SERVERS & set(getattr(item, "fixturenames", ()))) or parameters.get("place") == "servers"


@pytest.fixture(autouse=True)
def tracking_uri_of_its_own() -> Iterator[None]:
    """Let no tracking URI that a test sets by code of a page or a card outlive it."""
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="session")
def small_recording() -> Callable[..., Recording]:
    """Return a maker of recordings of 160 rows and 200 features, six of which carry the target."""
    return _small_recording


@pytest.fixture
def recording() -> Recording:
    """Return one such recording."""
    return _small_recording()


@pytest.fixture
def sealed(recording: Recording) -> tuple[Development, SealedTest]:
    """Return the same cut by rows as `small_config` does."""
    return seal(recording, Split.holdout([(40, 120)], (0, 40), (120, 160)))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Return a call that fills a folder of some name; the first of pytest's processes does it for all of them."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder = shared / name
        with FileLock(f"{folder}.lock"):
            if not (folder / "made").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                (folder / "made").touch()
        return folder

    return made


@pytest.fixture(scope="session")
def empty_database(made_once: Callable[..., Path]) -> Path:
    """Return a folder with an initialised MLflow database, to be copied: making one takes two seconds."""
    return made_once("database", lambda folder: open_store(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")) / "mlruns"


@pytest.fixture(scope="session")
def postgresql(made_once: Callable[..., Path]) -> Iterator[PostgreSQL]:
    """Return a PostgreSQL that knows two templates, to be copied: migrating a database takes seconds."""

    def prepare(folder: Path) -> None:
        server = PostgreSQL()
        try:
            store = open_store(server.renew("mlflow_template"))
            with storage_at(server.renew("optuna_template"), Path(), store.locks):
                pass
            server.keep(folder / "data")
        finally:
            server.remove()

    server = PostgreSQL(made_once("postgresql", prepare) / "data")
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def tracking_server(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """Return a tracking server in front of that PostgreSQL's database ``mlflow``."""
    backend = postgresql.renew("mlflow", template="mlflow_template")
    server = TrackingServer(backend, tmp_path_factory.mktemp("served"))
    try:
        yield server
    finally:
        server.kill()


@dataclass(frozen=True)
class Place:
    """Where searches are kept.

    Attributes
    ----------
    tracking_uri : str or None
        MLflow's; ``None`` for the embedded database.
    storage : str or None
        Optuna's; ``None`` for the embedded journal.
    artifacts : Path
        The folder that holds the runs' files in the end.
    """

    tracking_uri: str | None
    storage: str | None
    artifacts: Path

    @property
    def is_embedded(self) -> bool:
        return self.storage is None

    def has_studies(self) -> bool:
        """Return whether a search has begun to propose."""
        if self.storage is None:
            journal = self.artifacts.parent / "optuna.journal"
            return journal.exists() and journal.stat().st_size > 0
        import psycopg

        with psycopg.connect(self.storage) as connection:
            return connection.execute("SELECT FROM studies").fetchone() is not None

    def model_of(self, version: ModelVersion) -> Path:
        """Return the folder of a registered version's files, which is that of its logged model."""
        (found,) = self.artifacts.rglob(f"{Path(version.source).parent.name}/artifacts")
        return found

    def trials_logged(self) -> int:
        """Return how many trials have their weights by now."""
        return sum(1 for _ in self.artifacts.rglob("artifacts/weights.npz"))


everywhere = pytest.mark.parametrize("place", ["embedded", "servers"], indirect=True)
"""Makes a test in a `workspace` be one of both places; without it, it is of the embedded one."""

on_servers = pytest.mark.parametrize("place", ["servers"], indirect=True)


def another_machine(folder: Path, name: str = "another") -> dict[str, str]:
    """Return the environment of a machine that does not see this one's lock files, but the same servers."""
    return {**os.environ, "XDG_STATE_HOME": str(folder / name)}


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return an empty place."""
    if getattr(request, "param", "embedded") == "embedded":
        return Place(None, None, tmp_path / "mlruns" / "artifacts")
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    server: TrackingServer = request.getfixturevalue("tracking_server")
    postgresql.renew("mlflow", template="mlflow_template")
    storage = postgresql.renew("optuna", template="optuna_template")
    server.start()
    shutil.rmtree(server.artifacts)
    server.artifacts.mkdir()
    return Place(server.uri, storage, server.artifacts)


@pytest.fixture
def workspace(tmp_path: Path, place: Place, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of its own the current one, with searches kept in a place that is empty."""
    enter(tmp_path, place, monkeypatch)
    if place.tracking_uri is None:
        shutil.copytree(empty_database, tmp_path / "mlruns")
    return tmp_path


def enter(folder: Path, place: Place, patch: pytest.MonkeyPatch, *, drawn: bool = False) -> None:
    """Make a folder the current one, and a place the one where searches are kept, by default without figures."""
    patch.chdir(folder)
    patch.setenv(FIGURES, "1" if drawn else "0")
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    for name, value in (("MLFLOW_TRACKING_URI", place.tracking_uri), ("REGSEARCH_STORAGE", place.storage)):
        if value is None:
            patch.delenv(name, raising=False)
        else:
            patch.setenv(name, value)


@pytest.fixture
def with_figures(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have searches in the workspace draw their figures, which takes most of the time of a small search."""
    monkeypatch.setenv(FIGURES, "1")


@pytest.fixture
def small_config(workspace: Path, recording: Recording) -> SearchConfig:
    """Return the configuration of a search of 20 trials on a file in the workspace."""
    return put_small(workspace, recording)


def put_small(folder: Path, recording: Recording) -> SearchConfig:
    """Put the recording into a folder, and return the configuration of a search of it."""
    np.savez(folder / "small.npz", X=recording.X, y=recording.y)
    return SearchConfig.from_toml(SMALL.format(source="small.npz"))


@pytest.fixture(scope="session")
def searched_once(
    made_once: Callable[..., Path], empty_database: Path
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a call that searches in a folder of some name, once for all tests; it pickles what the search returns."""

    def made(name: str, search: Callable[[Path], object]) -> Path:
        def make(folder: Path) -> None:
            shutil.copytree(empty_database, folder / "mlruns")
            with pytest.MonkeyPatch.context() as patch:
                enter(folder, Place(None, None, folder / "mlruns" / "artifacts"), patch, drawn=True)
                result = search(folder)
            (folder / "result.pickle").write_bytes(pickle.dumps(result))

        return made_once(name, make)

    return made


@pytest.fixture(scope="session")
def small_search(searched_once: Callable[..., Path]) -> Callable[[bool], Path]:
    """Return a call that gives a folder in which that search has been run, promoted or not."""

    def made(is_promoted: bool) -> Path:
        return searched_once(
            "promoted" if is_promoted else "searched",
            lambda folder: run_search(put_small(folder, _small_recording()), promote=is_promoted, progress=False),
        )

    return made


@pytest.fixture
def result(small_search: Callable[[bool], Path], small_config: SearchConfig, workspace: Path) -> SearchResult:
    """Return that search, finished in the embedded place of the workspace: copied there, for speed."""
    return put_result(small_search(True), workspace)


@pytest.fixture
def searched(small_search: Callable[[bool], Path], small_config: SearchConfig, workspace: Path) -> SearchResult:
    """Return the same without its promotion: its test rows are sealed."""
    return put_result(small_search(False), workspace)


@pytest.fixture(scope="session")
def independent_folder(searched_once: Callable[..., Path]) -> Path:
    """Return a folder with a promoted search of three lassos, of rows whose order means nothing."""

    def search(folder: Path) -> SearchResult:
        config = put_small(folder, _small_recording()).updated(families=["lasso"], rows="independent")
        return run_search(config, progress=False)

    return searched_once("independent", search)


@pytest.fixture
def independent(independent_folder: Path, workspace: Path) -> SearchResult:
    """Return that search, copied into the workspace."""
    return put_result(independent_folder, workspace)


def put_result(folder: Path, workspace: Path) -> SearchResult:
    """Copy what was searched in a folder into a workspace, and return the result."""
    put(folder, workspace)
    result: SearchResult = pickle.loads((workspace / "result.pickle").read_bytes())
    if result.promotion is None:
        return result
    uri = result.promotion.tracking_uri.replace(str(folder), str(workspace))
    return replace(result, promotion=replace(result.promotion, tracking_uri=uri))


def put(folder: Path, workspace: Path) -> None:
    """Copy what was searched in a folder into a workspace."""
    shutil.copytree(folder, workspace, dirs_exist_ok=True)  # times of files included
    move_addresses(workspace / "mlruns" / "mlflow.db", folder, workspace)


def move_addresses(database: Path, old: Path, new: Path) -> None:
    """Replace a folder by another in every text of an SQLite database, as a path and as a part of a URI."""
    pairs = {(str(old), str(new)), (quote(str(old)), quote(str(new)))}
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info('{table}')").fetchall():
                if kind.startswith(("VARCHAR", "TEXT")):
                    change = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)'
                    connection.executemany(change, [(was, now, was) for was, now in pairs])


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a call of the command in this process: exit code, standard output and error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["regsearch", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Launched]]:
    """Return a start of the command as a process of its own, which does not outlive the test."""
    folder = tmp_path_factory.mktemp("launched")
    launched: list[Launched] = []

    def start(*arguments, **options):
        launched.append(Launched(arguments, folder / str(len(launched)), **options))
        return launched[-1]

    yield start
    for process in launched:
        process.kill()
