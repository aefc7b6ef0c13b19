import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from regsearch.search.solvers.design import normalise
from regsearch.search.solvers.ridge import decompose, solve_ridge


def problem(n_rows, n_features, seed, in_memory):
    rng = np.random.default_rng(seed)
    return normalise(rng.standard_normal((n_rows, n_features)), rng.standard_normal(n_rows), in_memory=in_memory)


@settings(deadline=None)
@given(st.integers(3, 40), st.integers(1, 40), st.floats(1e-3, 1e3), st.integers(0, 2**31), st.booleans())
def test_every_strength_agrees_with_scikit_learn(n_rows, n_features, alpha, seed, in_memory):
    design = problem(n_rows, n_features, seed, in_memory)
    ours = solve_ridge(design, decompose(design), alpha / n_rows)
    theirs = Ridge(alpha, fit_intercept=False, solver="svd").fit(np.asarray(design.columns).T, design.target).coef_
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize(("n_rows", "n_features"), [(20, 60), (60, 20), (30, 30)])
@pytest.mark.parametrize("in_memory", [True, False])
def test_without_a_penalty_the_weights_are_the_pseudoinverses(n_rows, n_features, in_memory):
    design = problem(n_rows, n_features, 5, in_memory)
    expected = np.linalg.pinv(np.asarray(design.columns).T, rcond=1e-10) @ design.target
    np.testing.assert_allclose(solve_ridge(design, decompose(design), 0.0), expected, atol=1e-8)


def test_duplicate_and_constant_columns_share_and_vanish():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 30))
    X[:, 4] = X[:, 3]
    X[:, 9] = 2.5
    design = normalise(X, rng.standard_normal(20))
    for l2 in (0.0, 0.1):
        weights = solve_ridge(design, decompose(design), l2)
        assert weights[4] == pytest.approx(weights[3])
        assert weights[9] == 0
