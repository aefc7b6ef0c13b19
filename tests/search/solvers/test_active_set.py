import numpy as np
import pytest

from regsearch.search.solvers.active_set import ActiveSystem, ColumnPool
from regsearch.search.solvers.columns import COPY_COST

COLUMNS = np.random.default_rng(0).standard_normal((60, 20))


@pytest.mark.parametrize("size", [0, 1, 40 // COPY_COST, 40])
def test_a_few_pooled_columns_and_many_are_multiplied_alike(size):
    rng = np.random.default_rng(1)
    pool = ColumnPool(COLUMNS)
    features = rng.permutation(60)[:40]
    slots = pool.admit(features)[rng.permutation(40)[:size]]
    chosen = COLUMNS[pool.features[slots]]
    vector, coefficients = rng.standard_normal(20), rng.standard_normal(size)
    np.testing.assert_allclose(pool.correlate(vector, slots), chosen @ vector, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(pool.combine(slots, coefficients), coefficients @ chosen, rtol=1e-12, atol=1e-13)


@pytest.fixture
def system():
    """Return a system of twelve columns, of which the last is the sum of two others; two columns have left it."""
    columns = COLUMNS.copy()
    columns[11] = columns[3] + columns[4]
    system = ActiveSystem(ColumnPool(columns))
    system.select(np.arange(12), 0.0)
    system.select(np.arange(2, 12), 0.0)
    return system


@pytest.mark.parametrize(
    ("features", "is_dependent"),
    [
        (np.arange(12), True),
        (np.arange(2, 12), True),
        (np.arange(2, 11), False),  # the factor still has the column that depends on them
        (np.setdiff1d(np.arange(12), 3), False),
        (np.array([3, 4, 11, 40]), True),  # a column that the factor does not have
        (np.array([3, 11, 40, 41]), False),
        (np.arange(0), False),
    ],
)
def test_columns_that_depend_on_each_other_are_told_from_those_that_once_stood_beside_them(
    system, features, is_dependent
):
    assert system.may_be_dependent(features) == is_dependent
