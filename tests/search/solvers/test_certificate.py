"""The certificate is right: checked against the definition of the gap, written out one number at a time."""

from dataclasses import replace

import numpy as np
import pytest

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.certificate import certificate
from regsearch.search.solvers.design import Design, normalise


@pytest.fixture(params=["held", "streamed"])
def design(request) -> Design:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 50))
    return normalise(X, X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(30), in_memory=request.param == "held")


def primal(design: Design, w, l1: float, l2: float) -> float:
    columns = np.asarray(design.columns)
    misfit = sum((design.target[i] - w @ columns[:, i]) ** 2 for i in range(design.n_rows))
    return misfit / (2 * design.n_rows) + l1 * sum(abs(w)) + l2 / 2 * sum(w**2)


def lasso_dual(A, b, n: int, l1: float, scale: float) -> float:
    """The dual of min ||b - A w||^2 / (2n) + l1 ||w||_1 at the feasible point nearest to b on the ray of `scale`."""
    assert np.abs(A.T @ scale).max() / n <= l1 * (1 + 1e-12)
    return float(b @ b - (b - scale) @ (b - scale)) / (2 * n)


@pytest.mark.parametrize("l2", [0.0, 1e-4, 0.1])
def test_gap_is_primal_less_the_best_dual_value_on_the_ray_of_the_residual(design, l2):
    rng = np.random.default_rng(1)
    n, p = design.n_rows, design.n_features
    w = np.where(rng.random(p) < 0.1, 0.1 * rng.standard_normal(p), 0.0)
    l1 = 0.01
    A = np.vstack([np.asarray(design.columns).T, np.sqrt(n * l2) * np.eye(p)])
    b = np.concatenate([design.target, np.zeros(p)])
    residual = b - A @ w
    reach = n * l1 / np.abs(A.T @ residual).max()
    best = max(lasso_dual(A, b, n, l1, factor * residual) for factor in np.linspace(-reach, reach, 20001))
    if l2:
        u = design.target - w @ design.columns
        c = design.columns @ u / n
        conjugate = sum(max(abs(c_j) - l1, 0) ** 2 / (2 * l2) for c_j in c)
        best = max(best, (design.target @ u - u @ u / 2) / n - conjugate)
    expected = (primal(design, w, l1, l2) - best) / primal(design, np.zeros(p), l1, l2)
    assert certificate(design, w, Penalty(l1, l2)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_gap_bounds_the_excess_over_any_other_point(design, l2):
    rng = np.random.default_rng(2)
    penalty = Penalty(0.02, l2)
    null = primal(design, np.zeros(50), 0.02, l2)
    points = [np.zeros(50), *(rng.standard_normal(50) * size for size in (1e-3, 0.1, 10.0))]
    objectives = [primal(design, w, 0.02, l2) for w in points]
    for w, objective in zip(points, objectives, strict=True):
        assert certificate(design, w, penalty) * null >= objective - min(objectives) - 1e-12


def test_zero_is_certified_where_it_is_optimal_and_only_there(design):
    largest = np.abs(design.columns @ design.target).max() / design.n_rows
    zero = np.zeros(design.n_features)
    assert certificate(design, zero, Penalty(largest, 0.0)) == pytest.approx(0.0, abs=1e-14)
    assert certificate(design, zero, Penalty(largest / 2, 0.0)) > 0.1


def test_a_bad_point_has_a_large_gap(design):
    assert certificate(design, np.ones(design.n_features), Penalty(0.01, 0.0)) > 1.0


def test_a_zero_target_is_solved_by_zero(design):
    silent = replace(design, target=np.zeros(30))
    assert certificate(silent, np.zeros(50), Penalty(0.1, 0.0)) == 0.0


@pytest.mark.parametrize("l2", [1e-3, 1.0])
def test_the_gap_of_ridge_is_primal_less_dual_and_vanishes_at_the_solution_only(design, l2):
    A, n = np.asarray(design.columns).T, design.n_rows
    ridge = np.linalg.solve(A.T @ A + n * l2 * np.eye(50), A.T @ design.target)
    assert certificate(design, ridge, Penalty(0.0, l2)) < 1e-25
    w = ridge + 0.1 * np.random.default_rng(3).standard_normal(50)
    u = design.target - A @ w
    dual = (design.target @ u - u @ u / 2) / n - np.sum((A.T @ u / n) ** 2) / (2 * l2)
    expected = (primal(design, w, 0.0, l2) - dual) / primal(design, np.zeros(50), 0.0, l2)
    assert certificate(design, w, Penalty(0.0, l2)) == pytest.approx(expected)
    excess = primal(design, w, 0.0, l2) - primal(design, ridge, 0.0, l2)
    assert expected >= excess / primal(design, np.zeros(50), 0.0, l2)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (50, 50)])
@pytest.mark.parametrize("kind", ["regular", "duplicates", "few latents", "duplicate rows"])
def test_the_excess_of_least_squares_is_what_a_better_fit_could_take_off(shape, kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    if kind == "duplicates":
        X[:, 1:20] = X[:, :1]
    elif kind == "few latents":
        X = X[:, :3] @ rng.standard_normal((3, shape[1]))
    elif kind == "duplicate rows":
        X[10:] = X[: shape[0] - 10]
    design = normalise(X, rng.standard_normal(shape[0]))
    A = np.asarray(design.columns).T
    best = np.linalg.lstsq(A, design.target, rcond=None)[0]
    assert certificate(design, best, Penalty(0.0, 0.0)) < 1e-20
    null = design.target @ design.target
    least = np.sum((design.target - A @ best) ** 2)
    for size in (1e-3, 0.1, 1.0):
        w = best + size * rng.standard_normal(shape[1])
        expected = (np.sum((design.target - A @ w) ** 2) - least) / null
        assert certificate(design, w, Penalty(0.0, 0.0)) == pytest.approx(expected, rel=1e-6)
