"""Blocks of rows or columns, by which a matrix is read that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data.memory import fits_in_memory

_BLOCK_BYTES = 2**26


class Matrix(Protocol):
    """A table of numbers: an array, or an object that returns parts of itself as arrays.

    It may have `chunks`, the numbers of rows and columns that are best read at once.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of rows and columns."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Type of the values."""

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[np.floating]:
        """Return some rows of some columns."""


class Columnwise(Matrix, Protocol):
    """A matrix that can also return any selection of its columns."""

    def __getitem__(self, key: tuple[slice, slice | NDArray[np.intp]], /) -> NDArray[np.floating]:
        """Return some rows of some columns."""


def row_blocks(X: Matrix) -> Iterator[slice]:
    """Yield ranges of rows, in order, that are small enough to read at once."""
    return _blocks_of_chunks(X, axis=0)


def column_blocks(X: Matrix) -> Iterator[slice]:
    """Yield ranges of columns, in order, that are small enough to read at once."""
    return _blocks_of_chunks(X, axis=1)


def _blocks_of_chunks(X: Matrix, axis: int) -> Iterator[slice]:
    """Yield blocks of about 64 MB: of whole chunks if these fit in memory, so that no chunk is read twice."""
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
