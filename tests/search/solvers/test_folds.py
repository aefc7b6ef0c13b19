"""Tall data are solved from moments that folds share: the same fits as from the rows, by a certificate of the rows."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from regsearch.data.table import Table
from regsearch.search.penalty import Penalty
from regsearch.search.solvers import folds
from regsearch.search.solvers import moments as module
from regsearch.search.solvers.design import normalise
from regsearch.search.solvers.folds import TrainingRows, paths_for
from regsearch.search.solvers.moments import combined, moments, rough_mean
from regsearch.search.solvers.path import RegularizationPath
from regsearch.search.solvers.reduction import product_from, reduced_by_reflections, triangle_from

KINDS = ("normal", "duplicates", "near-duplicates", "offsets", "sizes", "latents", "constant in a fold", "binary")


def table(kind, n_rows, n_features, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    if kind == "duplicates":
        X[:, 1::2] = -X[:, : n_features - 1 : 2]
    elif kind == "near-duplicates":
        X[:, 1::2] = X[:, : n_features - 1 : 2] + 1e-6 * X[:, 1::2]
    elif kind == "offsets":
        X += 1e8
    elif kind == "sizes":
        X *= 10.0 ** rng.uniform(-12, 8, n_features)
    elif kind == "latents":
        X = X[:, :2] @ rng.standard_normal((2, n_features)) + 0.05 * X
    elif kind == "constant in a fold":
        X[n_rows // 3 :, 0] = 0.1
        X[:, 1] = 3.0
    elif kind == "binary":
        X = (X > 0.5).astype(np.float32)
    scaled = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-300)
    return X, scaled[:, 0] - 2 * scaled[:, -1] + rng.standard_normal(n_rows)


def training_sets(X, y, n_folds, embargo, weights=None, covariates=None):
    n_rows = len(y)
    held = Table.copy(X, [(0, n_rows)])

    def rows(index):
        breaks = np.flatnonzero(np.diff(index) > 1) + 1
        runs = [(int(run[0]), int(run[-1]) + 1) for run in np.split(index, breaks)]
        own = [None if values is None else values[index] for values in (weights, covariates)]
        return TrainingRows(held.select(runs), y[index], index, *own)

    every = np.arange(n_rows)
    parts = np.array_split(every, n_folds)
    return [rows(every[(every < part[0] - embargo) | (every > part[-1] + embargo)]) for part in parts] + [rows(every)]


class FromRows(RegularizationPath):
    """The path that works on rows, however many there are."""

    _is_tall = False


def from_rows(rows, **options):
    return FromRows(rows.X, rows.y, weights=rows.weights, covariates=rows.covariates, **options)


@settings(max_examples=80)
@given(
    st.sampled_from(KINDS),
    st.sampled_from([(60, 6), (90, 20), (200, 9)]),
    st.integers(2, 4),
    st.integers(0, 3),
    st.sampled_from(["unit-norm", "standard", "none"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from([0.0, 0.003, 0.1, 0.5]), st.sampled_from([0.0, 0.01, 1.0])), max_size=4),
    st.integers(0, 10**6),
)
def test_fits_from_shared_moments_are_fits_from_rows(
    kind, shape, n_folds, embargo, scale, weighted, with_covariates, points, seed
):
    assume(kind != "sizes" or scale != "none")  # a condition number of 1e20 leaves nothing to compare
    X, y = table(kind, *shape, seed)
    rng = np.random.default_rng(seed + 1)
    weights = rng.uniform(0.5, 2, shape[0]) if weighted else None
    covariates = rng.standard_normal((shape[0], 2)) + 3 if with_covariates else None
    sets = training_sets(X, y, n_folds, embargo, weights, covariates)
    size = np.abs(y - y.mean()).max()
    for path, rows in zip(paths_for(sets, scale=scale), sets, strict=True):
        penalties = [Penalty(share * path.largest_l1, l2) for share, l2 in points]
        for found, expected in zip(path.solve(penalties), from_rows(rows, scale=scale).solve(penalties), strict=True):
            np.testing.assert_allclose(found.fitted, expected.fitted, atol=1e-6 * size)
            assert found.duality_gap <= max(1e-12, 10 * expected.duality_gap)


@given(st.sampled_from(KINDS), st.integers(1, 5), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_moments_are_put_together_without_cancellation(kind, n_parts, seed, weighted, scattered):
    X, y = table(kind, 40, 4, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 3, 40) if weighted else np.ones(40)
    order = np.random.default_rng(seed).permutation(40) if scattered else np.arange(40)
    parts = [np.sort(part) for part in np.array_split(order, n_parts)]
    centre = rough_mean(X, y)
    given = weights if weighted else None
    found = combined([moments(X, y, part, centre=centre, weights=given) for part in parts])
    Z = np.column_stack([X, y]).astype(np.longdouble)
    mean = weights @ Z / weights.sum()
    centred = np.sqrt(weights)[:, None] * (Z - mean)
    norm = np.linalg.norm(centred.astype(float), axis=0)
    assert found.weight == pytest.approx(weights.sum())
    assert (np.abs(found.mean + centre - mean.astype(float)) <= 1e-13 * norm + 1e-15 * np.abs(centre)).all()
    expected = np.tril((centred.T @ centred).astype(float))
    varying = np.ptp(Z, axis=0) > 0
    assert (np.abs(found.cross - expected) <= 1e-13 * np.outer(norm, norm))[np.ix_(varying, varying)].all()


class Counting:
    """A matrix that counts the values that are read of it."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.read = X, X.shape, X.dtype, 0

    def __getitem__(self, key):
        part = self.X[key]
        self.read += part.size
        return part


def test_rows_are_read_once_for_the_moments_of_every_fold_and_once_for_all_certificates(monkeypatch):
    X, y = table("normal", 300, 10, 0)
    sets = [TrainingRows(Counting(rows.X), rows.y, rows.index) for rows in training_sets(X, y, 5, 2)]
    paths = paths_for(sets)
    for path in paths:
        list(path.solve(Penalty(share * path.largest_l1, 0.0) for share in np.geomspace(1, 0.01, 20)))
    normalising, largest_l1, certificates = 1, 1, 1
    assert [rows.X.read / (len(rows.y) * 10) for rows in sets[:-1]] == [normalising + largest_l1 + certificates] * 5
    assert sets[-1].X.read / (300 * 10) == normalising + largest_l1 + certificates + 1 + 1  # a rough mean, and moments
    before = [rows.X.read for rows in sets]
    for path in paths:
        list(path.solve([Penalty(0.0, 0.0)]))
    read = [rows.X.read - earlier for rows, earlier in zip(sets, before, strict=True)]
    residual, products = 1, 1  # of least squares, and nothing for how far it is from its optimum
    assert read == [len(rows.y) * 10 * (residual + products) for rows in sets]


def test_folds_that_no_set_holds_all_of_have_moments_of_their_own():
    X, y = table("normal", 100, 5, 0)
    sets = training_sets(X, y, 3, 0)[:-1]
    for path, rows in zip(paths_for(sets), sets, strict=True):
        (found,), (expected,) = (each.solve([Penalty(0.01, 0.0)]) for each in (path, from_rows(rows)))
        np.testing.assert_allclose(found.coef, expected.coef, atol=1e-10)


@pytest.mark.parametrize("kind", ["normal", "duplicates", "near-duplicates", "latents"])
def test_the_triangle_is_the_same_problem_whether_moments_are_exact_enough_or_not(kind):
    X, y = table(kind, 200, 10, 0)
    design = normalise(X, y, in_memory=False)
    own = moments(X, y, np.arange(200), centre=rough_mean(X, y))
    triangle = triangle_from(design.matrix, own)
    assert (triangle is None) == (kind in ("duplicates", "near-duplicates"))
    ways = [reduced_by_reflections([design])]
    if triangle is not None:
        np.testing.assert_allclose(triangle.gram(), np.tril(design.matrix.gram), atol=1e-12)
        ways += [triangle.reduced([design]), [triangle.of(design, product_from(design, own))]]
    A = np.asarray(design.columns)
    singular = np.linalg.svd(A, compute_uv=False)
    for (small,) in ways:
        assert small.n_rows <= 11
        np.testing.assert_allclose(small.columns @ small.columns.T, A @ A.T, atol=1e-12)
        np.testing.assert_allclose(small.columns @ small.target, A @ design.target, atol=1e-11)
        assert small.target @ small.target == pytest.approx(design.target @ design.target)
        np.testing.assert_allclose(np.linalg.svd(small.columns, compute_uv=False), singular, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_penalties_does_not_matter_to_reduced_designs(weighted):
    X, y = table("latents", 300, 30, 1)
    weights = np.random.default_rng(0).uniform(0.5, 2, 300) if weighted else None
    path = RegularizationPath(X, y, weights=weights)
    penalties = [Penalty(share * path.largest_l1, l2) for share in (0.5, 0.1, 0.01) for l2 in (0.0, 0.01)]
    expected = {fit.penalty: fit for fit in path.solve(penalties)}
    for order in (penalties[::-1], np.random.default_rng(0).permutation(len(penalties))):
        shuffled = [one if isinstance(one, Penalty) else penalties[one] for one in order]
        for penalty in shuffled:
            (fit,) = RegularizationPath(X, y, weights=weights).solve([penalty])
            np.testing.assert_allclose(fit.fitted, expected[penalty].fitted, atol=1e-9 * np.std(y))


def test_moments_are_read_in_blocks(monkeypatch):
    X, y = table("normal", 500, 5, 0)
    whole = moments(X, y, np.arange(500), centre=np.zeros(6))
    monkeypatch.setattr(module, "_BLOCK_VALUES", 60)
    cut = moments(X, y, np.arange(500), centre=np.zeros(6))
    np.testing.assert_allclose(cut.cross, whole.cross, atol=1e-11)
    np.testing.assert_allclose(cut.mean, whole.mean, atol=1e-14)


def test_sums_are_shared_by_folds_and_not_by_splits_that_have_hardly_two_rows_in_common(monkeypatch):
    summed = []
    counted = module.moments
    monkeypatch.setattr(folds, "moments", lambda *given, **known: summed.append(1) or counted(*given, **known))
    X, y = table("normal", 120, 4, seed=0)
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.permutation(120)[:60]) for _ in range(10)]
    splits = [TrainingRows(X[index], y[index], index) for index in (*drawn, np.arange(120))]
    for sets, n_sums in ((training_sets(X, y, 5, embargo=2), 9), (splits, 0)):
        summed.clear()
        for path, rows in zip(paths_for(sets), sets, strict=True):
            (fit,) = path.solve([Penalty(0.01, 0.0)])
            (alone,) = FromRows(rows.X, rows.y).solve([Penalty(0.01, 0.0)])
            np.testing.assert_allclose(fit.coef, alone.coef, rtol=1e-9, atol=1e-12)
        assert len(summed) == n_sums
