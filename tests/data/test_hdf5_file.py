"""An HDF5 file becomes a recording of the same numbers, or one line that says why not."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from regsearch import data
from regsearch.data import hdf5_file
from regsearch.data.roles import Roles
from regsearch.errors import DataError

X = np.array([[1.5, -2.25], [0.1, 1e-300], [3.0, 7.0]])
Y = np.array([0.5, 1.5, -1.0])
LONG = np.arange(4000.0).reshape(2000, 2)


def save(folder, name="small.h5", **arrays):
    path = folder / name
    with h5py.File(path, "w") as file:
        for key, values in ({"X": X, "y": Y} | arrays).items():
            file[key.replace("__", "/")] = values
    return path


def refusal(path, roles="y"):
    with pytest.raises(DataError) as caught:
        data.load(str(path), roles)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("name", ["small.h5", "small.HDF5"])
@pytest.mark.parametrize("y", [Y, Y[:, None]], ids=["vector", "column"])
def test_a_recording_is_what_was_saved(y, name, tmp_path):
    path = str(save(tmp_path, name, y=y, note="text"))
    recording = data.load(path)
    np.testing.assert_array_equal(recording.X[:, :], X)
    np.testing.assert_array_equal(recording.y, Y)
    assert data.shape(path) == (3, 2)
    assert [(entry.name, entry.shape, entry.role) for entry in data.contents(path)] == [
        ("X", (3, 2), "features"),
        ("y", y.shape, "target"),
    ]
    assert data.is_recording(path)
    np.savez(tmp_path / "same.npz", X=X, y=Y)
    assert recording.sha256 == data.load(str(tmp_path / "same.npz")).sha256


@pytest.mark.parametrize(("kind", "kept"), [("f4", "f4"), ("f2", "f4"), (">f4", "f4"), ("i2", "f8"), ("?", "f8")])
def test_small_numbers_stay_small(kind, kept, tmp_path):
    values = np.arange(6).reshape(3, 2).astype(kind)
    recording = data.load(str(save(tmp_path, X=values)))
    assert recording.X.dtype == np.dtype(kept)
    np.testing.assert_array_equal(recording.X[:, :], values)


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (np.array(["a", "b", "b"], dtype=object), ["a", "b", "b"]),
        (np.array([b"a", b"b", b"b"]), ["a", "b", "b"]),
        (np.array(["ä".encode(), b"b", b"b"]), ["ä", "b", "b"]),
        (np.array([1.0, 2.0, 2.0]), ["1", "2", "2"]),
    ],
    ids=["texts", "bytes", "bytes of UTF-8", "numbers"],
)
def test_arrays_are_named_by_their_paths_and_labels_are_texts_or_numbers(session, expected, tmp_path):
    names = np.array(["left", "right"], dtype=object)
    path = save(tmp_path, a__spikes=X, a__spikes_names=names, b__behaviour=X[:, ::-1], b__session=session)
    roles = Roles(("b/behaviour:1",), features="a/spikes", groups="b/session", exclude=("left",))
    recording = data.load(str(path), roles)
    assert data.shape(str(path), roles) == (3, 1)
    assert recording.feature_names == ("right",)
    np.testing.assert_array_equal(recording.X[:, :], X[:, 1:])
    np.testing.assert_array_equal(recording.y, X[:, 0])
    assert recording.annotations.groups.tolist() == expected


def test_a_link_by_name_within_the_file_is_the_array_that_it_names(tmp_path):
    path = tmp_path / "linked.h5"
    with h5py.File(path, "w") as file:
        file["d/values"], file["d/y"] = X, Y
        file["X"], file["d/again"] = h5py.SoftLink("/d/values"), h5py.SoftLink("y")
        file["loop"], file["nowhere"] = h5py.SoftLink("/loop"), h5py.SoftLink("/none")
    np.testing.assert_array_equal(data.load(str(path), "d/again").X[:, :], X)
    assert "expected the array 'nowhere'" in refusal(path, "nowhere")


def test_labels_that_are_no_text_are_refused(tmp_path):
    path = save(tmp_path, session=np.array([b"\xe4", b"b", b"b"]))
    says = "expected text in UTF-8, found the byte 0xe4 in 'session'; save the texts as UTF-8"
    assert says in refusal(path, Roles(("y",), groups="session"))


def test_scale_offset_and_missing_values_are_those_of_netcdf(tmp_path):
    path = save(tmp_path, X=np.array([[1, 2], [3, 4], [5, 7]], "i2"))
    with h5py.File(path, "a") as file:
        file["X"].attrs.update(scale_factor=0.5, add_offset=1.0, _FillValue=np.int16(-1))
    recording = data.load(str(path))
    np.testing.assert_array_equal(recording.X[:, :], [[1.5, 2.0], [2.5, 3.0], [3.5, 4.5]])
    assert recording.notes == ("small.h5: array 'X' was scaled as its attributes say",)
    with h5py.File(path, "a") as file:
        file["X"][1, 1] = -1
    assert "X has 1 value(s) that are missing, NaN or infinite, the first at row 1 (from 0), column 1" in refusal(path)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"X": np.array([["a", "b"]] * 3, dtype=object)}, "found array 'X' of text"),
        ({"X": X * 1j}, "expected real numbers, found array 'X' of complex128"),
        ({"y": np.array([(1, 2.0)] * 3, "i4,f8")}, "found array 'y' of compound values"),
        ({"y": Y[:2]}, "one number of 'y' per row of X"),
        ({"X": X[:, 0]}, "expected an array X of rows and columns"),
        ({"y": "a text"}, "expected the array 'y'"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(arrays, says, tmp_path):
    assert says in refusal(save(tmp_path, **arrays))


def test_values_in_another_file_are_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(Y.tobytes())
    other = save(tmp_path, "other.h5")
    path = save(tmp_path)
    with h5py.File(path, "a") as file:
        file["linked"] = h5py.ExternalLink(str(other), "y")
        file.create_dataset("raw", (3,), "f8", external=str(secret))
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(str(other), "y", shape=(3,))
        file.create_virtual_dataset("virtual", layout)
    assert "expected the array 'linked'" in refusal(path, "linked")
    for name in ("raw", "virtual"):
        assert f"expected values in the file itself, found array '{name}' in other files" in refusal(path, name)


def test_values_that_were_never_written_are_not_zero(tmp_path):
    path = save(tmp_path, y=LONG[:, 0])
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", LONG.shape, "f8", chunks=(500, 2))[:900] = LONG[:900]
        file.create_dataset("z", (2000,), "f8")
    assert "expected every chunk of array 'X', found 2 never written; HDF5 would read them as zeros" in refusal(path)
    with h5py.File(path, "a") as file:
        file["X"][:] = LONG
    assert "expected every chunk of array 'z', found 1 never written" in refusal(path, "z")
    np.testing.assert_array_equal(data.load(str(path)).X[:, :], LONG)


def test_a_huge_array_is_refused_before_it_is_read(tmp_path):
    path = save(tmp_path)
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (2**40, 2**10), "f8", chunks=(3, 2))
    assert "GiB of this machine" in refusal(path) or "never written" in refusal(path)


def test_a_chunk_that_unpacks_to_more_than_a_chunk_is_refused(tmp_path, monkeypatch):
    import zlib

    path = save(tmp_path)
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (3, 2), "f8", chunks=(3, 2), compression="gzip")
        file["X"].id.write_direct_chunk((0, 0), zlib.compress(bytes(2**24)))
    monkeypatch.setattr(hdf5_file, "fits_in_memory", lambda size: size < 2**20)
    assert "expected chunks that unpack to 48 bytes, found more in a chunk of array 'X'" in refusal(path)
    with h5py.File(path, "a") as file:
        file["X"][:] = X
    np.testing.assert_array_equal(data.load(str(path)).X[:, :], X)


def test_a_filter_that_is_not_there_is_named(tmp_path):
    path = save(tmp_path)
    with h5py.File(path, "a") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((3, 2))
        plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)
        del file["X"]
        space = h5py.h5s.create_simple((3, 2))
        made = h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F64LE, space, plan)
        made.write_direct_chunk((0, 0), X.tobytes())
    assert "found array 'X' with filter 32001" in refusal(path)


def test_a_damaged_file_is_one_line_wherever_it_ends(tmp_path):
    path = save(tmp_path)
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:end])
        refusal(path)


def test_without_h5py_the_line_says_what_to_install(tmp_path):
    script = (
        "import sys; sys.modules['h5py'] = None\n"
        "from regsearch import data\n"
        f"try: data.load({str(save(tmp_path))!r})\n"
        "except data.DataError as error: print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert "found that it is not installed; pip install 'regsearch[hdf5]'" in said
