"""How far weights are from the optimum, computed from the definition and apart from every solver."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.design import Design


def certify(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> tuple[float, NDArray[np.float64]]:
    """Return the certificate of a fit, a bound on its relative distance from the optimum, and its residual.

    With an L1 penalty it is `relative_duality_gap`, without one `relative_normal_residual`.

    Parameters
    ----------
    design : Design
    weights : ndarray of float64, shape (n_features,)
    penalty : Penalty

    Returns
    -------
    float
    ndarray of float64, shape (n_rows,)
        ``b - A w``, of which the certificate is computed.
    """
    residual = design.target - design.apply(weights)
    measure = _gap if penalty.l1 > 0 else _normal_residual
    return measure(design, weights, residual, penalty), residual


def primal_objective(residual: NDArray[np.float64], weights: NDArray[np.float64], penalty: Penalty) -> float:
    """Return ``||r||^2 / (2 n) + l1 ||w||_1 + (l2 / 2) ||w||^2``.

    Parameters
    ----------
    residual : ndarray of float64, shape (n_rows,)
        ``b - A w``.
    weights : ndarray of float64
        All weights, or only those that are not zero.
    penalty : Penalty
    """
    loss = float(residual @ residual) / (2 * residual.size)
    return loss + penalty.l1 * float(np.abs(weights).sum()) + penalty.l2 / 2 * float(weights @ weights)


def penalised_dual(
    target: NDArray[np.float64], point: NDArray[np.float64], correlation: NDArray[np.float64], penalty: Penalty
) -> float:
    """Return the dual objective of the elastic net at a point, for ``l2 > 0``.

    With ``c = A^T u / n`` it is ``b^T u / n - ||u||^2 / (2 n) - sum_j max(|c_j| - l1, 0)^2 / (2 l2)``; the last term
    is the conjugate of the penalty. It is finite everywhere, so that no point has to be scaled into a feasible set.

    Parameters
    ----------
    target, point : ndarray of float64, shape (n_rows,)
        ``b`` and ``u``.
    correlation : ndarray of float64, shape (n_features,)
    penalty : Penalty
    """
    excess = np.maximum(np.abs(correlation) - penalty.l1, 0.0)
    return float((target - point / 2) @ point) / target.size - float(excess @ excess) / (2 * penalty.l2)


def scaled_dual(
    target: NDArray[np.float64],
    residual: NDArray[np.float64],
    correlation: NDArray[np.float64],
    weights: NDArray[np.float64],
    penalty: Penalty,
) -> float:
    """Return the best dual objective on the line through the residual of the equivalent lasso.

    The elastic net is a lasso whose rows are extended by ``sqrt(n l2) I`` and whose target is extended by zeros.
    Its residual is ``(r, -sqrt(n l2) w)``, its correlations ``A^T r / n - l2 w``; the residual is multiplied by the
    factor that maximises the dual objective while no correlation exceeds ``l1`` (Fercoq, Gramfort & Salmon 2015).

    Parameters
    ----------
    target, residual : ndarray of float64, shape (n_rows,)
    correlation, weights : ndarray of float64, shape (n_features,)
        ``A^T r / n`` and ``w``.
    penalty : Penalty
    """
    n_rows = target.size
    linear = float(target @ residual) / n_rows
    square = float(residual @ residual) / n_rows + penalty.l2 * float(weights @ weights)
    largest = float(np.abs(correlation - penalty.l2 * weights).max(initial=0.0))
    if square == 0.0:
        return 0.0
    bound = penalty.l1 / largest if largest > 0 else math.inf
    factor = min(max(linear / square, -bound), bound)
    return factor * linear - factor**2 / 2 * square


def dual_objective(
    target: NDArray[np.float64],
    residual: NDArray[np.float64],
    correlation: NDArray[np.float64],
    weights: NDArray[np.float64],
    penalty: Penalty,
) -> float:
    """Return the larger of `scaled_dual` and, for ``l2 > 0``, `penalised_dual`; both are lower bounds on the optimum.

    Parameters
    ----------
    target, residual : ndarray of float64, shape (n_rows,)
    correlation, weights : ndarray of float64, shape (n_features,)
    penalty : Penalty
    """
    dual = scaled_dual(target, residual, correlation, weights, penalty)
    return max(dual, penalised_dual(target, residual, correlation, penalty)) if penalty.l2 > 0 else dual


def relative_duality_gap(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> float:
    """Return ``(P(w) - D) / P(0)``, an upper bound on ``(P(w) - min P) / P(0)``, where ``P(0) = ||b||^2 / (2 n)``.

    ``D`` is `dual_objective` at the residual ``r = b - A w``. All is computed in float64 from the weights alone. Where
    the target, and so ``P(0)``, is zero, the gap is not divided.

    Parameters
    ----------
    design : Design
    weights : ndarray of float64, shape (n_features,)
    penalty : Penalty
        With ``l1 > 0``.

    Raises
    ------
    ValueError
        If ``l1`` is not positive: the dual of least squares and ridge is another one.
    """
    if not penalty.l1 > 0:
        raise ValueError(f"the duality gap here is of the elastic net and needs l1 > 0, got {penalty}")
    return _gap(design, weights, design.target - design.apply(weights), penalty)


def _gap(design: Design, weights: NDArray[np.float64], residual: NDArray[np.float64], penalty: Penalty) -> float:
    correlation = design.columns @ residual / design.n_rows
    dual = dual_objective(design.target, residual, correlation, weights, penalty)
    null = float(design.target @ design.target) / (2 * design.n_rows)
    gap = primal_objective(residual, weights, penalty) - dual
    return max(0.0, gap / null if null > 0 else gap)


def relative_normal_residual(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> float:
    """Return ``||A^T r - n l2 w|| / ||A^T b||`` where ``r = b - A w``: how far ridge or least squares is from solved.

    Parameters
    ----------
    design : Design
    weights : ndarray of float64, shape (n_features,)
    penalty : Penalty
        With ``l1 = 0``.

    Raises
    ------
    ValueError
        If ``l1`` is not zero.
    """
    if penalty.l1 != 0:
        raise ValueError(f"normal equations describe the optimum only where l1 = 0, got {penalty}")
    return _normal_residual(design, weights, design.target - design.apply(weights), penalty)


def _normal_residual(
    design: Design, weights: NDArray[np.float64], residual: NDArray[np.float64], penalty: Penalty
) -> float:
    gradient = design.columns @ residual - design.n_rows * penalty.l2 * weights
    scale = float(np.linalg.norm(design.correlation))
    size = float(np.linalg.norm(gradient))
    return size / scale if scale > 0 else size
