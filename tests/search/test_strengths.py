from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from sklearn.linear_model import Lasso, Ridge

from regsearch import SearchConfig, from_arrays, run_search
from regsearch.data import Annotations, Preparation, Recording, Split, seal, seal_targets
from regsearch.errors import ConfigError
from regsearch.search import strengths
from regsearch.search.config.families import ends_of
from regsearch.search.strengths import Maxima, absolute, maxima_of, maxima_of_targets

RELATIVE = """
name = "relative"
[families.ridge]
alpha = { of = "max" }
trials = 5
[families.lasso]
alpha = { low = 0.001, high = 0.5, of = "max" }
trials = 5
[families.elasticnet]
l1_alpha = { of = "max", points = 3 }
l2_alpha = { low = 0.1, high = 10, points = 2 }
"""


def development(n_rows, n_features, x_unit, y_unit):
    rng = np.random.default_rng(n_rows)
    X = rng.standard_normal((n_rows, n_features)) * x_unit
    y = (X[:, 0] / x_unit + rng.standard_normal(n_rows)) * y_unit
    n_train = n_rows - 20
    recording = Recording.checked(X, y, source="r")
    return seal(recording, Split.holdout([(0, n_train)], (n_train, n_train + 10), (n_train + 10, n_rows)))[0]


@given(
    st.sampled_from([(60, 90), (90, 20)]),
    st.floats(-8, 8).map(lambda power: 10**power),
    st.floats(-8, 8).map(lambda power: 10**power),
)
def test_the_maxima_are_where_nothing_is_left_in_whatever_units(shape, x_unit, y_unit):
    rows = development(*shape, x_unit, y_unit)
    maxima = maxima_of(rows)
    model = rows.model
    A = np.asarray(model.X) - np.mean(model.X, axis=0)
    A /= np.linalg.norm(A, axis=0)
    b = model.y - model.y.mean()
    b /= y_unit
    assert not Lasso(maxima.l1_max / y_unit, fit_intercept=False).fit(A, b).coef_.any()
    assert Lasso(maxima.l1_max / y_unit * 0.98, fit_intercept=False, tol=1e-12).fit(A, b).coef_.any()
    eigenvalues = np.linalg.svd(A, compute_uv=False) ** 2
    eigenvalues = eigenvalues[eigenvalues > 1e-9]
    left = [np.mean(eigenvalues / (eigenvalues + alpha)) for alpha in (maxima.l2_max, maxima.l2_max * maxima.l2_low)]
    assert left == pytest.approx([0.01, 0.99], abs=2e-3)
    beside_l1 = maxima.l2_max * maxima.l2_low_beside_l1
    assert beside_l1 == pytest.approx(min(maxima.l2_max * maxima.l2_low, 1 / 99), rel=0.01)
    assert maxima.l1_low == (0.01 if len(model.y) < A.shape[1] else 1e-4)


@pytest.mark.parametrize("name", ["weights", "covariates"])
def test_the_maxima_of_most_rows_are_about_those_of_all_with_weights_and_with_covariates(name, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 150))
    known = {"weights": np.where(np.arange(120) % 10, 0.01, 100.0), "covariates": rng.standard_normal((120, 20))}[name]
    if name == "covariates":
        X = 0.05 * X + known @ rng.standard_normal((20, 150))
    recording = Recording.checked(X, X[:, 0], source="r", annotations=Annotations(**{name: known}))
    rows = seal(recording, Split.holdout([(0, 100)], (100, 110), (110, 120)), Preparation(scale="none"))[0]
    exact = maxima_of(rows)
    monkeypatch.setattr(strengths, "_MOST_ROWS", 99)
    assert astuple(maxima_of(rows)) == pytest.approx(astuple(exact), rel=0.1)


@pytest.mark.parametrize("shape", [(60, 90), (90, 20)])
def test_targets_have_their_own_l1_maximum_and_share_what_depends_on_the_features(shape, monkeypatch):
    rng = np.random.default_rng(0)
    n_rows, weights = shape[0], rng.uniform(0.5, 2, shape[0])
    targets = {str(number): rng.standard_normal(n_rows) for number in range(3)}
    known = Annotations(weights=weights, covariates=rng.standard_normal((n_rows, 2)))
    recordings = Recording.several(rng.standard_normal(shape), targets, source="r", annotations=known)
    split = Split.holdout([(0, n_rows - 20)], (n_rows - 20, n_rows - 10), (n_rows - 10, n_rows))
    developments = [development for development, _ in seal_targets(recordings, split)]
    alone = [maxima_of(one) for one in developments]
    decomposed, eigvalsh = [], strengths.eigvalsh
    monkeypatch.setattr(strengths, "eigvalsh", lambda *given, **how: decomposed.append(1) or eigvalsh(*given, **how))
    assert maxima_of_targets(developments) == alone
    assert len(decomposed) == 1
    assert len({one.l1_max for one in alone}) == 3


def test_relative_strengths_become_absolute_ones_and_absolute_ones_stay():
    config = SearchConfig.from_toml(RELATIVE)
    maxima = Maxima(l1_max=2.0, l1_low=0.01, l2_max=300.0, l2_low=1e-4, l2_low_beside_l1=1e-5)
    families = absolute(config, maxima).families
    assert ends_of(families.ridge.alpha) == pytest.approx((0.03, 300.0))
    assert ends_of(families.lasso.alpha) == pytest.approx((0.002, 1.0))
    assert families.elasticnet.l1_alpha == pytest.approx((0.02, 0.2, 2.0))
    assert families.elasticnet.l2_alpha == pytest.approx((0.1, 10.0))
    plain = SearchConfig.from_preset("default")
    assert absolute(plain, None) == plain


def test_of_mixes_without_a_low_end_the_l2_strength_begins_where_a_single_column_is_hardly_shrunk():
    rng = np.random.default_rng(0)
    recording = Recording.checked(rng.standard_normal((80, 600)), rng.standard_normal(80), source="wide")
    rows = seal(recording, Split.holdout([(0, 60)], (60, 70), (70, 80)))[0]
    maxima = maxima_of(rows)
    assert maxima.l2_max * maxima.l2_low > 0.05  # ridge begins where 600 columns together are hardly shrunk
    config = SearchConfig.from_toml(
        'name = "x"\n[families.elasticnet]\nl1_alpha = { of = "max" }\nl2_alpha = { of = "max" }\ntrials = 3\n'
    )
    low, high = ends_of(absolute(config, maxima).families.elasticnet.l2_alpha)
    column = rng.standard_normal((60, 1))
    column = (column - column.mean()) / np.linalg.norm(column - column.mean())
    kept = Ridge(low, fit_intercept=False).fit(column, column[:, 0]).coef_[0]
    assert kept == pytest.approx(0.99, abs=1e-4)
    assert high == maxima.l2_max


def test_a_search_that_began_before_mixes_had_a_low_end_of_their_own_keeps_its_range():
    earlier = {"l1_max": "2.0", "l1_low": "0.01", "l2_max": "300.0", "l2_low": "0.0001"}
    assert Maxima.of_params(earlier) == Maxima(2.0, 0.01, 300.0, 1e-4, 1e-4)
    assert Maxima.of_params({}) is None


@pytest.mark.parametrize(
    ("strength", "says"),
    [
        ("{ low = 0.1 }", 'a range needs low and high, or of = "max"'),
        ('{ low = 2.0, of = "max" }', "low must be below high, found low = 2 and high = 1"),
        ('{ of = "min" }', "expected 'max'"),
        ('{ of = "max", points = 1 }', "a number of at least 2"),
    ],
)
def test_a_strength_that_says_too_little_or_too_much_is_refused(strength, says):
    with pytest.raises(ConfigError, match=says):
        SearchConfig.from_toml(f'name = "x"\n[families.lasso]\nalpha = {strength}\ntrials = 3\n')


@pytest.mark.slow
def test_both_forms_of_a_strength_are_logged_and_a_resumed_search_keeps_its_maxima(workspace, recording):
    config = SearchConfig.from_toml(RELATIVE)
    first = run_search(config, data=recording, promote=False, progress=False)
    more = run_search(config.updated(trials=7), data=recording, promote=False, progress=False)
    assert (more.run_id, more.new_trials) == (first.run_id, 4)
    assert more.trials["alpha"].max() > 0
    for trial in more.finished:
        if trial.family == "lasso":
            assert 0.001 <= trial.metrics["alpha_of_max"] <= 0.5
        if trial.family == "elasticnet":
            assert trial.metrics["l1_alpha_of_max"] * first.winner.penalty.l1 >= 0


@pytest.mark.slow
def test_a_search_of_folds_that_was_killed_when_its_run_was_made_comes_to_what_it_does_undisturbed(
    workspace, monkeypatch
):
    X = np.random.default_rng(0).standard_normal((60, 5))
    data = from_arrays(X, X[:, 0] + X[::-1, 1])
    split = {"validation": {"folds": 3}, "test": "none"}
    config = SearchConfig.from_toml('name = "a"\n[families.lasso]\nalpha = { points = 3, of = "max" }\n')
    config = config.updated(split=split)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            run_search(config, data=data, promote=False, progress=False)
    resumed = run_search(config, data=data, promote=False, progress=False)
    undisturbed = run_search(config.updated(name="b"), data=data, promote=False, progress=False)
    columns = ["alpha", "r2_validation"]
    pd.testing.assert_frame_equal(resumed.trials[columns], undisturbed.trials[columns])


def test_data_of_ones_own_are_searched_by_relative_strengths_and_a_presets_own_recording_by_its_own():
    default = SearchConfig.from_preset("default")
    assert default.on("mine.npz").families == SearchConfig.from_preset("own-data").families
    assert default.on("twin").families == default.families
    edited = default.updated(seed=3)
    assert edited.on("mine.npz").families == SearchConfig.from_preset("own-data").families
