"""Recordings in a MATLAB file of version 7 or before; version 7.3 is HDF5, see `regsearch.data.mat73_file`."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_file import ArrayFile
from regsearch.data.array_parts import label
from regsearch.data.entry import Entry
from regsearch.data.memory import fits_in_memory, require_memory
from regsearch.data.npy_header import kept_type
from regsearch.data.refusal import naming, refusal, short
from regsearch.data.regular_file import open_regular
from regsearch.errors import DataError

NUMBERS = {
    "double": "f8",
    "single": "f4",
    "logical": "u1",
    **{f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_TEXT = ("char", "cell")
_COMPRESSED = 15
_BEFORE_VARIABLES = 128


class MatFile(ArrayFile["_Arrays"]):
    """A `.mat` file with the features, shape (n_rows, n_features), and the target, a row or a column of numbers.

    Fields of a struct are named as ``"behaviour/speed"``.
    """

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of the file, and the fields of structs that are small enough to be read for it."""
        with self._opened() as arrays:
            structs = arrays.structs()
            return self._entries(
                arrays.with_fields(structs if structs and fits_in_memory(_largest(arrays.file)) else [])
            )

    @contextmanager
    def _opened(self) -> Iterator[_Arrays]:
        from scipy.io import whosmat
        from scipy.io.matlab import MatReadError

        with naming(self.path), open_regular(self.path) as file:
            try:
                headers = {name: (tuple(shape), str(kind)) for name, shape, kind in whosmat(cast(Any, file))}
                arrays = _Arrays(file, headers)
                named = [*self.roles.numbers, *self.roles.labels, self._features_name]
                paths = {name.partition("/")[0] for name in named if "/" in name}
                yield arrays.with_fields([name for name in arrays.structs() if name in paths])
            except DataError:
                raise
            except NotImplementedError:  # version 7.3 by its header, and no HDF5 behind it
                do = "save it again"
                raise refusal("a MATLAB file", "a damaged one of version 7.3", do) from None
            except (
                MatReadError,
                ValueError,
                TypeError,
                KeyError,
                IndexError,
                EOFError,
                struct.error,
                zlib.error,
            ) as error:
                raise refusal("a MATLAB file", f"a damaged one ({type(error).__name__})", "save it again") from error


@dataclass(frozen=True)
class _Arrays:
    """The arrays of a file that is open, with the shape and the class that MATLAB gives each.

    Parameters
    ----------
    file : binary file
    headers : dict of str to (shape, class)
    fields : dict of str to ndarray
        Values of the fields of structs, which can only be read with the whole struct.
    """

    file: Any
    headers: dict[str, tuple[tuple[int, ...], str]]
    fields: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def structs(self) -> list[str]:
        """Return the names of the structs that are one, and no array of several."""
        return [name for name, (shape, kind) in self.headers.items() if kind == "struct" and math.prod(shape) == 1]

    def with_fields(self, structs: Sequence[str]) -> _Arrays:
        """Return the arrays with the fields of some structs in the place of these."""
        if not structs:
            return self
        require_memory(2 * _largest(self.file), f"struct {short(structs[0])}")
        headers, fields = {}, {}
        for name, header in self.headers.items():
            if name not in structs:
                headers[name] = header
                continue
            for path, values in _fields_of(name, self._loaded(name)):
                headers[path] = tuple(getattr(values, "shape", ())), _class_of(values)
                fields[path] = values
        return _Arrays(self.file, headers, fields)

    def names(self) -> list[str]:
        return list(self.headers)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape; MATLAB has no arrays of one dimension, so a row stands for one."""
        shape = self.headers[name][0]
        return (shape[1],) if len(shape) == 2 and shape[0] == 1 else shape

    def numbers(self, name: str) -> NDArray[np.float64]:
        values = self.values(name).astype(np.float64, copy=False)
        return values.reshape(self.shape_of(name))

    def labels(self, name: str) -> NDArray[np.str_]:
        shape, kind = self.headers[name]
        if kind not in _TEXT:
            self.require_numbers(name)
        require_memory(math.prod(shape) * 256, f"array {short(name)}")
        values = self._loaded(name).reshape(-1)
        return np.array([label(value.item() if isinstance(value, np.ndarray) else value) for value in values])

    def notes(self, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def values(self, name: str) -> NDArray[np.generic]:
        self.require_numbers(name)
        values = self._loaded(name)
        kept_type(values.dtype, name)  # the header does not say which numbers are complex
        return values

    def require_numbers(self, name: str) -> None:
        """Raise `DataError` unless an array holds numbers that fit in memory."""
        shape, kind = self.headers[name]
        if kind not in NUMBERS:
            do = {"sparse": "save full(X)", "struct": self._of_struct(name)}.get(kind, "save it as double")
            raise refusal("real numbers", f"array {short(name)} of class {kind}", do)
        require_memory(math.prod(shape) * 2 * np.dtype(NUMBERS[kind]).itemsize, f"array {short(name)}")

    def _of_struct(self, name: str) -> str:
        """Return what to do with a struct that is named instead of one of its fields."""
        if name not in self.structs():
            return "save the field that you need as a variable of its own"
        return f"name one of its fields as {name}/FIELD; `regsearch data` lists them"

    def _loaded(self, name: str) -> NDArray[np.generic]:
        from scipy.io import loadmat

        if name in self.fields:
            return self.fields[name]
        self.file.seek(0)
        loaded: NDArray[np.generic] = loadmat(self.file, variable_names=[name])[name]
        return loaded


def _fields_of(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the paths and the values of a struct's fields, and of those of structs within it."""
    if type(value) is np.ndarray and value.dtype.names and value.size == 1:
        for part in value.dtype.names:
            yield from _fields_of(f"{name}/{part}", value.reshape(-1)[0][part])
    else:
        yield name, value


def _class_of(value: Any) -> str:
    """Return the class that MATLAB gives to the values of a field."""
    if type(value) is not np.ndarray:
        return "sparse" if hasattr(value, "nnz") else type(value).__name__
    if value.dtype.names:
        return "struct"
    if value.dtype.kind in "UO":
        return "char" if value.dtype.kind == "U" else "cell"
    real = f"f{value.dtype.itemsize // 2}" if value.dtype.kind == "c" else value.dtype.str[1:]
    return next((name for name, kind in NUMBERS.items() if kind == real and name != "logical"), str(value.dtype))


def _largest(file: Any) -> int:
    """Return the bytes of the largest variable, unpacked, as the tags of the file say."""
    file.seek(_BEFORE_VARIABLES - 2)
    order = ">" if file.read(2) == b"MI" else "<"
    largest = 0
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        following = file.tell() + size
        if kind == _COMPRESSED:
            _, size = struct.unpack(f"{order}II", zlib.decompressobj().decompress(file.read(min(size, 256)), 8))
        largest = max(largest, size)
        file.seek(following)
    return largest
