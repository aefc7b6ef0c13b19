import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.path import RegularizationPath


def recording(n_rows, n_features, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * rng.uniform(0.1, 10, n_features) + rng.uniform(-5, 5, n_features)
    return X, X[:, 0] - 2 * X[:, -1] + rng.standard_normal(n_rows)


@settings(max_examples=40)
@given(st.sampled_from([(12, 40), (40, 12)]), st.floats(1e-2, 0.5), st.sampled_from([0, 1e-3, 0.1]), st.integers(0, 99))
def test_fits_agree_with_scikit_learn_on_normalised_columns(shape, l1, l2, seed):
    X, y = recording(*shape, seed)
    centred = X - X.mean(axis=0)
    scale = np.linalg.norm(centred, axis=0)
    penalty = Penalty(l1, l2)
    theirs = ElasticNet(penalty.sklearn_alpha, l1_ratio=penalty.l1_ratio, tol=1e-12, max_iter=1_000_000)
    theirs.fit(centred / scale, y)
    (fit,) = RegularizationPath(X, y, tolerance=1e-14).solve([penalty])
    np.testing.assert_allclose(fit.coef * scale, theirs.coef_, atol=1e-8 * max(1, np.abs(theirs.coef_).max()))
    np.testing.assert_allclose(X @ fit.coef + fit.intercept, theirs.predict(centred / scale), atol=1e-6)
    np.testing.assert_allclose(fit.fitted, X @ fit.coef + fit.intercept, atol=1e-9 * np.abs(X).max() * 100)


@settings(max_examples=30)
@given(st.permutations(range(8)), st.sampled_from([(15, 50), (50, 15)]), st.integers(0, 99), st.booleans())
def test_any_order_reaches_the_certificate(order, shape, seed, in_memory):
    X, y = recording(*shape, seed)
    plane = [Penalty(l1, l2) for l2 in (0.0, 0.05) for l1 in (0.001, 0.01, 0.1, 1.0)]
    path = RegularizationPath(X, y, tolerance=1e-6, in_memory=in_memory)
    for fit in path.solve([plane[i] for i in order]):
        assert fit.duality_gap <= 1e-6


def test_the_strongest_penalties_remove_everything_at_once():
    X, y = recording(20, 60, 0)
    (fit,) = RegularizationPath(X, y).solve([Penalty(1e6, 0.0)])
    assert not fit.coef.any()
    assert fit.intercept == pytest.approx(y.mean())
    assert fit.duality_gap <= 1e-12


@pytest.mark.parametrize("penalty", [Penalty(0, 0), Penalty(0, 0.1), Penalty(0.01, 0), Penalty(0.01, 0.1)])
@pytest.mark.parametrize("shape", [(20, 60), (60, 20)])
@pytest.mark.parametrize("in_memory", [True, False])
def test_constant_and_duplicate_columns_do_no_harm(shape, penalty, in_memory):
    X, y = recording(*shape, 2)
    X[:, 3] = 7.0
    X[:, 5] = X[:, 4]
    (fit,) = RegularizationPath(X, y, in_memory=in_memory).solve([penalty])
    assert fit.duality_gap <= 1e-6
    assert fit.coef[3] == 0
    assert np.isfinite(fit.coef).all()


def test_single_precision_is_solved_in_double():
    X, y = recording(30, 80, 1)
    single = X.astype(np.float32)
    (from_single,) = RegularizationPath(single, y, tolerance=1e-12).solve([Penalty(0.01, 0.0)])
    (from_double,) = RegularizationPath(single.astype(float), y, tolerance=1e-12).solve([Penalty(0.01, 0.0)])
    np.testing.assert_allclose(from_single.coef, from_double.coef, atol=1e-10)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.lists(st.tuples(st.floats(1e-3, 0.9), st.sampled_from([0.0, 1e-3, 0.04, 1.0, 10.0])), min_size=2, max_size=8),
    st.randoms(use_true_random=False),
)
def test_a_fit_does_not_depend_on_what_was_solved_before(seed, points, chance):
    X, y = recording(30, 120, seed)
    scaled = (X - X.mean(axis=0)) / np.linalg.norm(X - X.mean(axis=0), axis=0)
    largest = np.abs(scaled.T @ (y - y.mean())).max() / len(y)
    penalties = [Penalty(share * largest, n_l2 / len(y)) for share, n_l2 in points]
    expected = dict(zip(penalties, RegularizationPath(X, y).solve(penalties), strict=True))
    chance.shuffle(penalties)
    for fit in RegularizationPath(X, y).solve(penalties):
        np.testing.assert_allclose(fit.fitted, expected[fit.penalty].fitted, atol=1e-7 * np.std(y))


def test_the_last_resort_goes_on_to_rounding_error_too(small_recording):
    recording = small_recording()
    X, y = recording.X[40:120], recording.y[40:120]
    (fit,) = RegularizationPath(X, y).solve([Penalty(0.0025018711647963464, 0.041755441521355824 / 80)])
    assert np.count_nonzero(fit.coef) > 0.75 * len(y)
    assert fit.duality_gap < 1e-14
