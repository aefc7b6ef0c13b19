"""Some rows of a recording, held column by column: in memory, or in a temporary file if they would fill it."""

from __future__ import annotations

import os
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from regsearch.data.blocks import Matrix, column_blocks
from regsearch.data.memory import fits_in_memory
from regsearch.data.refusal import refusal
from regsearch.data.row_sums import row_sums as sums_of_rows
from regsearch.data.split import Block, count
from regsearch.errors import DataError

_MANY = 32
"""Number of ranges of rows from which they are gathered one by one."""


class Table:
    """Copy of some rows of a recording, in which each column lies in one piece.

    If it is in a file, a child process that is started with it maps the same file; any other pickle has the values.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_features, n_rows)
    blocks : tuple of Block
        Ranges of the recording's rows, ascending, no two adjacent.
    file : file object, optional
        File that `values` is mapped from.
    """

    def __init__(self, values: NDArray[np.floating], blocks: tuple[Block, ...], file: IO[bytes] | None = None) -> None:
        self.values = values
        self.blocks = blocks
        self._file = file
        if file is not None:
            weakref.finalize(self, file.close)

    @classmethod
    def copy(
        cls, X: Matrix, blocks: Iterable[Block], *, row_sums: NDArray[np.uint64] | None = None, source: str = ""
    ) -> Table:
        """Copy rows out of a recording's `X`, a block of columns at a time; the ranges of rows may overlap.

        Parameters
        ----------
        X : Matrix of float32 or float64, shape (n_rows, n_features)
        blocks : iterable of Block
        row_sums : ndarray of uint64, shape (n_rows,), or None
            Sums that the rows of `X` must still have: see `regsearch.data.row_sums`.
        source : str
            Name of the recording, for people.

        Raises
        ------
        DataError
            If the rows fit neither in memory nor in the folder of temporary files, or have other sums.
        """
        merged = _merged(blocks)
        shape = (X.shape[1], count(merged))
        size = shape[0] * shape[1] * X.dtype.itemsize
        sums = np.zeros(shape[1], np.uint64)
        values = np.empty(shape, X.dtype) if fits_in_memory(size) else None
        file = None
        parts = _parts(X, merged, values, sums if row_sums is not None else None)
        if values is None:
            file = _written(parts, size)
            values = _map(file, shape, X.dtype)
        else:
            for _ in parts:
                pass
        if row_sums is not None and not np.array_equal(
            sums, np.concatenate([row_sums[slice(*rows)] for rows in merged])
        ):
            error = refusal("data that stay as they are", "that they changed since they were read through", "try again")
            raise DataError(f"{source}: {error}")
        return cls(values, merged, file)

    def select(self, blocks: Iterable[Block]) -> Selection:
        """Return some of the rows, given by their places in the recording."""
        wanted = list(blocks)
        firsts = self.places(np.array([start for start, _ in wanted], dtype=np.intp)).tolist()
        return Selection(self, tuple((at, at + stop - start) for at, (start, stop) in zip(firsts, wanted, strict=True)))

    def places(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return where the table holds rows, given by their places in the recording."""
        firsts = np.array([start for start, _ in self.blocks], dtype=np.intp)
        held = np.cumsum([0, *(stop - start for start, stop in self.blocks)])
        at = np.searchsorted(firsts, rows, side="right") - 1
        return np.asarray(rows - firsts[at] + held[at], dtype=np.intp)

    def read_ahead(self, features: NDArray[np.intp]) -> None:
        """Ask the disk for all of these columns at once, and for nothing else, if they are in a file.

        Without this the system would fetch them one after the other, each with megabytes of its neighbours.
        """
        if self._file is None or not hasattr(os, "posix_fadvise"):
            return
        width = self.values.strides[0]
        firsts = features[np.diff(features, prepend=-2) != 1].tolist()
        lasts = features[np.diff(features, append=-2) != 1].tolist()
        for first, last in zip(firsts, lasts, strict=True):
            os.posix_fadvise(self._file.fileno(), first * width, (last + 1 - first) * width, os.POSIX_FADV_WILLNEED)

    def __reduce__(self) -> tuple[Callable[..., Table], tuple[Any, ...]]:
        """Reduce to the values, or for a child process that is being started to the open file."""
        if self._file is None or get_spawning_popen() is None or sys.platform == "win32":
            return Table, (self.values, self.blocks)
        return _mapped, (DupFd(self._file.fileno()), self.values.shape, self.values.dtype, self.blocks)


class Selection:
    """Some rows of a table: it serves as an array of shape (n_rows, n_features) without being a copy.

    Parameters
    ----------
    table : Table
    places : tuple of Block
        Ranges of the table's rows.
    """

    def __init__(self, table: Table, places: tuple[Block, ...]) -> None:
        self._table = table
        self._places = places
        self._scattered = np.concatenate([np.arange(*place) for place in places]) if len(places) > _MANY else None
        self.shape = (count(places), len(table.values))
        self.dtype: np.dtype[np.floating] = table.values.dtype

    def __getitem__(self, key: tuple[slice, slice | NDArray[np.intp]]) -> NDArray[np.floating]:
        rows, features = key
        first, last, _ = rows.indices(self.shape[0])
        if not isinstance(features, slice):
            self._table.read_ahead(features)
        if self._scattered is not None:
            return self._table.values[features].take(self._scattered[first:last], axis=1).T
        parts = []
        for start, stop in self._places:
            parts.append(self._table.values[features, start + max(0, first) : min(stop, start + max(0, last))])
            first, last = first - (stop - start), last - (stop - start)
        columns = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return columns.T

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.floating]:
        return np.array(self[:, :], dtype=dtype, copy=copy, order="C")


def _merged(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return ranges with the same rows, ascending, that neither overlap nor touch."""
    merged: list[Block] = []
    for start, stop in sorted(blocks):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)


def _parts(
    X: Matrix, rows: tuple[Block, ...], out: NDArray[np.floating] | None, sums: NDArray[np.uint64] | None
) -> Iterator[NDArray[np.floating]]:
    """Copy rows a block of columns at a time, into `out` if given; add to the sums over the rows if they are wanted."""
    n_rows = count(rows)
    for columns in column_blocks(X):
        part = np.empty((columns.stop - columns.start, n_rows), X.dtype) if out is None else out[columns]
        at = 0
        for start, stop in rows:
            part[:, at : at + stop - start] = X[start:stop, columns].T
            at += stop - start
        if sums is not None:
            sums += sums_of_rows(part.T, columns.start)
        yield part


def _written(parts: Iterable[NDArray[np.floating]], size: int) -> IO[bytes]:
    """Write arrays into a temporary file without a name."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # it lives as long as the table
    try:
        for part in parts:
            left = part.reshape(-1).view(np.uint8).data
            while left:
                left = left[file.write(left) :]
    except OSError as error:
        file.close()
        raise DataError(
            f"{tempfile.gettempdir()}: expected room for a copy of {size / 2**30:.3g} GiB of the recording, found "
            f"{error.strerror or type(error).__name__}; name a folder with more by TMPDIR"
        ) from error
    return file


def _map(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.memmap(file, dtype, "r", shape=shape))


def _mapped(descriptor: Any, shape: tuple[int, ...], dtype: np.dtype[np.floating], blocks: tuple[Block, ...]) -> Table:
    file = os.fdopen(descriptor.detach(), "rb")
    return Table(_map(file, shape, dtype), blocks, file)
