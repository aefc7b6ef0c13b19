"""Coordinate descent, scikit-learn's: slower than Newton's methods, but indifferent to singular systems."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from search.penalty import Penalty
from search.solvers.design import Design

_MAX_SWEEPS = 10_000


def descend(design: Design, penalty: Penalty, start: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return weights that minimise the objective of `Penalty`, to a relative duality gap or as near as sweeps lead.

    Parameters
    ----------
    design : Design
    penalty : Penalty
        With ``l1 > 0``.
    start : ndarray of float64, shape (n_features,)
        Weights to start from.
    tolerance : float
        Relative duality gap at which to stop.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        Weights of the normalised columns.
    """
    from sklearn.exceptions import ConvergenceWarning  # seldom needed, and slow to import
    from sklearn.linear_model import enet_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, path, _ = enet_path(
            design.columns.T,
            design.target,
            l1_ratio=penalty.l1_ratio,
            alphas=[penalty.sklearn_alpha],
            coef_init=start.copy(),
            precompute=False,
            tol=tolerance / 4,
            max_iter=_MAX_SWEEPS,
            check_input=False,
        )
    return np.ascontiguousarray(path[:, 0])
