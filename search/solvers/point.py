"""A point on the way to a solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Point:
    """Mostly zero weights, with their residual and duality gap.

    Attributes
    ----------
    features : ndarray of intp, shape (n_active,)
        Indices of the weights that are not zero, ascending.
    values : ndarray of float64, shape (n_active,)
    residual : ndarray of float64, shape (n_rows,)
        ``b - A w``.
    gap : float
        Relative duality gap as computed by the method that found it.
    """

    features: NDArray[np.intp]
    values: NDArray[np.float64]
    residual: NDArray[np.float64]
    gap: float

    def weights(self, n_features: int) -> NDArray[np.float64]:
        """Return all weights."""
        weights = np.zeros(n_features)
        weights[self.features] = self.values
        return weights
