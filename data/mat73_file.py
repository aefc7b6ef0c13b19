"""Recordings in a MATLAB file of version 7.3: HDF5 that holds each array transposed, and says its MATLAB class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_parts import label
from regsearch.data.hdf5_file import Hdf5Arrays, Hdf5Source
from regsearch.data.mat_file import NUMBERS
from regsearch.data.memory import require_memory
from regsearch.data.refusal import refusal, short

if TYPE_CHECKING:
    import h5py

_LONGEST_TEXT = 10_000


class Mat73Arrays(Hdf5Arrays):
    """The arrays of a MATLAB file of version 7.3; fields of a struct are named as ``"behaviour/speed"``."""

    _refuses_absent: ClassVar[bool] = False  # to MATLAB, what was never written is zero

    @classmethod
    def _header(cls, name: str, thing: h5py.Dataset | h5py.Group) -> tuple[tuple[int, ...], str] | None:
        if name.startswith("#") or "MATLAB_sparse" in thing.parent.attrs:
            return None
        if "MATLAB_sparse" in thing.attrs:
            return (), "sparse"
        shape = getattr(thing, "shape", None)
        if not shape:
            return None
        empty = "MATLAB_empty" in thing.attrs
        return (0, 0) if empty else tuple(shape[::-1]), _class_of(thing)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape; MATLAB has no arrays of one dimension, so a row stands for one."""
        shape, kind = self.headers[name]
        if kind == "char":
            return shape[:1]  # one text per row
        return (shape[1],) if len(shape) == 2 and shape[0] == 1 else shape

    def require_numbers(self, name: str) -> None:
        """Raise `DataError` unless an array is of a class of real numbers and fits in memory."""
        kind = self.headers[name][1]
        if kind not in NUMBERS:
            do = "save full(X)" if kind == "sparse" else "save it as double"
            raise refusal("real numbers", f"array {short(name)} of class {kind}", do)
        super().require_numbers(name)

    def values(self, name: str) -> NDArray[np.generic]:
        """Return all values of an array of real numbers."""
        return super().values(name).T

    def labels(self, name: str) -> NDArray[np.str_]:
        """Return the texts of a cell or a char array, or numbers as text."""
        kind = self.headers[name][1]
        if kind not in ("cell", "char"):
            return np.array([label(value) for value in self.values(name).reshape(-1).tolist()])
        dataset = self.file[name]
        self._require_readable(dataset, name)
        require_memory(dataset.size * 256, f"array {short(name)}")
        if kind == "char":
            return np.array(_texts(dataset))
        return np.array([self._text(reference, name) for reference in dataset[()].T.reshape(-1)])

    def _text(self, reference: h5py.Reference, name: str) -> str:
        """Return the one text, or the one number, that a place of a cell refers to."""
        inside = self.file[reference]
        kind = _class_of(inside)
        size = getattr(inside, "size", 0)
        if kind not in ("char", *NUMBERS) or size > _LONGEST_TEXT or (kind != "char" and size != 1):
            do = "save a cell of texts"
            raise refusal(f"one text in each place of {short(name)}", f"one of class {kind}", do)
        self._require_readable(inside, name)
        if "MATLAB_empty" in inside.attrs:
            return ""
        return "".join(_texts(inside)) if kind == "char" else label(inside[()].item())


class Mat73File(Hdf5Source[Mat73Arrays]):
    """A `.mat` file of version 7.3 with the features, (n_rows, n_features), and the target, a row or a column."""

    def _found_in(self, file: h5py.File) -> Mat73Arrays:
        return Mat73Arrays.of(file)


def _texts(dataset: h5py.Dataset) -> list[str]:
    """Return the rows of a char array, which is stored as numbers of UTF-16 and transposed."""
    rows = np.atleast_2d(dataset[()].T).astype("<u2")
    return [row.tobytes().decode("utf-16-le", errors="replace").rstrip() for row in rows]


def _class_of(thing: h5py.Dataset | h5py.Group) -> str:
    given = thing.attrs.get("MATLAB_class", b"")
    return given.decode(errors="replace") if isinstance(given, bytes) else str(given)
