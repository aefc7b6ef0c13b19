import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from regsearch.tracking import registry
from regsearch.tracking.estimator import fitted
from regsearch.tracking.model import save
from regsearch.tracking.store import open_store

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"


def environment():
    """Return an environment whose first commands are those of this interpreter's own."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def output_of(*command):
    run = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def small_file(workspace, recording):
    np.savez(workspace / "small.npz", X=recording.X, y=recording.y)


def champion_of(name):
    return registry.champion(open_store(), name)


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, EXAMPLES / "launch_from_python.py", "small.npz", "4"),
        ("bash", EXAMPLES / "launch_from_shell.sh", "small.npz", "--trials", "4", "--family", "ridge"),
    ],
    ids=["python", "shell"],
)
def test_a_launched_search_ends_with_the_champion_that_it_names(command, small_file):
    shown = output_of(*command)
    champion = champion_of("small")
    assert champion.tags["family"] in shown
    assert f"{float(champion.tags['r2_test']):.4f}" in shown
    assert "models:/small@champion" in shown


def test_several_recordings_are_compared_by_what_each_one_s_search_found(workspace):
    lines = output_of(sys.executable, EXAMPLES / "several_recordings.py").splitlines()
    rows = {line.split()[0]: line.split() for line in lines}
    names = ["carriers-5", "carriers-20", "carriers-80"]
    assert [line.split()[0] for line in lines[-3:]] == names
    for name in names:
        assert champion_of(name).tags["family"] in rows[name]
        assert float(rows[name][-1]) == pytest.approx(float(champion_of(name).tags["r2_test"]), abs=1e-4)
    assert len(open_store().experiments()) == 1 + len(names)


@contextlib.contextmanager
def served(name):
    command = [sys.executable, EXAMPLES / "serve_champion.py", name, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        address = next(match[0] for line in lines if (match := re.search(r"http://127.0.0.1:\d+", line)))
        yield f"{address}/predict"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_service_answers_as_the_champion_and_follows_the_alias(result, recording):
    rows = recording.X[:5]
    store = open_store()
    with served("small") as address:
        answer = requests.post(address, json={"rows": rows.tolist()}, timeout=60).json()
        assert answer["version"] == "1"
        coef, intercept = _weights(store, result.best["run_id"])
        np.testing.assert_allclose(answer["predictions"], rows @ coef + intercept)

        too_narrow = requests.post(address, json={"rows": [[1.0, 2.0]]}, timeout=60)
        assert too_narrow.status_code == 422
        assert "200" in too_narrow.json()["detail"]

        baseline = result.trials.loc[result.trials["family"] == "none", "run_id"].item()
        coef, intercept = _weights(store, baseline)
        names = tuple(f"column {number}" for number in range(len(coef)))
        named = fitted(coef, intercept, [(recording.X, None)], strengths=(0, 0), feature_names=names)
        version = registry.register(
            store, "small", baseline, lambda folder: {"sha": save(named, folder)}, tags={}, description=""
        )
        registry.crown(store, "small", str(version.version))
        answer = requests.post(address, json={"rows": rows.tolist()}, timeout=60).json()
        assert answer["version"] == "2"
        np.testing.assert_allclose(answer["predictions"], rows @ coef + intercept)


def _weights(store, run_id):
    with np.load(store.client.download_artifacts(run_id, "weights.npz")) as archive:
        return archive["coef"], float(archive["intercept"])


def test_the_service_of_a_model_without_a_champion_says_so(workspace):
    with served("nobody") as address:
        answer = requests.post(address, json={"rows": [[1.0]]}, timeout=60)
    assert answer.status_code == 503
    assert "nobody has no champion" in answer.json()["detail"]
