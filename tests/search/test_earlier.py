from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regsearch import NoWinnerError, SearchConfig, from_arrays, from_frame, promote, run_search, run_targets
from regsearch.search.earlier import predecessor, require_winner
from regsearch.tracking.queries import searches
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


def test_of_the_same_source_the_columns_that_were_chosen_are_named_instead_of_its_values(small_config, result):
    earlier = predecessor(open_store(), small_config.updated(exclude=["a", "b"], features=["u*"], seed=4), "other")
    assert earlier.changes == (
        "data.features was left out, now ['u*']",
        "data.exclude was [], now ['a', 'b']",
        "seed was 3, now 4",
    )


def test_a_rule_that_no_trial_meets_is_refused_and_leaves_the_finished_search_as_it_was(small_config, result, invoke):
    Path("small.toml").write_text(small_config.to_toml())
    run = SearchRun.find(open_store(), result.search_id)
    before, config = run.run.to_dictionary(), run.read(run.run_id, "config.toml")
    code, out, err = invoke("run", "small.toml", "--select", "at-most:1", "--trials", "8", "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    fewest = result.trials["n_nonzero"].min()
    assert f"target y: no trial has at most 1 non-zero weights, the fewest are {fewest};" in err
    assert f"the finished search {result.search_id} stays as it was" in err
    assert (run.run.to_dictionary(), run.read(run.run_id, "config.toml")) == (before, config)


def test_a_rule_that_no_trial_meets_is_not_refused_while_more_trials_are_wanted(small_config, result):
    few = small_config.updated(select="at-most:1")
    require_winner(open_store(), few.updated(trials=13), result.search_id)
    stopped = few.with_family("ridge", trials=13, patience=1)  # the twelve trials end with one that is no better
    for config in (few, stopped):
        with pytest.raises(NoWinnerError, match="the fewest are"):
            require_winner(open_store(), config, result.search_id)


def test_other_names_of_the_same_values_are_told_each_time(workspace):
    X = np.random.default_rng(0).standard_normal((60, 3))
    first = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=X[:, 0] - X[:, 1])
    renamed = first.rename(columns={"a": "b", "b": "a"})
    config = SearchConfig.from_preset("own-data").updated(name="names", families=["lasso"], trials=2)

    def search(**given):
        result = run_search(config, **given, progress=False)
        return result.search_id, [note for note in result.notes if "earlier names" in note]

    search_id, told = search(data=from_frame(first, "y"))
    assert told == []
    for _ in range(2):
        again, told = search(data=from_frame(renamed, "y"))
        assert again == search_id
        assert "called 'b' now was called 'a'" in told[0]
    assert search(data=from_arrays(X, first["y"].to_numpy())) == (search_id, [])
    assert search(data=from_frame(first, "y")) == (search_id, [])


@pytest.mark.slow
@pytest.mark.parametrize("is_finished", [False, True])
def test_a_rule_that_one_of_several_targets_cannot_meet_names_it(is_finished, workspace):
    X = np.random.default_rng(0).standard_normal((60, 5))
    frame = pd.DataFrame(X, columns=list("abcde")).assign(many=X.sum(axis=1), one=X[:, 0], again=X[:, 1])
    recordings = from_frame(frame, ["many", "one", "again"])
    config = SearchConfig.from_toml(
        'name = "two"\ndata.target = ["many", "one", "again"]\n'
        'families.lasso.alpha = { low = 0.01, high = 0.5, points = 2, of = "max" }\n'
    )
    first = run_targets(config, data=recordings, progress=False) if is_finished else ()
    with pytest.raises(NoWinnerError, match=r"^target many: no trial has at most 1 .* the fewest are \d;") as refused:
        run_targets(config.updated(select="at-most:1"), data=recordings, progress=False)
    assert str(refused.value).endswith("stays as it was" if is_finished else "the other targets are finished")
    store = open_store()
    runs = {run.data.tags["mlflow.runName"]: run for run in searches(store)}
    assert len(runs) == 3
    assert sum(run.info.status == "FINISHED" for run in runs.values()) == (3 if is_finished else 2)
    for result, recording in zip(first, recordings, strict=False):
        assert promote(result.search_id, data=recording).trial == result.winner.name


@pytest.mark.slow
def test_a_search_goes_on_in_the_experiment_that_it_was_started_in(small_config, searched, capsys):
    moved = small_config.updated(trials=13).model_copy(update={"experiment": "another"})
    again = run_search(moved, promote=False)
    assert (again.search_id, again.run_id, again.new_trials) == (searched.search_id, searched.run_id, 1)
    said = f"search {again.search_id} was started in experiment 'small' and stays there; it is not solved again in"
    assert f"{said} 'another'" in capsys.readouterr().err
    assert open_store().client.get_experiment_by_name("another") is None
    assert promote(again.search_id).trial == again.winner.name


@pytest.mark.slow
def test_one_of_several_targets_by_itself_is_the_search_of_this_target_in_their_experiment(workspace, capsys):
    rng = np.random.default_rng(0)
    np.savez("two.npz", X=rng.standard_normal((60, 5)), speed=rng.standard_normal(60), pupil=rng.standard_normal(60))
    config = SearchConfig.from_toml(
        'name = "two"\ndata = { source = "two.npz", target = ["speed", "pupil"] }\nfamilies.ridge.alpha = [1.0]\n'
    )
    _, pupil = run_targets(config, promote=False, progress=False)
    alone = run_search(config.updated(target="pupil"), promote=False)
    assert (alone.run_id, alone.new_trials) == (pupil.run_id, 0)
    assert "starts a new search" not in capsys.readouterr().err
    assert config.updated(target="pupil").in_experiment == "two"


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
    assert "starts a new search" not in capsys.readouterr().err
