"""Lagged columns are those that one would copy out by hand, and no lag looks across the start of a group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch.data.lagged import Lagged, lag_sources
from regsearch.data.table import Table
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.path import RegularizationPath


def by_hand(X, lags, groups):
    """Return rows with a past and their lagged features, looking for each row's past one row at a time."""
    kept, made = [], []
    for i in range(len(X)):
        own = [j for j in range(len(X)) if groups[j] == groups[i]]
        at = own.index(i)
        if all(0 <= at - lag < len(own) for lag in lags):
            kept.append(i)
            made.append(np.concatenate([X[own[at - lag]] for lag in lags]))
    return np.array(kept, dtype=int), np.array(made).reshape(len(kept), len(lags) * X.shape[1])


@given(
    st.integers(1, 30),
    st.integers(1, 6),
    st.lists(st.integers(-2, 4), min_size=1, max_size=4, unique=True),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 10**6),
    st.data(),
)
def test_columns_are_those_copied_by_hand(n_rows, n_features, lags, n_groups, mixed, seed, data):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    groups = rng.integers(0, n_groups, n_rows)
    groups = groups if mixed else np.sort(groups)
    expected_rows, expected = by_hand(X, lags, groups)
    rows, sources = lag_sources(n_rows, lags, np.array(["a", "b", "c"])[groups])
    np.testing.assert_array_equal(rows, expected_rows)
    held = Table.copy(X, [(0, n_rows)]).select([(0, n_rows)])
    for lagged in (Lagged(X, sources), Lagged(held, sources)):
        assert lagged.shape == expected.shape
        np.testing.assert_array_equal(lagged[:, :], expected)
        start, stop = sorted(data.draw(st.tuples(*[st.integers(0, lagged.shape[1])] * 2)))
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, lagged.shape[0])] * 2)))
        np.testing.assert_array_equal(lagged[first:last, start:stop], expected[first:last, start:stop])
        picked = np.array(data.draw(st.lists(st.integers(0, lagged.shape[1] - 1), min_size=1, max_size=9)))
        np.testing.assert_array_equal(lagged[:, picked], expected[:, picked])


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("penalty", [Penalty(0, 0), Penalty(0, 0.1), Penalty(0.05, 0), Penalty(0.05, 0.1)])
def test_fits_on_lagged_columns_are_fits_on_copies(in_memory, penalty):
    rng = np.random.default_rng(0)
    X, groups = rng.standard_normal((60, 10)), np.repeat([0, 1, 2], 20)
    rows, sources = lag_sources(60, [0, 1, 3], groups)
    assert len(rows) == 51
    y = X[sources[1], 0] - X[sources[2], 4] + rng.standard_normal(51)
    lagged = Lagged(X, sources)
    (found,) = RegularizationPath(lagged, y, in_memory=in_memory).solve([penalty])
    (expected,) = RegularizationPath(np.hstack([X[source] for source in sources]), y).solve([penalty])
    np.testing.assert_allclose(found.coef, expected.coef, atol=1e-10)
