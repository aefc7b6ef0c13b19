"""The matrix that penalties act on, made of the raw features, and what is computed of it once for all targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from regsearch.data import Scale
from regsearch.data.blocks import Columnwise, blocks
from regsearch.search.solvers.active_set import ColumnPool
from regsearch.search.solvers.columns import Columns, Streamed, gram_of_features, gram_of_rows, rough_gram_of_rows
from regsearch.search.solvers.normalisation import Covariates, Normalisation, is_constant, project_out
from regsearch.search.solvers.singular import RowSpace, Singular, row_space, singular

Floats = NDArray[np.float64]

_BLOCK_VALUES = 2**21

_LOST = 1e-4
"""Share of the largest diagonal element of a Gram matrix below which a pivot is lost in single precision."""

_NEGLIGIBLE = 1e-13
"""Share of a column's norm up to which a mean that rounding has left in it is let be."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigendecomposition of the smaller of the two Gram matrices of a matrix.

    Attributes
    ----------
    values : ndarray of float64, shape (k,)
        Eigenvalues of ``A A'`` (``k = n_rows``) or ``A' A`` (``k = n_features``), whichever is smaller, ascending.
    vectors : ndarray of float64, shape (k, k)
        Their eigenvectors, one per column.
    of_rows : bool
        Whether the matrix is ``A A'``.
    """

    values: Floats
    vectors: Floats
    of_rows: bool


@dataclass(frozen=True, eq=False)
class RowFactor:
    """Cholesky factor with pivots (LAPACK's ``pstrf``) of the rows' Gram matrix.

    Attributes
    ----------
    values : ndarray of float32 or float64, shape (n_rows, n_rows)
        The factor in its lower triangle, of the rows in the order of the pivots.
    pivots : ndarray of int, shape (n_rows,)
        The row that each pivot chose.
    rank : int
        Number of pivots that are large enough.
    """

    values: NDArray[np.floating]
    pivots: NDArray[np.integer]
    rank: int

    @classmethod
    def of(cls, gram: NDArray[np.floating], lost: float) -> RowFactor:
        """Factor a Gram matrix; a pivot counts above a share of its largest diagonal element."""
        pstrf = lapack.spstrf if gram.dtype == np.float32 else lapack.dpstrf
        values, pivots, rank, _ = pstrf(gram, lower=1, tol=lost * float(gram.diagonal().max()))
        return cls(values, pivots - 1, rank)


@dataclass(frozen=True, eq=False)
class Matrix:
    """Normalised columns, and everything that is computed of them alone: each on its first use, for every target.

    Not thread-safe: the solvers of several targets share it, and use it in turn.

    Attributes
    ----------
    columns : Columns, shape (n_features, n_rows)
        ``A^T``: one normalised column of the training matrix per row, so that a column is contiguous in memory.
    normalisation : Normalisation
        How the columns were made of the raw ones.
    total_weight : float
        Sum of the rows' weights; the number of rows if all weigh the same.
    unit : float
        A weight of the column as `scale` has it is this times the weight of the column held here.
    rank_cutoff : float
        Share of the largest singular value up to which others count as zero: ``eps * max(n, p)`` of the raw rows, as
        in ``numpy.linalg.lstsq``.
    """

    columns: Columns
    normalisation: Normalisation
    total_weight: float
    unit: float
    rank_cutoff: float

    @cached_property
    def gram(self) -> Floats:
        """Lower triangle of ``A'A``, shape (n_features, n_features); zeros above it."""
        known: Callable[[], Floats] | None = self.__dict__.get("_known_gram")
        return known() if known else gram_of_features(self.columns)

    def know_gram(self, known: Callable[[], Floats]) -> None:
        """Take `gram` from what was summed of the rows before, so that they are not read for it."""
        self.__dict__["_known_gram"] = known

    @cached_property
    def row_gram(self) -> Floats:
        """Lower triangle of ``A A'``, shape (n_rows, n_rows), until it is decomposed."""
        self.__dict__.pop("rough_row_factor", None)
        return gram_of_rows(self.columns)

    @cached_property
    def rough_row_factor(self) -> RowFactor:
        """Factor of about ``A A'``, in single precision, until `row_gram` itself is made."""
        return RowFactor.of(rough_gram_of_rows(self.columns), _LOST)

    @property
    def has_row_gram(self) -> bool:
        """Whether `row_gram` is at hand."""
        return "row_gram" in self.__dict__

    @property
    def is_decomposed(self) -> bool:
        """Whether `spectrum` is at hand."""
        return "spectrum" in self.__dict__

    @cached_property
    def spectrum(self) -> Spectrum:
        """Eigendecomposition of the smaller Gram matrix."""
        n_features, n_rows = self.columns.shape
        of_rows = n_rows <= n_features
        gram = self.row_gram if of_rows else self.gram.copy(order="F")
        self.__dict__.pop("row_gram", None)
        values, vectors = linalg.eigh(gram, lower=True, overwrite_a=True, check_finite=False, driver="evd")
        return Spectrum(np.maximum(values, 0.0), vectors, of_rows)

    @cached_property
    def pool(self) -> ColumnPool:
        """Columns that have been active for any target, and their Gram matrix."""
        return ColumnPool(self.columns)

    @cached_property
    def _row_space(self) -> RowSpace:
        return row_space(self.columns, self.rank_cutoff)

    def singular(self, vector: Floats) -> Singular:
        """Return the singular values that count, with the components of a vector of shape (n_rows,).

        With more rows than features the decomposition is made anew for each vector, as it needs no orthonormal basis of
        the size of the matrix then.
        """
        n_features, n_rows = self.columns.shape
        if n_rows <= n_features:
            return self._row_space.singular(vector)
        return singular(self.columns, vector, self.rank_cutoff)


def matrix_of(
    X: Columnwise,
    *,
    scale: Scale = "unit-norm",
    weights: Floats | None = None,
    covariates: Floats | None = None,
    in_memory: bool = True,
) -> Matrix:
    """Make the matrix of some training rows.

    Each column is centred by its weighted mean; what the covariates explain of it is subtracted; then it is divided by
    its Euclidean norm, by its standard deviation, or by nothing. A constant column becomes zero and keeps scale 1.

    A column counts as constant if its variance is within the rounding error of computing it (`is_constant`), or if what
    the covariates leave of it is within the rounding error of its values.

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    scale, weights, covariates, in_memory
        See `regsearch.search.solvers.design.normalise`.

    Raises
    ------
    ValueError
        If a weight is not positive and finite: rows of weight zero are left out by the caller.
    """
    if weights is not None and not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("expected positive, finite row weights; leave out rows of weight zero")
    n_rows, n_features = X.shape
    total = float(n_rows) if weights is None else float(weights.sum())
    roots = None if weights is None else np.sqrt(weights)
    nuisance = None if covariates is None else Covariates.of(covariates, weights)
    columns = np.empty((n_features, n_rows)) if in_memory else None
    mean, remainder, divisor = np.empty(n_features), np.empty(n_features), np.empty(n_features)
    constant = np.empty(n_features, dtype=bool)
    loadings = None if nuisance is None else np.empty((n_features, nuisance.basis.shape[1]))
    eps = np.finfo(np.float64).eps
    for block in blocks(n_features, max(1, _BLOCK_VALUES // n_rows)):
        part = np.empty((block.stop - block.start, n_rows)) if columns is None else columns[block]
        part[...] = X[:, block].T
        mean[block] = part.mean(axis=1) if weights is None else part @ weights / total
        part -= mean[block, None]
        squared_norm = np.einsum("ij,ij->i", part, part)
        left = part.mean(axis=1) if weights is None else part @ weights / total
        remainder[block] = np.where(n_rows * left**2 > _NEGLIGIBLE**2 * squared_norm, left, 0.0)
        if remainder[block].any():
            part -= remainder[block, None]
        if roots is not None:
            part *= roots
            squared_norm = np.einsum("ij,ij->i", part, part)
        variance = squared_norm / total
        constant[block] = is_constant(variance, mean[block], n_rows)
        if nuisance is not None and loadings is not None:
            loadings[block] = project_out(part, nuisance.basis)
            before, squared_norm = squared_norm, np.einsum("ij,ij->i", part, part)
            rounding = before + total * mean[block] ** 2
            constant[block] |= squared_norm <= (n_rows * eps) ** 2 * rounding
        divisor[block] = np.where(constant[block], 1.0, np.sqrt(squared_norm))
        if columns is not None:
            part[constant[block]] = 0.0
            if scale != "none":
                part /= divisor[block, None]
    largest = float(divisor[~constant].max(initial=0.0))
    if scale == "none":
        divisor = np.where(constant, 1.0, largest)
        if columns is not None and largest > 0:
            columns /= largest
    left_over = remainder if remainder.any() else None
    normalisation = Normalisation(mean, divisor, constant, left_over, roots, nuisance, loadings)
    unit = {"unit-norm": 1.0, "standard": total**-0.5, "none": 1 / largest if largest > 0 else 1.0}
    made = Streamed(X, normalisation) if columns is None else columns
    return Matrix(made, normalisation, total, unit[scale], float(eps) * max(X.shape))
