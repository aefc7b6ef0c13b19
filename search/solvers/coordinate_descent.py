"""Coordinate descent on a working set: slower than Newton's method, but works on singular systems too."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from regsearch.data import fits_in_memory
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.conditions import BOUNDARY
from regsearch.search.solvers.design import Design

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_MAX_SWEEPS = 10_000


def descend(design: Design, penalty: Penalty, start: Floats, tolerance: float) -> Floats:
    """Return weights that minimise ``||b - A w||^2 / (2 n) + l1 ||w||_1 + (l2 / 2) ||w||^2``.

    Columns that violate the optimality conditions join a working set. scikit-learn's coordinate descent solves the
    problem on that set, and this repeats until no column violates them (Massias, Gramfort & Salmon 2018, ICML). It
    stops early when a copy of the set no longer fits in memory.

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
    from sklearn.exceptions import ConvergenceWarning  # rarely needed, and slow to import
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


def _violating(design: Design, penalty: Penalty, weights: Floats, members: Indices) -> Indices:
    """Return up to `n_rows` columns outside the set whose correlation with the residual exceeds ``l1`` most."""
    correlation = design.columns @ (design.target - design.apply(weights)) / design.n_rows
    excess = np.abs(correlation) - (1 + BOUNDARY) * penalty.l1
    excess[members] = 0.0
    violating = np.flatnonzero(excess > 0)
    if violating.size > design.n_rows:
        violating = violating[np.argpartition(excess[violating], -design.n_rows)[-design.n_rows :]]
    return violating
