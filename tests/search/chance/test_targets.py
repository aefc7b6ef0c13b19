"""Null targets have the real one's values in other places, on the same rows for all."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch.errors import ConfigError, DataError
from regsearch.search.chance.targets import exchanged, impostors, permuted, reach_of, segments, shifted


def test_a_segment_is_a_run_of_neighbouring_rows_of_one_group():
    rows = np.array([0, 1, 2, 5, 6, 7, 8])
    assert segments(rows).tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert segments(rows, np.array(list("aabbbcc"))).tolist() == [0, 0, 1, 2, 2, 3, 3]


@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 99))
def test_every_shift_is_on_the_rows_that_all_shifts_have_and_does_not_leave_its_segment(count, step, sizes, seed):
    reach = count * step
    labels = np.repeat(np.arange(len(sizes)), sizes)
    y = np.random.default_rng(seed).standard_normal(len(labels))
    targets = shifted(y, labels, 2 * count, step)
    kept = [row for row in range(len(y)) if len({*labels[max(0, row - reach) : row + reach + 1]}) == 1]
    kept = [row for row in kept if reach <= row < len(y) - reach]
    assert targets.places.tolist() == kept == np.flatnonzero(reach_of(labels) >= reach).tolist()
    np.testing.assert_array_equal(targets.values[:, 0], y[kept])
    shifts = [0, *(shift for shift in range(-reach, reach + 1, step) if shift)]
    np.testing.assert_array_equal(
        targets.values, np.column_stack([y[np.array(kept, dtype=int) + shift] for shift in shifts])
    )
    assert targets.names[1] == f"shifted by -{reach} rows"


def test_permutations_stay_within_their_group_and_depend_on_their_number_alone():
    y, labels = np.arange(40.0), np.array([0, 1] * 20)
    few, many = permuted(y, labels, 2, seed=7), permuted(y, labels, 5, seed=7)
    np.testing.assert_array_equal(few.values, many.values[:, :3])
    assert len({tuple(column) for column in many.values.T}) == 6
    for column in many.values.T:
        for label in (0, 1):
            np.testing.assert_array_equal(np.sort(column[labels == label]), y[labels == label])


def test_groups_exchange_their_targets_whole_by_every_arrangement_once():
    y, labels = np.arange(9.0), np.array(list("abcabcabc"))
    targets = exchanged(y, labels, 5, seed=0)
    groups = [y[labels == label] for label in "abc"]
    found = [tuple(tuple(column[labels == label]) for label in "abc") for column in targets.values.T]
    assert set(found) == {tuple(tuple(groups[place]) for place in order) for order in permutations(range(3))}
    np.testing.assert_array_equal(targets.values[:, 0], y)


def test_many_groups_are_exchanged_at_random_and_those_of_another_use_stay_apart():
    labels = np.repeat(np.arange(12), 3)
    uses = ["test" if label >= 10 else "train" for label in labels]
    targets = exchanged(np.arange(36.0), labels, 40, seed=1, uses=uses)
    assert len({tuple(column) for column in targets.values.T}) == 41
    for column in targets.values.T:
        assert set(column[30:]) == set(range(30, 36))


@pytest.mark.parametrize(
    ("labels", "n", "error", "said"),
    [
        ("aabbb", 1, DataError, "a with 2 rows and b with 3"),
        ("aabb", 2, ConfigError, r"1 other way\(s\), found n = 2; use n = 1"),
        ("aaaa", 1, ConfigError, r"1 groups can be exchanged in 0 other way\(s\)"),
    ],
)
def test_groups_that_cannot_be_exchanged_are_named(labels, n, error, said):
    with pytest.raises(error, match=said):
        exchanged(np.arange(float(len(labels))), np.array(list(labels)), n, seed=0)


def test_impostors_are_cut_to_length():
    y, rows = np.arange(4.0), np.array([2, 3, 6, 7])
    targets = impostors(y, rows, [("long.npz", np.arange(100.0, 120.0))])
    np.testing.assert_array_equal(targets.values, np.column_stack([y, 100 + rows]))


def test_targets_that_would_have_no_score_are_named():
    targets = shifted(np.array([0.0, 1, 0, 0, 0, 0, 1, 0]), np.zeros(8), 2)  # on rows 1 to 6
    with pytest.raises(DataError, match=r"varies in the validation rows, .* for the real target"):
        targets.require_scores(np.array([1, 2, 3]), "validation")
    with pytest.raises(DataError, match=r"for shifted by \+1 rows"):
        targets.require_scores(np.array([0, 1]), "validation")


def test_null_targets_that_are_the_real_one_again_are_refused_where_they_leave_no_small_p():
    groups = np.repeat(np.arange(6), 3)
    for y, others in ((groups % 2.0, False), (np.arange(18.0), True)):  # one value for each group, and one for each row
        permutations = permuted(y, groups, 19, 0)
        if others:
            permutations.require_others(0.05, "do that")
        else:
            with pytest.raises(DataError, match="found 19 of 19 with the same values, so that p is 1 at best; do that"):
                permutations.require_others(0.05, "do that")
    halves = exchanged(np.repeat([0.0, 0, 0, 1], 2), np.repeat(np.arange(4), 2), 23, 0)
    with pytest.raises(DataError, match=r"found 5 of 23 with the same values, so that p is 0.25 at best"):
        halves.require_others(0.05, "do that")
    halves.require_others(0.25, "do that")
