"""A MATLAB file becomes a recording of the same numbers, or one line that says why not."""

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from regsearch import data
from regsearch.data.roles import Roles
from regsearch.errors import DataError

X = np.array([[1.5, -2.25], [0.1, 1e-300], [3.0, 7.0]])
Y = np.array([0.5, 1.5, -1.0])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("y", [Y, Y[:, None], Y[None, :]], ids=["vector", "column", "row"])
def test_a_recording_is_what_was_saved(y, compressed, tmp_path):
    path = str(tmp_path / "small.mat")
    savemat(path, {"X": X, "y": y, "note": "text"}, do_compression=compressed)
    recording = data.load(path)
    np.testing.assert_array_equal(recording.X[:, :], X)
    np.testing.assert_array_equal(recording.y, Y)
    assert data.shape(path) == (3, 2)
    assert {(entry.name, entry.role) for entry in data.contents(path)} >= {("X", "features"), ("y", "target")}
    assert data.is_recording(path)


@pytest.mark.parametrize(("kind", "kept"), [("f4", "f4"), ("i2", "f8"), ("u1", "f8"), ("f8", "f8")])
def test_small_numbers_stay_small(kind, kept, tmp_path):
    savemat(tmp_path / "small.mat", {"X": np.arange(6).reshape(3, 2).astype(kind), "y": Y})
    assert data.load(str(tmp_path / "small.mat")).X.dtype == np.dtype(kept)


def test_names_and_groups_are_texts_of_a_cell_and_columns_are_named_by_their_array(tmp_path):
    names, session = (np.array(texts, dtype=object) for texts in (["left", "right"], ["a", "b", "b"]))
    for labels in (session, np.array(["a", "b", "b"]), np.array([1, 2, 2])):
        savemat(tmp_path / "s.mat", {"spikes": X, "spikes_names": names, "behaviour": X[:, ::-1], "session": labels})
        roles = Roles(("behaviour:1",), features="spikes", groups="session")
        recording = data.load(str(tmp_path / "s.mat"), roles)
        assert recording.feature_names == ("left", "right")
        np.testing.assert_array_equal(recording.y, X[:, 0])
        assert recording.annotations.groups.tolist() == [str(label) for label in labels]
    chosen = Roles(("behaviour:1",), features="spikes", exclude=("left",))
    assert data.shape(str(tmp_path / "s.mat"), chosen) == (3, 1)
    np.testing.assert_array_equal(data.load(str(tmp_path / "s.mat"), chosen).X[:, :], X[:, 1:])


@pytest.mark.parametrize("compressed", [False, True])
def test_fields_of_a_struct_are_paths_as_in_version_7_3(compressed, tmp_path):
    path = str(tmp_path / "s.mat")
    session = np.array(["a", "b", "b"], dtype=object)
    inside = {"speed": Y, "on": Y > 0, "of": {"left": X}, "session": session}
    savemat(path, {"X": X, "y": Y, "behaviour": inside}, do_compression=compressed)
    roles = Roles(("behaviour/speed",), features="behaviour/of/left", groups="behaviour/session")
    recording = data.load(path, roles)
    np.testing.assert_array_equal(recording.y, Y)
    np.testing.assert_array_equal(recording.X[:, :], X)
    assert recording.annotations.groups.tolist() == ["a", "b", "b"]
    assert data.shape(path, roles) == (3, 2)
    assert {(entry.name, entry.dtype, entry.role) for entry in data.contents(path, roles)} == {
        ("X", "double", ""),
        ("y", "double", ""),
        ("behaviour/speed", "double", "target"),
        ("behaviour/on", "uint8", ""),
        ("behaviour/of/left", "double", "features"),
        ("behaviour/session", "cell", "groups"),
    }
    with pytest.raises(DataError, match=r"the array 'behaviour/sped'.* nearest is 'behaviour/speed'"):
        data.load(path, "behaviour/sped")


def test_a_struct_that_would_unpack_to_more_than_memory_is_refused(tmp_path, monkeypatch):
    savemat(tmp_path / "s.mat", {"X": X, "b": {"y": np.zeros(100_000)}}, do_compression=True)
    monkeypatch.setattr("regsearch.data.memory.memory_bytes", lambda: 500_000)
    with pytest.raises(DataError, match="for struct 'b'; save fewer rows"):
        data.load(str(tmp_path / "s.mat"), "b/y")
    assert {entry.name for entry in data.contents(str(tmp_path / "s.mat"))} == {"X", "b"}


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"X": X}, "expected the array 'y'"),
        ({"y": Y}, "expected the array 'X'"),
        ({"X": csc_array(X), "y": Y}, "found array 'X' of class sparse; save full(X)"),
        ({"X": X, "y": "text"}, "found array 'y' of class char; save it as double"),
        ({"X": X, "y": {"speed": Y}}, "of class struct; name one of its fields as y/FIELD; `regsearch data` l"),
        (
            {"X": X, "y": np.array([(1.0,), (2.0,), (3.0,)], [("p", "f8")])},
            "save the field that you need as a variable",
        ),
        ({"X": X, "y": Y[:2]}, "one number of 'y' per row of X"),
        ({"X": X * 1j, "y": Y}, "expected real numbers, found array 'X' of type '<c16'"),
        ({"X": X, "y": Y * 1j}, "expected real numbers, found array 'y' of type '<c16'"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(arrays, says, tmp_path):
    savemat(tmp_path / "bad.mat", arrays)
    with pytest.raises(DataError) as caught:
        data.load(str(tmp_path / "bad.mat"))
    assert says in str(caught.value)
    assert "bad.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_version_7_3_without_its_arrays_is_damaged(tmp_path):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "new.mat").write_bytes(header + bytes(400))
    with pytest.raises(DataError, match=r"found a damaged one of version 7\.3; save it again"):
        data.load(str(tmp_path / "new.mat"))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_one_line_wherever_it_ends(compressed, tmp_path):
    path = tmp_path / "whole.mat"
    savemat(path, {"X": X, "y": Y}, do_compression=compressed)
    whole = path.read_bytes()
    for end in [*range(0, len(whole) - 1, 7)]:
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"whole\.mat"):
            data.load(str(path))
