import numpy as np
import pytest

from regsearch import SearchConfig, from_arrays, run_search
from regsearch.search.earlier import predecessor
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store


def changed(config, old, new):
    text = config.to_toml()
    assert old in text
    return SearchConfig.from_toml(text.replace(old, new))


def test_the_first_search_of_a_name_has_none_and_makes_nothing(small_config):
    store = open_store()
    assert predecessor(store, small_config, "a") is None
    assert store.client.get_experiment_by_name(small_config.name) is None


def test_the_same_search_and_more_trials_of_it_are_no_other(small_config, result, recording):
    store = open_store()
    assert predecessor(store, small_config, recording.sha256) is None
    assert predecessor(store, small_config.updated(trials=15), recording.sha256) is None


def test_what_has_changed_is_said_in_one_line(small_config, result, recording):
    other = changed(small_config.updated(seed=4), "high = 100.0", "high = 200.0")
    earlier = predecessor(open_store(), other, recording.sha256)
    assert str(earlier) == (
        f"this starts a new search instead of resuming {result.search_id} of the same name: "
        "seed was 3, now 4; families.ridge.alpha.high was 100, now 200"
    )


def test_other_values_of_the_data_come_first(small_config, result):
    earlier = predecessor(open_store(), small_config.updated(seed=4), "other")
    assert earlier.changes == ("the data's values (of small.npz)", "seed was 3, now 4")


@pytest.mark.slow
def test_it_is_the_latest_that_counts_and_one_without_a_configuration_does_not(small_config, result, recording):
    second = run_search(small_config.updated(seed=4), promote=False, progress=False)
    store = open_store()
    killed = SearchRun.find(store, second.search_id).run
    third = small_config.updated(seed=5)
    assert predecessor(store, third, recording.sha256).search_id == second.search_id
    store.client.set_tag(killed.info.run_id, "search_id", "0000")
    (store.locks.folder.parent / killed.info.artifact_uri.removeprefix("file://") / "config.toml").unlink()
    assert predecessor(store, third, recording.sha256).search_id == result.search_id


@pytest.mark.slow
def test_another_search_is_announced_and_tagged(small_config, result, recording, capsys):
    np.savez("small.npz", X=recording.X, y=2 * recording.y)
    capsys.readouterr()
    other = run_search(small_config, promote=False)
    announced = [line for line in capsys.readouterr().err.splitlines() if "starts a new search" in line]
    assert announced == [
        f"this starts a new search instead of resuming {result.search_id} of the same name: "
        "the data's values (of small.npz)"
    ]
    run = SearchRun.find(open_store(), other.search_id).run
    assert run.data.tags["differs_from"] == result.search_id


@pytest.mark.slow
def test_a_recalled_result_has_the_notes_of_the_first_one_those_on_its_data_among_them(workspace):
    X = np.random.default_rng(0).standard_normal((60, 3))
    X[:, 2] = np.arange(60)
    data = from_arrays(X, np.sort(X[:, 0]), covariates=X[:, 1])
    config = SearchConfig.from_toml('name = "notes"\n[families.lasso]\nalpha = [0.1, 1.0]\n')
    first, recalled = (run_search(config, data=data, promote=False, progress=False) for _ in range(2))
    assert any("sorted by y" in note for note in first.notes)
    assert recalled.notes == first.notes


@pytest.mark.slow
@pytest.mark.parametrize("uses", [{"trials": 15}, {}])
def test_a_search_that_is_continued_is_not_announced(small_config, result, capsys, uses):
    capsys.readouterr()
    run_search(small_config.updated(**uses), promote=False)
    assert "another search" not in capsys.readouterr().err
