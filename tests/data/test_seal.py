import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regsearch.data import Annotations, Preparation, Recording, Split, seal, seal_targets
from regsearch.data.lagged import lag_sources
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
    with pytest.raises(DataError, match=r"y is constant in rows \[10, 20\)"):
        seal(recording, Split.blocked([(0, 10), (20, 30)], folds=2, embargo=0, test=(10, 20)))


def test_one_fold_of_several_may_have_one_value_as_each_subject_of_one_label_has():
    y = np.concatenate([np.repeat([0.0, 1, 0, 1], 5), np.arange(5.0)])
    recording = Recording.checked(np.random.default_rng(0).standard_normal((25, 2)), y, source="here")
    development, _ = seal(recording, Split.blocked([(0, 20)], folds=4, embargo=0, test=(20, 25)))
    assert [np.ptp(fold.validation.y) for fold in development.folds] == [0, 0, 0, 0]


@given(
    st.integers(20, 40),
    st.lists(st.sampled_from([-2, -1, 0, 1, 3]), min_size=1, max_size=3, unique=True),
    st.randoms(use_true_random=False),
)
def test_each_lag_is_the_groups_own_rows_rolled(n_rows, lags, chance):
    groups = np.array([chance.choice("ab") for _ in range(n_rows)])
    X = np.column_stack([np.arange(n_rows), -np.arange(n_rows)]).astype(float)
    y = np.random.default_rng(0).standard_normal(n_rows)
    recording = Recording.checked(X, y, source="mine", annotations=Annotations(groups=groups))
    kept, _ = lag_sources(n_rows, lags, groups)
    assume(len(kept) >= 6)
    third = len(kept) // 3
    split = Split.of([(kept[:third], kept[third : 2 * third])], kept[:third], kept[2 * third :])
    development, sealed = seal(recording, split, Preparation(tuple(lags)))
    rolled = np.empty((n_rows, 0))
    for lag in lags:
        block = np.empty_like(X)
        for group in "ab":
            block[groups == group] = np.roll(X[groups == group], lag, axis=0)
        rolled = np.hstack([rolled, block])
    (fold,) = development.folds
    for rows in (fold.train, fold.validation, sealed.open()):
        np.testing.assert_array_equal(rows.X[:, :], rolled[rows.index])
        np.testing.assert_array_equal(rows.y, y[rows.index])
        np.testing.assert_array_equal(rows.groups, groups[rows.index])
    assert development.n_features == 2 * len(lags)


def test_columns_of_lags_are_named_by_feature_and_lag(recording):
    split = Split.holdout([(40, 120)], (120, 140), (140, 160))
    named = replace(recording, feature_names=tuple(f"unit {n}" for n in range(recording.X.shape[1])))
    names = seal(named, split, Preparation((2, 0)))[0].feature_names
    assert names[:2] == ("unit 0 @ lag 2", "unit 1 @ lag 2")
    assert names[-1] == f"unit {recording.X.shape[1] - 1} @ lag 0"
    assert seal(recording, split, Preparation((2, 0)))[0].feature_names[1] == "feature 1 @ lag 2"
    assert seal(recording, split)[0].feature_names == recording.feature_names


def test_recordings_of_several_targets_share_their_rows():
    rng = np.random.default_rng(0)
    targets = {"speed": rng.standard_normal(30), "pupil": rng.standard_normal(30)}
    recordings = Recording.several(rng.standard_normal((30, 3)), targets, source="mine")
    (speed, _), (pupil, sealed) = seal_targets(recordings, Split.holdout([(0, 10)], (10, 20), (20, 30)))
    assert speed.model.X is pupil.model.X
    np.testing.assert_array_equal(pupil.model.y, targets["pupil"][:10])
    np.testing.assert_array_equal(sealed.open().y, targets["pupil"][20:])
    assert speed.data_sha256 != pupil.data_sha256


def test_more_covariates_than_rows_to_fit_on_are_refused():
    rng = np.random.default_rng(0)
    known = Annotations(covariates=rng.standard_normal((30, 9)))
    recording = Recording.checked(rng.standard_normal((30, 2)), rng.standard_normal(30), source="m", annotations=known)
    with pytest.raises(DataError, match="expected at least two more rows to fit on than covariates, found 10 rows for"):
        seal(recording, Split.holdout([(0, 10)], (10, 20), (20, 30)))
    assert seal(recording, Split.holdout([(0, 11)], (11, 20), (20, 30)))


def test_nothing_is_opened_where_no_row_was_kept():
    rng = np.random.default_rng(0)
    recording = Recording.checked(rng.standard_normal((30, 2)), rng.standard_normal(30), source="mine")
    rows = np.arange(30)
    _, sealed = seal(recording, Split.of([(rows[:20], rows[20:])], rows[:20], rows[:0]))
    assert repr(sealed) == "<SealedTest of 0 rows>"
    with pytest.raises(AssertionError):
        sealed.open()
