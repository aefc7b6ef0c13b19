"""Singular values of a design down to rounding error: by orthogonal transformations, never by a Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from regsearch.data.blocks import blocks
from regsearch.search.solvers.columns import Columns, some_rows

Floats = NDArray[np.float64]

_BLOCK_VALUES = 2**22
"""Number of values that are factored at once, beside the triangle of what came before."""


@dataclass(frozen=True, eq=False)
class Singular:
    """The part of ``A = U S V^T`` that counts in double precision, and a vector's components along it.

    Attributes
    ----------
    values : ndarray of float64, shape (rank,)
        Singular values that do not count as zero, descending.
    vectors : ndarray of float64, shape (min(n, p), rank)
        Left singular vectors ``U`` if `of_rows`, else right ones ``V``, one per column.
    components : ndarray of float64, shape (rank,)
        ``U^T v`` of a vector ``v``; its norm is that of the projection of ``v`` on the range of ``A``.
    of_rows : bool
        Whether ``n <= p``.
    """

    values: Floats
    vectors: Floats
    components: Floats
    of_rows: bool


@dataclass(frozen=True, eq=False)
class RowSpace:
    """Singular values and left singular vectors of a matrix ``A`` that has no more rows than columns.

    Attributes
    ----------
    values : ndarray of float64, shape (rank,)
        Singular values that do not count as zero, descending.
    vectors : ndarray of float64, shape (n_rows, rank)
    """

    values: Floats
    vectors: Floats

    def singular(self, vector: Floats) -> Singular:
        """Return the decomposition with the components of a vector, shape (n_rows,)."""
        return Singular(self.values, self.vectors, self.vectors.T @ vector, of_rows=True)


def row_space(columns: Columns, cutoff: float) -> RowSpace:
    """Decompose a wide matrix; see `singular`."""
    n_features, n_rows = columns.shape
    triangle = np.empty((0, n_rows))
    for block in blocks(n_features, max(1, _BLOCK_VALUES // n_rows)):
        triangle = _triangle(triangle, np.asarray(columns[block]))
    _, values, right = _decomposed(triangle)
    kept = values > cutoff * values.max(initial=0.0)
    return RowSpace(values[kept], right[kept].T)


def singular(columns: Columns, vector: Floats, cutoff: float) -> Singular:
    """Decompose a design, and project a vector on the range of its columns.

    A QR decomposition by blocks reduces ``A^T`` if ``n <= p``, else ``[A, v]``, to a triangle (Demmel, Grigori,
    Hoemmen & Langou 2012, SIAM J. Sci. Comput. 34); LAPACK's ``gesdd`` decomposes the triangle. Each singular value
    is right to about ``eps`` times the largest, where eigenvalues of a Gram matrix are right to ``eps`` times the
    square of the largest.

    Parameters
    ----------
    columns : Columns, shape (n_features, n_rows)
        ``A^T``.
    vector : ndarray of float64, shape (n_rows,)
    cutoff : float
        Share of the largest singular value up to which others count as zero.
    """
    n_features, n_rows = columns.shape
    if n_rows <= n_features:
        return row_space(columns, cutoff).singular(vector)
    triangle = triangle_of(columns, vector[:, None])
    left, values, right = _decomposed(triangle[:n_features, :n_features])
    kept = values > cutoff * values.max(initial=0.0)
    components = left[:, kept].T @ triangle[:n_features, n_features]
    return Singular(values[kept], right[kept].T, components, of_rows=False)


def _decomposed(triangle: Floats) -> tuple[Floats, Floats, Floats]:
    left, values, right = linalg.svd(triangle, full_matrices=False, check_finite=False, lapack_driver="gesdd")
    return left, values, right


def triangle_of(columns: Columns, vectors: Floats) -> Floats:
    """Return the triangle ``R`` of the QR decomposition of ``[A, V]``, shape (min(n, p + k), p + k).

    Parameters
    ----------
    columns : Columns, shape (n_features, n_rows)
        ``A^T``.
    vectors : ndarray of float64, shape (n_rows, k)
        ``V``.
    """
    n_features, n_rows = columns.shape
    triangle = np.empty((0, n_features + vectors.shape[1]))
    for block in blocks(n_rows, max(n_features, _BLOCK_VALUES // n_features)):
        triangle = _triangle(triangle, np.hstack([some_rows(columns, block).T, vectors[block]]))
    return triangle


def _triangle(above: Floats, below: Floats) -> Floats:
    """Return the triangular factor of two matrices, one above the other."""
    factor, *_ = lapack.dgeqrf(np.asfortranarray(np.vstack([above, below])), overwrite_a=1)
    triangle: Floats = np.triu(factor[: factor.shape[1]])
    return triangle
