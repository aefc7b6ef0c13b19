from dataclasses import replace

import pytest

from regsearch.tracking.queries import open_runs, parents_of, runs_with, searches
from regsearch.tracking.runs import SearchRun
from tests.tracking.conftest import SEARCH
from tests.tracking.test_runs import trial


def ids(runs):
    return [one.info.run_id for one in runs]


@pytest.mark.parametrize("missing", ["search_id", "data_sha256", "role"])
def test_a_run_that_is_tagged_as_half_a_search_is_ignored(missing, run, store):
    tags = {"role": "search", "search_id": "abc123", "data_sha256": "f" * 64}
    store.client.create_run(run.experiment_id, tags={key: value for key, value in tags.items() if key != missing})
    assert ids(searches(store)) == ids(open_runs(store)) == ids(parents_of(store, None, "abc123")) == [run.run_id]
    assert SearchRun.find(store, "abc123").run_id == run.run_id


def test_the_latest_searches_come_first_from_all_experiments_or_one(run, store):
    later = SearchRun.start(store, "large", replace(SEARCH, search_id="def456"))
    assert ids(searches(store)) == [later.run_id, run.run_id]
    assert ids(searches(store, limit=1)) == [later.run_id]
    assert ids(searches(store, "small")) == [run.run_id]
    assert searches(store, "nowhere") == []


def test_the_open_runs_of_a_search_are_its_trials_and_then_itself(run, store):
    trial_id = run.log_trial(trial(), {"weights.npz": b"first"})
    store.client.update_run(trial_id, status="RUNNING")
    assert ids(open_runs(store, "abc123")) == [trial_id, run.run_id]
    assert open_runs(store, "def456") == []


@pytest.mark.parametrize("value", ["it's", 'a "b"', "`c`", "100%", "d AND e"])
def test_any_value_of_a_tag_is_found_as_it_is(value, run, store):
    run.annotate(tags={"best": value})
    assert ids(runs_with(store, {"best": value})) == [run.run_id]
    assert ids(runs_with(store, {"best": value}, status="FINISHED")) == []


def test_a_value_that_cannot_be_searched_for_is_found_nowhere_instead_of_everywhere(run, store):
    run.annotate(tags={"best": """it's "this" """})
    assert ids(runs_with(store, {"role": "search", "best": """it's "this" """})) == []


def test_a_deleted_run_is_found_only_if_asked_for(run, store):
    store.client.delete_run(run.run_id)
    assert ids(runs_with(store, {"role": "search"})) == []
    assert ids(runs_with(store, {"role": "search"}, deleted=True)) == [run.run_id]
