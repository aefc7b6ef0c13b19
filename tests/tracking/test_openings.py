import pytest

from regsearch.tracking import listing, openings
from regsearch.tracking.runs import SearchRun
from tests.tracking.conftest import SEARCH
from tests.tracking.test_runs import trial

KEY = "f" * 64 + ":120-160"


@pytest.fixture
def opened(store):
    """Return a search whose test rows have been opened for one winner."""
    search = SearchRun.start(store, "small", SEARCH)
    winner_id = search.log_trial(trial(2), {"weights.npz": b"abc"})
    openings.note_opening(search, "small", KEY, winner_id)
    openings.note_opening(search, "small", KEY, winner_id)
    return search


def delete_the_run(store, search):
    store.client.delete_run(search.run_id)


def delete_the_run_for_good(store, search):
    for run in search.trial_runs().values():
        store.client._tracking_client.store._hard_delete_run(run.info.run_id)
    store.client._tracking_client.store._hard_delete_run(search.run_id)


def delete_the_winner_for_good(store, search):
    for run in search.trial_runs().values():
        store.client._tracking_client.store._hard_delete_run(run.info.run_id)


def delete_the_experiment(store, search):
    store.client.delete_experiment(search.experiment_id)


def rename_the_experiment(store, search):
    store.client.rename_experiment(search.experiment_id, "another name")


def delete_the_model(store, search):
    store.client.delete_registered_model("small")


def edit_the_run(store, search):
    store.client.delete_tag(search.run_id, "test_opened_for")


@pytest.mark.parametrize(
    "change",
    [
        delete_the_run,
        delete_the_run_for_good,
        delete_the_winner_for_good,
        delete_the_experiment,
        rename_the_experiment,
        delete_the_model,
        edit_the_run,
    ],
)
def test_what_was_opened_stays_opened_whatever_people_delete_or_rename(change, store, opened):
    assert openings.opened(store, KEY) == ("abc123/ridge/2",)
    change(store, opened)
    assert openings.opened(store, KEY) == ("abc123/ridge/2",)
    assert openings.opened(store, "other" + KEY) == ()


def test_a_winner_whose_run_is_made_again_is_the_same_winner(store, opened):
    (run,) = opened.trial_runs().values()
    store.client.delete_run(run.info.run_id)
    remade = opened.log_trial(trial(2), {"weights.npz": b"abc"})
    openings.note_opening(opened, "small", KEY, remade)
    assert openings.opened(store, KEY) == ("abc123/ridge/2",)


def test_of_several_winners_each_counts_once_when_some_are_gone(store, opened):
    openings.note_opening(opened, "small", KEY, opened.log_trial(trial(3), {}))
    openings.note_opening(opened, "small", KEY, "abc123/ridge/2/null/shift")
    before = openings.opened(store, KEY)
    assert len(before) == 3
    gone = opened.trial_runs()["ridge", 2].info.run_id
    store.client._tracking_client.store._hard_delete_run(gone)
    assert sorted(openings.opened(store, KEY)) == sorted(before)
    store.client.delete_registered_model("small")
    store.client.set_experiment_tag(opened.experiment_id, openings._tag(KEY), "")
    assert sorted(openings.opened(store, KEY)) == sorted([*before[1:], gone])


def test_what_is_found_by_pages_is_found_whole(store, opened, monkeypatch):
    for number in range(3):
        store.experiment(f"e{number}")
        store.client.create_registered_model(f"m{number}")
        opened.log_trial(trial(number, "lasso"), {})
    monkeypatch.setattr(listing, "PAGE", 2)
    assert len(store.experiments()) == 5
    assert len(opened.trial_runs()) == 4
    assert SearchRun.find(store, "abc123").run_id == opened.run_id
    assert openings.opened(store, KEY) == ("abc123/ridge/2",)


def test_tags_that_are_not_whole_are_no_openings(store, opened):
    stray = store.client.create_run(opened.experiment_id, tags={"role": "search", "test_key": KEY})
    store.client.create_run(opened.experiment_id, tags={"role": "search", "test_key": KEY, "test_opened_for": ",,"})
    assert stray.info.run_id
    assert openings.opened(store, KEY) == ("abc123/ridge/2",)
