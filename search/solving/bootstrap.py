"""How sure a score is of itself: the block bootstrap, since neighbouring rows are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 500


def resampled_r2(
    true: NDArray[np.float64], predicted: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Return R² over resamples of contiguous blocks of rows, against the variance that the target has over all rows.

    Blocks are drawn with replacement from the rows laid in a circle (Politis & Romano 1992, "A circular
    block-resampling procedure for stationary data"); they are as long as the square root of the number of rows.  What
    is resampled is the squared error alone, as in the errors of a regularisation path (Friedman, Hastie & Tibshirani
    2010, J. Stat. Softw. 33): a resample in which a sparse target hardly varies would have an R² far below zero that
    says nothing of the fit.

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
