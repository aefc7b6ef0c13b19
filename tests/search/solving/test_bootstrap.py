import numpy as np
import pytest
from scipy.signal import lfilter

from regsearch.search.solving.bootstrap import r2_standard_error, resampled_r2
from regsearch.search.solving.scores import r2_score


def trace(n_rows, seed, memory=0.0):
    rng = np.random.default_rng(seed)
    true = lfilter([1], [1, -memory], rng.standard_normal(n_rows))
    return true, true + lfilter([1], [1, -memory], rng.standard_normal(n_rows)) / 2


def test_the_resamples_scatter_about_the_score():
    true, predicted = trace(400, 0)
    scores = resampled_r2(true, predicted, resamples=2000)
    assert scores.mean() == pytest.approx(r2_score(true, predicted), abs=0.02)


@pytest.mark.parametrize("memory", [0.0, 0.7])
def test_the_standard_error_is_the_scatter_over_recordings(memory):
    repeats = [trace(300, seed, memory) for seed in range(200)]
    variance = np.mean([true.var() for true, _ in repeats])
    scatter = np.std([np.square(true - predicted).mean() / variance for true, predicted in repeats], ddof=1)
    estimates = [r2_standard_error(*repeat) for repeat in repeats[:40]]
    assert np.median(estimates) == pytest.approx(scatter, rel=0.3)


def test_blocks_see_the_likeness_of_neighbours_that_single_rows_would_miss():
    true, predicted = trace(400, 3, memory=0.9)
    rng = np.random.default_rng(0)
    single = [r2_score(true[rows], predicted[rows]) for rows in rng.integers(0, 400, (500, 400))]
    assert r2_standard_error(true, predicted) > 1.2 * np.std(single)


def test_the_same_rows_give_the_same_error_and_a_perfect_fit_none():
    true, predicted = trace(100, 1)
    assert r2_standard_error(true, predicted) == r2_standard_error(true, predicted)
    assert r2_standard_error(true, true) == 0


def test_a_target_that_is_mostly_silent_does_not_make_a_good_fit_doubtful():
    true = np.zeros(400)
    true[100:120] = np.arange(20)
    scores = resampled_r2(true, true + np.random.default_rng(0).standard_normal(400) / 10)
    assert scores.min() > 0.99
