"""A MATLAB file of version 7.3 becomes the recording that version 7 holds, or one line that says why not."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from regsearch import data
from regsearch.data.roles import Roles
from regsearch.errors import DataError

X = np.array([[1.5, -2.25], [0.1, 1e-300], [3.0, 7.0]])
Y = np.array([0.5, 1.5, -1.0])
HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."


def store(place, name, values):
    """Store values as MATLAB does: by columns, each array with its class, a cell as references."""
    if isinstance(values, str):
        place[name] = np.frombuffer(values.encode("utf-16-le"), "<u2")[:, None]
        place[name].attrs.update(MATLAB_class=np.bytes_("char"), MATLAB_int_decode=2)
    elif isinstance(values, list):
        refs = place.file.require_group("#refs#")
        inside = [store(refs, f"{name}{number}", text).ref for number, text in enumerate(values)]
        place[name] = np.array(inside, h5py.ref_dtype)[None, :]
        place[name].attrs["MATLAB_class"] = np.bytes_("cell")
    else:
        kind = {"f8": "double", "f4": "single", "b1": "logical"}.get(values.dtype.str[1:], str(values.dtype))
        place[name] = np.atleast_2d(values).astype("u1" if kind == "logical" else values.dtype).T
        place[name].attrs["MATLAB_class"] = np.bytes_(kind)
    return place[name]


def save(folder, **arrays):
    path = folder / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, values in ({"X": X, "y": Y} | arrays).items():
            store(file, key.replace("__", "/"), values)
    with path.open("r+b") as raw:
        raw.write(HEADER.ljust(124) + b"\x00\x02IM")
    return path


def refusal(path, roles="y"):
    with pytest.raises(DataError) as caught:
        data.load(str(path), roles)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("kind", ["f8", "f4", "i2", "u1", "?"])
@pytest.mark.parametrize("y", [Y[:, None], Y[None, :]], ids=["column", "row"])
def test_it_is_the_recording_that_version_7_holds(y, kind, tmp_path):
    values = np.array([[1, 0], [0, 3], [5, 1]]).astype(kind)
    savemat(tmp_path / "old.mat", {"X": values, "y": y})
    old, new = data.load(str(tmp_path / "old.mat")), data.load(str(save(tmp_path, X=values, y=y)))
    assert new.sha256 == old.sha256
    np.testing.assert_array_equal(new.X[:, :], values)
    path = str(tmp_path / "new.mat")
    assert data.shape(path) == (3, 2)
    assert {(entry.name, entry.shape, entry.role) for entry in data.contents(path)} == {
        ("X", (3, 2), "features"),
        ("y", y.shape, "target"),
    }


def test_names_and_groups_are_texts_of_a_cell_and_fields_of_a_struct_are_paths(tmp_path):
    path = save(tmp_path, X_names=["left", "rééd"], session=["a", "b", "b"], behaviour__speed=Y[::-1], day=Y.round())
    recording = data.load(str(path), Roles(("behaviour/speed",), groups="session", exclude=("left",)))
    np.testing.assert_array_equal(recording.y, Y[::-1])
    assert recording.feature_names == ("rééd",)
    assert recording.annotations.groups.tolist() == ["a", "b", "b"]
    assert data.load(str(path), Roles(groups="day")).annotations.groups.tolist() == ["0", "2", "-1"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda file: file["X"].attrs.update(MATLAB_class=np.bytes_("string")), "found array 'X' of class string"),
        (lambda file: file["y"].attrs.update(MATLAB_class=np.bytes_("datetime")), "found array 'y' of class datetime"),
        (lambda file: file.move("y", "z"), "expected the array 'y'"),
        (lambda file: file["y"].attrs.update(MATLAB_empty=1), "one number of 'y' per row of X"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(spoil, says, tmp_path):
    path = save(tmp_path)
    with h5py.File(path, "a") as file:
        spoil(file)
    assert says in refusal(path)


def test_a_sparse_array_is_named_with_the_way_to_save_it(tmp_path):
    path = save(tmp_path)
    with h5py.File(path, "a") as file:
        del file["X"]
        group = file.create_group("X")
        group.attrs.update(MATLAB_class=np.bytes_("double"), MATLAB_sparse=3)
        group["data"], group["ir"], group["jc"] = X.ravel(), np.arange(6), np.array([0, 3, 6])
    assert "found array 'X' of class sparse; save full(X)" in refusal(path)
    assert [entry.name for entry in data.contents(str(path))] == ["X", "y"]
