"""The columns that the solvers work on: an array if it fits in memory, else computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import blas

from regsearch.data.blocks import Columnwise, blocks
from regsearch.search.solvers.normalisation import Normalisation

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
F = TypeVar("F", bound=np.floating)

_CACHED_VALUES = 2**18
"""Number of values in a block that is used once: 2 MB, so that it stays in the processor's cache."""

_PRODUCT_VALUES = 2**22
"""Number of values in a block that is multiplied with itself: enough for BLAS to work at full speed."""

COPY_COST = 6
"""Cost of copying a column out before multiplying it, relative to multiplying it where it lies."""


class Streamed:
    """Normalised columns that are computed a block at a time: read, centred and scaled in double precision on each use.

    It replaces an array of shape (n_features, n_rows). Solvers use ``columns @ v``, ``v @ columns``,
    ``columns[features]`` (another `Streamed`) and ``np.asarray(columns)``.

    Parameters
    ----------
    X : Columnwise
        The recording's values in their own units and type, shape (n_rows, n_features).
    normalisation : Normalisation
        Steps from the columns of `X` to the normalised ones.
    features : range or ndarray of intp, optional
        Indices of the columns to keep (default: all).
    """

    __array_ufunc__ = None  # NumPy then calls __rmatmul__ for `v @ columns`

    def __init__(self, X: Columnwise, normalisation: Normalisation, features: range | Indices | None = None) -> None:
        self._X = X
        self._normalisation = normalisation
        self._features = range(X.shape[1]) if features is None else features
        self.shape = (len(self._features), X.shape[0])

    def __getitem__(self, features: slice | Indices) -> Streamed:
        chosen = self._features[features] if isinstance(features, slice) else np.asarray(self._features)[features]
        return Streamed(self._X, self._normalisation, chosen)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.floating]:
        if copy is False:
            raise ValueError("the columns have to be computed, which makes an array")
        values = np.empty(self.shape, dtype or np.float64)
        for block, centred, scale in self._blocks():
            values[block] = centred / scale[:, None]
        return values

    def __matmul__(self, vectors: Floats) -> Floats:
        """Return the inner product of every column with a vector, or with each column of a matrix."""
        products = np.empty((self.shape[0], *vectors.shape[1:]))
        for block, centred, scale in self._blocks():
            products[block] = ((centred @ vectors).T / scale).T
        return products

    def __rmatmul__(self, weights: Floats) -> Floats:
        """Return the linear combination of the columns, or that by each row of a matrix."""
        combination = np.zeros((*weights.shape[:-1], self.shape[1]))
        for block, centred, scale in self._blocks():
            combination += (weights[..., block] / scale) @ centred
        return combination

    def rows(self, rows: slice) -> Floats:
        """Return every column at some rows only, shape (n_features, n_rows)."""
        centred, scale = self._centred(rows, slice(0, self.shape[0]))
        centred /= scale[:, None]
        return centred

    def _blocks(self) -> Iterator[tuple[slice, Floats, Floats]]:
        """Yield each block's place, its centred columns, and their scales."""
        for block in blocks(self.shape[0], max(1, _CACHED_VALUES // self.shape[1])):
            yield block, *self._centred(slice(None), block)

    def _centred(self, rows: slice, block: slice) -> tuple[Floats, Floats]:
        chosen = self._features[block]
        features = slice(chosen.start, chosen.stop) if isinstance(chosen, range) else chosen
        raw = self._X[rows, features].T
        return self._normalisation.centred(raw, rows, features), self._normalisation.scale[features]


class SinglePrecision:
    """Columns in single precision: a product takes half the time, and its error is near 1e-7 of the norms.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_features, n_rows)
        Of at most unit norm.
    """

    def __init__(self, columns: Floats) -> None:
        self.columns = columns.astype(np.float32)

    def correlate(self, vector: Floats) -> Floats:
        """Return about the inner product of every column with a vector."""
        size = float(np.abs(vector).max(initial=0.0)) or 1.0
        return size * (self.columns @ (vector / size).astype(np.float32)).astype(np.float64)

    def combine(self, weights: Floats) -> Floats:
        """Return about the linear combination of the columns."""
        size = float(np.abs(weights).max(initial=0.0)) or 1.0
        return size * ((weights / size).astype(np.float32) @ self.columns).astype(np.float64)


Columns = Floats | Streamed
"""Normalised columns, shape (n_features, n_rows)."""


def gram_of_rows(columns: Columns) -> Floats:
    """Return ``A A^T``, shape (n_rows, n_rows); only its lower triangle is filled."""
    n_rows = columns.shape[1]
    return _summed(np.zeros((n_rows, n_rows), order="F"), _by_features(columns), blas.dsyrk)


def rough_gram_of_rows(columns: Columns) -> NDArray[np.float32]:
    """Return the same in single precision, which takes half the time."""
    n_rows = columns.shape[1]
    parts = (part.astype(np.float32) for part in _by_features(columns))
    return _summed(np.zeros((n_rows, n_rows), np.float32, order="F"), parts, blas.ssyrk)


def gram_of_features(columns: Columns) -> Floats:
    """Return ``A^T A``, shape (n_features, n_features); only its lower triangle is filled."""
    n_features, n_rows = columns.shape
    rows = blocks(n_rows, max(1, _PRODUCT_VALUES // n_features))
    parts = (np.asfortranarray(some_rows(columns, block)) for block in rows)
    return _summed(np.zeros((n_features, n_features), order="F"), parts, blas.dsyrk)


def _by_features(columns: Columns) -> Iterator[Floats]:
    """Yield ``A`` by blocks of its columns."""
    n_features, n_rows = columns.shape
    for block in blocks(n_features, max(1, _PRODUCT_VALUES // n_rows)):
        yield np.asarray(columns[block], np.float64).T


def _summed(gram: NDArray[F], parts: Iterable[NDArray[F]], syrk: Callable[..., Any]) -> NDArray[F]:
    """Add the product of each part with its transpose, in the lower triangle, by BLAS's ``syrk``."""
    for part in parts:
        gram = syrk(1.0, part, beta=1.0, c=gram, lower=1, overwrite_c=1)
    return gram


def combined(columns: Columns, weights: Floats) -> Floats:
    """Return the linear combination of the columns, or that by each row of a matrix, without columns of weight zero."""
    support = np.flatnonzero(np.atleast_2d(weights).any(axis=0))
    few = COPY_COST * support.size < columns.shape[0]
    combination: Floats = weights[..., support] @ columns[support] if few else weights @ columns
    return combination


def residuals(columns: Columns, target: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the residuals of several fits, and the inner products of every column with them.

    A tall matrix is read once, by blocks of rows, and a wide one twice, whatever the number of fits.

    Parameters
    ----------
    columns : Columns, shape (n_features, n_rows)
    target : ndarray of float64, shape (n_rows,)
    weights : ndarray of float64, shape (n_fits, n_features)

    Returns
    -------
    ndarray of float64, shape (n_fits, n_rows)
    ndarray of float64, shape (n_fits, n_features)
    """
    n_features, n_rows = columns.shape
    if n_rows <= n_features or len(weights) == 1:
        residual = target - combined(columns, weights)
        return residual, (columns @ residual.T).T
    residual = np.empty((len(weights), n_rows))
    products = np.zeros(weights.shape)
    for block in blocks(n_rows, max(1, _CACHED_VALUES // n_features)):
        part = some_rows(columns, block)
        residual[:, block] = target[block] - weights @ part
        products += residual[:, block] @ part.T
    return residual, products


def some_rows(columns: Columns, rows: slice) -> Floats:
    """Return every column at some rows only, shape (n_features, rows)."""
    return columns.rows(rows) if isinstance(columns, Streamed) else columns[:, rows]
