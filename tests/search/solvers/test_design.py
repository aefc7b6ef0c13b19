import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regsearch.search.solvers.design import normalise


@given(st.integers(2, 40), st.integers(1, 30), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**31))
def test_columns_are_centred_and_of_unit_norm_and_units_come_back(n_rows, n_features, dtype, seed):
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n_rows, n_features)) * 10.0 ** rng.integers(-3, 4, n_features) + 5).astype(dtype)
    y = rng.standard_normal(n_rows)
    design = normalise(X, y)
    np.testing.assert_allclose(design.columns.sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(design.columns, axis=1), 1, rtol=1e-12)
    weights = rng.standard_normal(n_features)
    coef, intercept = design.to_units(weights)
    expected = X.astype(float) @ coef + intercept
    np.testing.assert_allclose(
        design.apply(weights) + design.target_mean, expected, atol=1e-6 * np.abs(coef).max() * 1e4
    )


def test_a_constant_column_keeps_scale_one_and_vanishes():
    X = np.random.default_rng(0).standard_normal((50, 3))
    X[:, 1] = 0.1
    design = normalise(X, np.arange(50.0))
    assert design.scale[1] == 1
    assert not design.columns[1].any()


def test_the_scale_is_the_norm_and_not_the_deviation():
    X = np.array([[1.0], [3.0], [5.0], [7.0]])
    design = normalise(X, np.arange(4.0))
    assert design.mean[0] == 4
    np.testing.assert_allclose(design.scale[0], np.sqrt(9 + 1 + 1 + 9))


def test_sparse_and_dense_weights_are_applied_alike():
    rng = np.random.default_rng(0)
    design = normalise(rng.standard_normal((30, 50)), rng.standard_normal(30))
    for n_zero in (0, 10, 45, 50):
        weights = rng.standard_normal(50)
        weights[:n_zero] = 0
        np.testing.assert_allclose(design.apply(weights), design.columns.T @ weights, atol=1e-12)
