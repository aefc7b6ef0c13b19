import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

import tests.launch  # noqa: F401  # has what is forked here import the command first
from regsearch.errors import StoreError
from regsearch.tracking import sqlite_file
from regsearch.tracking.store import open_store

HARD_NAMES = ["a%20b", "C#", "what?", "it's", 'q"q', "a & b", "[x]", "é", "b%2Fc d"]


def make(database):
    open_store(sqlite_file.address(database))


def asked(database, question):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(question).fetchone()[0]


def is_whole(database):
    return (asked(database, "PRAGMA integrity_check"), asked(database, "SELECT count(*) FROM experiments")) == ("ok", 1)


@pytest.mark.slow
def test_a_new_database_is_whole_or_not_there_whenever_its_process_is_killed(tmp_path):
    started = get_context("forkserver")

    def killed(number, after, folder):
        process = started.Process(target=make, args=(folder / "mlflow.db",))
        process.start()
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        process.join()
        return process.exitcode

    for name in ("first", "measured"):  # the first one waits for what is forked from
        begun = time.monotonic()
        process = started.Process(target=make, args=(tmp_path / name / "mlflow.db",))
        process.start()
        process.join()
        seconds = time.monotonic() - begun
    ended = []
    for moment in range(9):
        folder = tmp_path / str(moment)
        signals = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        ended.append(killed(signals[moment % 3], seconds * moment / 8, folder))
        database = folder / "mlflow.db"
        assert not database.exists() or is_whole(database), moment
    assert len([code for code in ended if code]) > 3  # so many were stopped before they were done
    left = [folder for folder in tmp_path.iterdir() if list(folder.glob(".*")) and not (folder / "mlflow.db").exists()]
    assert left
    make(left[-1] / "mlflow.db")
    assert is_whole(left[-1] / "mlflow.db")
    assert not list(left[-1].glob(".*"))


@pytest.mark.parametrize("made", [(), ("CREATE TABLE experiments (x)", "CREATE TABLE runs (x)")])
def test_a_database_that_was_only_begun_is_begun_again(made, tmp_path):
    database = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection:
        for statement in made:
            connection.execute(statement)
    make(database)
    assert is_whole(database)


def test_a_database_of_another_program_is_left_alone(tmp_path):
    database = tmp_path / "theirs.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE runs (x)")
        connection.execute("INSERT INTO runs VALUES (1)")
        connection.commit()
    with pytest.raises(StoreError):
        make(database)
    assert asked(database, "SELECT x FROM runs") == 1


USE = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
(run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
print(json.dumps(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/it.txt")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD_NAMES)
def test_a_folder_of_any_name_holds_its_own_store_and_the_address_that_is_shown_opens_it(
    name, tmp_path, monkeypatch, empty_database
):
    home = tmp_path / name
    (home / "mlruns").mkdir(parents=True)
    (home / "mlruns" / "mlflow.db").write_bytes((empty_database / "mlflow.db").read_bytes())
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = open_store()
    run_id = store.client.create_run(store.experiment("mine")).info.run_id
    store.client.log_text(run_id, "found", "it.txt")
    assert [path.name for path in (home / "mlruns" / "artifacts").rglob("*.txt")] == ["it.txt"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    monkeypatch.chdir("/")
    if name == HARD_NAMES[0]:  # a Python of its own takes seconds; the others are read in this one
        command = [sys.executable, "-c", USE, store.shown]
        used = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
        assert json.loads(used.stdout) == "found"
    assert sqlite_file.database_of(store.shown) == home / "mlruns" / "mlflow.db"


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true", "sqlite://h/x"])
def test_an_address_without_a_file_is_refused_in_one_line(uri, workspace):
    with pytest.raises(StoreError, match=r"sqlite:///") as refused:
        open_store(uri)
    assert "\n" not in str(refused.value)
    assert not list(Path.cwd().glob("*memory*"))


@pytest.fixture(params=[0o002, 0o022, 0o077])
def mask(request):
    """Return the umask while the test runs."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_group_may_write_a_new_store_if_the_umask_lets_it(mask, tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/shared/mlflow.db")
    store.experiment("mine")
    made = [path for path in (tmp_path / "shared").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"} <= {path.name for path in made}
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {oct(0o666 & ~mask)}
