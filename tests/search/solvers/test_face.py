"""Of several solutions of a lasso the one of least norm is taken, wherever the solver was started."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.face import least_norm
from regsearch.search.solvers.path import RegularizationPath


def rare_events(seed, n_rows=40, n_features=90):
    """Return a table of rare events, of which many columns are the same or depend on each other, and a target."""
    rng = np.random.default_rng(seed)
    X = (rng.random((n_rows, n_features)) < 0.04).astype(float)
    return X, X[:, :30] @ rng.uniform(1, 2, 30) + 0.3 * rng.standard_normal(n_rows)


def coef(path, l1, l2=0.0):
    (fit,) = path.solve([Penalty(l1, l2)])
    assert fit.duality_gap < 1e-12
    return fit.coef


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 2**16), st.permutations(range(6)))
def test_weights_do_not_depend_on_what_was_solved_before(seed, order):
    X, y = rare_events(seed)
    strengths = np.geomspace(0.05, 0.0005, 6)
    path = RegularizationPath(X, y)
    for place in order:
        expected = coef(RegularizationPath(X, y), strengths[place])
        np.testing.assert_allclose(coef(path, strengths[place]), expected, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_the_limit_of_the_elastic_net_s(seed):
    X, y = rare_events(seed)
    lasso = coef(RegularizationPath(X, y), 0.002)
    (near,) = RegularizationPath(X, y).solve([Penalty(0.002, 1e-7)])
    assert np.abs(lasso - near.coef).max() < 1e-3 * np.abs(lasso).max()


def test_columns_that_are_the_same_share_their_weight():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3))
    found = coef(RegularizationPath(np.c_[X, X[:, 0], -X[:, 0]], X[:, 0] + X[:, 1]), 0.01)
    assert found[3] == pytest.approx(found[0])
    assert found[4] == pytest.approx(-found[0])
    alone = coef(RegularizationPath(X, X[:, 0] + X[:, 1]), 0.01)
    assert 3 * found[0] == pytest.approx(alone[0])


def test_independent_columns_have_no_other_solution():
    rng = np.random.default_rng(0)
    assert least_norm(rng.standard_normal((4, 9)), np.ones(4), np.ones(4)) is None


def test_no_weight_takes_another_sign():
    columns = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0]])
    found = least_norm(columns, np.ones(4), np.array([0.2, 1.5, 0.0, 0.0]))
    np.testing.assert_allclose(columns.T @ found, [0.2, 1.5, 0])
    assert (found >= 0).all()
    assert found[3] == 0
