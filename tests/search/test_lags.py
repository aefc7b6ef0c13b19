import io

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from regsearch import Lags, SearchConfig, from_frame, load_champion, run_search
from regsearch.data.lagged import lag_sources
from regsearch.errors import DataError
from regsearch.tracking.runs import SearchRun
from regsearch.tracking.store import open_store

NO_ORDER = "a lag is another row, so rows cannot be taken apart or shuffled"
ORDERED = {"check_methods_subset_invariance": NO_ORDER, "check_methods_sample_order_invariance": NO_ORDER}


@parametrize_with_checks([Lags()], expected_failed_checks=lambda _: ORDERED)
def test_it_is_a_transformer_as_scikit_learn_wants_one(estimator, check):
    check(estimator)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    st.lists(st.integers(-3, 3), min_size=1, max_size=3, unique=True),
)
def test_rows_with_a_past_have_it_and_others_the_nearest_row_of_their_group(groups, lags):
    table = pd.DataFrame({"row": np.arange(len(groups), dtype=float), "group": groups})
    made = Lags(lags, groups="group").fit_transform(table).to_numpy().astype(int)
    kept, taken = lag_sources(len(groups), lags, np.array(groups))
    np.testing.assert_array_equal(made[kept], taken.T)
    for row, group in enumerate(groups):
        own = [place for place, other in enumerate(groups) if other == group]
        for column, lag in enumerate(lags):
            place = min(max(own.index(row) - lag, 0), len(own) - 1)
            assert made[row, column] == own[place]


def test_tables_of_other_libraries_are_lagged_like_those_of_pandas():
    table = pd.DataFrame({"unit": [1.0, 2.0, 3.0, 4.0], "session": [*"aabb"], "light": [9.0, 9.0, 8.0, 8.0]})
    step = Lags((0, 1), groups="session", covariates=["light"])
    expected = step.fit_transform(table)
    for other in (polars.from_pandas(table), pa.Table.from_pandas(table)):
        pd.testing.assert_frame_equal(step.fit_transform(other), expected)


def test_a_row_without_a_group_is_refused():
    table = pd.DataFrame({"unit": [1.0, 2.0, 3.0], "session": ["a", None, "b"]})
    with pytest.raises(DataError, match="expected a label in every row of groups, found 1 missing, the first at row 1"):
        Lags(groups="session").fit_transform(table)


def test_columns_have_the_names_that_a_search_gives_them():
    table = pd.DataFrame({"a": [1.0, 2.0], "light": [5, 6], "b": [3.0, 4.0]}, index=[7, 9])
    step = Lags((1, 0), covariates=["light"]).fit(table)
    made = step.transform(table)
    assert list(made.columns) == ["a @ lag 1", "b @ lag 1", "a @ lag 0", "b @ lag 0", "light"]
    assert list(made.index) == [7, 9]
    np.testing.assert_array_equal(made.to_numpy(), [[1, 3, 1, 3, 5], [1, 3, 2, 4, 6]])
    assert list(Lags((0,)).fit(table).get_feature_names_out()) == ["a", "light", "b"]
    bare = Lags((1,)).fit(table.to_numpy())
    assert list(bare.get_feature_names_out()) == ["feature 0 @ lag 1", "feature 1 @ lag 1", "feature 2 @ lag 1"]
    assert isinstance(bare.transform(table.to_numpy()), np.ndarray)
    assert list(bare.set_output(transform="pandas").transform(table.to_numpy()).columns) == list(
        bare.get_feature_names_out()
    )


@pytest.mark.parametrize("step", [Lags(), Normalizer()])
def test_names_need_a_fit_as_those_of_scikit_learns_own_steps_that_remember_nothing(step):
    X = np.eye(3)
    assert step.transform(X).shape[0] == 3
    said = f"This {type(step).__name__} instance is not fitted yet"
    with pytest.raises(NotFittedError, match=said):
        step.get_feature_names_out()
    with pytest.raises(NotFittedError, match=said):
        clone(step).set_output(transform="pandas").transform(X)


def test_names_of_an_array_are_those_that_the_step_before_gives_it():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    piped = make_pipeline(StandardScaler(), Lags((0, 1))).fit(table)
    assert list(piped.get_feature_names_out()) == ["a @ lag 0", "b @ lag 0", "a @ lag 1", "b @ lag 1"]
    with pytest.raises(ValueError, match="expected 2 names of features, found 1"):
        piped[-1].get_feature_names_out(["a"])


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Lags((0, 1), groups="session"), "expected a table with the column 'session', found columns a, b"),
        (Lags((0, 1), covariates=["light"]), "expected a table with the column 'light'"),
        (Lags(()), "expected whole numbers as lags"),
        (Lags((0.5,)), "expected whole numbers as lags"),
        (Lags((0, -(10**30))), "expected lags below 2147483648, found 1000000000000000000000000000000; give smaller"),
        (Lags((0, 1, 1)), r"expected lags that differ, found \(0, 1, 1\); give each once"),
        (Lags(groups="a", covariates="b"), "expected features beside groups and covariates, found none"),
        (Lags(2), "expected whole numbers as lags, found 2; give a list"),
    ],
)
def test_what_does_not_fit_is_refused(step, says):
    with pytest.raises(DataError, match=says):
        step.fit(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))


def test_a_value_that_is_not_finite_is_refused_in_every_column():
    sound = pd.DataFrame({"a": [1.0, 2.0], "light": [5.0, 6.0]})
    step = Lags((0, 1), covariates=["light"]).fit(sound)
    for name, said in (("a", "Input X contains NaN"), ("light", "Input covariates contains NaN")):
        with pytest.raises(ValueError, match=said):
            step.transform(sound.assign(**{name: [1.0, np.nan]}))


def test_times_are_no_features_but_may_name_the_groups():
    table = pd.DataFrame({"time": pd.to_datetime(["2020-01-01", "2020-01-01", "2020-01-02"]), "unit": [1.0, 2.0, 3.0]})
    for times in (table[["time"]], table[["time"]].to_numpy(), polars.from_pandas(table[["time"]])):
        for call in (Lags((0, 1)).fit, Lags((0, 1)).transform):
            with pytest.raises(DataError, match=r"X: expected real numbers, found values of type datetime"):
                call(times)
    assert Lags((1,), groups="time").fit_transform(table)["unit @ lag 1"].tolist() == [1, 1, 3]


def test_a_masked_value_is_never_read_as_a_number():
    X = np.ma.masked_equal(np.arange(6.0).reshape(3, 2), 3)
    for call in (Lags((0, 1)).fit, Lags((0, 1)).transform):
        with pytest.raises(DataError, match="X: expected no masked values, found 1, the first in row 1"):
            call(X)


def test_a_single_covariate_needs_no_list():
    table = pd.DataFrame({"unit": [1.0, 2.0], "light": [5.0, 6.0]})
    made = Lags((0, 1), covariates="light").fit_transform(table)
    pd.testing.assert_frame_equal(made, Lags((0, 1), covariates=["light"]).fit_transform(table))


def test_an_array_without_names_has_no_groups():
    with pytest.raises(ValueError, match="found ndarray without names; give a DataFrame"):
        Lags(groups="session").fit(np.ones((3, 2)))


def sessions(n_rows=90, n_units=5):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((n_rows, n_units)), columns=[f"unit_{n}" for n in range(n_units)])
    session = rng.permutation(np.repeat(["s1", "s2", "s3"], n_rows // 3))
    light, weight = rng.standard_normal(n_rows), rng.integers(0, 3, n_rows)
    before = table["unit_0"].groupby(session).shift(1).fillna(0)
    speed = table["unit_1"] + 2 * before + light + 0.3 * rng.standard_normal(n_rows)
    return table.assign(session=session, light=light, weight=weight, speed=speed)


FAMILIES = """
name = "lagged"
[families.lasso]
alpha = [0.01]
[families.elasticnet]
l1_alpha = [0.001]
l2_alpha = [0.05]
[data]
lags = [1, 0]
split = { validation = { groups = "each" }, test = { groups = ["s3"] } }
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "covariates"), [("unit-norm", []), ("standard", []), ("none", []), ("unit-norm", ["light"])]
)
def test_the_champion_takes_the_plain_table_in_a_pipeline_and_refits_to_itself(scale, covariates, workspace):
    table = sessions()
    parts = {"groups": "session", "weights": "weight", "covariates": covariates}
    recording = from_frame(table, "speed", features=["unit_*"], **parts)
    config = SearchConfig.from_toml(FAMILIES).updated(scale=scale)
    result = run_search(config, data=recording, progress=False)
    champion = load_champion("lagged")
    step = Lags((1, 0), groups="session", covariates=covariates)
    plain = table[[*recording.feature_names, *covariates, "session"]]
    piped = make_pipeline(step, champion)
    lagged = step.transform(plain)
    assert list(champion.feature_names_in_) == list(lagged.columns)
    np.testing.assert_allclose(piped.predict(plain), lagged.to_numpy() @ champion.coef_ + champion.intercept_)

    kept, _ = lag_sources(len(table), (1, 0), table["session"].to_numpy())
    used = table.index.isin(kept) & (table["weight"] > 0)
    tested = used & (table["session"] == "s3")
    error = table["speed"] - piped.predict(plain)
    y, weight = table["speed"][tested], table["weight"][tested]
    loss = np.average(error[tested] ** 2, weights=weight)
    variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    assert result.promotion.r2_test == pytest.approx(1 - loss / variance, rel=1e-9)
    run = SearchRun.find(open_store(), result.search_id)
    weights = pd.read_csv(io.BytesIO(run.read(run.run_id, "weights.csv")))
    coefficients = [(f"{row.feature} @ lag {row.lag}", row.coefficient) for row in weights.head(10).itertuples()]
    np.testing.assert_allclose(
        [value for _, value in sorted(coefficients)],
        pd.Series(champion.coef_, lagged.columns)[sorted(name for name, _ in coefficients)],
    )
    assert weights["feature"].tolist()[10:] == covariates
    if not covariates:  # scikit-learn would penalise them
        fitted = used & ~tested
        again, own = clone(champion), table["weight"][fitted].to_numpy()
        again.fit(lagged[fitted], table["speed"][fitted], scale__sample_weight=own, fit__sample_weight=own)
        np.testing.assert_allclose(again.coef_, champion.coef_, atol=1e-6)
        assert again.intercept_ == pytest.approx(champion.intercept_, abs=1e-6)
