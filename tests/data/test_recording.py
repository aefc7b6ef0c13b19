import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from regsearch.data import Recording
from regsearch.data.annotations import Annotations
from regsearch.errors import DataError

finite = st.floats(-1e6, 1e6, width=32)


def test_the_hash_is_of_types_shapes_and_values():
    X, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1.0, 2.0, 4.0])
    expected = hashlib.sha256(b"<f4(3, 2)" + X.tobytes() + b"<f8(3,)" + y.tobytes()).hexdigest()
    assert Recording.checked(X, y, source="here").sha256 == expected


@given(arrays(np.float32, (300, 2), elements=finite), st.integers(0, 299), st.integers(0, 1))
def test_any_changed_value_changes_the_hash(X, row, column):
    y = np.arange(300.0)
    changed = X.copy()
    changed[row, column] = np.nextafter(changed[row, column], np.float32(2e6))
    assert Recording.checked(X, y, source="a").sha256 != Recording.checked(changed, y, source="a").sha256


def test_the_hash_knows_neither_source_nor_memory_order():
    X, y = np.random.default_rng(0).standard_normal((20, 7)), np.arange(20.0)
    assert (
        Recording.checked(X, y, source="here").sha256
        == Recording.checked(np.asfortranarray(X), y, source="there", target="z").sha256
    )


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (np.zeros((3, 2)), np.zeros(4), "X has 3 rows and y has 4"),
        (np.zeros((1, 2)), np.zeros(1), "found 1 row"),
        (np.zeros(3), np.zeros(3), r"found shape \(3,\)"),
        (np.zeros((3, 0)), np.zeros(3), r"found shape \(3, 0\)"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "one number per row"),
        (np.zeros((3, 2)), np.full(3, 7.0), "y is 7 in every row"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(X, y, says):
    with pytest.raises(DataError, match=says) as caught:
        Recording.checked(X, y, source="here")
    assert "\n" not in str(caught.value)


def test_values_that_are_not_finite_are_counted_and_the_first_is_located():
    X = np.zeros((700, 3))
    X[600, 1] = np.nan
    X[650, 2] = np.inf
    with pytest.raises(DataError, match=r"X has 2 value\(s\) .* the first at row 600 \(from 0\), column 1 "):
        Recording.checked(X, np.arange(700.0), source="here")
    with pytest.raises(DataError, match=r"y has 1 value\(s\) .* row 2 \(from 0\); every"):
        Recording.checked(np.zeros((3, 1)), np.array([1.0, 2.0, np.nan]), source="here")


def test_feature_names_are_one_per_column():
    with pytest.raises(DataError, match="2 feature names for 3 columns"):
        Recording.checked(np.zeros((4, 3)), np.arange(4.0), source="here", feature_names=("a", "b"))


@pytest.mark.parametrize(
    ("covariates", "said"),
    [
        (lambda y, light: y[:, None], "here: y equals the covariate 0, so nothing is left"),
        (lambda y, light: np.c_[light, 2 * y + 1], "here: y is a linear function of the covariate 1, so nothing"),
        (lambda y, light: np.c_[light, y - light], "y is a linear function of the covariates 0, 1, so nothing is left"),
    ],
)
def test_a_target_that_the_covariates_determine_is_refused(covariates, said):
    y, light = np.random.default_rng(0).standard_normal((2, 30))
    with pytest.raises(DataError, match=said):
        Recording.checked(np.ones((30, 1)), y, source="here", annotations=Annotations(covariates=covariates(y, light)))
