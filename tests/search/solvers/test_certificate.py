import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from search.penalty import Penalty
from search.solvers.certificate import duality_gap, relative_duality_gap, relative_normal_residual
from search.solvers.design import normalise
from search.solvers.ridge import decompose, solve_ridge


def problem(n_rows, n_features, seed):
    rng = np.random.default_rng(seed)
    return normalise(rng.standard_normal((n_rows, n_features)), rng.standard_normal(n_rows))


def objective(design, penalty, weights):
    residual = design.target - design.columns.T @ weights
    loss = residual @ residual / (2 * design.n_rows)
    return loss + penalty.l1 * np.abs(weights).sum() + penalty.l2 / 2 * weights @ weights


def optimum(design, penalty):
    fitted = ElasticNet(
        penalty.sklearn_alpha, l1_ratio=penalty.l1_ratio, fit_intercept=False, tol=1e-14, max_iter=1_000_000
    ).fit(design.columns.T, design.target)
    return fitted.coef_


@settings(deadline=None, max_examples=60)
@given(
    st.integers(4, 30), st.integers(1, 40), st.floats(1e-3, 0.3), st.sampled_from([0, 1e-3, 0.1]), st.integers(0, 99)
)
def test_the_gap_bounds_the_distance_from_the_optimum_and_closes_there(n_rows, n_features, l1, l2, seed):
    design, penalty = problem(n_rows, n_features, seed), Penalty(l1, l2)
    null = design.target @ design.target / (2 * n_rows)
    best = optimum(design, penalty)
    assert relative_duality_gap(design, best, penalty) < 1e-9
    rng = np.random.default_rng(seed)
    for scale in (1e-4, 1e-1):
        off = best + scale * rng.standard_normal(n_features)
        suboptimality = (objective(design, penalty, off) - objective(design, penalty, best)) / null
        assert relative_duality_gap(design, off, penalty) >= suboptimality - 1e-9


def test_the_gap_is_its_definition_over_the_augmented_matrix():
    design, penalty = problem(15, 6, 3), Penalty(0.02, 0.3)
    n, A, b = 15, design.columns.T, design.target
    weights = np.random.default_rng(0).standard_normal(6)
    tall = np.vstack([A, np.sqrt(n * penalty.l2) * np.eye(6)])
    target = np.concatenate([b, np.zeros(6)])
    theta = target - tall @ weights
    theta *= min(1, n * penalty.l1 / np.abs(tall.T @ theta).max())
    dual = (target @ target - np.sum((target - theta) ** 2)) / (2 * n)
    expected = (objective(design, penalty, weights) - dual) / (b @ b / (2 * n))
    assert relative_duality_gap(design, weights, penalty) == pytest.approx(expected, rel=1e-12)


def test_zero_weights_are_certified_from_the_strongest_useful_penalty_on():
    design = problem(20, 8, 0)
    strongest = np.abs(design.columns @ design.target).max() / 20
    assert relative_duality_gap(design, np.zeros(8), Penalty(strongest, 0)) == pytest.approx(0, abs=1e-12)
    assert relative_duality_gap(design, np.zeros(8), Penalty(strongest / 2, 0)) > 0.01


def test_without_an_l1_penalty_it_is_the_residual_of_the_normal_equations():
    design = problem(20, 8, 1)
    weights = solve_ridge(design, decompose(design), 0.1)
    assert duality_gap(design, weights, Penalty(0, 0.1)) < 1e-13
    A, b = design.columns.T, design.target
    off = weights + 0.01
    expected = np.linalg.norm(A.T @ (b - A @ off) - 20 * 0.1 * off) / np.linalg.norm(A.T @ b)
    assert relative_normal_residual(design, off, Penalty(0, 0.1)) == pytest.approx(expected)
