"""Standard errors and intervals of R² by the block bootstrap, which allows for neighbouring rows being alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 500


def resampled_r2(
    true: NDArray[np.float64], predicted: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Return R² over resamples of contiguous blocks of rows.

    Blocks are drawn with replacement from the rows laid in a circle (Politis & Romano 1992, "A circular
    block-resampling procedure for stationary data"); their length is the square root of the number of rows.  Only the
    squared error is resampled, as for the errors of a regularisation path (Friedman, Hastie & Tibshirani 2010,
    J. Stat. Softw. 33); the target's variance is that of all rows.  Otherwise a resample in which a sparse target
    hardly varies would have an R² far below zero that says nothing about the fit.

    Parameters
    ----------
    true, predicted : ndarray of float64, shape (n_rows,)
    resamples : int
    seed : int

    Returns
    -------
    ndarray of float64, shape (resamples,)
    """
    n_rows = len(true)
    length = max(1, round(np.sqrt(n_rows)))
    starts = np.random.default_rng(seed).integers(0, n_rows, (resamples, -(-n_rows // length)))
    rows = (starts[:, :, None] + np.arange(length)).reshape(resamples, -1)[:, :n_rows] % n_rows
    scores: NDArray[np.float64] = 1 - np.square(true - predicted)[rows].mean(axis=1) / true.var()
    return scores


def r2_standard_error(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the block-bootstrap standard error of R²."""
    return float(resampled_r2(true, predicted).std(ddof=1))
