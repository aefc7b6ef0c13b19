"""Lasso and ElasticNet by scikit-learn's coordinate descent, started from the nearest solved point."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

from search.penalty import Penalty
from search.solvers.design import Design

_MAX_SWEEPS = 100_000


def solve_elastic_net(
    design: Design, penalty: Penalty, start: NDArray[np.float64], tolerance: float
) -> NDArray[np.float64]:
    """Return the weights that minimise the objective of `Penalty` to a relative duality gap.

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
    if np.abs(design.columns @ design.target).max() <= design.n_rows * penalty.l1:
        return np.zeros(design.n_features)
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
