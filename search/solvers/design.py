"""The design matrix as the penalties see it: centred columns of unit Euclidean norm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regsearch.data.blocks import Columnwise, blocks
from regsearch.search.solvers.columns import Columns, Streamed, gram_of_features

_BLOCK_VALUES = 2**21


@dataclass(frozen=True, eq=False)
class Design:
    """Training rows after the normalisation ``normalize=True`` of scikit-learn before 1.2.

    Attributes
    ----------
    columns : Columns, shape (n_features, n_rows)
        One normalised column of the training matrix per row, so that a column is contiguous in memory.
    target : ndarray of float64, shape (n_rows,)
        Target less its mean.
    mean, scale : ndarray of float64, shape (n_features,)
        What was subtracted from each column, and then divided by.
    constant : ndarray of bool, shape (n_features,)
        Which columns do not vary over the training rows.
    target_mean : float
    """

    columns: Columns
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

    @cached_property
    def gram(self) -> NDArray[np.float64]:
        """Lower triangle of ``A'A``, shape (n_features, n_features); zeros above it."""
        return gram_of_features(self.columns)

    @property
    def largest_rank(self) -> int:
        """Largest rank that the matrix can have: centring takes one row, and constant columns count for nothing."""
        return min(self.n_rows - 1, self.n_features - int(self.constant.sum()))

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
            combination: NDArray[np.float64] = weights[support] @ self.columns[support]
        else:
            combination = weights @ self.columns
        return combination

    def to_units(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return coefficients and intercept in the recording's own units.

        Parameters
        ----------
        weights : ndarray of float64, shape (n_features,)
            Weights of the normalised columns.
        """
        coef = weights / self.scale
        return coef, self.target_mean - float(self.mean @ coef)


def normalise(X: Columnwise, y: NDArray[np.float64], *, in_memory: bool = True) -> Design:
    """Centre each column and divide it by its Euclidean norm; a constant column keeps scale 1.

    A column counts as constant where its variance is within the rounding error of computing it, by the bound
    of scikit-learn's ``_is_constant_feature`` (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample
    variance", table 1).

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    in_memory : bool
        Whether to hold the normalised columns. Otherwise they are made of `X` a few at a time whenever they are needed,
        which takes hardly any memory and several times as long; their values are the same to the last bit.
    """
    n_rows, n_features = X.shape
    columns = np.empty((n_features, n_rows)) if in_memory else None
    mean = np.empty(n_features)
    scale = np.empty(n_features)
    constant = np.empty(n_features, dtype=bool)
    eps = np.finfo(np.float64).eps
    for block in blocks(n_features, max(1, _BLOCK_VALUES // n_rows)):
        part = np.empty((block.stop - block.start, n_rows)) if columns is None else columns[block]
        part[...] = X[:, block].T
        mean[block] = part.mean(axis=1)
        part -= mean[block, None]
        squared_norm = np.einsum("ij,ij->i", part, part)
        variance = squared_norm / n_rows
        constant[block] = variance <= n_rows * eps * variance + (n_rows * mean[block] * eps) ** 2
        scale[block] = np.where(constant[block], 1.0, np.sqrt(squared_norm))
        if columns is not None:
            part[constant[block]] = 0.0
            part /= scale[block, None]
    target_mean = float(y.mean())
    made = Streamed(X, mean, scale, constant) if columns is None else columns
    return Design(made, y - target_mean, mean, scale, constant, target_mean)
