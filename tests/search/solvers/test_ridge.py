import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import linalg
from sklearn.linear_model import Ridge

from regsearch.search.penalty import Penalty
from regsearch.search.solvers import matrix
from regsearch.search.solvers.certificate import certificate
from regsearch.search.solvers.columns import rough_gram_of_rows
from regsearch.search.solvers.design import normalise
from regsearch.search.solvers.ridge import RidgeSolver


def problem(n_rows, n_features, seed, in_memory):
    rng = np.random.default_rng(seed)
    return normalise(rng.standard_normal((n_rows, n_features)), rng.standard_normal(n_rows), in_memory=in_memory)


@given(st.integers(3, 40), st.integers(1, 40), st.floats(1e-3, 1e3), st.integers(0, 2**31), st.booleans())
def test_every_strength_agrees_with_scikit_learn(n_rows, n_features, alpha, seed, in_memory):
    design = problem(n_rows, n_features, seed, in_memory)
    ours = RidgeSolver(design).solve([alpha / n_rows])[0]
    theirs = Ridge(alpha, fit_intercept=False, solver="svd").fit(np.asarray(design.columns).T, design.target).coef_
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize(("n_rows", "n_features"), [(20, 60), (60, 20), (30, 30)])
@pytest.mark.parametrize("in_memory", [True, False])
def test_without_a_penalty_the_weights_are_the_pseudoinverses(n_rows, n_features, in_memory):
    design = problem(n_rows, n_features, 5, in_memory)
    expected = np.linalg.pinv(np.asarray(design.columns).T, rcond=1e-10) @ design.target
    np.testing.assert_allclose(RidgeSolver(design).solve([0.0])[0], expected, atol=1e-8)


@given(st.integers(4, 30), st.integers(0, 2), st.booleans(), st.integers(0, 2**31), st.booleans())
def test_least_squares_on_independent_rows_are_the_same_with_and_without_a_decomposition(
    n_rows, n_covariates, weighted, seed, in_memory
):
    rng = np.random.default_rng(seed)
    known = {
        "weights": rng.uniform(0.2, 5, n_rows) if weighted else None,
        "covariates": rng.standard_normal((n_rows, n_covariates)) if n_covariates else None,
    }
    X, y = rng.standard_normal((n_rows, 3 * n_rows)), rng.standard_normal(n_rows)
    design, decomposed = (normalise(X, y, in_memory=in_memory, **known) for _ in range(2))
    found = RidgeSolver(design).solve([0.0])[0]
    assert not design.matrix.is_decomposed
    assert decomposed.matrix.spectrum.of_rows
    np.testing.assert_allclose(found, RidgeSolver(decomposed).solve([0.0])[0], atol=1e-9)


@pytest.mark.parametrize(("decades", "is_single"), [(0, True), (1, True), (1.7, True), (3, False), (4, False)])
def test_a_factor_of_single_precision_leads_to_least_squares_unless_too_much_is_lost(decades, is_single):
    rng = np.random.default_rng(0)
    left, right = (linalg.qr(rng.standard_normal((size, 30)), mode="economic")[0] for size in (30, 80))
    X, y = left @ np.diag(10 ** np.linspace(0, -decades, 30)) @ right.T, rng.standard_normal(30)
    design = normalise(X, y, scale="none")
    found = RidgeSolver(design).solve([0.0])[0]
    assert not design.matrix.is_decomposed
    assert design.matrix.has_row_gram != is_single
    expected = linalg.lstsq(np.asarray(design.columns).T, design.target, cond=1e-9)[0]
    np.testing.assert_allclose(found, expected, atol=1e-14 * 10**decades * np.abs(expected).max())
    assert certificate(design, found, Penalty(0.0, 0.0)) < 1e-24


def test_the_factor_for_least_squares_is_made_once_for_all_targets(monkeypatch):
    made = []
    monkeypatch.setattr(matrix, "rough_gram_of_rows", lambda columns: made.append(1) or rough_gram_of_rows(columns))
    rng = np.random.default_rng(0)
    X, targets = rng.standard_normal((20, 50)), rng.standard_normal((20, 3))
    for design in normalise(X, targets[:, 0]).with_targets(targets):
        found = RidgeSolver(design).solve([0.0])[0]
        expected = linalg.lstsq(np.asarray(design.columns).T, design.target)[0]
        np.testing.assert_allclose(found, expected, atol=1e-12)
    assert len(made) == 1


def test_rows_that_are_there_twice_are_decomposed():
    rng = np.random.default_rng(0)
    X, y = np.tile(rng.standard_normal((6, 30)), (2, 1)), rng.standard_normal(12)
    design = normalise(X, y)
    expected = linalg.lstsq(np.asarray(design.columns).T, design.target)[0]
    np.testing.assert_allclose(RidgeSolver(design).solve([0.0])[0], expected, atol=1e-10)
    assert design.matrix.is_decomposed


def test_duplicate_and_constant_columns_share_and_vanish():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 30))
    X[:, 4] = X[:, 3]
    X[:, 9] = 2.5
    design = normalise(X, rng.standard_normal(20))
    for l2 in (0.0, 0.1):
        weights = RidgeSolver(design).solve([l2])[0]
        assert weights[4] == pytest.approx(weights[3])
        assert weights[9] == 0


KINDS = ("vandermonde", "near-duplicates", "few latents", "decaying")


def ill_conditioned(kind, n_rows, n_features, seed):
    """Make a matrix with singular values from the largest down to nearly or beyond the limit of double precision."""
    rng = np.random.default_rng(seed)
    if kind == "vandermonde":
        return np.vander(np.linspace(-1, 1, n_rows), n_features)
    if kind == "near-duplicates":
        X = rng.standard_normal((n_rows, -(-n_features // 2)))
        return np.hstack([X, X + 1e-9 * rng.standard_normal(X.shape)])[:, :n_features]
    if kind == "few latents":
        return rng.standard_normal((n_rows, 3)) @ rng.standard_normal((3, n_features))
    left, _, right = np.linalg.svd(rng.standard_normal((n_rows, n_features)), full_matrices=False)
    return left * 10.0 ** -np.linspace(0, 10, left.shape[1]) @ right


def lapack(design):
    """Return the fitted values, rank and condition number of LAPACK's least squares at NumPy's threshold."""
    A = np.asarray(design.columns).T
    cutoff = np.finfo(float).eps * max(A.shape)
    weights, _, rank, values = linalg.lstsq(A, design.target, cond=cutoff, lapack_driver="gelsd")
    return weights, rank, values[0] / values[rank - 1]


@settings(max_examples=120)
@given(
    st.sampled_from(KINDS),
    st.sampled_from([(40, 30), (30, 40), (25, 25), (60, 8), (146, 134)]),
    st.sampled_from([(1.0, 1.0), (1e-12, 1e8), (1e-3, 1e3)]),
    st.sampled_from([0.0, 1e8]),
    st.integers(0, 99),
    st.booleans(),
)
@example("decaying", (60, 8), (1e-12, 1e8), 1e8, 45, False)  # the second step of refinement shrinks the residual little
@example("decaying", (60, 8), (1e-12, 1e8), 1e8, 2, False)
def test_least_squares_are_lapacks_on_ill_conditioned_designs(kind, shape, scales, offset, seed, in_memory):
    rng = np.random.default_rng(seed)
    X = ill_conditioned(kind, *shape, seed) * np.geomspace(*scales, shape[1]) + offset
    design = normalise(X, rng.standard_normal(shape[0]), in_memory=in_memory)
    expected, rank, condition = lapack(design)
    weights = RidgeSolver(design).solve([0.0])[0]
    if condition < 1e11:  # with a condition number of 1e12 and more, LAPACK's own fit has no more than three digits
        assert design.matrix.singular(design.target).values.size == rank
        size = np.linalg.norm(design.target)
        np.testing.assert_allclose(design.apply(weights), design.apply(expected), atol=1e-13 * condition * size)
        np.testing.assert_allclose(weights, expected, atol=1e-13 * condition * np.linalg.norm(expected))
        assert certificate(design, expected, Penalty(0.0, 0.0)) <= 1e-6
    gap = certificate(design, weights, Penalty(0.0, 0.0))
    assert gap <= (1e-6 if condition < 1e11 else 1e-4)


@pytest.mark.parametrize("in_memory", [True, False])
def test_no_singular_value_that_counts_is_lost(in_memory):
    """Of 133 singular values down to 1e-10 of the largest, a Gram matrix keeps those down to 1e-8."""
    X = ill_conditioned("decaying", 146, 134, 0)
    X -= X.mean(axis=0)
    X /= np.linalg.norm(X, axis=0)
    left, values, right = np.linalg.svd(X, full_matrices=False)
    design = normalise(X, left[:, -6:].sum(axis=1) + left[:, 0], in_memory=in_memory)
    weights = RidgeSolver(design).solve([0.0])[0]
    np.testing.assert_allclose(design.apply(weights), design.target, atol=1e-4)
    truncated = right[:-6].T @ (left[:, :-6].T @ design.target / values[:-6])
    assert certificate(design, weights, Penalty(0.0, 0.0)) <= 1e-6
    assert certificate(design, truncated, Penalty(0.0, 0.0)) == pytest.approx(6 / 7, rel=1e-3)


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.sampled_from([(40, 30), (30, 40), (60, 8)]),
    st.sampled_from([1e-10, 1e-7, 1e-4, 1.0, 1e4]),
    st.integers(0, 99),
    st.booleans(),
)
def test_ridge_is_certified_on_ill_conditioned_designs(kind, shape, alpha, seed, in_memory):
    rng = np.random.default_rng(seed)
    design = normalise(ill_conditioned(kind, *shape, seed), rng.standard_normal(shape[0]), in_memory=in_memory)
    penalty = Penalty(0.0, alpha / shape[0])
    assert certificate(design, RidgeSolver(design).solve([penalty.l2])[0], penalty) <= 1e-6
