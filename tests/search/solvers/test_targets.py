"""One set of rows, many targets: they share what depends on features alone, and fits are those of fresh paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.matrix import Matrix
from regsearch.search.solvers.path import RegularizationPath

SHAPES = {"wide": (25, 60), "square": (30, 30), "taller": (45, 30), "tall": (90, 12)}
PLANE = [(0.0, 0.0), (0.0, 0.02), (0.5, 0.0), (0.05, 0.0), (0.05, 0.02), (0.2, 1.0)]


def features(kind, n_rows, n_features, rng):
    X = rng.standard_normal((n_rows, n_features)) * rng.uniform(0.1, 10, n_features) + rng.uniform(-5, 5, n_features)
    if kind == "dependent":
        X[:, 1::3] = -X[:, : n_features - 1 : 3]
        X[:, 2] = 4.0
    return X


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.sampled_from(list(SHAPES)),
    st.sampled_from(["normal", "dependent"]),
    st.sampled_from(["unit-norm", "standard", "none"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
    st.randoms(use_true_random=False),
)
def test_fits_of_targets_that_share_are_those_of_fresh_paths(
    shape, kind, scale, weighted, with_covariates, in_memory, seed, chance
):
    rng = np.random.default_rng(seed)
    n_rows, n_features = SHAPES[shape]
    X = features(kind, n_rows, n_features, rng)
    Y = X[:, :3] @ rng.standard_normal((3, 4)) + rng.standard_normal((n_rows, 4)) * [0.1, 1, 10, 100] + [0, 0, 9, 1e4]
    options = {
        "scale": scale,
        "weights": rng.uniform(0.5, 2, n_rows) if weighted else None,
        "covariates": rng.standard_normal((n_rows, 2)) if with_covariates else None,
        "in_memory": in_memory,
    }
    first = RegularizationPath(X, Y[:, 0], **options)
    paths = [first, *first.with_targets(Y[:, 1:3]), first.with_target(Y[:, 3])]
    asked = [(number, point) for number in range(4) for point in PLANE]
    chance.shuffle(asked)
    for number, (share, l2) in asked:
        fresh = RegularizationPath(X, Y[:, number], **options)
        penalty = Penalty(share * fresh.largest_l1, l2)
        (found,), (expected,) = paths[number].solve([penalty]), fresh.solve([penalty])
        size = np.abs(Y[:, number] - Y[:, number].mean()).max()
        np.testing.assert_allclose(found.fitted, expected.fitted, atol=1e-7 * size)
        assert found.duality_gap <= max(1e-12, 10 * expected.duality_gap)
        if kind == "normal":
            atol = 1e-6 * np.abs(expected.coef).max()
            np.testing.assert_allclose(found.coef, expected.coef, atol=atol)
            np.testing.assert_allclose(found.covariate_coef, expected.covariate_coef, atol=1e-6 * size)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_decomposition_of_the_features_is_made_once(shape, monkeypatch):
    rng = np.random.default_rng(0)
    X, Y = features("normal", *shape, rng), rng.standard_normal((shape[0], 20))
    made, spectrum = [], Matrix.spectrum.func
    monkeypatch.setattr(Matrix.spectrum, "func", lambda matrix: made.append(matrix) or spectrum(matrix))
    for path in RegularizationPath(X, Y[:, 0]).with_targets(Y):
        list(path.solve([Penalty(0.0, 0.1), Penalty(0.0, 1.0)]))
    assert len(made) == 1


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", ["normal", "dependent"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_coefficients_of_all_penalties_are_those_of_one_after_another(shape, kind, in_memory):
    rng = np.random.default_rng(1)
    X = features(kind, *shape, rng)
    y, covariates = X[:, 0] - X[:, 3] + rng.standard_normal(shape[0]), rng.standard_normal((shape[0], 2))
    options = {"covariates": covariates, "weights": rng.uniform(1, 2, shape[0]), "in_memory": in_memory}
    path = RegularizationPath(X, y, **options)
    penalties = [Penalty(share * path.largest_l1, l2) for share, l2 in [*PLANE, (0.0, 1e-9), (0.0, 10.0)]]
    found = path.coefficients(penalties)
    for place, fit in enumerate(RegularizationPath(X, y, **options).solve(penalties)):
        predicted = X @ found.coef[place] + found.intercept[place] + covariates @ found.covariate_coef[place]
        np.testing.assert_allclose(predicted, fit.fitted, atol=1e-6 * np.abs(y).max())
        assert found.duality_gap[place] <= 1e-6
