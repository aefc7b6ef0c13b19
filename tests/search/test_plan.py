import numpy as np
import pytest

from regsearch import SearchConfig, data
from regsearch.search.config import NullConfig
from regsearch.search.plan import plan
from tests.conftest import SMALL


def test_what_a_header_tells_is_known_before_anything_is_read(small_config):
    planned = plan(small_config)
    assert planned["recording"] == {"rows": 160, "features": 200}
    assert planned["rows"] == {"train": "[40, 120)", "validation": "[0, 40)", "test": "[120, 160)"}
    assert planned["seconds"] > 0
    assert planned["peak_mb"] > 100


def test_the_rows_by_fractions_are_named_where_their_number_is_known(small_config):
    assert plan(small_config.on("small.npz"))["rows"]["train"] == "[0, 112)"


def test_what_only_reading_could_tell_is_left_open(workspace):
    np.save("stringer_spontaneous.npy", {"run": 1})
    planned = plan(SearchConfig.from_toml(SMALL.format(source="stringer_spontaneous.npy")))
    assert planned["recording"] == {"rows": None, "features": None}
    assert planned["seconds"] is None
    assert planned["rows"]["train"] == "[40, 120)"


@pytest.mark.slow
def test_the_shape_of_the_twin_is_what_it_comes_in():
    assert data.shape("twin") == data.load("twin").X.shape


def test_a_plan_that_cannot_be_run_is_refused(small_config):
    np.savez("small.npz", X=np.eye(150), y=np.arange(150.0))
    with pytest.raises(data.DataError, match="150 rows"):
        plan(small_config)


def test_where_it_would_be_tracked_is_said_without_secrets(small_config, workspace):
    here = plan(small_config)
    assert here["tracking_uri"] == f"sqlite:///{workspace}/mlruns/mlflow.db"
    assert here["storage"] == f"{workspace}/mlruns/optuna.journal"
    there = plan(small_config, tracking_uri="https://me:secret@host/x", storage="postgresql://me:secret@host/db")
    assert (there["tracking_uri"], there["storage"]) == ("https://host/x", "postgresql://host/db")


def test_folds_take_more_than_one_block(small_config):
    text = SMALL.format(source="small.npz")
    start, stop = text.index("train = "), text.index("test = ")
    folds = SearchConfig.from_toml(f"{text[:start]}train = [0, 120]\nvalidation = {{ folds = 4 }}\n{text[stop:]}")
    assert plan(folds)["peak_mb"] > plan(small_config)["peak_mb"]


def test_a_nested_plan_is_that_of_all_its_searches(small_config, invoke, workspace):
    split = {"validation": {"fraction": 0.3}, "test": {"folds": 5}}
    config = small_config.updated(families=["lasso"], split=split)
    planned, one = plan(config), plan(small_config.updated(families=["lasso"]))
    assert (planned["searches"], planned["trials"], planned["trials_in_all"]) == (6, 4, 24)
    assert planned["rows"]["test"] == "each of 5 parts of these in turn, by a search of the others"
    assert 4 < planned["seconds"] / one["seconds"] < 6
    (workspace / "nested.toml").write_text(config.to_toml())
    code, out, _ = invoke("run", "nested.toml", "--dry-run")
    assert (code, out.splitlines()[0]) == (0, "small: 6 searches of 4 trials, 24 in all, seed 3")
    assert "The values were not checked: the search refuses text and missing values." in out


def test_several_targets_are_a_search_each(small_config, recording):
    np.savez("small.npz", X=recording.X, y=recording.y, z=recording.y)
    planned = plan(small_config.updated(target=["y", "z"]))
    assert (planned["searches"], planned["trials_in_all"]) == (2, 2 * planned["trials"])
    assert planned["seconds"] > plan(small_config)["seconds"]


def test_null_targets_that_the_rows_do_not_suffice_for_are_refused(small_config):
    with pytest.raises(data.DataError, match="use n = 76 or less"):
        plan(small_config.model_copy(update={"null": NullConfig()}))


def test_text_in_a_table_is_refused_as_by_the_search(small_config, workspace):
    lines = [f"{row},{row % 3},{'left' if row % 2 else 'right'}" for row in range(30)]
    (workspace / "t.csv").write_text("\n".join(["y,a,side", *lines]))
    with pytest.raises(data.DataError) as planned:
        plan(small_config.on("t.csv"))
    with pytest.raises(data.DataError) as read:
        data.load("t.csv", "y")
    assert str(planned.value) == str(read.value)
    assert plan(small_config.on("t.csv").updated(exclude=["side"]))["recording"] == {"rows": 30, "features": 1}
