"""A search that is killed, wherever it is, and started again comes to what it does undisturbed."""

import random
import shutil
import time
from dataclasses import replace

import pytest

from search import SearchConfig, run_search
from tests.conftest import everywhere
from tests.guarantees.conftest import assert_complete
from tests.servers import until
from tracking.locks import Locks
from tracking.orphans import close_orphans
from tracking.runs import SearchRun
from tracking.store import open_store

pytestmark = pytest.mark.slow

BOUNDARIES = [
    ("the first study is created", "optuna:create_study", "after", 1),
    ("the last study is created", "optuna:create_study", "after", 3),
    ("the first trial is asked", "optuna.study:Study.ask", "after", 1),
    ("a batch is half asked", "optuna.study:Study.ask", "after", 6),
    ("a later batch is half asked", "optuna.study:Study.ask", "before", 23),
    ("a trial has one of its two parameters", "optuna.trial:Trial._suggest", "after", 12),
    ("a later trial has one of its two parameters", "optuna.trial:Trial._suggest", "after", 34),
    ("the parent run is created", "mlflow:MlflowClient.create_run", "after", 1),
    ("the first trial's run is created", "mlflow:MlflowClient.create_run", "after", 2),
    ("a later trial's run is created", "mlflow:MlflowClient.create_run", "after", 15),
    ("the parent's parameters are written", "mlflow:MlflowClient.log_batch", "after", 1),
    ("a trial's metrics are written", "mlflow:MlflowClient.log_batch", "after", 9),
    ("the configuration is written", "mlflow:MlflowClient.log_artifacts", "after", 1),
    ("a trial's artifacts are written", "mlflow:MlflowClient.log_artifacts", "after", 9),
    ("a trial's run has ended", "mlflow:MlflowClient.set_terminated", "after", 7),
    ("the first trial is told", "optuna.study:Study.tell", "before", 1),
    ("a batch is half told", "optuna.study:Study.tell", "after", 6),
    ("the last trial is told", "optuna.study:Study.tell", "after", 26),
    ("the figures are drawn", "search.report:summarise", "before", 1),
    ("the story is about to be told", "search.report:tell", "before", 1),
    ("the story is told", "search.report:tell", "after", 1),
    ("the figures are written", "search.report:summarise", "after", 1),
    ("the winner is chosen", "search.promotion:winner", "after", 1),
    ("the opening of the test rows is noted", "search.promotion:read_weights", "before", 1),
    ("the test rows are open", "data.seal:SealedTest.open", "after", 1),
    ("the registered model is created", "mlflow:MlflowClient.create_registered_model", "after", 1),
    ("the model is saved", "mlflow.sklearn:save_model", "after", 1),
    ("the version is about to be registered", "mlflow:MlflowClient.create_model_version", "before", 1),
    ("the version is registered", "mlflow:MlflowClient.create_model_version", "after", 1),
    ("the alias is about to be set", "mlflow:MlflowClient.set_registered_model_alias", "before", 1),
    ("the alias is set", "mlflow:MlflowClient.set_registered_model_alias", "after", 1),
    ("the end of the story is about to be told", "search.promotion:tell", "before", 1),
    ("the end of the story is told", "search.promotion:tell", "after", 1),
]


OF_THE_STORE = {  # where a database or a server answers otherwise than a file might
    "the first study is created",
    "a batch is half asked",
    "a later trial has one of its two parameters",
    "the parent run is created",
    "a trial's metrics are written",
    "a trial's artifacts are written",
    "a batch is half told",
    "the opening of the test rows is noted",
    "the version is about to be registered",
    "the alias is about to be set",
}


@pytest.mark.parametrize(
    ("place", "where", "moment", "count"),
    [
        pytest.param(place, *rest, id=f"{place}: {name}")
        for name, *rest in BOUNDARIES
        for place in (["embedded", "servers"] if name in OF_THE_STORE else ["embedded"])
    ],
    indirect=["place"],
)
def test_killed_at_a_boundary(where, moment, count, kill, killed, undisturbed):
    kill(where, moment, count)
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


def test_killed_when_the_database_is_new(kill, killed, undisturbed):
    shutil.rmtree(killed / "mlruns")
    kill("tracking.store:_initialised", "after", 1)
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


def test_killed_again_and_again(kill, killed, undisturbed):
    for count in (4, 9, 14):
        kill("mlflow:MlflowClient.log_batch", "after", count)
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


def pytest_generate_tests(metafunc):
    if "moment_seed" in metafunc.fixturenames:
        kills = metafunc.config.getoption("random_kills")
        seeds = [("embedded", seed) for seed in range(kills)] + [("servers", seed) for seed in range(kills // 3)]
        metafunc.parametrize(("place", "moment_seed"), seeds, indirect=["place"])


def test_killed_at_a_random_moment(moment_seed, launch, killed, place, undisturbed):
    process = launch("run", "killed.toml")
    until(place.has_studies, process)
    time.sleep(random.Random(moment_seed).uniform(0, undisturbed.seconds))
    process.kill()
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


@everywhere
def test_the_runs_of_a_search_that_is_never_resumed_are_closed_and_those_of_a_live_one_are_not(
    kill, killed, monkeypatch
):
    kill("mlflow:MlflowClient.create_run", "after", 5)
    monkeypatch.setenv("XDG_STATE_HOME", str(killed / "another machine"))
    store = open_store()
    runs = store.client.search_runs([store.experiment("killed")])
    assert sum(run.info.status == "RUNNING" for run in runs) == 2
    (search_id,) = {run.data.tags["search_id"] for run in runs}

    with store.locks.hold(search_id):
        assert close_orphans(store) == []
    assert close_orphans(replace(store, locks=Locks(killed))) == []  # whoever cannot see the lock leaves them alone
    assert close_orphans(store) == [search_id]
    runs = store.client.search_runs([store.experiment("killed")])
    assert sorted(run.info.status for run in runs) == ["FINISHED"] * 3 + ["KILLED"] * 2
    assert SearchRun.find(store, search_id).run.info.status == "KILLED"
    assert close_orphans(store) == []
