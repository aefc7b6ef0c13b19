import multiprocessing
import subprocess
import sys
import warnings
from decimal import Decimal

import joblib
import mlflow
import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import parse
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, ElasticNetCV, LassoCV, Ridge, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from regsearch import ConfigError, DataError, NoWinnerError, PenaltySearchCV

needs_callbacks = pytest.mark.skipif(parse(sklearn.__version__) < parse("1.9"), reason="scikit-learn before 1.9")
TIGHT = {"tol": 1e-11, "max_iter": 1_000_000}
ALPHAS = np.geomspace(1, 0.05, 6)


def table(n_rows=60, n_features=15, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * rng.uniform(0.5, 3, n_features)
    return X, X[:, :4].sum(axis=1) + 2 * rng.standard_normal(n_rows)


def only(**families):
    return PenaltySearchCV(**{"ridge": False, "lasso": False, "elasticnet": False, **families})


@parametrize_with_checks([only(ridge=[0.1, 1.0], lasso=(0.001, 0.1)).set_params(n_trials=3, cv=3)])
def test_it_is_an_estimator_as_scikit_learn_checks_them(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_features", [15, 100])
def test_scores_choice_and_weights_are_those_of_lasso_cv_on_its_grid(n_features):
    X, y = table(n_features=n_features)
    ours, theirs = only(lasso=ALPHAS).set_params(scale="none").fit(X, y), LassoCV(alphas=ALPHAS, **TIGHT).fit(X, y)
    assert ours.best_params_ == {"family": "lasso", "alpha": theirs.alpha_}
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    np.testing.assert_allclose(lost(ours, y), theirs.mse_path_.mean(axis=1), rtol=1e-5)


def lost(model, y, cv=5):
    """Return the mean squared errors that the scores stand for."""
    parts = KFold(cv).split(y)
    deviations = np.mean([np.mean((y[test] - y[train].mean()) ** 2) for train, test in parts])
    return (1 - model.cv_results_["mean_test_score"]) * deviations


def test_scores_are_those_of_elastic_net_cv_at_the_same_points():
    X, y = table()
    Z, n = StandardScaler().fit_transform(X), len(y)
    ours = only(elasticnet=([0.3, 0.1], [0.2 * n, 0.05 * n])).set_params(scale="none").fit(Z, y)
    for params, error in zip(ours.cv_results_["params"], lost(ours, y), strict=True):
        l1, l2 = params["l1_alpha"], params["l2_alpha"] / n
        theirs = ElasticNetCV(alphas=[l1 + l2], l1_ratio=l1 / (l1 + l2), **TIGHT).fit(Z, y)
        np.testing.assert_allclose(error, theirs.mse_path_.mean(), rtol=1e-6)


def test_scores_and_choice_are_those_of_ridge_cv_on_folds_whose_alpha_means_the_same():
    X, y = table()
    ours = only(ridge=ALPHAS * 100).set_params(scale="none").fit(X, y)
    theirs = RidgeCV(ours_to_folds(ALPHAS * 100), cv=5, scoring="neg_mean_squared_error").fit(X, y)
    np.testing.assert_allclose(lost(ours, y).min(), -theirs.best_score_, rtol=1e-8)
    np.testing.assert_allclose(ours_to_folds(ours.best_params_["alpha"]), theirs.alpha_)
    np.testing.assert_allclose(ours.coef_, Ridge(ours.best_params_["alpha"]).fit(X, y).coef_, atol=1e-8)


def ours_to_folds(alpha):
    """Return the alpha of scikit-learn on four fifths of the rows."""
    return alpha * 4 / 5


def test_columns_of_unit_deviation_are_what_a_standard_scaler_makes():
    X, y = table()
    ours = only(lasso=ALPHAS).set_params(scale="standard").fit(X, y)
    theirs = make_pipeline(StandardScaler(), only(lasso=[ours.best_params_["alpha"]]).set_params(scale="none"))
    np.testing.assert_allclose(ours.predict(X), theirs.fit(X, y).predict(X), atol=1e-6)


@settings(max_examples=20)
@given(
    alphas=st.tuples(st.floats(0.003, 0.1), st.floats(0.1, 10)),
    scale=st.sampled_from(["unit-norm", "standard", "none"]),
    cv=st.sampled_from([KFold(3), ShuffleSplit(2, random_state=1), GroupKFold(4)]),
    is_weighted=st.booleans(),
    is_wide=st.booleans(),
)
def test_a_score_is_that_of_folds_fitted_by_scikit_learn(alphas, scale, cv, is_weighted, is_wide):
    X, y = table(40, 60 if is_wide else 5)
    groups = np.arange(40) // 7 if isinstance(cv, GroupKFold) else None
    weights = np.arange(40) % 4 + 0.5 if is_weighted else np.ones(40)
    model = only(elasticnet=([alphas[0]], [alphas[1]])).set_params(scale=scale, cv=cv)
    model.fit(X, y, groups=groups, sample_weight=weights if is_weighted else None)
    total = weights.sum()
    errors, deviations = 0.0, 0.0
    for train, test in cv.split(X, y, groups):
        v = weights[train]
        share = total / v.sum() if scale == "unit-norm" else 1.0
        l1, l2 = alphas[0] * np.sqrt(share), alphas[1] / total * share
        mean, spread = np.average(X[train], axis=0, weights=v), np.ones(X.shape[1])
        if scale != "none":
            spread = np.sqrt(v @ (X[train] - mean) ** 2 / (v.sum() if scale == "standard" else 1.0))
        fitted = ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-10, max_iter=100_000)
        fitted.fit((X[train] - mean) / spread, y[train], sample_weight=v)
        errors += weights[test] @ (y[test] - fitted.predict((X[test] - mean) / spread)) ** 2
        deviations += weights[test] @ (y[test] - np.average(y[train], weights=v)) ** 2
    np.testing.assert_allclose(model.best_score_, 1 - errors / deviations, atol=1e-4)


@pytest.mark.slow
def test_with_tracking_it_is_the_same_search_with_runs(workspace):
    X, y = table(80)
    frame = pd.DataFrame(X, columns=[f"unit_{number}" for number in range(15)])
    weights = 1.0 + np.arange(80) % 3
    model = only(ridge=(0.01, 100.0), lasso=True, cv=KFold(4, shuffle=True, random_state=0), n_trials=11)
    model.set_params(scale="standard", select="one-se-paired", random_state=5)
    plain = clone(model).fit(frame, y, sample_weight=weights)
    tracked = clone(model).set_params(tracking="speed").fit(frame, y, sample_weight=weights)
    assert tracked.best_params_ == plain.best_params_
    assert tracked.cv_results_["params"] == plain.cv_results_["params"]
    for name in ("mean_test_score", "split2_test_score", "n_nonzero"):
        np.testing.assert_allclose(tracked.cv_results_[name], plain.cv_results_[name], atol=1e-9)
    np.testing.assert_allclose(tracked.coef_path_, plain.coef_path_, atol=1e-8)
    np.testing.assert_allclose(tracked.predict(frame), plain.predict(frame), atol=1e-8)
    client = mlflow.MlflowClient(f"sqlite:///{workspace}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("speed").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == len(tracked.cv_results_["params"]) + 2  # the baseline, and the search's own run
    again = clone(tracked).fit(frame, y, sample_weight=weights)
    assert len(client.search_runs([experiment])) == len(runs)
    np.testing.assert_array_equal(again.coef_path_, tracked.coef_path_)


@pytest.mark.slow
def test_tracked_targets_have_a_search_each_and_a_single_split_is_refused(workspace):
    X, y = table()
    odd = f"a:b\n{'c' * 300}"
    both = only(lasso=[0.1]).set_params(tracking="two").fit(X, pd.DataFrame({"speed/cm": y, odd: -y}))
    np.testing.assert_allclose(both.coef_[0], -both.coef_[1], atol=1e-9)
    client = mlflow.MlflowClient(f"sqlite:///{workspace}/mlruns/mlflow.db")
    speed, other = sorted({one.name for one in client.search_experiments()} - {"Default"}, key=len)
    assert speed == "two-speed-cm"
    assert other.startswith("two-a-b-ccc")
    assert len(other) == 200
    with pytest.raises(ConfigError, match="tracking: expected at least 2 splits, found 1"):
        only(lasso=[0.1]).set_params(tracking="one", cv=[(range(40), range(40, 60))]).fit(X, y)


def test_results_have_the_shape_of_scikit_learn_s():
    X, y = table()
    ours = PenaltySearchCV(ridge=[1, 10], lasso=(0.01, 0.1), elasticnet=([0.1], [1.0]), n_trials=2, cv=3).fit(X, y)
    theirs = GridSearchCV(Ridge(), {"alpha": [1, 10]}, cv=3).fit(X, y)
    found = pd.DataFrame(ours.cv_results_)
    assert {*theirs.cv_results_} - {*found} == {"std_fit_time", "mean_score_time", "std_score_time"}
    assert list(found["param_family"]) == ["ridge", "ridge", "lasso", "lasso", "elasticnet"]
    assert ours.cv_results_["param_alpha"].mask.tolist() == [False, False, False, False, True]
    splits = found[[f"split{number}_test_score" for number in range(3)]]
    np.testing.assert_allclose(splits.mean(axis=1), found["mean_test_score"])
    np.testing.assert_allclose(splits.std(axis=1, ddof=0), found["std_test_score"])
    assert found["rank_test_score"][ours.best_index_] == 1
    assert ours.best_score_ == found["mean_test_score"].max()
    assert (found["duality_gap"] <= ours.tolerance).all()
    np.testing.assert_array_equal(ours.coef_path_[ours.best_index_], ours.coef_)
    np.testing.assert_array_equal((ours.coef_path_ != 0).sum(axis=1), found["n_nonzero"])


def test_each_target_has_a_penalty_of_its_own():
    X, y = table()
    Y = np.c_[y, np.random.default_rng(1).standard_normal(len(y))]
    both = only(lasso=ALPHAS).fit(X, Y)
    assert both.best_params_[0] != both.best_params_[1]
    assert both.coef_.shape == (2, 15)
    for number in range(2):
        alone = only(lasso=ALPHAS).fit(X, Y[:, number])
        assert both.best_params_[number] == alone.best_params_
        np.testing.assert_allclose(both.best_score_[number], alone.best_score_, rtol=1e-12)
        np.testing.assert_allclose(both.coef_path_[number], alone.coef_path_, atol=1e-12)
        np.testing.assert_allclose(both.predict(X)[:, number], alone.predict(X))
    assert only(lasso=ALPHAS).fit(X, y[:, None]).predict(X).shape == (60, 1)


GROUPS = np.random.default_rng(2).integers(0, 4, 60)


@pytest.mark.parametrize(
    "cv",
    [
        KFold(4, shuffle=True, random_state=0),
        ShuffleSplit(3, random_state=0),
        LeaveOneOut(),
        LeaveOneGroupOut(),
        PredefinedSplit(np.where(np.arange(60) < 45, -1, 0)),
        [(np.arange(60) < 40, np.arange(60) >= 40), (np.arange(59, 19, -1), np.arange(20))],
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_any_splitter_scores_as_the_folds_fitted_by_hand(cv):
    X, y = table()
    ours = only(ridge=[1.0]).set_params(cv=cv)
    groups = GROUPS if isinstance(cv, LeaveOneGroupOut) else None
    ours.fit(X, y, groups=groups)
    errors, deviations = 0.0, 0.0
    splits = list(cv if isinstance(cv, list) else cv.split(X, y, groups))
    for train, test in splits:
        mean, norm = X[train].mean(axis=0), np.linalg.norm(X[train] - X[train].mean(axis=0), axis=0)
        fitted = Ridge(1.0).fit((X[train] - mean) / norm, y[train])
        errors += np.sum((y[test] - fitted.predict((X[test] - mean) / norm)) ** 2)
        centre = y[train].mean() if len(splits) > 1 else y[test].mean()  # a single split is scored as a holdout
        deviations += np.sum((y[test] - centre) ** 2)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"][0], 1 - errors / deviations, rtol=1e-8)
    scores = [ours.cv_results_[f"split{number}_test_score"][0] for number in range(ours.n_splits_)]
    np.testing.assert_allclose(np.mean(scores), ours.best_score_)


@pytest.mark.parametrize("select", ["one-se", "one-se-paired"])
def test_a_rule_of_one_standard_error_chooses_a_sparser_model(select):
    X, y = table(100, 20, seed=3)
    y += np.random.default_rng(0).standard_normal(100)
    best, sparse = (only(lasso=np.geomspace(2, 0.01, 40)).set_params(scale="none") for _ in range(2))
    best.fit(X, y)
    sparse.set_params(select=select).fit(X, y)
    assert np.count_nonzero(sparse.coef_) < np.count_nonzero(best.coef_)
    np.testing.assert_array_equal(best.coef_path_, sparse.coef_path_)


def test_rows_of_weight_zero_are_as_if_they_were_not_there_and_of_weight_two_as_if_there_twice():
    X, y = table()
    weights, fold = np.arange(60) % 3, np.arange(60) // 20
    model = only(lasso=True, elasticnet=True).set_params(n_trials=12, scale="standard")
    weighted = clone(model).set_params(cv=PredefinedSplit(fold)).fit(X, y, sample_weight=weights)
    repeated = clone(model).set_params(cv=PredefinedSplit(fold.repeat(weights)))
    repeated.fit(X.repeat(weights, axis=0), y.repeat(weights))
    assert weighted.best_params_ == repeated.best_params_
    np.testing.assert_allclose(weighted.coef_path_, repeated.coef_path_, atol=1e-8)
    for name in ("mean_test_score", "split1_test_score"):
        np.testing.assert_allclose(weighted.cv_results_[name], repeated.cv_results_[name], atol=1e-8)


def test_a_split_without_a_weighted_validation_row_is_left_out_as_its_rows_are():
    X, y = table()
    weights, fold = np.ones(60), np.arange(60) // 12
    weights[12:24] = weights[36:48] = 0
    there = weights > 0
    model = only(lasso=ALPHAS).set_params(cv=PredefinedSplit(fold))
    with pytest.warns(UserWarning, match="cv: all validation rows of split 1, 3 weigh 0: left out") as warned:
        weighted = clone(model).fit(X, y, sample_weight=weights)
    assert len(warned) == 1
    without = model.set_params(cv=PredefinedSplit(fold[there])).fit(X[there], y[there])
    assert (weighted.n_splits_, weighted.best_params_) == (3, without.best_params_)
    np.testing.assert_allclose(weighted.coef_, without.coef_, atol=1e-8)
    np.testing.assert_allclose(weighted.best_score_, without.best_score_, atol=1e-8)
    with pytest.raises(DataError, match="cv: expected a split with validation rows of a weight above 0, found none"):
        model.set_params(cv=[(range(24, 60), range(12, 24))]).fit(X, y, sample_weight=weights)


@pytest.mark.filterwarnings("ignore:cv. all validation rows")
def test_bagging_a_few_rows_fits_where_its_weights_leave_out_a_fold():
    X, y = table(20, 4)
    weighing = BaggingRegressor(only(lasso=[0.01]).set_params(cv=10), n_estimators=10, random_state=0).fit(X, y)
    assert min(one.n_splits_ for one in weighing.estimators_) < 10


@pytest.mark.slow
def test_the_result_is_the_same_on_any_number_of_processes():
    X, y = table(n_features=5)
    one, two = (only(lasso=True).set_params(n_trials=11, n_jobs=jobs).fit(X, y) for jobs in (None, 2))
    np.testing.assert_array_equal(one.coef_path_, two.coef_path_)
    assert one.best_params_ == two.best_params_


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_it_solves_on_several_processes_inside_of_other_ones(backend):
    X, y = table(n_features=5)
    main, method = sys.modules["__main__"], multiprocessing.get_start_method()
    model = only(lasso=[0.1, 0.2])
    alone = cross_val_score(model, X, y, cv=2)
    with joblib.parallel_backend(backend):
        nested = cross_val_score(model.set_params(n_jobs=2), X, y, cv=2, n_jobs=2, error_score="raise")
    np.testing.assert_array_equal(nested, alone)
    assert sys.modules["__main__"] is main
    assert multiprocessing.get_start_method() == method


def test_it_goes_where_estimators_go():
    X, y = table()
    frame = pd.DataFrame(X, columns=[f"unit_{number}" for number in range(15)])
    model = only(lasso=ALPHAS).set_params(cv=3)
    pipe = make_pipeline(StandardScaler(), model).set_output(transform="pandas")
    assert cross_val_score(pipe, frame, y, cv=3).min() > 0
    assert list(pipe.fit(frame, y)[-1].feature_names_in_) == list(frame)
    chosen = GridSearchCV(model, {"select": ["best", "one-se"]}, cv=3).fit(X, y)
    assert chosen.best_params_["select"] in ("best", "one-se")
    assert clone(chosen.best_estimator_).get_params()["cv"] == 3
    assert "PenaltySearchCV" in model._repr_html_()
    np.testing.assert_allclose(model.fit(X.astype(np.float32), y).coef_, model.fit(X, y).coef_, atol=1e-4)


def test_groups_and_weights_are_routed():
    X, y = table()
    with sklearn.config_context(enable_metadata_routing=True):
        model = only(lasso=ALPHAS).set_params(cv=GroupKFold(3))
        pipe = make_pipeline(StandardScaler(), clone(model).set_fit_request(sample_weight=True))
        pipe[0].set_fit_request(sample_weight=False)
        weights = 1.0 + np.arange(60) % 2
        routed = pipe.fit(X, y, groups=GROUPS, sample_weight=weights)[-1]
        with pytest.raises(TypeError, match="groups"):
            only(lasso=ALPHAS).fit(X, y, groups=GROUPS)
    direct = clone(model).fit(StandardScaler().fit_transform(X), y, groups=GROUPS, sample_weight=weights)
    np.testing.assert_array_equal(routed.coef_path_, direct.coef_path_)
    assert not np.allclose(clone(model).fit(X, y, groups=GROUPS).best_score_, direct.best_score_)


@pytest.mark.slow
def test_without_tracking_nothing_is_written_and_nothing_of_tracking_is_imported(tmp_path):
    script = """
import sys
import numpy as np
import sklearn.model_selection
before = set(sys.modules)
from regsearch import PenaltySearchCV, penalized_path
rng = np.random.default_rng(0)
X = rng.standard_normal((30, 4))
PenaltySearchCV(n_trials=2).fit(X, X[:, 0] + rng.standard_normal(30)).predict(X)
penalized_path(X, X[:, 0], [0.1])
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new & {"alembic", "matplotlib", "mlflow", "pandas", "pyarrow", "skops", "sqlalchemy"}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("seed", [None, np.random.RandomState(1), np.int64(3)])
def test_any_random_state_of_scikit_learn_s_will_do(seed):
    X, y = table(n_features=4)
    assert only(lasso=True).set_params(n_trials=2, random_state=seed).fit(X, y).best_score_ > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lasso": False}, "PenaltySearchCV: families: name at least one of ridge, lasso and elasticnet"),
        ({"ridge": None}, r"ridge: expected True, False, an array of strengths, or a range .*, found None"),
        ({"lasso": [[0.1]]}, r"lasso: expected True, .*, found \[\[0.1\]\]"),
        ({"lasso": "max"}, "lasso: expected True, .*, found 'max'"),
        ({"lasso": [0.1, 0.1]}, "alpha repeats a value"),
        ({"lasso": (1, 0.1)}, "low must be below high, found low = 1 and high = 0.1"),
        ({"ridge": [0.0, 1.0]}, "families.ridge.alpha.*expected a number above 0, found 0.0"),
        ({"elasticnet": [0.1, 0.2, 0.3]}, "elasticnet: expected True, False, or a pair of l1_alpha and l2_alpha"),
        ({"elasticnet": {"l1_alpha": [1]}}, "elasticnet: expected True"),
        ({"elasticnet": ((0.1, 1), [1, 2])}, "both as ranges or both as grids"),
        ({"scale": "norm"}, "PenaltySearchCV: data.scale: .*found 'norm'"),
        ({"select": "worst"}, "PenaltySearchCV: select: .*found 'worst'"),
        ({"sampler": "sobol"}, "PenaltySearchCV: sampler: .*found 'sobol'"),
        ({"tolerance": 2}, "PenaltySearchCV: tolerance: .*found 2"),
        ({"lasso": True, "n_trials": 0}, "PenaltySearchCV: families.lasso.trials: .*found 0"),
        ({"n_jobs": 0}, "n_jobs: expected None or a whole number other than 0, found 0; -1 takes all cores"),
        ({"n_jobs": "2"}, "n_jobs: expected None or a whole number other than 0, found '2'"),
        ({"n_jobs": 1.5}, "n_jobs: expected None or a whole number other than 0, found 1.5"),
        ({"tracking": True}, "tracking: expected None or the name of an experiment, .*, found True"),
        ({"tracking": ""}, "tracking: expected None or the name of an experiment, .*, found ''"),
        ({"tracking": "a/b"}, "tracking: expected None or the name of an experiment, .*, found 'a/b'"),
        ({"tracking": "x\n"}, r"tracking: expected None or the name of an experiment, .*, found 'x\\n'"),
        ({"tracking": 201 * "x"}, "tracking: expected None or the name of an experiment, .*, found 'xxx"),
        ({"random_state": -1}, "PenaltySearchCV: seed: .*found -1"),
        ({"cv": [(range(5), range(50, 70))]}, "cv: split 0: expected rows from 0 to 59, found 50 to 69"),
        ({"cv": [(np.arange(50) < 20, [25, 26])]}, r"cv: split 0: expected a mask of 60 rows, found one of"),
        ({"cv": [([0, 1, 1], [2])]}, "cv: split 0: expected each row once, found row 1 again"),
        ({"cv": [1, 2]}, "cv: split 0: expected a pair of training and validation rows, found 1; give a list of pairs"),
        ({"cv": [([0, 1], [2]), ([0, 1], [2], [3])]}, "cv: split 1: expected a pair of training and validation rows"),
        ({"cv": []}, "cv: expected pairs of training and validation rows, found none; give one or more; an iterator"),
        ({"cv": [([0], [2])]}, "cv: split 0: expected at least 2 rows to train on and 1 to validate on, found 1 and 1"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_in_one_line(given, said):
    X, y = table()
    with pytest.raises((ConfigError, DataError), match=said) as raised:
        only(lasso=[0.1]).set_params(**given).fit(X, y)
    assert "\n" not in str(raised.value)


def test_a_tolerance_that_not_every_fit_reaches_is_warned_of():
    X, y = table()
    search = only(ridge=[0.1, 1.0, 10.0], lasso=[0.1]).set_params(tolerance=1e-30)
    with pytest.warns(ConvergenceWarning) as raised:
        gaps = search.fit(X, np.c_[y, X[:, 0]]).cv_results_
    missed = sum(np.sum(of_target["duality_gap"] > 1e-30) for of_target in gaps)
    assert 0 < missed < 8
    (warning,) = raised
    says = f"{missed} trial(s) did not reach the duality gap 1e-30 and cannot win; raise `tolerance`"
    assert str(warning.message) == says
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.set_params(tolerance=1e-10).fit(X, y)


def test_numbers_of_numpy_are_numbers():
    X, y = table()
    model = only(lasso=True).set_params(
        n_trials=np.int64(2), cv=np.int64(3), tolerance=np.float32(1e-4), n_jobs=np.int64(1)
    )
    assert len(model.fit(X, y).cv_results_["params"]) == 2
    assert only(lasso={"of": "max", "points": np.int64(2)}).fit(X, y).n_splits_ == 5


@pytest.mark.parametrize(
    "cv",
    [
        [(range(30), range(30, 60))],
        TimeSeriesSplit(2, max_train_size=15),
        [(range(20), range(20, 30)), (range(10, 30), range(10))],
    ],
)
def test_training_rows_of_one_value_are_refused_as_a_matter_of_the_splits(cv):
    X, y = table()
    says = "cv: expected a split whose training rows differ in y, found none; give splits that mix the rows"
    with pytest.raises(DataError, match=says):
        only(lasso=[0.1]).set_params(cv=cv).fit(X, np.where(np.arange(60) < 45, 2.0, y))


@pytest.mark.parametrize(
    ("cv", "found"),
    [
        (LeaveOneOut(), "found one validation row in split 0"),
        ([(range(40), range(30, 60)), (range(30, 60), range(30))], r"found 10 row\(s\) in both in split 0"),
    ],
)
def test_splits_that_runs_cannot_record_are_refused_as_what_they_are(cv, found, workspace):
    X, y = table()
    search = only(lasso=[0.1]).set_params(cv=cv)
    search.fit(X, y)
    with pytest.raises(ConfigError, match=rf"tracking: expected .*, {found}; change cv, or leave tracking out"):
        search.set_params(tracking="mine").fit(X, y)


def test_folds_of_one_label_each_have_the_same_score_with_runs(workspace):
    X, _ = table()
    y = np.repeat([0.0, 1, 1, 0, 1, 0], 10)
    search = only(lasso=[0.001, 0.1]).set_params(cv=6)
    plain = search.fit(X, y).cv_results_
    tracked = search.set_params(tracking="mine").fit(X, y).cv_results_
    for score in ("mean_test_score", "split0_test_score"):
        np.testing.assert_allclose(tracked[score], plain[score], rtol=1e-9)


def test_data_that_cannot_be_searched_are_refused_in_one_line():
    X, y = table()
    with pytest.raises(DataError, match="y: expected values that vary, found 1 in every row"):
        only(lasso=[0.1]).fit(X, np.c_[y, np.ones(60)])
    with pytest.raises(DataError, match=r"sample_weight: expected one weight for each of the 60 rows, found \(3,\)"):
        only(lasso=[0.1]).fit(X, y, sample_weight=np.ones(3))
    for scaled in ((X * 1e160, y), (X * 1e-300, y), (X, y * 1e160), (X, y * 1e-300)):
        with pytest.raises(DataError, match=r"[Xy]: expected magnitudes and differences between 1e-100 and"):
            only(lasso=[0.1]).fit(*scaled)
    with pytest.raises(DataError, match=r"sample_weight: expected weights of 0 or between .*, found 1e-200"):
        only(lasso=[0.1]).fit(X, y, sample_weight=np.full(60, 1e-200))
    with pytest.raises(DataError, match="X: expected no masked values, found 1, the first in row 0"):
        only(lasso=[0.1]).fit(np.ma.masked_equal(X, X[0, 0]), y)
    with pytest.raises(DataError, match="y: expected a dense array, found a sparse one"):
        only(lasso=[0.1]).fit(X, csr_array(y[:, None]))
    with pytest.raises(NoWinnerError, match="no trial reached the duality gap"):
        only(lasso=[1e-4]).set_params(tolerance=1e-300).fit(X, y)


@pytest.mark.parametrize("times", [pd.date_range("2020", periods=60), pd.timedelta_range("1s", periods=60)])
@pytest.mark.parametrize("kind", [np.asarray, pd.Series, polars.Series, pa.array])
def test_times_are_no_numbers(times, kind):
    X, y = table()
    fitted = only(lasso=[0.1]).fit(X[:, :1], y)
    with pytest.raises(DataError, match=r"y: expected real numbers, found values of type (datetime|timedelta)64"):
        only(lasso=[0.1]).fit(X, kind(times))
    frame = pd.DataFrame({"time": times})
    mixed = frame.assign(unit=X[:, 0])  # of which polars makes numbers, too
    for features in (frame, frame.to_numpy(), mixed, polars.from_pandas(mixed), pa.Table.from_pandas(mixed)):
        for call in (lambda X: only(lasso=[0.1]).fit(X, y), fitted.predict):
            with pytest.raises(DataError, match=r"X: .* real numbers, found values of type (date|time|duration)"):
                call(features)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (np.ones(60) * 1j, "expected real numbers, found values of type complex128"),
        (pd.date_range("2020", periods=60), r"expected real numbers, found values of type datetime64"),
        (csr_array(np.ones((60, 1))), "expected a dense array, found a sparse one"),
        (["heavy"] * 60, "expected a number in every place, found others or nothing"),
        (pd.Series([None, *[1.0] * 59], dtype="Float64"), "expected finite weights of at least 0, found nan"),
        (np.ma.masked_equal(np.arange(60), 3), "expected no masked values, found 1, the first in row 3"),
    ],
)
def test_weights_are_real_numbers_and_nothing_is_made_into_some(weights, says):
    X, y = table()
    with pytest.raises(DataError, match=f"sample_weight: {says}"):
        only(lasso=[0.1]).fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_target_that_is_missing_among_objects_is_refused(n_targets):
    X, y = table()
    objects = np.repeat(y[:, None], n_targets, axis=1).astype(object)
    objects[3, -1] = None
    with pytest.raises(ValueError, match="Input y contains NaN"):
        only(lasso=[0.1]).fit(X, objects if n_targets > 1 else objects[:, 0])


@pytest.mark.parametrize("kind", [object, "category", Decimal])
def test_numbers_as_objects_or_categories_are_fitted_like_numbers(kind):
    numbers = pd.DataFrame(table()[0]).rename(columns=str).round(2)
    given = numbers.map(lambda value: Decimal(str(value))) if kind is Decimal else numbers.astype(kind)
    model = only(lasso=[0.1]).fit(given, given["0"])
    np.testing.assert_array_equal(model.coef_, only(lasso=[0.1]).fit(numbers, numbers["0"]).coef_)
    np.testing.assert_array_equal(model.predict(given), model.predict(numbers))


class Followed:
    """A callback that keeps what it is told."""

    def __init__(self):
        self.told, self.scores = [], []

    def setup(self, estimator, context):
        self.told.append(f"up to {context.max_subtasks}")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(f"{context.task_name} begins")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.told.append(f"{context.task_name} ends")
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))

    def teardown(self, estimator, context):
        self.told.append("over")


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_callbacks_follow_a_fit_trial_by_trial_with_the_models(n_jobs):
    X, y = table()
    followed = Followed()
    model = only(lasso=ALPHAS).set_params(cv=3, n_jobs=n_jobs).set_callbacks(followed).fit(X, y)
    trials = ["trial begins", "trial ends"] * len(ALPHAS)
    assert followed.told == [f"up to {len(ALPHAS)}", "fit begins", *trials, "fit ends", "over"]
    assert max(followed.scores) == pytest.approx(model.set_params(lasso=[ALPHAS[-1]]).fit(X, y).score(X, y))


@needs_callbacks
def test_callbacks_of_several_targets_get_each_one_s_own():
    X, y = table()
    targets = np.c_[y, X[:, 5] - y]
    followed = Followed()
    only(ridge=[0.1, 1.0]).set_params(cv=3).set_callbacks(followed).fit(X, targets)
    alone = [only(ridge=[alpha]).set_params(cv=3).fit(X, one).score(X, one) for one in targets.T for alpha in (0.1, 1)]
    assert sorted(followed.scores) == pytest.approx(sorted(alone))


@needs_callbacks
def test_callbacks_get_rows_of_weight_zero_with_their_target():
    X, y = table()
    followed = Followed()
    weights = np.r_[np.zeros(10), np.ones(50)]
    model = only(ridge=[0.1]).set_params(cv=3).set_callbacks(followed).fit(X, y, sample_weight=weights)
    assert followed.scores == [pytest.approx(model.score(X, y))]


@pytest.mark.slow
def test_targets_of_one_name_are_searched_each(workspace):
    X, y = table()
    targets = pd.DataFrame(np.c_[y, X[:, 5] - y], columns=[1, "1"])
    tracked = only(ridge=[0.1]).set_params(cv=3, tracking="twice").fit(X, targets)
    np.testing.assert_allclose(tracked.coef_, only(ridge=[0.1]).set_params(cv=3).fit(X, targets).coef_, rtol=1e-9)


@needs_callbacks
def test_a_fit_with_runs_is_followed_too(workspace):
    X, y = table()
    followed = Followed()
    only(lasso=ALPHAS[:2]).set_params(cv=3, tracking="followed").set_callbacks(followed).fit(X, y)
    assert followed.told == ["up to 3", "fit begins", *["trial begins", "trial ends"] * 3, "fit ends", "over"]


@needs_callbacks
def test_scikit_learn_s_own_callbacks_work_in_a_pipeline_under_a_grid_search(capsys):
    from sklearn.callback import ProgressBar, ScoringMonitor

    X, y = table()
    monitor = ScoringMonitor(scoring="r2")
    only(ridge=[0.1, 1.0]).set_params(cv=3).set_callbacks(monitor).fit(X, y)
    assert [entry["task_name"] for entry in monitor.get_logs().data] == ["trial", "trial"]
    piped = make_pipeline(StandardScaler(), only(ridge=[0.1, 1.0]).set_params(cv=3))
    grid = GridSearchCV(piped, {"penaltysearchcv__scale": ["none", "standard"]}, cv=3)
    grid.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "PenaltySearchCV" in capsys.readouterr().out
