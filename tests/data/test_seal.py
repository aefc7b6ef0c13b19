import copy
import pickle

import numpy as np
import pytest

from regsearch.data import Recording, Split, seal
from regsearch.errors import DataError


def test_the_search_is_given_its_rows_and_no_test_row(recording):
    development, _ = seal(recording, Split.holdout([(40, 120)], (0, 40), (120, 160)))
    (fold,) = development.folds
    np.testing.assert_array_equal(fold.train.X, recording.X[40:120])
    np.testing.assert_array_equal(fold.train.y, recording.y[40:120])
    np.testing.assert_array_equal(fold.validation.X, recording.X[0:40])
    np.testing.assert_array_equal(fold.train.index, np.arange(40, 120))
    assert development.model is fold.train
    held = fold.train.X._table.values
    assert held is fold.validation.X._table.values
    np.testing.assert_array_equal(held, recording.X[:120].T)
    for array in (held, fold.train.y, fold.validation.y):
        assert array.base is None


def test_opening_gives_the_test_rows(recording):
    _, sealed = seal(recording, Split.holdout([(40, 120)], (0, 40), (120, 160)))
    rows = sealed.open()
    np.testing.assert_array_equal(rows.X, recording.X[120:160])
    np.testing.assert_array_equal(rows.y, recording.y[120:160])


def test_sealed_rows_neither_travel_nor_show(sealed):
    _, rows = sealed
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="sealed"):
            leave(rows)
    assert repr(rows) == "<SealedTest of 40 rows>"
    assert not [name for name in dir(rows) if not name.startswith("_") and name != "open"]


def test_a_target_that_is_constant_in_a_block_is_refused():
    y = np.arange(30.0)
    y[10:20] = 4.0
    recording = Recording.checked(np.random.default_rng(0).standard_normal((30, 2)), y, source="here")
    with pytest.raises(DataError, match=r"y is constant in rows \[10, 20\)"):
        seal(recording, Split.holdout([(0, 10)], (10, 20), (20, 30)))
