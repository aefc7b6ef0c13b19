"""A header in NumPy's format is believed only if it describes an array, and it costs no memory to find out."""

import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from regsearch import data
from regsearch.errors import DataError


def described(shape, descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


HEADERS = {
    "brackets": "[" * 2000,
    "parentheses": "(" * 2000,
    "signs": "-" * 9000 + "1",
    "dicts": "{1:" * 1000,
    "a number of 5000 digits": described("(" + "9" * 5000 + ", 2)"),
    "a list": "[1, 2]",
    "nothing": "",
    "zeros": "\0" * 100,
    "negative": described((-2, -3)),
    "fractions": described((2.0, 3)),
    "words": described("('a', 'b')"),
    "a type of types": described((2, 3), "'(100000000,)f8'"),
    "no type": described((2, 3), "'mystery'"),
    "too many": described((10**9, 10**6)),
    "too many columns": described((2, 10**15)),
}


def header(text, version=1):
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode()


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_a_header_that_describes_no_array_is_one_line(name, version, tmp_path):
    (tmp_path / "X.npy").write_bytes(header(HEADERS[name], version) + bytes(48))
    np.save(tmp_path / "y.npy", np.arange(2.0))
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        for file in ("X.npy", "y.npy"):
            archive.write(tmp_path / file, file)
    for source in (tmp_path, tmp_path / "X.npy", tmp_path / "r.npz"):
        with pytest.raises(DataError) as caught:
            data.load(str(source))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < len(str(source)) + 400
        data.fingerprint(str(source))


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "X.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1))
        file.truncate(2**32)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"expected a whole recording of .npy files"):
            data.load(str(tmp_path / "X.npy"))
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        ((2, 10**10), (2,), "expected rows of at most a tenth of memory, found rows of 74.5 GiB"),
        ((10**10, 2), (10**10,), "expected a target of at most a tenth of memory, found a target of 149 GiB"),
        ((10**10, 2), (10**10, 1), "expected a target of at most a tenth of memory"),
    ],
)
def test_an_array_of_huge_shape_is_refused_before_memory_is_spent(X, y, says, tmp_path):
    for name, shape in (("X", X), ("y", y)):
        with (tmp_path / f"{name}.npy").open("wb") as file:
            file.write(header(described(shape)))
            file.truncate(len(header(described(shape))) + 8 * shape[0] * (shape[1] if len(shape) == 2 else 1))
    with pytest.raises(DataError, match=says):
        data.load(str(tmp_path))


@pytest.mark.parametrize(("y", "do"), [((11,), "give X transposed"), ((7,), "save as many of both")])
@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_a_target_of_another_length_is_refused_by_its_header(kind, y, do, tmp_path):
    arrays = {"X": np.zeros((40, 11)), "y": np.zeros(y)}
    np.savez(tmp_path / "r.npz", **arrays)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    source = str(tmp_path / "r.npz" if kind == "npz" else tmp_path)
    for call in (data.load, data.shape):
        with pytest.raises(DataError, match=rf"found shape \({y[0]},\) beside X of shape \(40, 11\); {do}"):
            call(source)
