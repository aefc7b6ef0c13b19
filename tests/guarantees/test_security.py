"""What a store or a file holds is read, never executed, and secrets go nowhere."""

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regsearch import SearchConfig, load_champion, run_search
from regsearch.data import load
from regsearch.errors import ConfigError, ModelRejectedError
from regsearch.tracking import registry
from regsearch.tracking.store import open_store
from tests.conftest import on_servers
from tests.guarantees.conftest import one_ridge
from tests.servers import until

pytestmark = pytest.mark.slow


class Hostile:
    """A pickle that leaves a file behind when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(11):
            archive.writestr(f"{number}.npy", bytes(100 * 2**20))
        archive.writestr("schema.json", "{}")
    return buffer.getvalue()


def other_type():
    import skops.io
    from sklearn.linear_model import HuberRegressor

    return skops.io.dumps(HuberRegressor().fit(np.eye(3), np.arange(3.0)))


def other_shape():
    import skops.io
    from sklearn.linear_model import Ridge

    return skops.io.dumps(Ridge().fit(np.eye(3), np.arange(3.0)))


def callable_type():
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    return skops.io.dumps(FunctionTransformer(os.system))


@pytest.fixture
def model(killed, two_decoders, place):
    """Return the folder of a champion's model."""
    assert load_champion("decoder").coef_.shape == (200,)
    return place.model_of(registry.champion(open_store(), "decoder"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda: pickle.dumps(Hostile()), "not a skops archive"),
        (other_type, r"sklearn\.linear_model\._huber\.HuberRegressor"),
        (other_shape, "holds a Ridge; expected a StandardScaler and a linear model"),
        (callable_type, "system"),
        (bomb, "unpacks to"),
    ],
    ids=["a pickle", "another estimator", "a part of ours", "a function of the system", "a zip bomb"],
)
def test_a_model_that_is_not_ours_is_rejected_before_anything_runs(content, says, model):
    import hashlib

    (model / "model.skops").write_bytes(content())
    with pytest.raises(ModelRejectedError, match="SHA-256 differs"):
        load_champion("decoder")
    store = open_store()  # and whoever can write to the registry as well gets no further
    version = registry.champion(store, "decoder").version
    store.client.set_model_version_tag(
        "decoder", version, "model_sha256", hashlib.sha256((model / "model.skops").read_bytes()).hexdigest()
    )
    with pytest.raises(ModelRejectedError, match=says):
        load_champion("decoder")
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loader_module: mlflow.sklearn", "loader_module: hostile"),
        ("serialization_format: skops", "serialization_format: cloudpickle"),
        ("skops_trusted_types: null", "skops_trusted_types: [posix.system]"),
        ("flavors:", "flavors: !!python/object/apply:os.system ['touch executed']\nothers:"),
    ],
)
def test_an_mlmodel_that_asks_for_another_loader_is_rejected(old, new, model):
    text = (model / "MLmodel").read_text()
    assert old in text
    (model / "MLmodel").write_text(text.replace(old, new))
    (model / "hostile.py").write_text("open('executed', 'w')")
    with pytest.raises(ModelRejectedError, match="MLmodel"):
        load_champion("decoder")
    assert not Path("executed").exists()


def test_a_version_that_somebody_else_registered_is_rejected(model):
    store = open_store()
    made = store.client.create_model_version("decoder", "/etc", run_id=None)
    store.client.set_registered_model_alias("decoder", "champion", made.version)
    with pytest.raises(ModelRejectedError, match="was not registered by regsearch"):
        load_champion("decoder")


def test_weights_in_the_store_that_are_a_pickle_are_not_executed(killed):
    result = run_search(one_ridge(), promote=False, progress=False)
    weights = killed / "mlruns" / "artifacts" / result.best["run_id"] / "artifacts" / "weights.npz"
    np.savez(weights, coef=np.array([Hostile()], dtype=object), intercept=0.0)
    assert run_search(one_ridge(), promote=False, progress=False).new_trials == 1  # it is solved again
    assert not Path("executed").exists()


@pytest.mark.parametrize("name", ["it's", "naïve 🐭 décodeur", "a' OR name = 'b", "semi;colon -- %s {x}", "=1+1"])
def test_a_name_is_only_a_name(name, killed):
    result = run_search(one_ridge(name), progress=False)
    assert result.promotion.model == name
    assert load_champion(name).coef_.shape == (200,)
    assert run_search(one_ridge(name), progress=False).new_trials == 0
    outside = {path.name for path in killed.iterdir()} - {"mlruns", "recording.npz", "killed.toml"}
    assert outside == set()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_name_that_a_store_could_not_hold_is_refused_in_one_line(name):
    unsafe = any(char in '/:"' or ord(char) < 32 for char in name)
    if unsafe or not name or name[0] == "." or name[0].isspace() or len(name) > 200:
        with pytest.raises(ConfigError) as refused:
            one_ridge(name)
        assert "\n" not in str(refused.value)


class Failing(BaseHTTPRequestHandler):
    """A tracking server that is healthy and fails at everything else."""

    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def failing_server():
    """Return the address of such a server."""
    with HTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("command", [["run", "killed.toml"], ["models"], ["promote", "abc"], ["ui"]])
@pytest.mark.parametrize(
    "uri",
    [
        "http://user:s3cret@{failing}",
        "http://user:s3cret@127.0.0.1:9",
        "postgresql://user:s3cret@127.0.0.1:9/mlflow",
        "postgresql://127.0.0.1:9/mlflow?password=s3cret",
        "nonsense://user:s3cret@host/?token=s3cret",
    ],
)
def test_a_password_in_a_tracking_address_is_never_shown(uri, command, killed, failing_server, monkeypatch, invoke):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, out, error = invoke(*command, "--tracking-uri", uri.format(failing=failing_server))
    assert code in (1, 2)
    assert out == ""
    assert "s3cret" not in error
    assert error.splitlines()[-1].startswith("regsearch: ")


def test_a_password_in_a_storage_address_is_written_nowhere(killed, invoke):
    code, _, error = invoke("run", "killed.toml", "--storage", "postgresql://u:s3cret@127.0.0.1:9/optuna")
    assert code == 2
    assert "s3cret" not in error
    for file in (killed / "mlruns").rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes()


@on_servers
def test_the_password_of_the_database_is_written_and_said_nowhere(killed, place, postgresql, invoke):
    code, out, error = invoke("run", "killed.toml", "--verbose", "--storage", place.storage)
    assert code == 0, error
    planned = invoke("run", "killed.toml", "--dry-run")
    promoted = invoke("promote", SearchConfig.load("killed.toml").search_id(load("recording.npz").sha256))
    said = [out, error, *map(str, (*planned, *promoted))]
    files = [file.read_bytes() for top in (killed, place.artifacts) for file in top.rglob("*") if file.is_file()]
    assert len(files) > 50
    for content in (*map(str.encode, said), *files, *map(postgresql.dump, ("mlflow", "optuna"))):
        assert postgresql.password.encode() not in content


@on_servers
def test_workers_are_not_connected_to_any_server(killed, place, postgresql, tracking_server):
    process = subprocess.Popen(
        [sys.executable, "-m", "regsearch", "run", "killed.toml", "--workers", "2"], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: place.trials_logged() >= 5, process)
        process.send_signal(signal.SIGSTOP)
        driver = psutil.Process(process.pid)
        workers = driver.children(recursive=True)
        assert len(workers) >= 2
        assert postgresql.port in ports(driver)
        assert not {port for worker in workers for port in ports(worker)} & {postgresql.port, tracking_server.port}
    finally:
        process.kill()
        process.wait()


def ports(process):
    """Return those that a process is connected to."""
    return {connection.raddr.port for connection in process.net_connections() if connection.raddr}


def test_the_command_that_resumes_is_said_without_a_password(killed, invoke, monkeypatch):
    def interrupted(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("regsearch.search.launch.read_rows", interrupted)
    code, _, error = invoke("run", "killed.toml", "--storage", "sqlite:///optuna.db?password=s3cret")
    assert code == 143
    assert "resume with: regsearch run killed.toml --storage sqlite:///optuna.db" in error
    assert "s3cret" not in error
