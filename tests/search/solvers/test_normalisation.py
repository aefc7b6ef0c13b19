"""Scales, row weights and covariates mean what they say: against scikit-learn, row replication and the conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.design import normalise
from regsearch.search.solvers.path import RegularizationPath

scales = st.sampled_from(["unit-norm", "standard", "none"])
shapes = st.sampled_from([(14, 40), (40, 14), (25, 25)])
seeds = st.integers(0, 10**6)


def problem(shape, seed, n_covariates=2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) * rng.uniform(0.1, 10, shape[1]) + rng.uniform(-5, 5, shape[1])
    C = rng.standard_normal((shape[0], n_covariates)) * 3 + 7
    X[:, 1] += 2 * C[:, 0] if n_covariates else 0
    y = X[:, 0] - 2 * X[:, -1] + C.sum(axis=1) + rng.standard_normal(shape[0])
    return X, y, C, rng.integers(1, 4, shape[0])


def fit(X, y, penalty, **options):
    (solved,) = RegularizationPath(X, y, tolerance=1e-13, **options).solve([penalty])
    return solved


def scaled(X, scale, weights=None):
    """Return centred and scaled columns, by the words of the definition, one at a time."""
    weights = np.ones(len(X)) if weights is None else weights
    made = np.zeros(X.shape)
    for j, column in enumerate(X.T):
        centred = column - (weights @ column) / weights.sum()
        squares = weights @ centred**2
        made[:, j] = (
            centred / {"unit-norm": np.sqrt(squares), "standard": np.sqrt(squares / weights.sum()), "none": 1}[scale]
        )
    return made


@settings(max_examples=60)
@given(scales, shapes, seeds, st.floats(0.01, 0.5), st.sampled_from([0.0, 0.01, 1.0]))
def test_scales_are_those_of_scikit_learn(scale, shape, seed, share, l2):
    X, y, _, _ = problem(shape, seed)
    columns = {"standard": lambda: StandardScaler().fit_transform(X)}.get(scale, lambda: scaled(X, scale))()
    largest = np.abs(columns.T @ (y - y.mean())).max() / len(y)
    penalty = Penalty(share * largest, l2)
    theirs = ElasticNet(penalty.sklearn_alpha, l1_ratio=penalty.l1_ratio, tol=1e-12, max_iter=1_000_000).fit(columns, y)
    ours = fit(X, y, penalty, scale=scale)
    size = np.abs(y - y.mean()).max()
    np.testing.assert_allclose(ours.fitted, theirs.predict(columns), atol=1e-5 * size)
    np.testing.assert_allclose(X @ ours.coef + ours.intercept, ours.fitted, atol=1e-9 * size)
    assert ours.duality_gap <= 1e-13
    assert RegularizationPath(X, y, scale=scale).largest_l1 == pytest.approx(largest)
    assert not fit(X, y, Penalty(largest * (1 + 1e-9), l2), scale=scale).coef.any()


@settings(max_examples=40)
@given(scales, shapes, seeds, st.sampled_from([0.1, 10.0]))
def test_ridge_under_each_scale_is_scikit_learns(scale, shape, seed, alpha):
    X, y, _, _ = problem(shape, seed)
    columns = scaled(X, scale)
    theirs = Ridge(alpha, solver="svd").fit(columns, y)
    ours = fit(X, y, Penalty(0.0, alpha / len(y)), scale=scale)
    np.testing.assert_allclose(ours.fitted, theirs.predict(columns), atol=1e-8 * np.abs(y).max())


@settings(max_examples=120)
@given(
    scales,
    shapes,
    seeds,
    st.sampled_from([(0, 0), (0, 0.03), (0.1, 0), (0.02, 0.03)]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1.0, 0.25]),
)
def test_integer_weights_are_repeated_rows(scale, shape, seed, strengths, covariates, in_memory, unit):
    X, y, C, weights = problem(shape, seed)
    rows = np.repeat(np.arange(len(y)), weights)
    options = {"scale": scale, "in_memory": in_memory}
    repeated = RegularizationPath(X[rows], y[rows], **options, covariates=C[rows] if covariates else None)
    penalty = Penalty(strengths[0] * repeated.largest_l1, strengths[1])
    (expected,) = repeated.solve([penalty])
    path = RegularizationPath(X, y, **options, weights=weights.astype(float), covariates=C if covariates else None)
    (found,) = path.solve([penalty])
    assert path.total_weight == repeated.n_rows
    size = np.abs(y - y.mean()).max()
    np.testing.assert_allclose(found.fitted[np.repeat(np.arange(len(y)), weights)], expected.fitted, atol=1e-8 * size)
    np.testing.assert_allclose(found.covariate_coef, expected.covariate_coef, atol=1e-7 * size)
    assert found.duality_gap <= 1e-12
    if penalty.l1:
        scaled_by = RegularizationPath(X, y, **options, weights=unit * weights, covariates=C if covariates else None)
        if scale != "unit-norm":  # a weighted norm grows with the weights; everything else depends on their ratios only
            (other,) = scaled_by.solve([penalty])
            np.testing.assert_allclose(other.fitted, found.fitted, atol=1e-8 * size)


@settings(max_examples=120)
@given(
    scales,
    shapes,
    seeds,
    st.sampled_from([(0, 0.03), (0.1, 0), (0.01, 0), (0.02, 0.03)]),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_fits_with_covariates_satisfy_the_conditions_of_the_problem_that_has_them(
    scale, shape, seed, strengths, n_covariates, weighted, in_memory
):
    X, y, C, counts = problem(shape, seed, n_covariates)
    weights = counts.astype(float) if weighted else np.ones(len(y))
    options = {"scale": scale, "covariates": C, "in_memory": in_memory, "weights": weights if weighted else None}
    penalty = Penalty(strengths[0] * RegularizationPath(X, y, **options).largest_l1, strengths[1])
    found = fit(X, y, penalty, **options)
    residual = y - X @ found.coef - C @ found.covariate_coef - found.intercept
    np.testing.assert_allclose(found.fitted, y - residual, atol=1e-8 * np.abs(y).max())
    size = np.linalg.norm(y - y.mean())
    assert abs(weights @ residual) <= 1e-8 * size
    np.testing.assert_allclose((weights * residual) @ C, 0, atol=1e-7 * size)
    # The scale is that of the columns with the covariates projected out.
    nuisance = LinearRegression().fit(C, X, sample_weight=weights)
    columns = X - nuisance.predict(C)
    norm = np.sqrt(weights @ columns**2)
    divisor = {"unit-norm": norm, "standard": norm / np.sqrt(weights.sum()), "none": np.ones(len(norm))}[scale]
    w = found.coef * divisor
    gradient = (weights * residual) @ (columns / divisor) / weights.sum() - penalty.l2 * w
    active = found.coef != 0
    bound = 1e-8 * np.abs((weights * (y - y.mean())) @ (columns / divisor)).max() / weights.sum()
    np.testing.assert_allclose(gradient[active], penalty.l1 * np.sign(w[active]), atol=bound)
    assert np.abs(gradient).max() <= penalty.l1 + bound


def test_least_squares_with_covariates_are_least_squares_on_both():
    X, y, C, _ = problem((40, 14), 0)
    found = fit(X, y, Penalty(0.0, 0.0), covariates=C)
    theirs = LinearRegression().fit(np.hstack([C, X]), y)
    np.testing.assert_allclose(found.covariate_coef, theirs.coef_[:2], atol=1e-9)
    np.testing.assert_allclose(found.coef, theirs.coef_[2:], atol=1e-9)
    assert found.intercept == pytest.approx(theirs.intercept_)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_feature_that_the_covariates_explain_is_constant_and_vanishes(in_memory):
    X, y, C, _ = problem((40, 14), 0)
    X[:, 3] = 2 * C[:, 0] - C[:, 1] + 5
    design = normalise(X, y, covariates=C, in_memory=in_memory)
    assert np.flatnonzero(design.constant).tolist() == [3]
    assert design.scale[3] == 1
    assert not np.asarray(design.columns)[3].any()
    for penalty in (Penalty(0, 0), Penalty(0, 0.01), Penalty(0.01, 0)):
        assert fit(X, y, penalty, covariates=C, in_memory=in_memory).coef[3] == 0


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("offset", [0.0, 1e5, 1e8])
def test_a_feature_that_a_covariate_or_two_give_vanishes_at_any_offset(offset, in_memory):
    X, y, C, counts = problem((40, 14), 0)
    C += offset
    X[:, 3], X[:, 5] = C[:, 0], C[:, 0] + C[:, 1]
    found = fit(X, y, Penalty(0, 0.01), covariates=C, weights=counts.astype(float), in_memory=in_memory)
    assert np.flatnonzero(found.coef == 0).tolist() == [3, 5]


@given(st.integers(5, 60), st.sampled_from([0.1, 0.3, 7.7, -1e6 - 0.1, 1e-9, 1.7e18]), seeds, st.booleans())
def test_a_covariate_that_does_not_vary_in_the_training_rows_counts_for_nothing(n_rows, value, seed, weighted):
    X, y, C, counts = problem((n_rows, 4), seed)
    options = {"weights": counts.astype(float) if weighted else None}
    known = np.column_stack([C[:, 0], np.full(n_rows, value)])
    found, alone = (fit(X, y, Penalty(0, 0.1), covariates=one, **options) for one in (known, known[:, :1]))
    assert found.covariate_coef[1] == 0
    np.testing.assert_allclose(found.coef, alone.coef, rtol=1e-6, atol=1e-12)
    assert found.intercept == pytest.approx(alone.intercept)


def test_dependent_covariates_project_as_independent_ones_do():
    X, y, C, _ = problem((40, 14), 0)
    one, twice = (fit(X, y, Penalty(0.01, 0), covariates=c) for c in (C, np.hstack([C, C[:, :1] * 3 + 1])))
    np.testing.assert_allclose(twice.coef, one.coef, atol=1e-10)
    np.testing.assert_allclose(twice.fitted, one.fitted, atol=1e-10)


@given(st.sampled_from([1.0, 1e3, 1e8]), st.sampled_from([1e-9, 1e-3, 1.0]), seeds, st.booleans())
def test_covariates_that_differ_in_rounding_alone_are_dependent(offset, spread, seed, weighted):
    if offset / spread > 1e12:
        return  # nothing but rounding is left of the covariate itself
    X, y, C, counts = problem((40, 14), seed)
    light = (C[:, :1] - 7) * spread
    options = {"weights": counts.astype(float) if weighted else None}
    one, both = (
        fit(X, y, Penalty(0, 0.1), covariates=c, **options) for c in (light, np.hstack([light, 2 * light + offset]))
    )
    np.testing.assert_allclose(both.fitted, one.fitted, atol=1e-3 * np.ptp(y))
    known = np.hstack([light, 2 * light + offset])
    predicted = X @ both.coef + known @ both.covariate_coef + both.intercept
    np.testing.assert_allclose(predicted, both.fitted, atol=1e-4 * np.ptp(y))


def test_a_constant_column_keeps_scale_one_under_every_scale():
    X, y, _, _ = problem((20, 6), 0)
    X[:, 2] = 0.1
    for scale in ("unit-norm", "standard", "none"):
        design = normalise(X, y, scale=scale, weights=np.full(20, 0.3))
        assert design.scale[2] == 1
        assert not design.columns[2].any()


@pytest.mark.parametrize("weights", [[1, 1, 0, 1], [1, -1, 1, 1], [1, np.nan, 1, 1], [1, np.inf, 1, 1]])
def test_weights_must_be_positive_and_finite(weights):
    with pytest.raises(ValueError, match="positive, finite row weights"):
        normalise(np.eye(4), np.arange(4.0), weights=np.array(weights, float))


@settings(max_examples=40)
@given(seeds, st.sampled_from([0.3, 0.03]), st.sampled_from([0.0, 1e-3]))
def test_without_a_scale_features_of_very_different_size_are_solved_exactly(seed, share, l2):
    X, y, _, _ = problem((30, 40), seed)
    X = X * 10.0 ** np.random.default_rng(seed).uniform(-6, 6, 40)
    path = RegularizationPath(X, y, scale="none", tolerance=1e-10)
    (found,) = path.solve([Penalty(share * path.largest_l1, l2)])
    assert found.duality_gap <= 1e-10
