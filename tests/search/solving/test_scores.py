"""Scores of predictions against scikit-learn's and NumPy's."""

import numpy as np
import pytest
from sklearn.metrics import r2_score as sklearn_r2

from regsearch.search.solving.scores import pearson_r, r2_score


def test_r2_is_scikit_learns():
    rng = np.random.default_rng(0)
    true, predicted = rng.standard_normal(50), rng.standard_normal(50)
    assert r2_score(true, predicted) == pytest.approx(sklearn_r2(true, predicted), rel=1e-13)


def test_pearson_s_r_is_numpy_s_and_zero_for_predictions_that_do_not_vary():
    rng = np.random.default_rng(0)
    true, predicted = rng.standard_normal(50), 3 - rng.standard_normal(50)
    assert pearson_r(true, predicted) == pytest.approx(np.corrcoef(true, predicted)[0, 1], rel=1e-12)
    assert pearson_r(true, 1e6 + 2 * true) == pytest.approx(1, abs=1e-9)
    assert pearson_r(true, np.full(50, 0.1)) == 0
