"""A search small enough to be killed a hundred times, and what it comes to when nobody disturbs it."""

from __future__ import annotations

import json
import pickle
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from regsearch import SearchConfig, SearchResult, run_search
from regsearch.search.proposals.optuna_storage import storage_at
from regsearch.tracking import registry
from regsearch.tracking.figures.attempt import FIGURES
from regsearch.tracking.store import open_store, storage_url
from tests.conftest import put

CONFIG = """
name = "killed"
seed = 11

[data]
source = "recording.npz"

[data.split]
train = [40, 120]
validation = [0, 40]
test = [120, 160]

[families.ridge]
alpha = { low = 0.01, high = 100 }
trials = 12

[families.elasticnet]
l1_alpha = { low = 0.001, high = 0.1 }
l2_alpha = { low = 0.01, high = 10 }
trials = 13
"""
TRIALS = 1 + 12 + 13

ONE_RIDGE = """
name = {name}

[data]
source = "recording.npz"

[data.split]
train = [40, 120]
validation = [0, 40]
test = [120, 160]

[families.ridge]
alpha = [{alpha}]
"""
DECODERS = (30.0, 1.0)
"""The worse strength and the better one."""
STRENGTHS = ["family", "trial", "alpha", "l1_alpha", "l2_alpha"]
SCORES = ["r2_train", "r2_validation", "sparsity", "l1_norm", "l2_norm"]


@dataclass(frozen=True)
class Undisturbed:
    """What a search comes to when nobody disturbs it, and how long it takes."""

    trials: pd.DataFrame
    winner: tuple[str, int]
    r2_test: float
    seconds: float


def assert_complete(result: SearchResult, expected: Undisturbed) -> None:
    """Assert that a search came to exactly what it does undisturbed, with nothing missing, left over or open."""
    trials = result.trials
    pd.testing.assert_frame_equal(trials[STRENGTHS], expected.trials[STRENGTHS])  # to the last bit
    np.testing.assert_allclose(trials[SCORES], expected.trials[SCORES], rtol=1e-7, atol=1e-9)
    assert (result.best["family"], result.best["trial"]) == expected.winner
    assert result.promotion.r2_test == pytest.approx(expected.r2_test, abs=1e-9)

    store = open_store()
    with storage_at(storage_url(), Path.cwd() / "mlruns", store.locks) as storage:
        told = [trial for study in storage.get_all_studies() for trial in storage.get_all_trials(study._study_id)]
    assert len(told) == TRIALS
    assert {trial.state for trial in told} == {optuna.trial.TrialState.COMPLETE}

    runs = store.client.search_runs([store.experiment("killed")], max_results=1000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.tags["role"] for run in runs) == ["search"] + ["trial"] * TRIALS
    assert len({(run.data.tags.get("family"), run.data.tags.get("trial")) for run in runs}) == TRIALS + 1
    figures = {file.path for file in store.client.list_artifacts(result.run_id, "figures")}
    names = ("ridge", "elasticnet", "importance", "history", "trade_off", "weights", "predictions", "residuals")
    assert figures == {f"figures/{name}.{kind}" for name in names for kind in ("png", "svg", "pdf")}
    steps = [point.step for point in store.client.get_metric_history(result.run_id, "trials_done")]
    assert steps == sorted(set(steps))
    assert steps[-1] == TRIALS
    (version,) = registry.versions(store, "killed")
    assert registry.champion(store, "killed").version == version.version
    assert version.tags["test_evaluations"] == "1"
    assert float(version.tags["r2_test"]) == pytest.approx(expected.r2_test, abs=1e-9)
    for text in (store.client.get_run(result.run_id).data.tags["mlflow.note.content"], version.description):
        assert f"test {expected.r2_test:.4f} (95 % interval" in text
    assert "Intended use" in store.client.get_registered_model("killed").description


@pytest.fixture(scope="session")
def undisturbed_folder(searched_once, small_recording) -> Path:
    """Return a folder in which the search was run, and nobody disturbed it."""

    def search(folder: Path) -> Undisturbed:
        prepare(folder, small_recording())
        started = time.monotonic()
        result = run_search(SearchConfig.load("killed.toml"), progress=False)
        seconds = time.monotonic() - started
        best = result.best
        return Undisturbed(result.trials, (best["family"], best["trial"]), result.promotion.r2_test, seconds)

    return searched_once("undisturbed", search)


@pytest.fixture(scope="session")
def undisturbed(undisturbed_folder) -> Undisturbed:
    """Return what the search comes to when nobody disturbs it."""
    return pickle.loads((undisturbed_folder / "result.pickle").read_bytes())


@pytest.fixture
def completed(killed, place, undisturbed_folder) -> SearchResult:
    """Return the search, complete in the workspace: copied there, for speed, if the place is the embedded one."""
    if place.is_embedded:
        put(undisturbed_folder, killed)
    return run_search(SearchConfig.load("killed.toml"), progress=False)


@pytest.fixture(scope="session")
def two_decoders_folder(searched_once, small_recording) -> Path:
    """Return a folder with two searches of one model: the worse one is champion, the better one is not promoted."""

    def search(folder: Path) -> None:
        prepare(folder, small_recording())
        for alpha in DECODERS:
            run_search(one_ridge(alpha=alpha), progress=False)

    return searched_once("two decoders", search)


@pytest.fixture
def two_decoders(killed, place, two_decoders_folder) -> tuple[SearchResult, SearchResult]:
    """Return those two searches in the workspace: copied there, for speed, if the place is the embedded one."""
    if place.is_embedded:
        put(two_decoders_folder, killed)
    worse, better = (run_search(one_ridge(alpha=alpha), progress=False) for alpha in DECODERS)
    assert worse.promotion is not None
    assert better.promotion is None  # the test rows have been opened for the other
    return worse, better


@pytest.fixture
def kill(launch):
    """Return a start of the command, by default of the search, that dies at a point."""

    def killed(point, command=("run", "killed.toml")):
        process = launch(*command, before=point.interrupt)
        assert process.wait() == -signal.SIGKILL, process.stderr

    return killed


def one_ridge(name: str = "decoder", alpha: float = 1.0) -> SearchConfig:
    """Return a search with one ridge model beside the baseline; of 1 and 30 the smaller alpha is the better one."""
    quoted = json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
    return SearchConfig.from_toml(ONE_RIDGE.format(name=quoted, alpha=alpha))


def prepare(folder: Path, recording) -> None:
    """Put the recording and the configuration into a folder."""
    np.savez(folder / "recording.npz", X=recording.X, y=recording.y)
    (folder / "killed.toml").write_text(CONFIG)


@pytest.fixture
def killed(workspace, with_figures, recording) -> Path:
    """Return a workspace that holds the recording and the configuration, whose figures can be interrupted, too."""
    prepare(workspace, recording)
    return workspace


@pytest.fixture
def undrawn(killed, monkeypatch) -> None:
    """Leave the figures out where a test interrupts nothing that draws them."""
    monkeypatch.setenv(FIGURES, "0")
