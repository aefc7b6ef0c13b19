"""A search that is killed, wherever it is, and started again comes to what it does undisturbed."""

import random
import shutil
import time
from dataclasses import replace
from itertools import zip_longest

import pytest

from regsearch import SearchConfig, run_search
from regsearch.tracking.locks import Locks
from regsearch.tracking.orphans import close_orphans
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import everywhere
from tests.guarantees.conftest import TRIALS, assert_complete
from tests.servers import until

pytestmark = pytest.mark.slow

LIVES = 3

CREATE_STUDY, ASK, TELL = "optuna:create_study", "optuna.study:Study.ask", "optuna.study:Study.tell"
SUGGEST = "optuna.trial:Trial._suggest"
CREATE_RUN, LOG, WRITE, END = (
    f"mlflow:MlflowClient.{name}" for name in ("create_run", "log_batch", "log_artifacts", "set_terminated")
)
CREATE_MODEL, CREATE_VERSION, SET_ALIAS = (
    f"mlflow:MlflowClient.{name}"
    for name in ("create_registered_model", "create_model_version", "set_registered_model_alias")
)
SUMMARISE, TELL_STORY, TELL_ITS_END = (
    "regsearch.search.output.search_figures:summarise",
    "regsearch.search.output.search_figures:tell",
    "regsearch.search.promotion:tell",
)

OPENING = {  # where a process is killed: before or after which call, counted from the start of that process
    "the first study is created": (CREATE_STUDY, "after", 1),
    "the last study is created": (CREATE_STUDY, "after", 3),
    "the parent run is created": (CREATE_RUN, "after", 1),
    "the parent's parameters are written": (LOG, "after", 1),
    "the configuration is written": (WRITE, "after", 1),
    "the first trial is asked": (ASK, "after", 1),
}
FIRST_BATCHES = {
    "a batch is half asked": (ASK, "after", 6),
    "a trial has one of its two parameters": (SUGGEST, "after", 12),
    "a trial's run is created": (CREATE_RUN, "after", 2),
    "a trial's metrics are written": (LOG, "after", 9),
    "a trial's artifacts are written": (WRITE, "after", 9),
    "a trial's run has ended": (END, "after", 7),
}
LATER_BATCHES = {
    "the first trial is told": (TELL, "before", 1),
    "a batch is half told": (TELL, "after", 6),
    "a later batch is half asked": (ASK, "before", 3),
    "a later trial has one of its two parameters": (SUGGEST, "after", 5),
    "a later trial's run is created": (CREATE_RUN, "after", 8),
    "the last trial is told": (TELL, "after", TRIALS - 1),  # the baseline has been told before
}
SUMMARY = {
    "the figures are drawn": (SUMMARISE, "before", 1),
    "the story is about to be told": (TELL_STORY, "before", 1),
    "the story is told": (TELL_STORY, "after", 1),
    "the figures are written": (SUMMARISE, "after", 1),
}
PROMOTION = {
    "the winner is chosen": ("regsearch.search.promotion:winner", "after", 1),
    "the opening of the test rows is noted": ("regsearch.search.promotion:read_weights", "before", 1),
    "the test rows are open": ("regsearch.data.seal:SealedTest.open", "after", 1),
    "the registered model is created": (CREATE_MODEL, "after", 1),
    "the model is saved": ("mlflow.sklearn:save_model", "after", 1),
    "the version is about to be registered": (CREATE_VERSION, "before", 1),
}
CROWNING = {
    "the version is registered": (CREATE_VERSION, "after", 1),
    "the alias is about to be set": (SET_ALIAS, "before", 1),
    "the alias is set": (SET_ALIAS, "after", 1),
    "the end of the story is about to be told": (TELL_ITS_END, "before", 1),
    "the end of the story is told": (TELL_ITS_END, "after", 1),
}
STAGES = (OPENING, FIRST_BATCHES, LATER_BATCHES, SUMMARY, PROMOTION, CROWNING)
BOUNDARIES = {name: boundary for stage in STAGES for name, boundary in stage.items()}

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
        "a trial's metrics are written",
        "a trial's artifacts are written",
        "a batch is half told",
        "the version is about to be registered",
    ],
]


@pytest.mark.parametrize(
    ("place", "boundaries"),
    [("embedded", names) for names in EMBEDDED] + [("servers", names) for names in ON_SERVERS],
    ids=lambda value: value if isinstance(value, str) else value[0],
    indirect=["place"],
)
def test_killed_at_one_boundary_after_another(boundaries, kill, killed, undisturbed):
    for name in boundaries:
        kill(*BOUNDARIES[name])
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


def test_a_search_that_is_taken_up_counts_to_the_number_of_its_trials(kill, launch, killed):
    kill(*BOUNDARIES["a trial's run has ended"])
    again = launch("run", "killed.toml", "--no-promote")
    assert again.wait() == 0, again.stderr
    assert f"{TRIALS} of {TRIALS} trials after" in again.stderr


def test_killed_when_the_database_is_new(kill, killed, undisturbed):
    shutil.rmtree(killed / "mlruns")
    kill("regsearch.tracking.store:_initialised", "after", 1)
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)


def pytest_generate_tests(metafunc):
    if "moment_seed" in metafunc.fixturenames:
        searches = -(-metafunc.config.getoption("random_kills") // LIVES)
        seeds = [("embedded", seed) for seed in range(searches)] + [("servers", seed) for seed in range(searches // 2)]
        metafunc.parametrize(("place", "moment_seed"), seeds, indirect=["place"])


def test_killed_at_one_random_moment_after_another(moment_seed, launch, killed, place, undisturbed):
    moments = random.Random(moment_seed)
    for _ in range(LIVES):
        process = launch("run", "killed.toml")
        until(place.has_studies, process)
        time.sleep(moments.uniform(0, undisturbed.seconds / 2))
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
