"""How a matrix that may be larger than memory is read: by blocks of rows or of columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data.memory import fits_in_memory

_BLOCK_BYTES = 2**26


class Matrix(Protocol):
    """Rows of numbers: an array, or what gives arrays of parts of it and may have `chunks`, (rows, columns) of each."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Type of the values."""

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[np.floating]:
        """Return some rows of some columns."""


class Columnwise(Matrix, Protocol):
    """A matrix of which any columns can be picked."""

    def __getitem__(self, key: tuple[slice, slice | NDArray[np.intp]], /) -> NDArray[np.floating]:
        """Return some rows of some columns."""


def row_blocks(X: Matrix) -> Iterator[slice]:
    """Yield the ranges of rows by which to read a matrix."""
    return _blocks_of_chunks(X, axis=0)


def column_blocks(X: Matrix) -> Iterator[slice]:
    """Yield the ranges of columns by which to read a matrix."""
    return _blocks_of_chunks(X, axis=1)


def _blocks_of_chunks(X: Matrix, axis: int) -> Iterator[slice]:
    """Yield blocks of 64 MB, but of whole chunks, so that none is read twice, if that many fit in memory."""
    chunk: int = getattr(X, "chunks", (1, 1))[axis]
    width = X.dtype.itemsize * X.shape[1 - axis]
    room = max(1, _BLOCK_BYTES // max(1, width))
    if chunk > room and fits_in_memory(chunk * width):
        room = chunk
    return blocks(X.shape[axis], room // chunk * chunk or room)


def blocks(size: int, step: int) -> Iterator[slice]:
    """Yield consecutive slices that cover a range."""
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))
