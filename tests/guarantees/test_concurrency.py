"""Searches at once: different ones share a store, and one search is run by one process."""

import os
import shutil
import signal
import sqlite3

import pytest

from regsearch import SearchConfig, run_search
from regsearch.tracking import registry
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import another_machine, everywhere
from tests.guarantees.conftest import TRIALS, assert_complete
from tests.servers import until

pytestmark = pytest.mark.slow


@everywhere
def test_several_searches_at_once_on_a_store_that_does_not_exist_yet(launch, killed, place, request):
    if place.is_embedded:
        shutil.rmtree(killed / "mlruns")
    else:
        request.getfixturevalue("postgresql").renew("optuna")
    searches = 3
    started = [
        launch("run", "killed.toml", "--seed", str(seed), environment=another_machine(killed, f"machine {seed}"))
        for seed in range(searches)
    ]
    for process in started:
        assert process.wait() == 0, process.stderr

    store = open_store()
    experiments = store.client.search_experiments()
    assert sorted(one.name for one in experiments) == ["Default", "killed"]
    parents = store.client.search_runs([store.experiment("killed")], "tags.role = 'search'")
    assert len({parent.data.tags["search_id"] for parent in parents}) == len(parents) == searches
    for parent in parents:
        assert parent.info.status == "FINISHED"
        runs = SearchRun.find(store, parent.data.tags["search_id"]).trial_runs()
        assert [run.info.status for run in runs.values()] == ["FINISHED"] * TRIALS
    assert len(store.client.search_runs([store.experiment("killed")], max_results=1000)) == searches * (1 + TRIALS)
    opened = [parent for parent in parents if "test_opened_for" in parent.data.tags]
    assert len(opened) == 1
    assert registry.champion(store, "killed").tags["search_id"] == opened[0].data.tags["search_id"]
    if place.is_embedded:
        with sqlite3.connect(killed / "mlruns" / "mlflow.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()


@everywhere
def test_a_second_process_on_the_same_search_says_who_has_it_and_leaves(launch, killed, place, undisturbed):
    first = launch("run", "killed.toml")
    until(place.has_studies, first)
    first.send_signal(signal.SIGSTOP)
    second = launch("run", "killed.toml", environment=another_machine(killed))
    assert (second.wait(), second.stdout) == (1, "")
    first.send_signal(signal.SIGCONT)
    assert f"is being run by process {first.pid} on {os.uname().nodename}" in second.stderr
    assert first.wait() == 0
    assert_complete(run_search(SearchConfig.load("killed.toml"), progress=False), undisturbed)
