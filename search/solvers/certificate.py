"""How far weights are from the optimum, computed from the definition and apart from every solver."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.columns import residuals
from regsearch.search.solvers.design import Design

_NEGLIGIBLE = 1e-14
"""Share of ``||b||^2`` below which a residual needs no projection: no weights could fit noticeably better."""

_REGULAR = 1e-10
"""Reciprocal condition number from which a Gram matrix is certainly regular in double precision."""


def certify(
    design: Design, weights: NDArray[np.float64], penalties: Sequence[Penalty]
) -> tuple[list[float], NDArray[np.float64]]:
    """Return the certificates of fits and their residuals.

    A certificate is an upper bound on ``(P(w) - min P) / P(0)``, where ``P`` is the objective: how far the weights are
    from the optimum, as a share of the objective at zero, ``P(0) = ||b||^2 / (2 n)``. It is computed from the weights
    and the design alone, in double precision: with a penalty from the duality gap, for least squares from what a
    better fit could still take off the residual.

    Parameters
    ----------
    design : Design
    weights : ndarray of float64, shape (n_fits, n_features)
    penalties : sequence of Penalty

    Returns
    -------
    list of float
    ndarray of float64, shape (n_fits, n_rows)
        ``b - A w`` of each fit.
    """
    found, products = residuals(design.columns, design.target, weights)
    gaps = [
        _excess(design, residual, product)
        if penalty.l1 == penalty.l2 == 0
        else _gap(design, one, residual, product / design.n_rows, penalty)
        for one, residual, product, penalty in zip(weights, found, products, penalties, strict=True)
    ]
    return gaps, found


def certificate(design: Design, weights: NDArray[np.float64], penalty: Penalty) -> float:
    """Return the certificate of one fit; see `certify`."""
    return certify(design, weights[None], [penalty])[0][0]


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


def _gap(
    design: Design,
    weights: NDArray[np.float64],
    residual: NDArray[np.float64],
    correlation: NDArray[np.float64],
    penalty: Penalty,
) -> float:
    """Return ``(P(w) - D) / P(0)`` for a penalty: not divided if ``P(0)`` is zero.

    ``D`` is a value of the dual objective at the residual: for ``l1 > 0`` that of `dual_objective`; for ridge
    ``b^T r / n - ||r||^2 / (2 n) - ||c||^2 / (2 l2)`` with the correlation ``c = A^T r / n``, so that the gap comes to
    ``||c - l2 w||^2 / (2 l2)``, which is computed without cancellation (Boyd & Vandenberghe 2004, "Convex
    Optimization", section 5.1.6, for the dual by the conjugate of the penalty).
    """
    null = float(design.target @ design.target) / (2 * design.n_rows)
    if penalty.l1 > 0:
        dual = dual_objective(design.target, residual, correlation, weights, penalty)
        gap = primal_objective(residual, weights, penalty) - dual
    else:
        gradient = correlation - penalty.l2 * weights
        gap = float(gradient @ gradient) / (2 * penalty.l2)
    return max(0.0, gap / null if null > 0 else gap)


def _excess(design: Design, residual: NDArray[np.float64], product: NDArray[np.float64]) -> float:
    """Return ``(P(w) - min P) / P(0)`` of least squares, ``||U U^T r||^2 / ||b||^2`` at the residual ``r``.

    ``U`` is an orthonormal basis of the range of ``A``, so ``U U^T r`` is what a better fit could still take off the
    residual (Golub & Van Loan, "Matrix Computations", section 5.3). Its dimension is that of ``numpy.linalg.lstsq``:
    singular values above ``eps * max(n, p)`` times the largest. Weights that neglect one of them therefore have a large
    excess, though they may solve the normal equations ``A^T r = 0`` nearly to rounding.

    ``||U U^T r||^2`` is ``(A^T r)^T (A^T A)^-1 A^T r`` if ``A^T A`` is certainly regular, and else is found by
    orthogonal transformations (`singular`). ``A^T A`` is that of the moments if these make a well-conditioned triangle
    (`regsearch.search.solvers.reduction`); ``r`` and ``A^T r`` are always computed from the rows. If ``||r||^2`` alone
    is negligible, it is the bound.
    """
    null, loss = float(design.target @ design.target), float(residual @ residual)
    if loss <= _NEGLIGIBLE * null:
        return loss / null if null > 0 else loss
    if design.n_features < design.n_rows:
        varying = np.flatnonzero(~design.constant)
        factor, info = lapack.dpotrf(design.matrix.gram[np.ix_(varying, varying)], lower=1, clean=1)
        if not info:
            reciprocal, _ = lapack.dtrcon(factor, uplo="L")
            if reciprocal**2 > _REGULAR:
                explained = linalg.solve_triangular(factor, product[varying], lower=True, check_finite=False)
                return float(explained @ explained) / null
    explained = design.matrix.singular(residual).components
    return float(explained @ explained) / null
