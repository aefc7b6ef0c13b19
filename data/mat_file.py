"""Recordings in a MATLAB file of version 7 or before; MATLAB's version 7.3 is HDF5 and is refused with advice."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_headers import FEATURES
from regsearch.data.array_parts import arrays_of, chosen_columns, feature_names, read_parts, require_parts
from regsearch.data.entry import Entry, role_of
from regsearch.data.file_state import state_of
from regsearch.data.memory import require_memory
from regsearch.data.npy_header import kept_type
from regsearch.data.recording import Recording
from regsearch.data.refusal import line, naming, refusal, require_present, short
from regsearch.data.regular_file import open_regular
from regsearch.data.roles import Roles
from regsearch.errors import DataError

_NUMBERS = {
    "double": "f8",
    "single": "f4",
    "logical": "u1",
    **{f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_TEXT = ("char", "cell")


@dataclass(frozen=True)
class MatFile:
    """A `.mat` file with the features, shape (n_rows, n_features), and the target, a row or a column of numbers.

    Parameters
    ----------
    path : Path
    roles : Roles
    """

    path: Path
    roles: Roles

    def read(self, *, progress: bool = False) -> tuple[Recording, ...]:
        """Read the arrays, `X` as a C-contiguous one."""
        with self._opened() as arrays:
            name = self._features_name
            self._require_parts(arrays)
            names, columns = self._columns(arrays)
            X = arrays.values(name)  # in MATLAB's order, by columns
            if columns is not None:
                X, names = X[:, columns], tuple(names[column] for column in columns)
            parts = read_parts(arrays, self.roles)
            return Recording.several(
                np.ascontiguousarray(X, dtype=kept_type(X.dtype, name)),
                parts.targets,
                source=line(self.path),
                feature_names=names,
                column_types=(str(X.dtype),),
                annotations=parts.annotations,
                covariate_names=self.roles.covariates,
                progress=progress,
            )

    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and features, as the headers give them."""
        with self._opened() as arrays:
            self._require_parts(arrays)
            n_rows, n_features = arrays.shape_of(self._features_name)
            _, columns = self._columns(arrays)
        return n_rows, n_features if columns is None else len(columns)

    def contents(self) -> tuple[Entry, ...]:
        """Return the arrays of the file."""
        with self._opened() as arrays:
            return tuple(
                Entry(line(name), shape, kind, role_of(name, self._features_name, self.roles))
                for name, (shape, kind) in arrays.headers.items()
            )

    def fingerprint(self) -> str | None:
        """Return the state of the file."""
        return state_of([self.path])

    @property
    def _features_name(self) -> str:
        return self.roles.features if isinstance(self.roles.features, str) else FEATURES

    def _columns(self, arrays: _Arrays) -> tuple[tuple[str, ...], NDArray[np.intp] | None]:
        """Return the names of all columns of the array of features, and the places of those that are chosen."""
        name = self._features_name
        names = feature_names(arrays, name, arrays.shape_of(name)[1])
        return names, chosen_columns(names, self.roles)

    def _require_parts(self, arrays: _Arrays) -> None:
        name, names = self._features_name, arrays.names()
        require_present(name, names, "array", "say by --features which array holds the features")
        for array in arrays_of([name, *self.roles.numbers], names):
            if array in names:
                arrays.require_numbers(array)
        require_parts(arrays, name, self.roles)

    @contextmanager
    def _opened(self) -> Iterator[_Arrays]:
        from scipy.io import whosmat
        from scipy.io.matlab import MatReadError

        with naming(self.path), open_regular(self.path) as file:
            try:
                headers = {name: (tuple(shape), str(kind)) for name, shape, kind in whosmat(cast(Any, file))}
                yield _Arrays(file, headers)
            except DataError:
                raise
            except NotImplementedError:
                do = "save it in MATLAB by save(file, 'X', 'y', '-v7'), or as .npz"
                raise refusal("a MATLAB file of version 7 or before", "version 7.3", do) from None
            except (MatReadError, ValueError, TypeError, KeyError, IndexError, EOFError, zlib.error) as error:
                raise refusal("a MATLAB file", f"a damaged one ({type(error).__name__})", "save it again") from error


@dataclass(frozen=True)
class _Arrays:
    """The arrays of a file that is open, with the shape and the class that MATLAB gives each."""

    file: Any
    headers: dict[str, tuple[tuple[int, ...], str]]

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
        return np.array([str(value.item()) if isinstance(value, np.ndarray) else str(value) for value in values])

    def values(self, name: str) -> NDArray[np.generic]:
        self.require_numbers(name)
        values = self._loaded(name)
        kept_type(values.dtype, name)  # the header does not say which numbers are complex
        return values

    def require_numbers(self, name: str) -> None:
        """Raise `DataError` unless an array holds numbers that fit in memory."""
        shape, kind = self.headers[name]
        if kind not in _NUMBERS:
            do = "save full(X)" if kind == "sparse" else "save it as double"
            raise refusal("real numbers", f"array {short(name)} of class {kind}", do)
        require_memory(math.prod(shape) * 2 * np.dtype(_NUMBERS[kind]).itemsize, f"array {short(name)}")

    def _loaded(self, name: str) -> NDArray[np.generic]:
        from scipy.io import loadmat

        self.file.seek(0)
        loaded: NDArray[np.generic] = loadmat(self.file, variable_names=[name])[name]
        return loaded
