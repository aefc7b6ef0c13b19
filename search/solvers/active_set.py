"""Normal equations of a changing set of columns: each Newton step of the lasso solves one such system."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from regsearch.search.solvers.columns import COPY_COST, Columns, SinglePrecision

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_JITTER = 1e-10
"""Share by which the diagonal of the Gram matrix is raised, so that duplicate columns leave it positive definite."""

_DEPENDENT = 1e-8
"""Share of a column's squared norm that is left of an independent one."""

_LEAST_AHEAD = 32
"""Number of columns that may always be added to the pool ahead of their time."""

_PATIENCE = 0.3
"""Share of the columns that may join or leave before a new factorisation becomes cheaper than updating the old one."""


class ColumnPool:
    """Columns that have been active, copied side by side, and their Gram matrix.

    A column enters once, for whichever target. The system of any pooled columns is then a lookup. A full pool is
    emptied, and enlarged if the new columns alone do not fit.

    Parameters
    ----------
    columns : Columns, shape (n_features, n_rows)
    """

    def __init__(self, columns: Columns) -> None:
        n_features, n_rows = columns.shape
        self._source = columns
        self._allocate(min(n_features, 2 * n_rows))
        self.slot = np.full(n_features, -1, dtype=np.intp)
        self.features: Indices = np.empty(0, dtype=np.intp)
        self.generation = 0

    @property
    def capacity(self) -> int:
        """Number of columns that the pool has room for."""
        return len(self._columns)

    def _allocate(self, capacity: int) -> None:
        self._columns = np.empty((capacity, self._source.shape[1]))  # the system maps memory only when it is written to
        self._gram = np.empty((capacity, capacity))

    @cached_property
    def single(self) -> SinglePrecision | None:
        """All columns in single precision, if they are held in memory."""
        return SinglePrecision(self._source) if isinstance(self._source, np.ndarray) else None

    def admit(self, features: Indices, likely: Indices | None = None) -> Indices:
        """Add the features that are new to the pool, and return the slots of all of them.

        Parameters
        ----------
        features : ndarray of intp
        likely : ndarray of intp, optional
            Features that may soon be active, the likeliest first. As many as fit are added if anything is, because to
            add a few reads the whole pool.
        """
        new = features[self.slot[features] < 0]
        if new.size and likely is not None:
            room = min(len(self._columns) - self.features.size - new.size, max(_LEAST_AHEAD, features.size // 8))
            ahead = likely[self.slot[likely] < 0]
            new = np.concatenate([new, np.setdiff1d(ahead, new, assume_unique=True)[: max(0, room)]])
        if self.features.size + new.size > len(self._columns):
            self.slot[self.features] = -1
            self.features, new = self.features[:0], features
            self.generation += 1
            if features.size > len(self._columns):
                self._allocate(min(self.slot.size, 2 * new.size))
        if new.size:
            first, last = self.features.size, self.features.size + new.size
            self.slot[new] = np.arange(first, last)
            self.features = np.concatenate([self.features, new])
            self._columns[first:last] = self._source[new]
            products = self._columns[:last] @ self._columns[first:last].T
            self._gram[:last, first:last] = products
            self._gram[first:last, :first] = products[:first].T
        return self.slot[features]

    def gram(self, rows: Indices, columns: Indices) -> Floats:
        """Return the block of the Gram matrix at these slots."""
        block: Floats = self._gram[rows[:, None], columns]
        return block

    def gram_diagonal(self, slots: Indices) -> Floats:
        """Return the squared norms of the columns at these slots."""
        diagonal: Floats = self._gram[slots, slots]
        return diagonal

    def combine(self, slots: Indices, coefficients: Floats) -> Floats:
        """Return the linear combination of the columns at these slots."""
        if self._are_few(slots):
            few: Floats = coefficients @ self._columns[slots]
            return few
        dense = np.zeros(self.features.size)
        dense[slots] = coefficients
        return dense @ self._columns[: dense.size]

    def correlate(self, vector: Floats, slots: Indices) -> Floats:
        """Return the inner product of the columns at these slots with a vector."""
        if self._are_few(slots):
            few: Floats = self._columns[slots] @ vector
            return few
        return (self._columns[: self.features.size] @ vector)[slots]

    def _are_few(self, slots: Indices) -> bool:
        """Return whether copying these columns out costs less than reading the whole pool."""
        return COPY_COST * slots.size < self.features.size


class ActiveSystem:
    """Solves ``(A_S^T A_S + shift I) x = v`` for one set ``S`` after another.

    The Cholesky factor ``L`` is kept from one set to the next. A column that joins adds a row to ``L``. A column that
    leaves stays in ``L``, and its unknown is constrained to zero: with ``E`` the unit vectors of these columns and
    ``Y = L^-1 E``, ``x`` is ``L^-T`` times the projection of ``L^-1 v`` on the complement of ``Y``. Each costs
    ``O(k^2)`` a column, where a new factorisation costs ``k^3 / 3``. When too much has changed, ``L`` is factored anew.
    ``L`` has room for the whole pool, of which the system maps what is written to.

    Parameters
    ----------
    pool : ColumnPool
    """

    def __init__(self, pool: ColumnPool) -> None:
        self.pool = pool
        self._generation = -1
        self._shift = -1.0
        self._size = 0
        self._members: Indices = np.empty(0, dtype=np.intp)
        self._frozen: Indices = self._members
        self._selected: Indices = self._members
        self._factor: Floats = np.empty((0, 0), order="F")
        self._constraints: Floats = np.empty((0, 0), order="F")
        self._metric: Floats = np.empty((0, 0))

    def select(self, features: Indices, shift: float, likely: Indices | None = None) -> None:
        """Make these features, in this order, the set ``S``.

        Parameters
        ----------
        features : ndarray of intp, shape (n_active,)
        shift : float
        likely : ndarray of intp, optional
            Features that may soon be in the set: `ColumnPool.admit`.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the system is numerically singular.
        """
        self._slots = self.pool.admit(features, likely)
        if shift == self._shift and self.pool.generation == self._generation:
            position = np.full(self.pool.features.size, -1, dtype=np.intp)
            position[self._members] = np.arange(self._size)
            at = position[self._slots]
            joining = self._slots[at < 0]
            leaving = np.flatnonzero(~_mask(self._size, at[at >= 0]))
            if joining.size + leaving.size <= _PATIENCE * features.size:
                self._freeze(leaving)
                self._border(joining)
                at[at < 0] = np.arange(self._size - joining.size, self._size)
                self._selected = at
                return
        self._factorise(shift)

    def solve(self, right_hand_side: Floats) -> Floats:
        """Return ``x`` for a right-hand side ``v``, both in the order of the selected features."""
        padded = np.zeros(self._size)
        padded[self._selected] = right_hand_side
        half = self._divided(padded)
        if self._frozen.size:
            half -= self._constraints @ np.linalg.solve(self._metric, self._constraints.T @ half)
        return self._divided(half, transposed=1)[self._selected]

    def may_be_dependent(self, features: Indices) -> bool:
        """Return whether one of these columns may depend on the others of them.

        The factor tells it where it has no small pivot. One that has may have it from columns that have left; then
        these columns are factored anew.
        """
        slots = self.pool.admit(features)
        is_known = self.pool.generation == self._generation
        is_known = is_known and bool(_mask(self.pool.features.size, self._members)[slots].all())
        if is_known and not self._has_small_pivots():
            return False
        if not is_known or slots.size < self._size:
            self._slots = slots
            try:
                self._factorise(0.0)
            except np.linalg.LinAlgError:
                return True
        return self._has_small_pivots()

    def _has_small_pivots(self) -> bool:
        """Return whether only the raised diagonal may keep the factor regular."""
        pivots = np.einsum("ii->i", self._factor)[: self._size] ** 2
        return bool((pivots < _DEPENDENT * self.pool.gram_diagonal(self._members)).any())

    def combine(self, coefficients: Floats) -> Floats:
        """Return ``A_S x``."""
        return self.pool.combine(self._slots, coefficients)

    def _divided(self, vectors: Floats, *, transposed: int = 0) -> Floats:
        """Overwrite vectors by the factor's inverse, or its transpose's, times them, and return them."""
        if not self._size:
            return vectors
        factor = self._factor[:, : self._size]
        solution: Floats
        solution, _ = lapack.dtrtrs(factor, vectors, lower=1, trans=transposed, overwrite_b=1)
        return solution

    def _factorise(self, shift: float) -> None:
        size = self._slots.size
        gram = np.asfortranarray(self.pool.gram(self._slots, self._slots))
        diagonal = np.einsum("ii->i", gram)
        diagonal += shift + _JITTER * diagonal
        self._shift = -1.0
        factor = _cholesky(gram)
        if len(self._factor) != self.pool.capacity:
            self._factor = np.empty((self.pool.capacity,) * 2, order="F")
        self._factor[:size, :size] = factor
        self._shift, self._generation = shift, self.pool.generation
        self._size = size
        self._members = self._slots
        self._selected = np.arange(size)
        self._frozen = self._selected[:0]
        self._constraints = np.empty((size, 0), order="F")
        self._metric = np.empty((0, 0))

    def _freeze(self, leaving: Indices) -> None:
        """Constrain the columns at these positions, and no others, to zero."""
        kept = _mask(self._size, leaving)[self._frozen]
        fresh = leaving[~_mask(self._size, self._frozen)[leaving]]
        units = np.zeros((self._size, fresh.size), order="F")
        units[fresh, np.arange(fresh.size)] = 1.0
        if fresh.size:
            units = self._divided(units)
        old = self._constraints if kept.all() else self._constraints[:, kept]
        across = old.T @ units
        self._metric = np.block([[self._metric[np.ix_(kept, kept)], across], [across.T, units.T @ units]])
        self._constraints = np.asfortranarray(np.hstack([old, units]))
        self._frozen = np.concatenate([self._frozen[kept], fresh])

    def _border(self, joining: Indices) -> None:
        """Append the columns at these slots to the factor."""
        if not joining.size:
            return
        old, new = slice(self._size), slice(self._size, self._size + joining.size)
        coupling = self._divided(np.asfortranarray(self.pool.gram(self._members, joining)))
        schur = self.pool.gram(joining, joining) - coupling.T @ coupling
        schur[np.diag_indices_from(schur)] += self._shift + _JITTER * self.pool.gram_diagonal(joining)
        corner = _cholesky(np.asfortranarray(schur))
        self._factor[new, old] = coupling.T
        self._factor[new, new] = corner
        if self._frozen.size:
            product = np.asfortranarray(coupling.T @ self._constraints)
            below = blas.dtrsm(1.0, corner, product, lower=1, overwrite_b=1)
            self._metric = self._metric + below.T @ below
        else:
            below = np.empty((joining.size, 0))
        self._constraints = np.asfortranarray(np.vstack([self._constraints, -below]))
        self._members = np.concatenate([self._members, joining])
        self._size += joining.size


def _mask(size: int, places: Indices) -> NDArray[np.bool_]:
    """Return which of so many places are among these."""
    mask = np.zeros(size, dtype=np.bool_)
    mask[places] = True
    return mask


def _cholesky(matrix: Floats) -> Floats:
    """Overwrite a matrix in Fortran order with its lower Cholesky factor, and return it."""
    factor: Floats
    factor, info = lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    if info:
        raise np.linalg.LinAlgError(f"the system of the active columns is singular at column {info - 1}")
    return factor
