"""Recordings in a MATLAB file of version 7 or before; version 7.3 is HDF5, see `regsearch.data.mat73_file`."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from regsearch.data.array_file import ArrayFile
from regsearch.data.array_parts import label
from regsearch.data.memory import require_memory
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


class MatFile(ArrayFile["_Arrays"]):
    """A `.mat` file with the features, shape (n_rows, n_features), and the target, a row or a column of numbers."""

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
            except NotImplementedError:  # version 7.3 by its header, and no HDF5 behind it
                do = "save it again"
                raise refusal("a MATLAB file", "a damaged one of version 7.3", do) from None
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
            do = "save full(X)" if kind == "sparse" else "save it as double"
            raise refusal("real numbers", f"array {short(name)} of class {kind}", do)
        require_memory(math.prod(shape) * 2 * np.dtype(NUMBERS[kind]).itemsize, f"array {short(name)}")

    def _loaded(self, name: str) -> NDArray[np.generic]:
        from scipy.io import loadmat

        self.file.seek(0)
        loaded: NDArray[np.generic] = loadmat(self.file, variable_names=[name])[name]
        return loaded
