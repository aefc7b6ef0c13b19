"""How far from optimal a fit can be: computed from the definitions, whichever solver made it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.penalty import Penalty
from search.solvers.design import Design


def duality_gap(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> float:
    """Return the certificate of a fit: a bound on its relative distance from the optimum.

    With an L1 penalty it is `relative_duality_gap`, without one `relative_normal_residual`.
    """
    if penalty.l1 > 0:
        return relative_duality_gap(design, weights, penalty)
    return relative_normal_residual(design, weights, penalty)


def relative_duality_gap(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> float:
    r"""Return the duality gap of an L1-penalised fit, divided by the objective at zero weights.

    With :math:`P(w) = \|b - Aw\|^2 / 2n + l_1 \|w\|_1 + l_2 \|w\|^2 / 2` and the augmented matrix
    :math:`\tilde A = (A, \sqrt{n l_2} I)`, :math:`\tilde b = (b, 0)`, every :math:`\theta` with
    :math:`\|\tilde A^T \theta\|_\infty \le n l_1` gives the bound
    :math:`D(\theta) = (\|\tilde b\|^2 - \|\tilde b - \theta\|^2) / 2n \le \min P`
    (Fercoq, Gramfort & Salmon 2015, "Mind the duality gap").  Here :math:`\theta` is the residual scaled to be
    feasible.

    Parameters
    ----------
    design : Design
    weights : ndarray of float64, shape (n_features,)
        Weights of the normalised columns.
    penalty : Penalty
        With ``l1 > 0``.

    Returns
    -------
    float
        At least 0; 0 where the target is constant.
    """
    n, b = design.n_rows, design.target
    null_objective = (b @ b) / (2 * n)
    if null_objective == 0:
        return 0.0
    residual = b - design.apply(weights)
    squared_weights = weights @ weights
    primal = (residual @ residual) / (2 * n) + penalty.l1 * np.abs(weights).sum() + penalty.l2 * squared_weights / 2
    correlation = design.columns @ residual - n * penalty.l2 * weights
    largest = np.abs(correlation).max(initial=0.0)
    scale = min(1.0, n * penalty.l1 / largest) if largest > 0 else 1.0
    distance = b - scale * residual
    dual = (b @ b - distance @ distance - scale**2 * n * penalty.l2 * squared_weights) / (2 * n)
    return max(0.0, float((primal - dual) / null_objective))


def relative_normal_residual(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> float:
    r"""Return the relative residual of the normal equations of a fit without an L1 penalty.

    It is :math:`\|A^T r - n l_2 w\| / \|A^T b\|`, where :math:`r = b - Aw`: zero at the optimum.
    """
    gradient_at_zero = float(np.linalg.norm(design.columns @ design.target))
    if gradient_at_zero == 0:
        return 0.0
    residual = design.target - design.apply(weights)
    gradient = design.columns @ residual - design.n_rows * penalty.l2 * weights
    return float(np.linalg.norm(gradient)) / gradient_at_zero
