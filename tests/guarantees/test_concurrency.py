"""Searches at once: different ones share a store, and one search is run by one process."""

import os
import shutil
import signal
import sqlite3
import time

import pytest

from search import SearchConfig, run_search
from tests.guarantees.conftest import TRIALS, assert_complete
from tracking import registry
from tracking.runs import SearchRun
from tracking.store import open_store

pytestmark = pytest.mark.slow


def test_eight_searches_at_once_on_a_store_that_does_not_exist_yet(launch, killed):
    shutil.rmtree(killed / "mlruns")
    started = [launch("run", "killed.toml", "--seed", str(seed)) for seed in range(8)]
    for process in started:
        assert process.wait() == 0, process.stderr

    store = open_store()
    experiments = store.client.search_experiments()
    assert sorted(one.name for one in experiments) == ["Default", "killed"]
    parents = store.client.search_runs([store.experiment("killed")], "tags.role = 'search'")
    assert len({parent.data.tags["search_id"] for parent in parents}) == len(parents) == 8
    for parent in parents:
        assert parent.info.status == "FINISHED"
        runs = SearchRun.find(store, parent.data.tags["search_id"]).trial_runs()
        assert [run.info.status for run in runs.values()] == ["FINISHED"] * TRIALS
    assert len(store.client.search_runs([store.experiment("killed")], max_results=1000)) == 8 * (1 + TRIALS)
    opened = [parent for parent in parents if "test_opened_for" in parent.data.tags]
    assert len(opened) == 1
    assert registry.champion(store, "killed").tags["search_id"] == opened[0].data.tags["search_id"]
    with sqlite3.connect(killed / "mlruns" / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_a_second_process_on_the_same_search_says_who_has_it_and_leaves(launch, killed, undisturbed):
    first = launch("run", "killed.toml")
    while not list(killed.glob("mlruns/locks/*.holder")):
        assert first.returncode is None
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    second = launch("run", "killed.toml")
    assert (second.wait(), second.stdout) == (1, "")
    first.send_signal(signal.SIGCONT)
    assert f"is being run by process {first.pid} on {os.uname().nodename}" in second.stderr
    assert first.wait() == 0
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)
