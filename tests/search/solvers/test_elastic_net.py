"""The path solver agrees with coordinate descent, and certifies what it returns, on every kind of design."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet
from threadpoolctl import threadpool_limits

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.certificate import certificate
from regsearch.search.solvers.design import Design, normalise
from regsearch.search.solvers.elastic_net import ElasticNetPath


def make(seed: int, n_rows: int, n_features: int, kind: str = "normal", scale: float = 1.0, **held: bool) -> Design:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    if kind == "duplicates":
        X = X[:, rng.integers(0, max(1, n_features // 2), n_features)] * rng.choice([-1.0, 1.0], n_features)
    elif kind == "constants":
        X[:, rng.random(n_features) < 0.5] = 3.0
    elif kind == "latents":
        X = X[:, :3] @ rng.standard_normal((min(3, n_features), n_features)) + 0.1 * X
    elif kind == "binary":
        X = (X > 0).astype(float)
    y = X[:, : max(1, n_features // 4)].sum(axis=1) + rng.standard_normal(n_rows)
    return normalise(X, scale * y, **held)


def largest_l1(design: Design) -> float:
    return float(np.abs(design.columns @ design.target).max()) / design.n_rows


def allowance(design: Design, penalty: Penalty, tolerance: float) -> float:
    """Return how far apart solutions may be: ``l2``-strong convexity turns a gap into a distance."""
    if not penalty.l2:
        return 1e-8
    return 1e-8 + 2 * np.sqrt(tolerance * (design.target @ design.target) / design.n_rows / penalty.l2)


def coordinate_descent(design: Design, penalty: Penalty):
    model = ElasticNet(
        alpha=penalty.sklearn_alpha, l1_ratio=penalty.l1_ratio, fit_intercept=False, tol=1e-13, max_iter=10**6
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the tolerance is below rounding
        return model.fit(np.asarray(design.columns).T, design.target).coef_


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("n_l2", [0.0, 1e-3, 0.1, 3.0])
@pytest.mark.parametrize(("n_rows", "n_features"), [(40, 15), (30, 90)])
def test_weights_are_those_of_coordinate_descent(n_rows, n_features, n_l2, in_memory):
    design = make(0, n_rows, n_features, in_memory=in_memory)
    path = ElasticNetPath(design, tolerance=1e-14)
    for share in (0.5, 0.1, 0.02):
        penalty = Penalty(share * largest_l1(design), n_l2 / n_rows)
        expected = coordinate_descent(design, penalty)
        weights = path.solve(penalty).weights
        np.testing.assert_allclose(weights, expected, rtol=1e-8, atol=allowance(design, penalty, 1e-14))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    n_rows=st.integers(3, 40),
    n_features=st.integers(1, 80),
    kind=st.sampled_from(["normal", "duplicates", "constants", "latents", "binary"]),
    scale=st.sampled_from([1e-8, 1.0, 1e8]),
    penalties=st.lists(
        st.tuples(st.floats(1e-3, 1.1), st.sampled_from([0.0, 1e-6, 1e-4, 1e-2, 1.0, 100.0])), min_size=1, max_size=6
    ),
    polish=st.booleans(),
    in_memory=st.booleans(),
)
def test_every_solution_is_certified(seed, n_rows, n_features, kind, scale, penalties, polish, in_memory):
    design = make(seed, n_rows, n_features, kind, scale, in_memory=in_memory)
    path = ElasticNetPath(design, tolerance=1e-7, polish=polish)
    for share, n_l2 in penalties:
        penalty = Penalty(share * largest_l1(design) or 1.0, n_l2 / n_rows)
        solution = path.solve(penalty)
        assert certificate(design, solution.weights, penalty) <= 1e-7
        assert solution.duality_gap <= 1e-7


@pytest.mark.parametrize("n_l2", [0.0, 1.0])
def test_the_order_of_penalties_does_not_matter(n_l2):
    design = make(3, 50, 120)
    penalties = [Penalty(share * largest_l1(design), n_l2 / 50) for share in np.geomspace(0.9, 0.01, 12)]
    ordered = ElasticNetPath(design, tolerance=1e-12)
    expected = [ordered.solve(penalty).weights for penalty in penalties]
    shuffled = ElasticNetPath(design, tolerance=1e-12)
    for index in np.random.default_rng(0).permutation(12):
        weights = shuffled.solve(penalties[index]).weights
        np.testing.assert_allclose(weights, expected[index], rtol=1e-9, atol=allowance(design, penalties[index], 1e-12))


@pytest.mark.parametrize("n_l2", [0.0, 2.0])
def test_all_weights_are_zero_from_the_largest_l1_on(n_l2):
    design = make(1, 20, 30)
    path = ElasticNetPath(design)
    for factor in (1.0, 1.5, 100.0):
        assert not path.solve(Penalty(factor * largest_l1(design), n_l2 / 20)).weights.any()
    assert path.solve(Penalty(0.99 * largest_l1(design), n_l2 / 20)).weights.any()


def test_a_silent_target_has_zero_weights():
    design = normalise(np.random.default_rng(0).standard_normal((10, 5)), np.full(10, 2.0))
    solution = ElasticNetPath(design).solve(Penalty(1e-6, 0.0))
    assert not solution.weights.any()
    assert solution.duality_gap == 0.0


def test_of_equal_columns_the_sum_of_weights_is_that_of_one():
    design = make(5, 30, 10)
    twice = replace(design, matrix=replace(design.matrix, columns=np.repeat(design.columns, 2, axis=0)))
    penalty = Penalty(0.05 * largest_l1(design), 0.0)
    once = ElasticNetPath(design).solve(penalty).weights
    np.testing.assert_allclose(ElasticNetPath(twice).solve(penalty).weights.reshape(10, 2).sum(axis=1), once, atol=1e-9)


def test_a_penalty_solved_before_is_remembered():
    design = make(2, 20, 30)
    path = ElasticNetPath(design)
    first = path.solve(Penalty(0.1 * largest_l1(design), 0.0))
    again = path.solve(Penalty(0.1 * largest_l1(design), 0.0))
    assert again.newton_steps == again.passes == 0
    np.testing.assert_array_equal(again.weights, first.weights)


@pytest.mark.parametrize("l1", [0.0, -1.0, float("nan")])
def test_l1_must_be_positive(l1):
    with pytest.raises(ValueError, match="l1 > 0"):
        ElasticNetPath(make(0, 10, 5)).solve(Penalty(l1, 1.0))


@pytest.mark.parametrize("n_l2", [0.0, 1.0])
def test_the_number_of_threads_does_not_matter(n_l2):
    design = make(4, 200, 900)
    penalties = [Penalty(share * largest_l1(design), n_l2 / 200) for share in (0.5, 0.1, 0.02)]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            path = ElasticNetPath(design)
            found.append([path.solve(penalty).weights for penalty in penalties])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7 * np.abs(one).max())


@pytest.mark.parametrize("n_l2", [0.0, 1.0])
def test_from_nothing_and_from_a_neighbour_the_solution_is_the_same(n_l2):
    design = make(6, 60, 200)
    penalty, neighbour = (Penalty(share * largest_l1(design), n_l2 / 60) for share in (0.02, 0.025))
    cold, warm = ElasticNetPath(design), ElasticNetPath(design)
    warm.solve(neighbour)
    expected = cold.solve(penalty).weights
    np.testing.assert_allclose(warm.solve(penalty).weights, expected, atol=1e-7 * np.abs(expected).max())


def test_a_penalty_far_from_all_that_were_solved_is_reached_in_few_steps():
    design = make(0, 150, 2000)
    path = ElasticNetPath(design)
    assert np.count_nonzero(path.solve(Penalty(0.001 * largest_l1(design), 10 / 150)).weights) > 150
    sparse = Penalty(0.01 * largest_l1(design), 0.01 / 150)
    solution = path.solve(sparse)
    assert np.count_nonzero(solution.weights) > 90
    assert solution.newton_steps < 80
    assert certificate(design, solution.weights, sparse) < 1e-12


def test_memory_and_time_of_a_trial_do_not_grow_with_their_number(monkeypatch):
    monkeypatch.setattr("regsearch.search.solvers.neighbours._REMEMBERED", 5)
    design = make(2, 20, 30)
    path = ElasticNetPath(design)
    shares = np.random.default_rng(0).permutation(np.geomspace(0.9, 0.05, 30))
    found = [path.solve(Penalty(share * largest_l1(design), 0.0)).weights for share in shares]
    assert len(path._solved._solved) == len(path._solved._place) == 5
    for share, weights in zip(shares, found, strict=True):
        penalty = Penalty(share * largest_l1(design), 0.0)
        np.testing.assert_allclose(weights, ElasticNetPath(design).solve(penalty).weights, atol=1e-10)


@pytest.mark.parametrize("n_l2", [0.0, 1e-3])
def test_guesses_from_two_neighbours_save_steps(n_l2):
    design = make(7, 150, 400)
    path, steps = ElasticNetPath(design), 0
    for share in np.geomspace(1, 0.05, 60)[1:]:
        steps += path.solve(Penalty(share * largest_l1(design), n_l2 / 150)).newton_steps
    assert steps <= 1.9 * 59


@pytest.mark.parametrize("seed", [850624, 89286, 22101])
def test_columns_that_are_nearly_equal_do_not_lead_it_in_circles(seed):
    rng = np.random.default_rng(seed)
    n_rows, n_features = int(rng.integers(8, 40)), int(rng.integers(20, 80))
    apart = 10.0 ** -rng.integers(4, 12)
    half = rng.standard_normal((n_rows, n_features))
    X = np.hstack([half, half + apart * rng.standard_normal(half.shape)]) * 10.0 ** rng.uniform(-3, 3, 2 * n_features)
    design = normalise(X, half[:, :5].sum(axis=1) + rng.standard_normal(n_rows))
    path = ElasticNetPath(design)
    for share in np.geomspace(1, 1e-5, 12)[1:]:
        solution = path.solve(Penalty(share * design.largest_l1, 0.0))
        assert solution.duality_gap < 1e-4
        assert solution.newton_steps < 10 * n_features


@pytest.mark.parametrize("shape", [(40, 400), (127, 23)])
@pytest.mark.parametrize("are_equal", [False, True])
def test_a_curved_path_is_solved_to_rounding_error_where_the_dual_is_hard_to_reach(shape, are_equal):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    if are_equal:  # the largest eigenvalue is the number of columns: products of single precision are worth least
        X[:] = X[:, [0]]
    design = normalise(X, X[:, 0] + 0.1 * rng.standard_normal(shape[0]))
    path = ElasticNetPath(design)
    for l1 in largest_l1(design) * np.geomspace(0.9, 1e-4, 12):
        penalty = Penalty(float(l1), 0.06 / shape[0])
        assert certificate(design, path.solve(penalty).weights, penalty) < 1e-12


@pytest.mark.parametrize("kind", ["normal", "latents", "binary"])
def test_a_grid_of_mixes_takes_few_steps_down_to_its_barely_curved_corner(kind):
    design = make(11, 150, 1500, kind)
    path = ElasticNetPath(design)
    for n_l2 in (3.0, 0.1, 3e-3, 9e-5):
        for share in np.geomspace(0.95, 0.95e-4, 5):
            penalty = Penalty(share * design.largest_l1, n_l2 / 150)
            solution = path.solve(penalty)
            assert solution.newton_steps < 150
            assert certificate(design, solution.weights, penalty) < 1e-12
