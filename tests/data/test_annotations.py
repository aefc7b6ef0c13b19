import hashlib
from dataclasses import fields

import numpy as np
import pytest

from regsearch.data import Annotations
from regsearch.errors import DataError

GROUPS = np.array(["a", "b", "a", "b"])
GIVEN = {
    "groups": GROUPS,
    "weights": np.array([1.0, 0.0, 2.0, 0.5]),
    "covariates": np.array([[1.0], [2.0], [4.0], [3.0]]),
    "folds": np.array(["1", "2", "2", "2"]),
}


def digest(known):
    made = hashlib.sha256()
    known.update(made)
    return made.hexdigest()


def test_every_annotation_has_an_example_here():
    assert [field.name for field in fields(Annotations)] == list(GIVEN)


def test_annotations_are_taken_row_by_row():
    rows = np.array([3, 0])
    taken = Annotations(**GIVEN).at(rows)
    for name, values in GIVEN.items():
        np.testing.assert_array_equal(getattr(taken, name), values[rows])
    assert Annotations(groups=GROUPS).at(rows).weights is None


def test_each_annotation_makes_another_recording_and_none_leaves_it_the_same():
    assert digest(Annotations()) == hashlib.sha256().hexdigest()
    made = {digest(Annotations(**{name: values})) for name, values in GIVEN.items()}
    made |= {digest(Annotations(**{name: values[::-1]})) for name, values in GIVEN.items()}
    assert len(made) == 2 * len(GIVEN)


def test_labels_that_read_alike_when_joined_are_told_apart():
    assert digest(Annotations(groups=np.array(["ab", "c"]))) != digest(Annotations(groups=np.array(["a", "bc"])))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"groups": GROUPS[:3]}, "groups: expected one for each of 4 rows, found 3"),
        ({"weights": np.array([1.0, -1.0, 1.0, -2.0])}, "found -1 at row 1 (from 0) and 2 such in all"),
        ({"weights": np.array([1.0, 1.0, np.nan, 1.0])}, "weights: expected numbers of at least 0, found nan at row 2"),
        ({"weights": np.zeros(4)}, "weights: expected some above 0, found all zero"),
        ({"weights": np.ones((4, 2))}, "weights: expected 1 dimension(s), found shape (4, 2)"),
        ({"weights": np.full(4, 1e-200)}, "weights: expected weights of 0 or between 1e-100 and 1e+100, found 1e-200"),
        ({"covariates": np.array([[1.0], [2e160], [2.0], [3.0]])}, "covariate light: expected magnitudes"),
        ({"covariates": np.ones(4)}, "covariates: expected 2 dimension(s), found shape (4,)"),
        ({"covariates": np.ones((4, 1))}, "covariate light: expected a column that varies, found 1 in every row"),
        ({"covariates": np.array([[1.0], [np.inf], [2.0], [3.0]])}, "covariate light: expected finite numbers"),
        ({"covariates": np.c_[[1.0, 2, 3, 4], [1.0, 2, 3, 4]]}, "covariate sound: expected columns that differ"),
    ],
)
def test_annotations_that_cannot_be_used_are_refused_in_one_line(given, says):
    names = ("light", "sound")[: np.shape(given.get("covariates"))[1] if np.ndim(given.get("covariates")) == 2 else 0]
    with pytest.raises(DataError) as caught:
        Annotations(**given).check(4, names)
    assert says in str(caught.value)
    assert "; " in str(caught.value)
