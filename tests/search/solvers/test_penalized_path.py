import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.preprocessing import StandardScaler

from regsearch import ConfigError, DataError, PenaltySearchCV, penalized_path

TIGHT = {"tol": 1e-14, "max_iter": 100_000}


def table(n_rows=30, n_features=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * rng.uniform(0.5, 5, n_features) + 3
    return X, X[:, :3].sum(axis=1) + rng.standard_normal(n_rows)


STRENGTH = st.floats(0.01, 2)


@settings(max_examples=25)
@given(
    pairs=st.lists(st.tuples(STRENGTH, STRENGTH | st.just(0.0)), min_size=1, max_size=4),
    is_wide=st.booleans(),
    scale=st.sampled_from(["standard", "none"]),
)
def test_each_model_is_the_one_that_scikit_learn_fits(pairs, is_wide, scale):
    X, y = table(20, 40) if is_wide else table(40, 6)
    l1, l2 = np.transpose(pairs)
    found = penalized_path(X, y, l1, l2, scale=scale)
    Z = StandardScaler().fit_transform(X) if scale == "standard" else X
    for coef, intercept, one, other in zip(found.coef, found.intercept, l1, l2, strict=True):
        theirs = ElasticNet(one + other, l1_ratio=one / (one + other), **TIGHT).fit(Z, y)
        np.testing.assert_allclose(X @ coef + intercept, theirs.predict(Z), atol=1e-5)
    assert found.duality_gap.max() < 1e-6


def test_without_an_l1_strength_it_is_ridge_and_without_any_least_squares():
    X, y = table()
    found = penalized_path(X, y, 0.0, [0.5, 0.0], scale="none")
    np.testing.assert_allclose(found.coef[0], Ridge(0.5 * len(y)).fit(X, y).coef_, atol=1e-10)
    solution, *_ = np.linalg.lstsq(np.c_[X, np.ones(len(y))], y)
    np.testing.assert_allclose([*found.coef[1], found.intercept[1]], solution, atol=1e-9)


def test_strengths_may_come_in_any_order_and_as_a_single_one():
    X, y = table()
    l1 = np.array([0.001, 0.1, 0.01])
    found, sorted_ = penalized_path(X, y, l1, 0.02), penalized_path(X, y, np.sort(l1), [0.02] * 3)
    np.testing.assert_allclose(found.coef[[0, 2, 1]], sorted_.coef, atol=1e-12)
    assert penalized_path(X, y, 0.1).coef.shape == (1, X.shape[1])


def test_a_row_of_weight_two_counts_twice_and_one_of_weight_zero_not_at_all():
    X, y = table()
    weights = np.arange(len(y)) % 3
    weighted = penalized_path(X, y, [0.05, 0.01], 0.1, sample_weight=weights, scale="standard")
    repeated = penalized_path(X.repeat(weights, axis=0), y.repeat(weights), [0.05, 0.01], 0.1, scale="standard")
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-10)
    np.testing.assert_allclose(weighted.intercept, repeated.intercept, atol=1e-10)


def test_a_target_that_does_not_vary_needs_no_weight():
    X, _ = table()
    found = penalized_path(X, np.full(len(X), 2.0), [0.1, 0.0])
    assert not found.coef.any()
    np.testing.assert_allclose(found.intercept, 2.0)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("scale", ["unit-norm", "standard", "none"])
def test_columns_that_do_not_vary_get_no_weight_under_any_scale(scale):
    y = np.random.default_rng(0).standard_normal(40)
    found = penalized_path(np.ones((40, 2)), y, [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], scale=scale)
    assert not found.coef.any()
    assert not found.duality_gap.any()
    assert not PenaltySearchCV(scale=scale).fit(np.ones((40, 2)), y).coef_.any()


X, Y = table()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"l1": [1, 2], "l2": [1, 2, 3]}, r"l1 and l2: .* found shapes \(2,\) and \(3,\)"),
        ({"l1": np.ones((2, 2))}, r"found shape \(2, 2\); ravel them"),
        ({"l1": [0.1, -1]}, "l1: expected finite strengths of at least 0, found -1"),
        ({"l2": np.inf}, "l2: .* found inf"),
        ({"scale": "unit"}, "scale: expected one of unit-norm, standard, none, found 'unit'"),
        ({"tolerance": 0}, "tolerance: expected a number between 0 and 1, found 0"),
        ({"X": Y}, r"X: expected a table of rows and columns, found shape \(30,\)"),
        ({"X": np.where(np.arange(30)[:, None] == 4, np.nan, X)}, r"X: .* found 12 .*, the first in row 4"),
        ({"X": X * 1e160}, r"X: expected magnitudes .* between 1e-100 and 1e\+100, found"),
        ({"X": X * 1e-300}, "X: expected magnitudes .*, found values that differ by"),
        ({"y": Y * 1e160}, "y: expected magnitudes"),
        ({"y": Y * 1e-300}, "y: expected magnitudes"),
        ({"sample_weight": np.full(30, 1e-200)}, "sample_weight: expected weights of 0 or between .*, found 1e-200"),
        ({"X": np.ma.masked_greater(X, 9)}, r"X: expected no masked values, found \d+, the first in row \d+"),
        ({"y": np.ma.masked_equal(Y, Y[7])}, "y: expected no masked values, found 1, the first in row 7"),
        ({"y": Y[:5]}, r"y: expected one number for each of the 30 rows of X, found shape \(5,\)"),
        ({"sample_weight": np.ones(3)}, r"sample_weight: .* found shape \(3,\)"),
        ({"sample_weight": np.zeros(30)}, "sample_weight: .* every weight is zero"),
        ({"sample_weight": -np.ones(30)}, "sample_weight: .* found -1"),
        ({"X": csr_array(X)}, r"X: expected a dense array, found a sparse one; give X.toarray\(\)"),
        ({"X": X + 1j}, "X: expected real numbers, found values of type complex128"),
        ({"y": Y.astype("datetime64[s]")}, "y: expected real numbers, found values of type datetime64"),
        ({"y": pd.Series([pd.NA, *range(29)], dtype="object")}, "y: expected a number in every place"),
        ({"y": pd.Series([pd.NA, *range(29)], dtype="Int64")}, "y: expected finite numbers, found 1"),
        ({"sample_weight": ["a"] * 30}, "sample_weight: expected a number in every place, found others or nothing"),
        ({"l1": "a"}, "l1: expected a number in every place"),
        ({"l2": np.ma.masked_equal([0.1, 0.2], 0.1)}, "l2: expected no masked values"),
        ({"tolerance": "a"}, "tolerance: expected a number between 0 and 1, found 'a'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(given, said):
    with pytest.raises((ConfigError, DataError), match=said) as raised:
        penalized_path(**{"X": X, "y": Y, "l1": 0.1, **given})
    assert "\n" not in str(raised.value)
