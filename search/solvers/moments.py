"""Sums of squares and products of rows, from which those of any fold are put together by addition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from regsearch.data.blocks import Columnwise

Floats = NDArray[np.float64]

_BLOCK_VALUES = 2**21
"""Number of values that are read and centred at once."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Weight, mean and cross-product of some rows of a table ``Z``, whose columns are features and then the target.

    Attributes
    ----------
    weight : float
        Sum of the rows' weights ``v``.
    mean : ndarray of float64, shape (n_columns,)
        Weighted mean of each column, ``m``, less the centre that was subtracted from all rows first.
    cross : ndarray of float64, shape (n_columns, n_columns)
        Lower triangle of ``sum_i v_i (z_i - m)(z_i - m)^T``; zeros above it.
    """

    weight: float
    mean: Floats
    cross: Floats


def rough_mean(X: Columnwise, y: Floats) -> Floats:
    """Return the mean of the first rows: a centre near which nothing of an offset is left, shape (n_columns,)."""
    first = slice(0, max(1, _BLOCK_VALUES // (X.shape[1] + 1)))
    return np.append(np.mean(X[first, :], axis=0, dtype=np.float64), y[first].mean())


def moments(
    X: Columnwise, y: Floats, rows: NDArray[np.intp], *, centre: Floats, weights: Floats | None = None
) -> Moments:
    """Return the moments of some rows, reading a block of them at a time.

    Parameters
    ----------
    X : Columnwise, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    rows : ndarray of intp, shape (n_chosen,)
        The rows to take, ascending.
    centre : ndarray of float64, shape (n_columns,)
        Number subtracted from each column first, so that means are exact relative to deviations: `rough_mean`.
    weights : ndarray of float64, shape (n_rows,), optional
        By default every row has weight 1.
    """
    size = X.shape[1] + 1
    step = max(1, size, _BLOCK_VALUES // size)
    parts = []
    cross = np.zeros((size, size), order="F")
    places = np.searchsorted(rows, np.arange(0, len(y) + step, step))
    for start, stop in pairwise(places.tolist()):
        if start < stop:
            chosen = rows[start:stop]
            first, last = int(chosen[0]), int(chosen[-1]) + 1
            values = np.empty((size, last - first))
            values[:-1] = X[first:last, :].T
            values[-1] = y[first:last]
            if last - first > stop - start:
                values = values[:, chosen - first]
            values -= centre[:, None]
            weight = None if weights is None else weights[chosen]
            mean = values.mean(axis=1) if weight is None else values @ weight / weight.sum()
            values -= mean[:, None]
            if weight is not None:
                values *= np.sqrt(weight)
            cross = blas.dsyrk(1.0, values.T, beta=1.0, c=cross, trans=1, lower=1, overwrite_c=1)
            parts.append((float(stop - start if weight is None else weight.sum()), mean))
    return _between(cross, parts)


def combined(parts: Sequence[Moments]) -> Moments:
    """Return the moments of the rows of several parts together.

    Every part is centred by its own mean; what their means differ by is added, so that nothing cancels (Chan, Golub &
    LeVeque 1983, "Algorithms for computing the sample variance").
    """
    cross = np.add.reduce([part.cross for part in parts])
    return _between(np.asfortranarray(cross), [(part.weight, part.mean) for part in parts])


def _between(cross: Floats, parts: Sequence[tuple[float, Floats]]) -> Moments:
    """Add to the cross-products within parts those of the parts' means."""
    weights = np.array([weight for weight, _ in parts])
    means = np.array([mean for _, mean in parts])
    mean = weights @ means / weights.sum()
    spread = np.sqrt(weights)[:, None] * (means - mean)
    cross = blas.dsyrk(1.0, spread, beta=1.0, c=cross, trans=1, lower=1, overwrite_c=1)
    return Moments(float(weights.sum()), mean, cross)
