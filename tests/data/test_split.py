import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import DataError, Split

block = st.tuples(st.integers(-5, 60), st.integers(-5, 60))


@given(block, block, block)
def test_a_split_is_refused_exactly_when_a_row_has_no_or_two_purposes(train, validation, test):
    blocks = (train, validation, test)
    rows = [set(range(*one)) for one in blocks]
    sound = all(start >= 0 and stop > start for start, stop in blocks)
    disjoint = len(rows[0] | rows[1] | rows[2]) == sum(map(len, rows))
    if sound and disjoint:
        split = Split.holdout(train, validation, test)
        assert split.development == tuple(sorted((train, validation)))
        assert split.test == test
    else:
        with pytest.raises(DataError):
            Split.holdout(train, validation, test)


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
        Split.holdout(train, validation, test)


def test_rows_past_the_end_or_alone_are_refused():
    with pytest.raises(DataError, match=r"\[8, 12\) reach past the recording's 11 rows"):
        Split.holdout((0, 5), (5, 8), (8, 12)).check(11)
    with pytest.raises(DataError, match=r"\[8, 9\) hold one row"):
        Split.holdout((0, 5), (5, 8), (8, 9)).check(11)


@given(st.integers(14, 10_000))
def test_fractions_use_every_row_once_in_time_order(n_rows):
    split = Split.by_fractions(n_rows)
    split.check(n_rows)
    (train,), validation, test = split.folds[0].train, split.folds[0].validation, split.test
    assert (train[0], train[1], validation[1], test[1]) == (0, validation[0], test[0], n_rows)


def test_a_handful_of_rows_is_too_few_for_fractions():
    with pytest.raises(DataError, match="13 rows are too few"):
        Split.by_fractions(13)
