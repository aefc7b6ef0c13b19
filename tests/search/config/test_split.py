import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regsearch import PenaltySearchCV, SearchConfig
from regsearch.data.split import rows_of
from regsearch.errors import ConfigError, DataError
from regsearch.search.config import SplitConfig
from regsearch.search.config.split import ranges


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_masks_and_numbers_of_rows_are_the_ranges_that_they_name(mask):
    rows = np.flatnonzero(mask)
    for given_as in (np.array(mask), pd.Series(mask), rows, rows[::-1], rows.astype(np.uint8)):
        split = SplitConfig(train=given_as, validation={"folds": 2})
        np.testing.assert_array_equal(rows_of(ranges(split.train)), rows)


@pytest.mark.parametrize("array", [np.array([0.5, 1.5]), np.zeros((2, 2), int), np.zeros(5, bool), np.array(["a"])])
def test_arrays_that_name_no_rows_are_refused(array):
    with pytest.raises(ValueError, match=r"expected (a mask|some rows)"):
        SplitConfig(train=array, validation={"folds": 2})


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (np.array([3, 1, 2, 1]), "each row once, found row 1 again"),
        (np.array([0.0, 1.5]), "a mask or numbers of rows, found an array of type float64 and shape (2,)"),
        (np.zeros((2, 2), int), "a mask or numbers of rows, found an array of type int64 and shape (2, 2)"),
    ],
)
def test_rows_are_refused_in_the_same_words_by_a_split_and_by_the_estimator(rows, says):
    X, y = np.eye(9), np.arange(9.0)
    fold = {"train": rows, "validation": [5, 9]}
    for split in (
        {"train": rows, "validation": {"folds": 2}},
        {"validation": rows},
        {"validation": {"folds": 2}, "test": rows},
        {"validation": {"given": [fold, fold]}},
    ):
        with pytest.raises(ConfigError, match=re.escape(f": expected {says}; give a ")):
            SearchConfig.from_preset("own-data").updated(split=split)
    with pytest.raises(DataError, match=re.escape(f"cv: split 0: expected {says}; give a ")):
        PenaltySearchCV(cv=[(rows, np.arange(5, 9))]).fit(X, y)


def test_numbers_that_name_groups_are_text():
    assert SplitConfig(validation={"groups": [np.int64(1), "b"]}).validation.names == ("1", "b")


def test_blanks_around_the_name_of_a_group_do_not_count_as_they_do_not_in_labels():
    assert SplitConfig(validation={"groups": [" monday", "friday\t"]}).validation.names == ("monday", "friday")
