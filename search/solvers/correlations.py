"""Correlations of the columns with the residual: every step needs them, and they read the whole matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regsearch.search.solvers.active_set import COPY_COST, ColumnPool
from regsearch.search.solvers.columns import Columns

_MARGIN = 1e-9


class Correlations:
    """Computes ``A^T r / n`` only for columns where it can matter.

    By Cauchy-Schwarz a correlation moves by at most ``||r - r'|| / n`` when the residual moves from ``r'`` to ``r``,
    as columns have at most unit norm. From the last complete product this certifies most columns as below a
    threshold (the sphere test of El Ghaoui, Viallon & Rabbani 2012; Fercoq, Gramfort & Salmon 2015), and only the
    others are computed.

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
        self.passes = 0

    def all(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the correlation of every column with a vector."""
        if not np.array_equal(vector, self._centre):
            self._reference = self._columns @ vector / vector.size
            self._centre = vector
            self.passes += 1
        return self._reference

    def above(self, threshold: float, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return correlations: exact where they exceed the threshold, elsewhere some value below it."""
        reach = float(np.linalg.norm(vector - self._centre)) / vector.size
        doubtful = np.flatnonzero(np.abs(self._reference) >= (1 - _MARGIN) * threshold - reach)
        slots = self._pool.slot[doubtful]
        pooled, others = doubtful[slots >= 0], doubtful[slots < 0]
        if COPY_COST * others.size + min(COPY_COST * pooled.size, self._pool.features.size) > self._reference.size:
            return self.all(vector)
        correlation = self._reference.copy()
        correlation[others] = self._columns[others] @ vector / vector.size
        correlation[pooled] = self._pool.correlate(vector, slots[slots >= 0]) / vector.size
        return correlation
