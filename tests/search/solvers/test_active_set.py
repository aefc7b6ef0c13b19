import numpy as np
import pytest

from regsearch.search.solvers.active_set import COPY_COST, ColumnPool

rng = np.random.default_rng(0)
COLUMNS = rng.standard_normal((60, 20))


@pytest.mark.parametrize("size", [0, 1, 40 // COPY_COST, 40])
def test_a_few_pooled_columns_and_many_are_multiplied_alike(size):
    pool = ColumnPool(COLUMNS)
    features = rng.permutation(60)[:40]
    slots = pool.admit(features)[rng.permutation(40)[:size]]
    chosen = COLUMNS[pool.features[slots]]
    vector, coefficients = rng.standard_normal(20), rng.standard_normal(size)
    np.testing.assert_allclose(pool.correlate(vector, slots), chosen @ vector, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(pool.combine(slots, coefficients), coefficients @ chosen, rtol=1e-12, atol=1e-13)
