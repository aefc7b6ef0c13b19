"""Recordings that stay where they are hold the values of those that are read whole, and are refused in one line."""

import builtins
import os
import pickle

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from regsearch import data
from regsearch.data.npy_files import NpyFile
from regsearch.errors import DataError

KINDS = ["folder", "fortran", "zarr2", "zarr3", "shards"]
BIT_ROUND = {"name": "numcodecs.bitround", "configuration": {"keepbits": 8}}


def save(folder, kind, X, y):
    """Save a recording in one of the forms that are read lazily, and return its source."""
    if kind in ("folder", "fortran"):
        folder.mkdir()
        np.save(folder / "X.npy", np.asfortranarray(X) if kind == "fortran" else X)
        np.save(folder / "y.npy", y)
        return folder
    path = folder.with_suffix(".zarr")
    group = zarr.create_group(path, zarr_format=2 if kind == "zarr2" else 3)
    group.create_array("X", data=X, chunks=(4, 3), shards=(8, 6) if kind == "shards" else None)
    group.create_array("y", data=y)
    return path


def numbers(dtype=np.float32):
    rng = np.random.default_rng(0)
    return (100 * rng.standard_normal((40, 11))).astype(dtype), rng.standard_normal(40)


def refusal(source, target="y"):
    with pytest.raises(DataError) as caught:
        data.load(str(source), target)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "f2", "i2"])
def test_the_values_are_those_of_an_npz(kind, dtype, tmp_path, monkeypatch):
    monkeypatch.setattr("regsearch.data.blocks._BLOCK_BYTES", 600)
    X, y = numbers(dtype)
    np.savez(tmp_path / "r.npz", X=X, y=y)
    expected = data.load(str(tmp_path / "r.npz"))
    source = save(tmp_path / "r", kind, X, y)
    opened = data.load(str(source))
    assert opened.sha256 == expected.sha256
    assert opened.X.dtype == expected.X.dtype
    assert data.shape(str(source)) == (40, 11)
    assert not isinstance(opened.X, np.ndarray)
    np.testing.assert_array_equal(opened.X[3:21, 2:9], expected.X[3:21, 2:9])
    np.testing.assert_array_equal(opened.y, expected.y)


@given(st.booleans(), st.tuples(*[st.integers(0, 12)] * 4))
def test_any_rectangle_of_a_file_is_read(tmp_path_factory, fortran, corners):
    X = np.arange(99.0).reshape(11, 9)
    path = tmp_path_factory.mktemp("r") / "X.npy"
    np.save(path, np.asfortranarray(X) if fortran else X)
    (a, b), (c, d) = sorted(corners[:2]), sorted(corners[2:])
    np.testing.assert_array_equal(NpyFile(path)[a:b, c:d], X[a:b, c:d])


def test_a_file_beside_its_target_is_a_recording(tmp_path):
    X, y = numbers()
    save(tmp_path / "r", "folder", X, y[:, None])
    (tmp_path / "r" / "y.npy").rename(tmp_path / "r" / "speed.npy")
    for source in (tmp_path / "r" / "X.npy", tmp_path / "r"):
        opened = data.load(str(source), "speed")
        assert (opened.target, opened.y.shape) == ("speed", (40,))
        assert "the nearest is 'speed'" in refusal(source, "sped")


@pytest.mark.parametrize("kind", ["folder", "zarr3"])
def test_values_that_are_not_finite_are_found(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("regsearch.data.blocks._BLOCK_BYTES", 600)
    X, y = numbers()
    X[35, 10] = np.nan
    with pytest.raises(DataError, match=r"X has 1 value\(s\) .* row 35 .*, column 10"):
        data.load(str(save(tmp_path / "r", kind, X, y)))


def test_what_a_header_says_wrongly_or_unfitly_is_refused(tmp_path):
    X, y = numbers()
    path = save(tmp_path / "r", "folder", X, y) / "X.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    assert "X.npy to be as long as its header says" in refusal(path.parent)
    np.save(path, X[:-1])
    assert "expected one number of 'y' per row of X, found shape (40,) beside X of shape (39, 11)" in refusal(path)
    np.save(path, X[0])
    assert "expected an array X of rows and columns, found shape (11,)" in refusal(path)
    np.save(path, X.astype(str))
    assert "expected real numbers" in refusal(path)
    path.write_bytes(b"no array at all")
    assert "expected a whole recording of .npy files, found ValueError" in refusal(path)


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    X, _ = numbers()
    source = save(tmp_path / "r", "folder", X, np.array([Bomb()] * 40))
    assert "Python objects in array 'y'" in refusal(source)
    path = tmp_path / "r.zarr"
    group = zarr.create_group(path, zarr_format=2)
    group.create_array("X", shape=(40, 11), chunks=(40, 11), dtype="f4", compressors=numcodecs.Pickle())
    group.create_array("y", data=np.arange(40.0))
    (path / "X" / "0.0").write_bytes(pickle.dumps(Bomb()))
    refusal(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
@pytest.mark.parametrize(
    ("kind", "codecs", "found"),
    [
        ("zarr2", {"compressors": numcodecs.Base64()}, "base64"),
        ("zarr2", {"filters": [numcodecs.BitRound(8)]}, "bitround"),
        ("zarr3", {"filters": [BIT_ROUND], "shards": (8,)}, "numcodecs.bitround"),
    ],
    ids=["a compressor", "a filter", "within shards"],
)
def test_a_codec_that_is_not_known_to_be_safe_is_refused(kind, codecs, found, tmp_path):
    source = save(tmp_path / "r", kind, *numbers())
    group = zarr.open_group(source, mode="a")
    group.create_array("z", shape=(40,), chunks=(4,), dtype="f4", **codecs)
    assert f"expected a codec that only packs numbers, found '{found}' in array 'z'" in refusal(source, "z")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    X, y = numbers()
    source = save(tmp_path / "r", "folder", X, y)
    opened = data.load(str(source))
    np.save(source / "X.npy", X + 1)
    with pytest.raises(DataError, match=r"X.npy: expected a file that stays as it is"):
        opened.X[:, :]


@pytest.mark.parametrize(("kind", "size"), [("zarr3", 4 * 4 * 3), ("shards", 4 * 8 * 6)])
def test_chunks_that_would_fill_memory_are_refused(kind, size, tmp_path, monkeypatch):
    source = save(tmp_path / "r", kind, *numbers())
    monkeypatch.setattr("regsearch.data.zarr_group.fits_in_memory", lambda asked: asked < size)
    says = f"expected chunks of at most a tenth of memory, found chunks of {size / 2**30:.3g} GiB in array 'X'"
    assert says in refusal(source)


def test_a_folder_that_is_no_recording_and_a_group_without_the_package_are_refused(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert "expected a Zarr group, or a folder with X.npy" in refusal(tmp_path / "empty")
    source = save(tmp_path / "r", "zarr3", *numbers())
    whole = builtins.__import__

    def without_zarr(name, *rest):
        if name == "zarr":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_zarr)
    assert "found that it is not installed; pip install 'regsearch[zarr]'" in refusal(source)


@pytest.mark.parametrize("kind", ["folder", "zarr3"])
def test_a_fingerprint_covers_every_file_of_both_arrays(kind, tmp_path):
    source = save(tmp_path / "r", kind, *numbers())
    seen = {data.fingerprint(str(source))}
    files = [path for path in source.rglob("[cXy]*/**/*" if kind == "zarr3" else "*.npy") if path.is_file()]
    assert len(files) >= 2
    for path in files:
        os.utime(path, ns=(0, len(seen)))
        seen.add(data.fingerprint(str(source)))
    assert len(seen) == len(files) + 1
