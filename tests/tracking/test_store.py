import base64
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from regsearch.errors import ConfigError, StoreError
from regsearch.search.proposals.optuna_storage import open_storage, storage_at
from regsearch.tracking.locks import Locks
from regsearch.tracking.quiet_mlflow import settled
from regsearch.tracking.store import open_store, tracking_uri


def test_the_explicit_uri_comes_before_the_environment_before_the_embedded_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there:1")
    assert tracking_uri() == "http://there:1"
    assert tracking_uri("http://here:2") == "http://here:2"


def test_a_new_database_writes_ahead_and_keeps_artifacts_beside_it(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/new/mlflow.db")
    experiment = store.client.get_experiment(store.experiment("mine"))
    assert experiment.artifact_location.startswith((tmp_path / "new" / "artifacts").as_uri())
    assert store.experiment("mine") == experiment.experiment_id
    connection = sqlite3.connect(tmp_path / "new" / "mlflow.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.slow
def test_four_processes_that_open_a_new_store_at_once_all_succeed(tmp_path):
    script = f"from regsearch.tracking.store import open_store; open_store('sqlite:///{tmp_path}/mlflow.db').experiment('mine')"
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    store = open_store(f"sqlite:///{tmp_path}/mlflow.db")
    assert [one.name for one in store.client.search_experiments()].count("mine") == 1


def test_a_server_that_does_not_answer_is_said_so_without_its_secrets(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match="does not answer") as caught:
            open_store(f"http://me:secret@127.0.0.1:{port}")
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_a_database_of_a_newer_mlflow_is_refused_and_left_alone(workspace):
    database = workspace / "mlruns" / "mlflow.db"
    connection = sqlite3.connect(database)
    connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="cannot be used by this MLflow") as caught:
        open_store()
    assert "\n" not in str(caught.value)
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("from_the_future",)]
    connection.close()


@pytest.fixture
def made_there(tmp_path, empty_database):
    """Return a folder ``there`` with a store, in which regsearch made an experiment."""
    shutil.copytree(empty_database, tmp_path / "there")
    open_store(f"sqlite:///{tmp_path}/there/mlflow.db").experiment("mine")
    return tmp_path / "there"


@pytest.mark.parametrize("take", [shutil.copytree, shutil.move])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_store_that_was_copied_or_moved_is_refused_and_told_from_where(take, is_deleted, made_there, tmp_path):
    if is_deleted:
        store = open_store(f"sqlite:///{made_there}/mlflow.db")
        store.client.delete_experiment(store.experiment("mine"))
    take(made_there, tmp_path / "here")
    says = f"{tmp_path}/here: was copied or moved from {made_there}, .*docs/resuming.md"
    with pytest.raises(StoreError, match=says) as caught:
        open_store(f"sqlite:///{tmp_path}/here/mlflow.db")
    assert "\n" not in str(caught.value)


def test_a_store_is_used_through_links_wherever_its_artifacts_are(made_there, tmp_path):
    (tmp_path / "link").symlink_to(made_there)
    open_store(f"sqlite:///{tmp_path}/link/mlflow.db").experiment("by the link")
    open_store(f"sqlite:///{made_there}/mlflow.db")
    shutil.move(made_there, tmp_path / "here")
    made_there.symlink_to(tmp_path / "here")
    (tmp_path / "large").mkdir()
    (tmp_path / "here" / "artifacts").symlink_to(tmp_path / "large")
    store = open_store(f"sqlite:///{tmp_path}/here/mlflow.db")
    assert store.experiment("by the link") != store.experiment("mine")


@pytest.mark.parametrize("folder", ["artifacts", "artifacts/7", "else"])
def test_an_experiment_whose_artifacts_a_person_put_elsewhere_is_used(folder, workspace):
    store = open_store()
    own = store.client.create_experiment("mine", artifact_location=(workspace / "own" / folder).as_uri())
    assert open_store().experiment("mine", "what it is", {"view.a": "1"}) == own
    assert open_store().experiment("mine") == own


def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(StoreError, match=r"/proc/regsearch: cannot be created"):
        open_store("sqlite:////proc/regsearch/mlflow.db")


def test_a_file_store_is_refused_with_what_to_give_instead(tmp_path):
    with pytest.raises(StoreError, match="is not supported; give http"):
        open_store(str(tmp_path / "mlruns"))


def test_an_experiment_that_was_deleted_is_said_so(workspace):
    store = open_store()
    store.client.delete_experiment(store.experiment("mine"))
    with pytest.raises(StoreError, match="experiment 'mine' is deleted"):
        store.experiment("mine")


USE = """
import json, os
before = dict(os.environ)
from regsearch.tracking.quiet_mlflow import settled
from regsearch.tracking.store import open_store
store = open_store()
store.client.set_terminated(store.client.create_run(store.experiment("mine")).info.run_id)
from mlflow.telemetry import get_telemetry_client
changed = {name for name, value in os.environ.items() if before.get(name) != value}
print(json.dumps([get_telemetry_client().is_active, sorted(changed)]))
"""


@pytest.mark.slow
def test_telemetry_is_off_and_the_environment_is_left_alone(workspace):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(workspace)}
    out = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, env=environment, check=True)
    theirs = {"_MLFLOW_TELEMETRY_SESSION_ID", "_RJEM_MALLOC_CONF"}  # set by MLflow, and by polars if MLflow finds it
    is_active, changed = json.loads(out.stdout)
    assert not is_active
    assert set(changed) <= theirs


def test_telemetry_that_was_asked_for_is_left_on(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    with settled():
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"


class Guarded(BaseHTTPRequestHandler):
    """A tracking server behind a door that asks for a name and a password, or a token."""

    keys = (f"Basic {base64.b64encode(b'me:secret').decode()}", "Bearer secret")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        body = b'{"experiments": []}'
        self.send_response(200 if self.headers["Authorization"] in self.keys else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """Return the address of such a server, with none of MLflow's settings in the environment."""
    for name in ("USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("settings", [{"USERNAME": "me", "PASSWORD": "secret"}, {"TOKEN": "secret"}])
def test_a_server_is_asked_with_the_credentials_of_the_environment(guarded, settings, monkeypatch):
    with pytest.raises(StoreError, match=r"refuses \(401 Unauthorized\); set MLFLOW_TRACKING_USERNAME"):
        open_store(f"http://{guarded}")
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    store = open_store(f"http://{guarded}")
    assert store.experiments() == []
    assert store.shown == f"http://{guarded}"


def test_credentials_may_stand_in_the_address(guarded):
    assert open_store(f"http://me:secret@{guarded}").shown == f"http://{guarded}"
    with pytest.raises(StoreError, match="refuses") as caught:
        open_store(f"http://me:mistaken@{guarded}")
    assert "mistaken" not in str(caught.value)


def test_a_server_that_is_slower_than_asked_for_is_not_waited_for(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreError, match="raise MLFLOW_HTTP_REQUEST_TIMEOUT"):
            open_store(f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon")
    with pytest.raises(StoreError, match=r"MLFLOW_HTTP_REQUEST_TIMEOUT.*; correct or unset"):
        open_store(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///.", "expected a database file, found a folder"),
        ("postgresql+nosuchdriver://me:secret@host/db", "postgresql"),
    ],
)
def test_a_database_that_cannot_be_is_refused(uri, says, workspace):
    with pytest.raises(StoreError, match=says) as caught:
        open_store(uri)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("tracking", [None, "http://127.0.0.1:9", "itself"])
@pytest.mark.parametrize(
    ("url", "says"), [("sqlite://", "names no file"), ("mysql://me:secret@host:port/db", "cannot be read; expected")]
)
def test_an_address_that_is_none_is_refused_by_the_name_of_what_it_was_given_for(url, says, tracking, workspace):
    addresses = (url, None) if tracking == "itself" else (tracking, url)
    kind = "tracking URI" if tracking == "itself" else "storage"
    with pytest.raises(StoreError, match=f"^{kind} .*{says}") as caught:
        open_store(*addresses)
    assert "secret" not in str(caught.value)


def test_an_experiment_is_given_the_views_that_it_lacks_and_keeps_its_others(workspace):
    store = open_store()
    experiment_id = store.experiment("e", "what it is", {"view.a": "1"})
    assert store.experiment("e", "other words", {"view.a": "2", "view.b": "3"}) == experiment_id
    tags = store.client.get_experiment(experiment_id).tags
    assert (tags["view.a"], tags["view.b"], tags["mlflow.note.content"]) == ("2", "3", "what it is")


@pytest.mark.parametrize("which", ["the tracking URI", "the storage"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda postgresql, url: url.replace("/store", "/absent"), 'database "absent" does not exist'),
        (lambda postgresql, url: url.replace(postgresql.password, "mistaken"), "password authentication failed"),
        (lambda postgresql, url: url.replace(f":{postgresql.port}/", ":9/"), "Connection refused"),
        (
            lambda postgresql, url: (postgresql.rule("ALTER DATABASE store CONNECTION LIMIT 0"), url)[1],
            'too many connections for database "store"',
        ),
    ],
    ids=["no database", "another password", "nobody there", "full"],
)
def test_a_postgresql_that_cannot_be_used_is_one_line(wrong, says, which, workspace, postgresql, tracking_server):
    url = wrong(postgresql, postgresql.renew("store"))
    addresses = (url, None) if which == "the tracking URI" else (tracking_server.uri, url)
    with pytest.raises(StoreError, match=r"cannot be connected to .*; check that PostgreSQL runs there") as caught:
        open_store(*addresses)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert postgresql.password not in str(caught.value)
    assert "mistaken" not in str(caught.value)


@pytest.mark.slow
def test_without_a_driver_the_extra_is_named(workspace):
    hidden = "import sys; sys.modules['psycopg'] = None; from regsearch.search.process import main; main()"
    command = [sys.executable, "-c", hidden, "models", "--tracking-uri", "postgresql://me:secret@127.0.0.1:9/mlflow"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr == (
        "regsearch: postgresql://127.0.0.1:9/mlflow: needs psycopg, which is not installed; "
        "pip install 'regsearch[postgresql]'\n"
    )


def test_a_driver_with_another_name_than_its_package_is_named_by_its_package():
    with pytest.raises(StoreError, match=r"needs a driver that is not installed; pip install mysqlclient$"):
        open_store("mysql://me@127.0.0.1:9/mlflow")


def test_machines_that_open_a_new_postgresql_at_once_all_succeed(tmp_path, postgresql):
    url = postgresql.renew("store")
    script = f"from regsearch.tracking.store import open_store; open_store({url!r}).experiment('mine')"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / f"machine {number}")},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, errors
    assert postgresql.rule("SELECT count(*) FROM experiments WHERE name = 'mine'", "store") == [(1,)]


def test_one_database_named_for_mlflow_and_optuna_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="cannot share a database") as refused:
        open_store(f"sqlite:///{tmp_path}/both.db", f"sqlite:///{tmp_path}/../{tmp_path.name}/both.db")
    assert "\n" not in str(refused.value)
    assert [*tmp_path.iterdir()] == []


def tables_and_version(url):
    """Return the names of a database's tables, and the version that MLflow or Optuna noted of them."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return {*inspect(engine).get_table_names()}, connection.scalar(text("SELECT version_num FROM alembic_version"))


@pytest.fixture(params=["sqlite", "postgresql"])
def other_database(request, tmp_path, monkeypatch):
    """Return the address of a database that is empty or not there yet."""
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other.db"
    return request.getfixturevalue("postgresql").renew("other")


def test_optunas_database_is_refused_as_mlflows_and_left_as_it_is(other_database, tmp_path):
    with storage_at(other_database, tmp_path, Locks(tmp_path)):
        pass
    before = tables_and_version(other_database)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"expected MLflow's database, found Optuna's; give .* by --tracking-uri"):
            open_store(other_database)
    assert tables_and_version(other_database) == before


def test_a_table_of_somebody_else_named_studies_does_not_make_a_database_optunas(tmp_path):
    url = f"sqlite:///{tmp_path}/mlflow.db"
    open_store(url)
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE studies (subject TEXT)"))
    assert open_store(url).experiment("mine")


def test_a_table_of_somebody_else_named_experiments_does_not_make_a_database_mlflows(other_database, tmp_path):
    with create_engine(other_database, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE experiments (subject TEXT)"))
    with storage_at(other_database, tmp_path, Locks(tmp_path)) as storage:
        assert storage.get_all_studies() == []


def test_mlflows_database_is_refused_as_optunas_and_left_as_it_is(other_database, tmp_path):
    open_store(other_database)
    before = tables_and_version(other_database)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"expected Optuna's database, found MLflow's; give .* by --storage"):
            open_storage(other_database, tmp_path)
    assert tables_and_version(other_database) == before
