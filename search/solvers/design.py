"""The design matrix as the penalties see it: centred columns of unit Euclidean norm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_BLOCK_COLUMNS = 1024


@dataclass(frozen=True, eq=False)
class Design:
    """Training rows after the normalisation ``normalize=True`` of scikit-learn before 1.2.

    Attributes
    ----------
    columns : ndarray of float64, shape (n_features, n_rows)
        One normalised column of the training matrix per row, so that a column is contiguous in memory.
    target : ndarray of float64, shape (n_rows,)
        Target less its mean.
    mean, scale : ndarray of float64, shape (n_features,)
        What was subtracted from each column, and then divided by.
    constant : ndarray of bool, shape (n_features,)
        Which columns do not vary over the training rows.
    target_mean : float
    """

    columns: NDArray[np.float64]
    target: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    constant: NDArray[np.bool_]
    target_mean: float

    @cached_property
    def correlation(self) -> NDArray[np.float64]:
        """``A'b``, the inner product of every column with the target, shape (n_features,)."""
        product: NDArray[np.float64] = self.columns @ self.target
        return product

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return int(self.columns.shape[1])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.columns.shape[0])

    def apply(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the normalised matrix times weights, shape (n_rows,), at the cost of the non-zero ones."""
        support = np.flatnonzero(weights)
        if 6 * len(support) < self.n_features:
            return weights[support] @ self.columns[support]
        return weights @ self.columns

    def to_units(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return coefficients and intercept in the recording's own units.

        Parameters
        ----------
        weights : ndarray of float64, shape (n_features,)
            Weights of the normalised columns.
        """
        coef = weights / self.scale
        return coef, self.target_mean - float(self.mean @ coef)


def normalise(X: NDArray[np.floating], y: NDArray[np.float64]) -> Design:
    """Centre each column and divide it by its Euclidean norm; a constant column keeps scale 1.

    A column counts as constant where its variance is within the rounding error of computing it, by the bound
    of scikit-learn's ``_is_constant_feature`` (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample
    variance", table 1).

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    """
    n_rows, n_features = X.shape
    columns = np.empty((n_features, n_rows))
    mean = np.empty(n_features)
    scale = np.empty(n_features)
    constant = np.empty(n_features, dtype=bool)
    eps = np.finfo(np.float64).eps
    for start in range(0, n_features, _BLOCK_COLUMNS):
        block = slice(start, min(start + _BLOCK_COLUMNS, n_features))
        columns[block] = X[:, block].T
        mean[block] = columns[block].mean(axis=1)
        columns[block] -= mean[block, None]
        squared_norm = np.einsum("ij,ij->i", columns[block], columns[block])
        variance = squared_norm / n_rows
        constant[block] = variance <= n_rows * eps * variance + (n_rows * mean[block] * eps) ** 2
        columns[block][constant[block]] = 0.0
        scale[block] = np.where(constant[block], 1.0, np.sqrt(squared_norm))
        columns[block] /= scale[block, None]
    target_mean = float(y.mean())
    return Design(columns, y - target_mean, mean, scale, constant, target_mean)
