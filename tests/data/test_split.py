import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from regsearch.data import Split
from regsearch.data.split import blocked_folds
from regsearch.errors import DataError

block = st.tuples(st.integers(-5, 60), st.integers(-5, 60))


@given(block, block, block)
def test_a_split_is_refused_exactly_when_a_row_has_no_or_two_purposes(train, validation, test):
    blocks = (train, validation, test)
    rows = [set(range(*one)) for one in blocks]
    sound = all(start >= 0 and stop > start for start, stop in blocks)
    disjoint = len(rows[0] | rows[1] | rows[2]) == sum(map(len, rows))
    if sound and disjoint:
        split = Split.holdout([train], validation, test)
        (fold,) = split.folds
        assert (fold.train, fold.validation, split.model, split.test) == ((train,), (validation,), (train,), (test,))
    else:
        with pytest.raises(DataError):
            Split.holdout([train], validation, test)


@pytest.mark.parametrize(
    ("train", "validation", "test", "says"),
    [
        ((5, 5), (6, 8), (8, 9), r"train rows .* found \[5, 5\)"),
        ((0, 5), (9, 6), (10, 12), r"validation rows .* found \[9, 6\)"),
        ((0, 5), (5, 8), (-3, -1), r"test rows .* found \[-3, -1\)"),
        ((0, 5), (4, 8), (8, 9), r"train rows \[0, 5\) and validation rows \[4, 8\) overlap"),
    ],
)
def test_the_error_names_the_rows(train, validation, test, says):
    with pytest.raises(DataError, match=says):
        Split.holdout([train], validation, test)


def test_rows_past_the_end_or_alone_are_refused():
    with pytest.raises(DataError, match=r"\[8, 12\) reach past the recording's 11 rows"):
        Split.holdout([(0, 5)], (5, 8), (8, 12)).check(11)
    with pytest.raises(DataError, match=r"\[8, 9\) hold one row"):
        Split.holdout([(0, 5)], (5, 8), (8, 9)).check(11)


def rows(blocks):
    return np.concatenate([np.arange(*block) for block in blocks])


@given(st.integers(2, 7), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(14, 40))
def test_blocked_folds_are_scikit_learns_over_the_rows_in_time_order(folds, gaps, length):
    blocks, start = [], 0
    for gap in gaps:
        blocks.append((start + gap, start + gap + length))
        start += gap + length
    split = Split.blocked(blocks[::-1], folds, 0, (start + 5, start + 9))
    every = rows(blocks)
    for fold, (train, validation) in zip(split.folds, KFold(folds).split(every), strict=True):
        np.testing.assert_array_equal(rows(fold.train), every[train])
        np.testing.assert_array_equal(rows(fold.validation), every[validation])
    assert split.model == tuple(blocks)


@given(st.integers(2, 6), st.integers(0, 10))
def test_an_embargo_keeps_training_rows_away_from_validation_rows(folds, embargo):
    split = Split.blocked([(0, 60), (80, 140)], folds, embargo, (160, 170))
    for fold in split.folds:
        train, validation = rows(fold.train), rows(fold.validation)
        distance = np.abs(train[:, None] - validation).min(axis=1)
        assert distance.min() > embargo
        others = np.setdiff1d(rows(split.model), np.concatenate([train, validation]))
        assert all(np.abs(row - validation).min() <= embargo for row in others)


def test_folds_of_rows_with_many_gaps_leave_their_neighbours_out():
    every_other = np.arange(0, 400_000, 2)
    folds = blocked_folds(every_other, 5, embargo=3)
    assert [len(train) for train, _ in folds] == [159_999, *[159_998] * 3, 159_999]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([(0, 60)], 5, 3, (62, 70)), r"come within 2 row\(s\) .* embargo of 3"),
        (([(0, 7)], 4, 0, (9, 12)), "7 rows are too few for 4 folds"),
        (([(0, 20)], 2, 10, (40, 50)), "embargo of 10 leaves a fold without training rows"),
        (([(0, 20), (15, 30)], 2, 0, (40, 50)), "overlap"),
        (([(0, 20)], 2, 0, (10, 50)), "overlap"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(arguments, says):
    with pytest.raises(DataError, match=says):
        Split.blocked(*arguments)
