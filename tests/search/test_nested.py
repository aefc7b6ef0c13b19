import io
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Lasso
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold

from regsearch import SearchConfig, from_frame, promote, run_search, run_targets
from regsearch.errors import DataError
from regsearch.search.nested import Nested, Part
from regsearch.search.output.terminal import targets_text
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store
from tests.conftest import put_result

ALPHAS = [0.3, 0.1, 0.03]
CONFIG = """
name = "nested"
[data]
source = "memory"
target = "speed"
groups = "session"
scale = "standard"
[data.split]
validation = { groups = "each" }
test = { groups = "each" }
[families.lasso]
alpha = [0.3, 0.1, 0.03]
"""


def frame():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 6))
    y = X[:, 0] - 0.5 * X[:, 1] + rng.standard_normal(90)
    sessions = np.tile(["one", "two", "three"], 30)
    return pd.DataFrame(X, columns=[f"unit {number}" for number in range(6)]).assign(speed=y, session=sessions)


def data():
    return from_frame(frame(), "speed", groups="session")


@pytest.fixture(scope="session")
def searched_folder(searched_once):
    """Return a folder in which that search has been run and promoted."""
    return searched_once("nested", lambda _: run_search(SearchConfig.from_toml(CONFIG), data=data(), progress=False))


@pytest.fixture
def searched(searched_folder, workspace):
    """Return that search, copied into the workspace."""
    return put_result(searched_folder, workspace)


def fitted(alpha, train, table):
    X, y = table.drop(columns=["speed", "session"]).to_numpy()[train], table["speed"].to_numpy()[train]
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    model = Lasso(alpha, tol=1e-12, max_iter=100_000).fit((X - mean) / deviation, y)
    return lambda rows: model.predict((rows - mean) / deviation)


def chosen_by_hand(rows, table):
    """Return the alpha that two plain loops over groups choose among some rows, by the pooled score."""
    y, X = table["speed"].to_numpy(), table.drop(columns=["speed", "session"]).to_numpy()
    sessions = table["session"].to_numpy()[rows]
    scores = []
    for alpha in ALPHAS:
        lost = spread = 0.0
        for train, validation in GroupKFold(len(set(sessions))).split(rows, groups=sessions):
            train, validation = rows[train], rows[validation]
            lost += np.sum((y[validation] - fitted(alpha, train, table)(X[validation])) ** 2)
            spread += np.sum((y[validation] - y[train].mean()) ** 2)
        scores.append(1 - lost / spread)
    return ALPHAS[int(np.argmax(scores))]


@pytest.mark.slow
def test_every_part_is_tested_as_by_two_plain_loops(searched):
    table = frame()
    y, X = table["speed"].to_numpy(), table.drop(columns=["speed", "session"]).to_numpy()
    assert [part.rows.rpartition("(")[2] for part in searched.nested.parts] == ["one)", "two)", "three)"]
    for part, session in zip(searched.nested.parts, ["one", "two", "three"], strict=True):
        train, test = (np.flatnonzero((table["session"] == session) == side) for side in (False, True))
        alpha = chosen_by_hand(train, table)
        assert part.winner == f"lasso alpha={alpha:.4g}"
        expected = r2_score(y[test], fitted(alpha, train, table)(X[test]))
        assert part.r2_test == pytest.approx(expected, abs=1e-8)
        assert part.openings == 1
    assert searched.winner.parameters["alpha"] == chosen_by_hand(np.arange(90), table)


@pytest.mark.slow
def test_the_champion_is_of_all_rows_and_says_how_searches_like_it_do(searched):
    store = open_store()
    version = store.client.get_model_version_by_alias("nested", "champion")
    assert version.tags["nested"] == str(searched.nested) == searched.promotion.nested
    assert searched.promotion.r2_test is None
    assert "The same search was repeated without each part of the rows" in version.description
    run = SearchRun.find(store, searched.search_id)
    table = pd.read_csv(io.BytesIO(run.read(run.run_id, "nested.csv")))
    assert table["r2_test"].tolist() == pytest.approx([part.r2_test for part in searched.nested.parts])
    assert run.run.data.metrics["nested_r2_test"] == pytest.approx(searched.nested.r2_test)
    assert store.holds(run.run_id, "figures/nested.png")


@pytest.mark.slow
def test_the_same_call_again_solves_nothing_and_opens_no_row_once_more(searched):
    again = run_search(SearchConfig.from_toml(CONFIG), data=data(), progress=False)
    assert again.new_trials == 0
    assert again.nested == searched.nested
    assert len(open_store().client.search_model_versions("name='nested'")) == 1


def test_a_part_that_cannot_be_searched_is_refused_before_the_test_rows_of_another_are_opened(workspace):
    table = frame()
    table.loc[table["session"] == "three", "speed"] = 2.0
    with pytest.raises(DataError, match="speed is constant in rows"):
        run_search(SearchConfig.from_toml(CONFIG), data=from_frame(table, "speed", groups="session"), progress=False)
    assert [one.name for one in open_store().client.search_experiments()] == ["Default"]


@pytest.mark.slow
def test_another_rule_opens_the_parts_of_its_new_winners_again_and_that_is_counted(searched):
    other = SearchConfig.from_toml(f"select = 'one-se'\n{CONFIG}")
    best, sparse = searched.nested.parts, run_search(other, data=data(), progress=False).nested.parts
    assert [part.search_id for part in sparse] == [part.search_id for part in best]
    assert [part.openings for part in sparse] == [1 + (a.winner != b.winner) for a, b in zip(best, sparse, strict=True)]
    assert 2 in [part.openings for part in sparse]


@pytest.mark.slow
def test_the_scores_of_the_parts_are_of_one_rule_and_no_other_claims_them(searched):
    first, recording, config = searched, data(), SearchConfig.from_toml(CONFIG)
    other = run_search(config.updated(select="one-se"), data=recording, promote=False, progress=False)
    assert (other.search_id, other.winner) == (first.search_id, first.winner)  # even if the same trial wins
    run = SearchRun.find(open_store(), other.search_id)
    assert "It was never tested" in run.run.data.tags["mlflow.note.content"]
    assert np.isnan(run.run.data.metrics["nested_r2_test"])
    again = run_search(config, data=recording, promote=False, progress=False)
    assert again.search_id == first.search_id
    assert run.run.data.metrics["nested_r2_test"] == first.nested.r2_test
    assert run.run.data.metrics["nested_r2_test_se"] == first.nested.r2_test_se
    run_search(config.updated(select="one-se"), data=recording, promote=False, progress=False)
    assert promote(other.search_id, data=recording).nested == ""


@pytest.mark.slow
def test_several_targets_are_nested_one_after_the_other_and_one_of_a_list_is_one(searched_folder, workspace):
    alone = pickle.loads((searched_folder / "result.pickle").read_bytes())
    table = frame()
    recordings = from_frame(table.assign(pupil=-table["speed"]), ["speed", "pupil"], groups="session")
    config = SearchConfig.from_toml(CONFIG)
    speed, pupil = run_targets(config.updated(target=["speed", "pupil"]), data=recordings, progress=False)
    assert [one.promotion.model for one in (speed, pupil)] == [f"{config.name}-speed", f"{config.name}-pupil"]
    expected = [part.r2_test for part in alone.nested.parts]
    for one in (speed, pupil):
        assert [part.r2_test for part in one.nested.parts] == pytest.approx(expected)
    (only,) = run_targets(config.updated(target=["speed"]), data=recordings[:1], progress=False)
    assert (only.search_id, only.new_trials) == (speed.search_id, 0)
    assert f"{speed.nested.r2_test:.4f} ± {speed.nested.r2_test_se:.4f}" in targets_text([speed, pupil])


def test_the_mean_and_its_standard_error_are_those_of_the_parts():
    parts = tuple(Part(number, "", "", "", 0.0, r2, 0.0, 0.0, 1) for number, r2 in enumerate([0.1, 0.3, 0.5]))
    nested = Nested(parts)
    assert nested.r2_test == pytest.approx(0.3)
    assert nested.r2_test_se == pytest.approx(0.2 / np.sqrt(3))
    assert str(nested) == "R² test 0.3000 ± 0.1155 over 3 parts"
