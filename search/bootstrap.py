"""How sure a score is of itself: the block bootstrap, since neighbouring rows are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 500


def resampled_r2(
    true: NDArray[np.float64], predicted: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Return R² over resamples of contiguous blocks of rows.

    Blocks are drawn with replacement from the rows laid in a circle (Politis & Romano 1992, "A circular
    block-resampling procedure for stationary data"); they are as long as the square root of the number of rows.

    Parameters
    ----------
    true, predicted : ndarray of float64, shape (n_rows,)
    resamples : int
    seed : int

    Returns
    -------
    ndarray of float64, shape (resamples,)
        Without the resamples in which `true` is constant, whose R² is undefined.
    """
    n_rows = len(true)
    length = max(1, round(np.sqrt(n_rows)))
    starts = np.random.default_rng(seed).integers(0, n_rows, (resamples, -(-n_rows // length)))
    rows = (starts[:, :, None] + np.arange(length)).reshape(resamples, -1)[:, :n_rows] % n_rows
    drawn = true[rows]
    total = np.square(drawn - drawn.mean(axis=1, keepdims=True)).sum(axis=1)
    residual = np.square(true - predicted)[rows].sum(axis=1)
    varies = total > 0
    scores: NDArray[np.float64] = 1 - residual[varies] / total[varies]
    return scores


def r2_standard_error(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the block-bootstrap standard error of R²."""
    return float(resampled_r2(true, predicted).std(ddof=1))
