import numpy as np
import pytest

from regsearch.errors import NoWinnerError
from regsearch.search.config import AtMost
from regsearch.search.penalty import Penalty
from regsearch.search.trial import Trial
from regsearch.search.winner import standing_out, winner


def trial(family, number, r2_validation, sparsity, sklearn_alpha, duality_gap):
    metrics = {
        "n_nonzero": 100 * (1 - sparsity),
        "r2_validation": r2_validation,
        "sparsity": sparsity,
        "duality_gap": duality_gap,
        "r2_validation_se": 0.03,
    }
    return Trial(family, number, {}, Penalty(sklearn_alpha, 0.0), metrics, f"{family}-{number}")


def trials(*rows):
    return [trial(*row) for row in rows]


def chosen(table, *arguments):
    best = winner(table, 1e-6, *arguments)
    return best.family, best.number


def test_the_best_validation_score_wins_over_all_families_and_the_baseline():
    table = trials(("ridge", 0, 0.5, 0, 1, 0), ("lasso", 0, 0.6, 0.9, 1, 0), ("none", 0, 0.7, 0, 0, 0))
    assert chosen(table)[0] == "none"
    assert chosen(table[:2])[0] == "lasso"


def test_among_equals_the_sparser_wins_then_the_more_regularised():
    table = trials(("ridge", 0, 0.5, 0, 9, 0), ("lasso", 0, 0.5 + 1e-12, 0.8, 1, 0), ("lasso", 1, 0.5, 0.8, 2, 0))
    assert chosen(table) == ("lasso", 1)
    assert chosen(table[::-1]) == ("lasso", 1)


def test_within_one_standard_error_of_the_best_the_most_regularised_wins():
    table = trials(
        ("lasso", 0, 0.60, 0.5, 1, 0),
        ("lasso", 1, 0.58, 0.8, 2, 0),
        ("ridge", 0, 0.59, 0, 9, 0),
        ("lasso", 2, 0.56, 1, 3, 0),
    )
    assert chosen(table, "best") == ("lasso", 0)
    assert chosen(table, "one-se") == ("lasso", 1)


def test_with_a_limit_the_best_of_those_that_are_sparse_enough_wins():
    table = trials(
        ("ridge", 0, 0.9, 0, 1, 0),
        ("lasso", 0, 0.8, 0.25, 1, 0),
        ("lasso", 1, 0.6, 0.75, 2, 0),
        ("lasso", 2, 0.7, 0.75, 3, 1e-3),  # not certified
        ("lasso", 3, 0.5, 0.875, 4, 0),
    )
    assert [chosen(table, AtMost(at_most=most)) for most in (100, 99, 75, 74, 25, 24, 13)] == [
        ("ridge", 0),
        *[("lasso", 0)] * 2,
        *[("lasso", 1)] * 2,
        *[("lasso", 3)] * 2,
    ]
    with pytest.raises(NoWinnerError, match="no trial has at most 12 non-zero weights, the fewest are 13"):
        winner(table[:4] + trials(("lasso", 3, 0.5, 0.87, 4, 0)), 1e-6, AtMost(at_most=12))


def test_of_the_trials_that_stand_out_the_chosen_one_is_named_where_another_rule_chose_it():
    table = trials(("ridge", 0, 0.9, 0, 1, 0), ("lasso", 0, 0.88, 0.25, 1, 0), ("lasso", 1, 0.6, 0.75, 2, 0))
    assert standing_out(table, 1e-6, table[2]) == (0, 1, 2)
    assert standing_out(table, 1e-6, table[1]) == (0, 1, None)
    assert standing_out(table[1:], 1e-6, table[0]) == (0, 0, None)
    assert standing_out(trials(("ridge", 0, 0.5, 0, 1, 1e-3)), 1e-6, table[0]) is None


def test_a_trial_without_a_certificate_cannot_win():
    table = trials(("ridge", 0, 0.5, 0, 1, 1e-9), ("lasso", 0, 0.9, 0.5, 1, 1e-3))
    assert chosen(table)[0] == "ridge"
    with pytest.raises(NoWinnerError, match="no trial reached the duality gap 1e-12"):
        winner(table, 1e-12)


def test_a_paired_comparison_sees_a_difference_that_both_errors_hide():
    table = trials(("lasso", 0, 0.60, 0.5, 1, 0), ("lasso", 1, 0.58, 0.8, 2, 0), ("lasso", 2, 0.595, 0.7, 2, 0))
    losses = {  # in every block the second is worse by as much, the third now better and now worse
        0: np.array([0.05, 0.15, 0.10, 0.10]),
        1: np.array([0.055, 0.155, 0.105, 0.105]),
        2: np.array([0.055, 0.145, 0.1075, 0.0975]),
    }
    assert chosen(table, "one-se") == ("lasso", 1)
    assert chosen(table, "one-se-paired", lambda trial: losses[trial.number]) == ("lasso", 2)
