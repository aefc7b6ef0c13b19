"""The optimality conditions of the elastic net: solving them for given signs, and measuring violations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.active_set import ActiveSystem
from regsearch.search.solvers.certificate import dual_objective, primal_objective
from regsearch.search.solvers.correlations import Correlations
from regsearch.search.solvers.design import Design
from regsearch.search.solvers.point import Point

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

BOUNDARY = 1e-10
"""Relative amount by which rounding may push a correlation above ``l1`` when both are equal."""

_CLOSE = 0.9
"""Correlations from this share of ``l1`` on belong to columns that may soon be active."""

_ROUNDING = 2.0**-50
"""Error of the conditions, relative to the target's norm, that rounding alone explains."""

_MOVED = 1e-9
"""Error of the conditions, relative to the target's norm, from which on a solution that was refined is judged again."""

_REFINEMENTS = 30
_PROGRESS = 0.8
"""Refinement goes on while each step shrinks the largest error of the conditions at least to this share."""


class Conditions:
    """Solves the optimality conditions for given signs, and judges weights by them.

    Weights ``w`` are optimal if and only if, with ``c = A^T (b - A w) / n``, ``c_j - l2 w_j = l1 sign(w_j)`` where
    ``w_j`` is not zero, and ``|c_j| <= l1`` where it is.

    Parameters
    ----------
    design : Design
    system : ActiveSystem
    correlations : Correlations

    Attributes
    ----------
    solved : int
        Number of systems solved so far.
    correlation : ndarray of float64, shape (n_features,)
        Correlations at the last point that was judged: exact where they exceed ``l1``, elsewhere some value below it.
    """

    def __init__(self, design: Design, system: ActiveSystem, correlations: Correlations) -> None:
        self._design = design
        self._system = system
        self._correlations = correlations
        self._null_correlation = self.correlation = correlations.all(design.target)
        self._null_objective = float(design.target @ design.target) / (2 * design.n_rows)
        self._size = float(np.linalg.norm(design.target))
        self._rounding = _ROUNDING * self._size
        self.solved = 0

    def solve(self, penalty: Penalty, active: Indices, signs: Floats) -> Floats:
        """Return the solution of ``(A_S^T A_S / n + l2 I) w_S = A_S^T b / n - l1 s``; its signs may differ from ``s``.

        Parameters
        ----------
        penalty : Penalty
        active : ndarray of intp, shape (n_active,)
            ``S``, ascending.
        signs : ndarray of float64, shape (n_active,)
            ``s``.
        """
        self.solved += 1
        self._system.select(active, self._design.n_rows * penalty.l2, self._likely(penalty))
        return self._system.solve(self._design.n_rows * (self._null_correlation[active] - penalty.l1 * signs))

    def _likely(self, penalty: Penalty) -> Indices:
        """Return columns that may soon be active, the most correlated first."""
        size = np.abs(self.correlation)
        close = np.flatnonzero(size >= _CLOSE * penalty.l1)
        return close[np.argsort(-size[close])]

    def refine(self, penalty: Penalty, signs: Floats, point: Point, violation: Floats) -> tuple[Point, Floats]:
        """Refine the last solution iteratively, so that it does not depend on rounding or on the factor it came from.

        Parameters
        ----------
        penalty : Penalty
        signs : ndarray of float64, shape (n_active,)
        point : Point
            The solution that `solve` has returned, as `judge` has judged it.
        violation : ndarray of float64, shape (n_features,)
            What `judge` has returned with it.

        Returns
        -------
        Point
        ndarray of float64, shape (n_features,)
            As of `judge`, which a solution that has moved is given to again.
        """
        pool, slots = self._system.pool, self._system.pool.slot[point.features]
        values, residual = point.values, point.residual
        best, first, smallest = point, 0.0, np.inf
        for _ in range(_REFINEMENTS):
            missing = pool.correlate(residual, slots)
            missing -= self._design.n_rows * (penalty.l1 * signs + penalty.l2 * values)
            size = float(np.abs(missing).max(initial=0.0))
            if size > _PROGRESS * smallest:
                break
            first = first or size
            best, smallest = replace(point, values=values, residual=residual), size
            if size <= self._rounding:
                break
            values = values + self._system.solve(missing)
            residual = self._design.target - self._system.combine(values)
        if first <= _MOVED * self._size:
            return best, violation
        return self.judge(penalty, best.features, best.values)

    def judge(
        self, penalty: Penalty, active: Indices, values: Floats, signs: Floats | None = None
    ) -> tuple[Point, Floats]:
        """Return the point at these weights, and how much inactive columns violate the conditions.

        Parameters
        ----------
        penalty : Penalty
        active : ndarray of intp, shape (n_active,)
        values : ndarray of float64, shape (n_active,)
        signs : ndarray of float64, shape (n_active,), optional
            Signs for which the weights solve the conditions, so that the correlations of their columns are known.

        Returns
        -------
        Point
        ndarray of float64, shape (n_features,)
            Correlations with the residual of columns that are not active, where they exceed ``l1``; zero elsewhere.
        """
        self._system.pool.admit(active)
        residual = self._design.target - self._system.pool.combine(self._system.pool.slot[active], values)
        known = active[:0] if signs is None else active
        meeting = values[:0] if signs is None else penalty.l1 * signs + penalty.l2 * values
        correlation = self.correlation = self._correlations.above(penalty.l1, residual, known, meeting)
        weights = np.zeros(correlation.size)
        weights[active] = values
        dual = dual_objective(self._design.target, residual, correlation, weights, penalty)
        gap = max(0.0, primal_objective(residual, values, penalty) - dual) / self._null_objective
        violation = np.where(np.abs(correlation) > (1 + BOUNDARY) * penalty.l1, correlation, 0.0)
        violation[active] = 0.0
        return Point(active, values, residual, gap), violation
