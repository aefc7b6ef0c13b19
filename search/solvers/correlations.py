"""Correlations of the columns with the residual: every step needs them, and they read the whole matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regsearch.search.solvers.active_set import ColumnPool
from regsearch.search.solvers.columns import COPY_COST, Columns

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_MARGIN = 1e-9

_SINGLE_COST = 0.5
"""Time of a product in single precision relative to one in double: it reads half as many bytes."""


class Correlations:
    """Computes ``A^T r / n`` only for columns where it can matter.

    By Cauchy-Schwarz a correlation moves by at most ``||r - r'|| / n`` when the residual moves from ``r'`` to ``r``,
    as columns have at most unit norm. From the last complete product this certifies most columns as below a
    threshold (the sphere test of El Ghaoui, Viallon & Rabbani 2012; Fercoq, Gramfort & Salmon 2015), and only the
    others are computed. The complete product may be of single precision: its error is bounded too (Higham 2002,
    "Accuracy and Stability of Numerical Algorithms", section 3.1), and every column in doubt is computed in double.

    Parameters
    ----------
    columns : Columns, shape (n_features, n_rows)
    pool : ColumnPool
        Columns that lie side by side in memory and are multiplied together.

    Attributes
    ----------
    passes : int
        Number of products with the whole matrix so far.
    """

    def __init__(self, columns: Columns, pool: ColumnPool) -> None:
        self._columns = columns
        self._pool = pool
        self._centre = np.zeros(columns.shape[1])
        self._reference = np.zeros(columns.shape[0])
        self._error = 0.0
        self.passes = 0

    def all(self, vector: Floats) -> Floats:
        """Return the correlation of every column with a vector."""
        if self._error or not np.array_equal(vector, self._centre):
            self._reference = self._columns @ vector / vector.size
            self._centre = vector
            self._error = 0.0
            self.passes += 1
        return self._reference

    def roughly(self, vector: Floats) -> Floats:
        """Return about the same, by a product of single precision if the columns are held in memory."""
        single = self._pool.single
        if single is None:
            return self.all(vector)
        self.passes += 1
        return single.correlate(vector) / vector.size

    def above(self, threshold: float, vector: Floats, features: Indices, known: Floats) -> Floats:
        """Return correlations: exact where they exceed the threshold, elsewhere some value below it.

        Parameters
        ----------
        threshold : float
        vector : ndarray of float64, shape (n_rows,)
        features : ndarray of intp, shape (n_known,)
            Columns whose correlation with the vector is known.
        known : ndarray of float64, shape (n_known,)
        """
        doubtful = self._doubtful(threshold, vector, features)
        if self._cost(doubtful) > self._reference.size * (1.0 if self._pool.single is None else _SINGLE_COST):
            self._refresh(vector)
            doubtful = self._doubtful(threshold, vector, features)
        correlation = self._reference.copy()
        if self._error or vector is not self._centre:
            slots = self._pool.slot[doubtful]
            pooled, others = doubtful[slots >= 0], doubtful[slots < 0]
            correlation[others] = self._columns[others] @ vector / vector.size
            correlation[pooled] = self._pool.correlate(vector, slots[slots >= 0]) / vector.size
        correlation[features] = known
        return correlation

    def _doubtful(self, threshold: float, vector: Floats, known: Indices) -> Indices:
        """Return columns that may exceed the threshold for all that the last complete product says."""
        reach = float(np.linalg.norm(vector - self._centre)) / vector.size + self._error
        in_doubt = np.abs(self._reference) >= (1 - _MARGIN) * threshold - reach
        in_doubt[known] = False
        return np.flatnonzero(in_doubt)

    def _cost(self, features: Indices) -> float:
        """Return how long these columns take, in columns that are read where they lie."""
        pooled = int(np.count_nonzero(self._pool.slot[features] >= 0))
        return COPY_COST * (features.size - pooled) + min(COPY_COST * pooled, self._pool.features.size)

    def _refresh(self, vector: Floats) -> None:
        """Make the vector the one that the complete product is of."""
        size = float(np.linalg.norm(vector))
        if self._pool.single is None or size == 0.0:
            self.all(vector)
            return
        self._reference = self.roughly(vector)
        self._centre = vector
        self._error = (vector.size + 2) * float(np.finfo(np.float32).eps) / 2 * size / vector.size
