"""Coordinate descent on a working set: slower than Newton's methods, but indifferent to singular systems."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from regsearch.data import fits_in_memory
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.design import Design

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

_MAX_SWEEPS = 10_000
_BOUNDARY = 1e-10
"""Relative excess over ``l1`` that rounding may give to a correlation that equals it."""


def descend(design: Design, penalty: Penalty, start: Vector, tolerance: float) -> Vector:
    """Return weights that minimise the objective of `Penalty`, to a relative duality gap or as near as sweeps lead.

    Columns that violate the optimality conditions join a working set, which scikit-learn sweeps over, until none is
    left (Massias, Gramfort & Salmon 2018, ICML) or the set, of which a copy is made, is too large for memory.

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

    weights, members = start.copy(), np.flatnonzero(start)
    joining = _violating(design, penalty, weights, members)
    while members.size + joining.size and fits_in_memory(8 * (members.size + joining.size) * design.n_rows):
        members = np.union1d(members, joining)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, path, _ = enet_path(
                np.asarray(design.columns[members]).T,
                design.target,
                l1_ratio=penalty.l1_ratio,
                alphas=[penalty.sklearn_alpha],
                coef_init=weights[members],
                precompute=False,
                tol=tolerance / 4,
                max_iter=_MAX_SWEEPS,
                check_input=False,
            )
        weights[members] = path[:, 0]
        joining = _violating(design, penalty, weights, members)
        if not joining.size:
            break
    return weights


def _violating(design: Design, penalty: Penalty, weights: Vector, members: Indices) -> Indices:
    """Return columns that are no members and too correlated with the residual, at most as many as there are rows."""
    correlation = design.columns @ (design.target - design.apply(weights)) / design.n_rows
    excess = np.abs(correlation) - (1 + _BOUNDARY) * penalty.l1
    excess[members] = 0.0
    violating = np.flatnonzero(excess > 0)
    if violating.size > design.n_rows:
        violating = violating[np.argpartition(excess[violating], -design.n_rows)[-design.n_rows :]]
    return violating
