"""A search that is killed, wherever it is, and started again comes to what it does undisturbed."""

import random
import shutil
import time
from dataclasses import replace
from itertools import zip_longest

import mlflow.sklearn
import optuna
import pytest
from mlflow import MlflowClient
from optuna import Study
from optuna.trial import Trial

from regsearch import SearchConfig, run_search
from regsearch.data import SealedTest
from regsearch.search import execution, promotion
from regsearch.tracking import openings
from regsearch.tracking import store as tracking_store
from regsearch.tracking.locks import Locks
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import Store, open_store
from tests.conftest import everywhere
from tests.guarantees.conftest import TRIALS, assert_complete
from tests.guarantees.points import after, before
from tests.servers import until

LIVES = 3

OPENING = {  # where a process is killed: before or after which call, counted from the start of that process
    "the first study is created": after(optuna, optuna.create_study),
    "the last study is created": after(optuna, optuna.create_study, 3),
    "the parent run is created": after(MlflowClient, MlflowClient.create_run),
    "the parent's parameters are written": after(MlflowClient, MlflowClient.log_batch),
    "the configuration is written": after(Store, Store.write),
    "the first trial is asked": after(Study, Study.ask),
}
FIRST_BATCHES = {
    "a batch is half asked": after(Study, Study.ask, 6),
    "a trial has one of its two parameters": after(Trial, Trial._suggest, 12),
    "a trial's run is begun": after(SearchRun, SearchRun._begin_trial),
    "a trial's artifacts are written": after(Store, Store.write, 9),
    "a trial's run has ended": after(SearchRun, SearchRun.log_trial, 7),
}
LATER_BATCHES = {
    "the first trial is told": before(Study, Study.tell),
    "a batch is half told": after(Study, Study.tell, 6),
    "a later batch is half asked": before(Study, Study.ask, 3),
    "a later trial has one of its two parameters": after(Trial, Trial._suggest, 5),
    "a later trial's run is begun": after(SearchRun, SearchRun._begin_trial, 8),
    "the last trial is told": after(Study, Study.tell, TRIALS - 1),  # the baseline has been told before
}
SUMMARY = {
    "the winner is chosen": after(execution, execution.choose),
    "the figures are about to be drawn": before(execution, execution.summarise),
    "the figures are written": after(execution, execution.summarise),
    "the promotion is about to begin": before(execution, execution.promote_winner),
}
PROMOTION = {
    "the winner agrees with its run": after(promotion, promotion.require_agreement),
    "the opening of the test rows is noted": after(openings, openings.note_opening),
    "the test rows are open": after(SealedTest, SealedTest.open),
    "the registered model is created": after(MlflowClient, MlflowClient.create_registered_model),
    "the model is saved": after(mlflow.sklearn, mlflow.sklearn.save_model),
    "the version is about to be registered": before(MlflowClient, MlflowClient.create_model_version),
}
CROWNING = {
    "the version is registered": after(MlflowClient, MlflowClient.create_model_version),
    "the alias is about to be set": before(MlflowClient, MlflowClient.set_registered_model_alias),
    "the alias is set": after(MlflowClient, MlflowClient.set_registered_model_alias),
    "the story is about to be told": before(promotion, promotion.describe),
    "the story is told": after(promotion, promotion.describe),
}
STAGES = (OPENING, FIRST_BATCHES, LATER_BATCHES, SUMMARY, PROMOTION, CROWNING)
OF_SERVERS = {  # an embedded store takes a trial's run with its metrics
    "a trial's run is created": after(MlflowClient, MlflowClient.create_run, 2),
    "a trial's metrics are written": after(MlflowClient, MlflowClient.log_batch, 9),
}
POINTS = {name: point for stage in (*STAGES, OF_SERVERS) for name, point in stage.items()}

EMBEDDED = [  # of each stage one, so that every process finds what the one before it left
    [name for name in names if name] for names in zip_longest(*STAGES)
]
ON_SERVERS = [  # where a database or a server answers otherwise than a file might
    [
        "the first study is created",
        "a batch is half asked",
        "a trial has one of its two parameters",
        "the opening of the test rows is noted",
        "the alias is about to be set",
    ],
    [
        "the parent run is created",
        "a trial's run is created",
        "a trial's metrics are written",
        "a trial's artifacts are written",
        "a batch is half told",
        "the version is about to be registered",
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "names"),
    [("embedded", names) for names in EMBEDDED] + [("servers", names) for names in ON_SERVERS],
    ids=lambda value: value if isinstance(value, str) else value[0],
    indirect=["place"],
)
def test_killed_at_one_point_after_another(names, kill, killed, undisturbed):
    for name in names:
        kill(POINTS[name])
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


@pytest.mark.slow
def test_the_same_command_after_a_kill_counts_to_the_number_of_trials_and_completes_the_search(
    kill, launch, killed, undisturbed
):
    kill(POINTS["a trial's run has ended"])
    again = launch("run", "killed.toml")
    assert again.wait() == 0, again.stderr
    assert f"{TRIALS} of {TRIALS} trials after" in again.stderr
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


@pytest.mark.slow
def test_killed_when_the_database_is_new(kill, killed, undisturbed):
    shutil.rmtree(killed / "mlruns")
    kill(after(tracking_store, tracking_store._initialised))
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


def pytest_generate_tests(metafunc):
    if "moment_seed" in metafunc.fixturenames:
        searches = -(-metafunc.config.getoption("random_kills") // LIVES)
        seeds = [("embedded", seed) for seed in range(searches)] + [("servers", seed) for seed in range(searches // 2)]
        metafunc.parametrize(("place", "moment_seed"), seeds, indirect=["place"])


@pytest.mark.slow
def test_killed_at_one_random_moment_after_another(moment_seed, launch, killed, place, undisturbed):
    moments = random.Random(moment_seed)
    for _ in range(LIVES):
        process = launch("run", "killed.toml")
        until(place.has_studies, process)
        time.sleep(moments.uniform(0, undisturbed.seconds / 2))
        process.kill()
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


@pytest.mark.slow
@everywhere
def test_the_runs_of_a_search_that_is_never_resumed_are_closed_and_those_of_a_live_one_are_not(
    kill, killed, place, monkeypatch
):
    kill(after(SearchRun, SearchRun._begin_trial, 4))
    monkeypatch.setenv("XDG_STATE_HOME", str(killed / "another machine"))
    store = open_store()
    runs = store.client.search_runs([store.experiment("killed")])
    assert sum(run.info.status == "RUNNING" for run in runs) == 2
    (search_id,) = {run.data.tags["search_id"] for run in runs}

    with store.locks.hold(search_id):
        assert close_orphans(store) == []
    if not place.is_embedded:  # the locks of an embedded store lie beside it, so that everybody sees them
        assert close_orphans(replace(store, locks=Locks(killed))) == []  # whoever cannot see the lock leaves them alone
    assert close_orphans(store) == [search_id]
    runs = store.client.search_runs([store.experiment("killed")])
    assert sorted(run.info.status for run in runs) == ["FINISHED"] * 3 + ["KILLED"] * 2
    assert SearchRun.find(store, search_id).run.info.status == "KILLED"
    assert close_orphans(store) == []
