import warnings

import h5py
import numpy as np
import pytest
import zarr

from regsearch.data import Roles, contents, load, load_targets, shape
from regsearch.data.array_parts import read_parts
from regsearch.errors import DataError

RNG = np.random.default_rng(0)
ARRAYS = {
    "X": RNG.standard_normal((12, 3)),
    "behaviour": RNG.standard_normal((12, 2)),
    "speed": RNG.standard_normal((12, 1)),
    "light": RNG.standard_normal(12),
    "weight": np.arange(12.0),
    "session": np.repeat([1, 2, 3], 4),
}
NAMED = {
    **ARRAYS,
    "behaviour_names": np.array(["run", "pupil"]),
    "session": np.repeat(["s1", "s2", "s3"], 4),
    "feature_names": np.array(["unit_0", "unit_1", "gain"]),
}


def npz(folder, arrays):
    np.savez(folder / "one.npz", **arrays)
    return str(folder / "one.npz")


def npy_folder(folder, arrays):
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    return str(folder)


def hdf5(folder, arrays):
    with h5py.File(folder / "one.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values.astype(object) if values.dtype.kind == "U" else values
    return str(folder / "one.h5")


def zarr_group(folder, arrays):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", zarr.errors.UnstableSpecificationWarning)  # of text
        group = zarr.open_group(folder / "one.zarr", mode="w")
        for name, values in arrays.items():
            group.create_array(name, shape=values.shape, dtype=values.dtype)[...] = values
    return str(folder / "one.zarr")


each_format = pytest.mark.parametrize("save", [npz, npy_folder, zarr_group, hdf5])


@each_format
def test_targets_are_arrays_or_columns_of_arrays(save, tmp_path):
    source = save(tmp_path, ARRAYS)
    targets = ("behaviour:1", "speed", "behaviour:0")
    roles = Roles(targets, covariates=("light",), weights="weight", groups="session")
    recordings = load_targets(source, roles)
    expected = (ARRAYS["behaviour"][:, 1], ARRAYS["speed"][:, 0], ARRAYS["behaviour"][:, 0])
    for recording, target, values in zip(recordings, targets, expected, strict=True):
        assert recording.target == target
        assert recording.X is recordings[0].X
        np.testing.assert_array_equal(recording.y, values)
        np.testing.assert_array_equal(recording.annotations.covariates, ARRAYS["light"][:, None])
        np.testing.assert_array_equal(recording.annotations.weights, ARRAYS["weight"])
        assert recording.annotations.groups.tolist() == [str(number) for number in ARRAYS["session"]]
    played = {entry.name: entry.role for entry in contents(source, roles)}
    assert played == {
        "X": "features",
        **dict.fromkeys(("behaviour", "speed"), "target"),
        **{"light": "covariate", "weight": "weights", "session": "groups"},
    }


class Counted:
    """Named arrays that note which of them are read."""

    def __init__(self):
        self.read = []

    def names(self):
        return list(ARRAYS)

    def shape_of(self, name):
        return ARRAYS[name].shape

    def numbers(self, name):
        self.read.append(name)
        return ARRAYS[name]


def test_an_array_is_read_once_however_many_of_its_columns_are_named():
    arrays = Counted()
    parts = read_parts(arrays, Roles(("behaviour:0", "behaviour:1"), covariates=("light",)))
    np.testing.assert_array_equal(np.column_stack([*parts.targets.values()]), ARRAYS["behaviour"])
    assert arrays.read == ["behaviour", "light"]


@each_format
def test_an_array_of_one_row_has_a_value_for_each_row_of_the_features(save, tmp_path):
    names = ("light", "weight", "session", "feature_names")
    source = save(tmp_path, NAMED | {name: NAMED[name][None] for name in names})
    roles = Roles(("light",), covariates=("speed",), weights="weight", groups="session")
    recording = load(source, roles)
    np.testing.assert_array_equal(recording.y, NAMED["light"])
    np.testing.assert_array_equal(recording.annotations.weights, NAMED["weight"])
    assert recording.annotations.groups.tolist() == NAMED["session"].tolist()
    assert recording.feature_names == tuple(NAMED["feature_names"])
    assert recording.sha256 == load(save(tmp_path, NAMED), roles).sha256
    with pytest.raises(DataError, match=r"expected a column '0' of 'light', found shape \(12,\); name 'light' alone"):
        load(save(tmp_path, NAMED | {"light": NAMED["light"][None]}), Roles(("light:0",)))


@each_format
def test_columns_have_the_names_that_are_saved_beside_them(save, tmp_path):
    source = save(tmp_path, NAMED)
    recording = load(source, Roles(("behaviour:pupil",), groups="session"))
    np.testing.assert_array_equal(recording.y, ARRAYS["behaviour"][:, 1])
    assert recording.feature_names == ("unit_0", "unit_1", "gain")
    assert recording.annotations.groups.tolist() == NAMED["session"].tolist()


@each_format
@pytest.mark.parametrize("names", ["feature_names", "X_names"])
def test_names_of_another_number_of_features_are_left_out_with_a_note(save, names, tmp_path):
    source = save(tmp_path, ARRAYS | {names: NAMED["feature_names"][:2]})
    recording = load(source, Roles(("speed",)))
    assert recording.feature_names == ()
    said = f"{names} is not used: expected one name for each feature, found shape (2,) beside 3 features; save as many"
    assert [note.removeprefix("one.h5: ").removeprefix("one.npz: ") for note in recording.notes] == [said]
    if save in (npz, hdf5):
        with pytest.raises(DataError, match="beside 3 features; save as many; save an array"):
            load(source, Roles(("speed",), features=("unit_*",)))


@pytest.mark.parametrize(
    ("names", "found"), [(["a", "", "c"], "found column 2 without one"), (["a", "b", "a"], "found 'a' more than once")]
)
def test_names_that_cannot_tell_the_features_apart_are_left_out_with_a_note(names, found, tmp_path):
    recording = load(npz(tmp_path, ARRAYS | {"feature_names": np.array(names)}), Roles(("speed",)))
    assert recording.feature_names == ()
    (note,) = recording.notes
    assert "feature_names is not used: " in note
    assert found in note


def test_names_of_the_right_number_are_used_whatever_else_is_there(tmp_path):
    others = {"X_names": np.array(["a", "b"])}
    recording = load(npz(tmp_path, NAMED | others), Roles(("speed",)))
    assert recording.feature_names == tuple(NAMED["feature_names"])
    assert recording.notes == ()


@pytest.mark.parametrize(
    ("chosen", "columns"),
    [({"features": ("unit_*",)}, [0, 1]), ({"exclude": ("unit_1",)}, [0, 2]), ({"features": ("gain",)}, [2])],
)
def test_columns_of_an_array_are_chosen_by_their_names(chosen, columns, tmp_path):
    source = npz(tmp_path, NAMED)
    recording = load(source, Roles(("speed",), **chosen))
    np.testing.assert_array_equal(recording.X, ARRAYS["X"][:, columns])
    assert recording.feature_names == tuple(NAMED["feature_names"][columns])
    assert shape(source, Roles(("speed",), **chosen)) == recording.X.shape


@each_format
@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (Roles(("behaviour",)), "found shape (12, 2); name one of its columns, behaviour:0 to behaviour:1"),
        (Roles(("behaviour:2",)), "expected a column '2' of 'behaviour', found columns 0 to 1"),
        (Roles(("light:0",)), "expected a column '0' of 'light', found shape (12,); name 'light' alone"),
        (Roles(("sped",)), "the nearest is 'speed'; say by --target which array to predict"),
        (Roles(("X:0",)), "found 'X:0' among the features 'X'"),
        (Roles(("speed",), covariates=("X:0",)), "found 'X:0' among the features 'X'"),
        (Roles(("speed",), groups="behaviour"), "expected one label of 'behaviour' per row, found shape (12, 2)"),
        (Roles(("speed",), weights="sesion"), "the nearest is 'session'; name one of the arrays"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_the_headers(save, roles, says, tmp_path):
    source = save(tmp_path, ARRAYS)
    for look in (shape, load):
        with pytest.raises(DataError) as caught:
            look(source, roles)
        assert says in str(caught.value)


@each_format
def test_one_column_under_two_names_is_refused(save, tmp_path):
    with pytest.raises(DataError, match=r"found the same for 'behaviour:run' and 'behaviour:0'; name it once"):
        load_targets(save(tmp_path, NAMED), Roles(("behaviour:run", "behaviour:0")))


@pytest.mark.parametrize("save", [npy_folder, zarr_group])
def test_a_choice_among_features_that_stay_in_their_file_is_refused(save, tmp_path):
    with pytest.raises(DataError, match="save the features to search as an array of their own"):
        shape(save(tmp_path, ARRAYS), Roles(("speed",), exclude=("unit_*",)))


def test_a_choice_among_features_without_names_is_refused(tmp_path):
    with pytest.raises(DataError, match="save an array feature_names beside them, of one name for each"):
        load(npz(tmp_path, ARRAYS), Roles(("speed",), features=("unit_*",)))
