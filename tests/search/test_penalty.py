import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, Ridge

from regsearch.search.penalty import Penalty, penalty_of

strength = st.floats(1e-4, 10)


def objective(penalty, A, b, w):
    return np.sum((b - A @ w) ** 2) / (2 * len(b)) + penalty.l1 * np.abs(w).sum() + penalty.l2 * np.sum(w**2) / 2


@given(strength, strength, st.integers(0, 2**31))
def test_each_family_is_its_scikit_learn_estimator_at_a_point_of_one_plane(l1_alpha, l2_alpha, seed):
    rng = np.random.default_rng(seed)
    n = 12
    A, b = rng.standard_normal((n, 4)), rng.standard_normal(n)
    w = rng.standard_normal(4)

    ridge = penalty_of("ridge", {"alpha": l2_alpha}, n)
    assert objective(ridge, A, b, w) == pytest.approx((np.sum((b - A @ w) ** 2) + l2_alpha * w @ w) / (2 * n))
    lasso = penalty_of("lasso", {"alpha": l1_alpha}, n)
    assert objective(lasso, A, b, w) == pytest.approx(np.sum((b - A @ w) ** 2) / (2 * n) + l1_alpha * np.abs(w).sum())
    mix = penalty_of("elasticnet", {"l1_alpha": l1_alpha, "l2_alpha": l2_alpha}, n)
    assert (mix.l1, mix.l2) == (lasso.l1, ridge.l2)
    a, rho = mix.sklearn_alpha, mix.l1_ratio
    theirs = np.sum((b - A @ w) ** 2) / (2 * n) + a * rho * np.abs(w).sum() + 0.5 * a * (1 - rho) * w @ w
    assert objective(mix, A, b, w) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("family", "strengths", "estimator"),
    [
        ("ridge", {"alpha": 0.7}, Ridge(0.7, fit_intercept=False)),
        ("lasso", {"alpha": 0.05}, Lasso(0.05, fit_intercept=False, tol=1e-12)),
        (
            "elasticnet",
            {"l1_alpha": 0.05, "l2_alpha": 0.7},
            ElasticNet(0.05 + 0.7 / 30, l1_ratio=0.05 / (0.05 + 0.7 / 30), fit_intercept=False, tol=1e-12),
        ),
    ],
)
def test_the_estimators_minimum_is_the_planes(family, strengths, estimator):
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((30, 5)), rng.standard_normal(30)
    penalty = penalty_of(family, strengths, 30)
    best = estimator.fit(A, b).coef_
    lowest = objective(penalty, A, b, best)
    for _ in range(200):
        assert objective(penalty, A, b, best + 1e-3 * rng.standard_normal(5)) >= lowest - 1e-12


def test_no_penalty_is_the_origin():
    assert penalty_of("none", {}, 10) == Penalty(0.0, 0.0)
    assert Penalty(0.0, 0.0).l1_ratio == 0.0
