"""Standard errors and intervals of R² by the block bootstrap, which allows for neighbouring rows being alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 500


def resampled_r2(
    true: NDArray[np.float64],
    predicted: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    independent: bool = False,
    resamples: int = RESAMPLES,
) -> NDArray[np.float64]:
    """Return R² over resamples of contiguous blocks of rows, or of single rows.

    Blocks are drawn with replacement from the rows laid in a circle (Politis & Romano 1992, "A circular
    block-resampling procedure for stationary data"); their length is the square root of the number of rows.  Only the
    squared error is resampled, as for the errors of a regularisation path (Friedman, Hastie & Tibshirani 2010,
    J. Stat. Softw. 33); the target's variance is that of all rows.  Otherwise a resample in which a sparse target
    hardly varies would have an R² far below zero that says nothing about the fit.

    Parameters
    ----------
    true, predicted : ndarray of float64, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,), or None
        How much each row counts; ``None`` for 1.
    independent : bool
        Whether the order of rows means nothing; then rows are drawn one by one.
    resamples : int

    Returns
    -------
    ndarray of float64, shape (resamples,)
    """
    n_rows = len(true)
    counts = np.ones(n_rows) if weights is None else weights * (n_rows / weights.sum())
    length = 1 if independent else max(1, round(np.sqrt(n_rows)))
    starts = np.random.default_rng(0).integers(0, n_rows, (resamples, -(-n_rows // length)))
    rows = (starts[:, :, None] + np.arange(length)).reshape(resamples, -1)[:, :n_rows] % n_rows
    mean = np.average(true, weights=weights)
    variance = np.average(np.square(true - mean), weights=weights)
    scores: NDArray[np.float64] = 1 - (counts * np.square(true - predicted))[rows].mean(axis=1) / variance
    return scores


def r2_standard_error(
    true: NDArray[np.float64],
    predicted: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    independent: bool = False,
) -> float:
    """Return the bootstrap standard error of R²; see `resampled_r2`."""
    return float(resampled_r2(true, predicted, weights, independent=independent).std(ddof=1))
