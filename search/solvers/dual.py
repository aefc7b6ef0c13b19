"""Semismooth Newton method on the dual of the elastic net: converges from anywhere when ``l2 > 0``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.active_set import ActiveSystem
from regsearch.search.solvers.certificate import penalised_dual, primal_objective
from regsearch.search.solvers.correlations import Correlations
from regsearch.search.solvers.design import Design
from regsearch.search.solvers.kernel import KernelSystem
from regsearch.search.solvers.point import Point

Vector = NDArray[np.float64]

_LINEAR_TOLERANCE = 0.03
_POLISHING_TOLERANCE = 1e-4
_NEGLIGIBLE = 1e-9
"""A dual point counts as solved when its distance from the residual, relative to the target's norm, is below this."""
_SUFFICIENT_INCREASE = 1e-4
_SHORTEST_STEP = 2.0**-30
_LINE_STEPS = 10


@dataclass(frozen=True, eq=False)
class _DualPoint:
    """A dual point ``u``, its correlations ``A^T u / n`` and the value ``D(u)``."""

    point: Vector
    correlation: Vector
    value: float


class DualNewton:
    """Maximises ``D(u) = (b - u/2)^T u / n - sum_j max(|c_j| - l1, 0)^2 / (2 l2)``, where ``c = A^T u / n``.

    ``D`` is concave and its gradient ``(b - A w(u) - u) / n`` piecewise linear, with ``w(u)`` the soft threshold of
    ``c`` by ``l1``, divided by ``l2``; at the maximum ``u`` is the residual and ``w(u)`` the solution. A Newton step
    solves ``(I + A_S A_S^T / (n l2)) d = b - A w(u) - u`` on ``S = {|c_j| > l1}``, and is halved until ``D`` rises
    enough (Li, Sun & Toh 2018, SIAM J. Optim. 28, section 3).

    Parameters
    ----------
    design : Design
    system : ActiveSystem
        Solves the Newton step when few columns are active.
    correlations : Correlations
    """

    def __init__(self, design: Design, system: ActiveSystem, correlations: Correlations) -> None:
        self._design = design
        self._system = system
        self._correlations = correlations
        self._kernel: KernelSystem | None = None
        self._null_objective = float(design.target @ design.target) / (2 * design.n_rows)
        self._negligible = _NEGLIGIBLE * float(np.linalg.norm(design.target))
        self.steps = 0

    def expected(self, penalty: Penalty, start: Vector) -> int:
        """Return how many columns are active at the first dual point of `solve` from this start."""
        return int(np.count_nonzero(np.abs(self._best_multiple(penalty, start).correlation) > penalty.l1))

    def solve(self, penalty: Penalty, start: Vector, *, tolerance: float, polish: bool, max_steps: int) -> Point:
        """Return the first point whose duality gap is within the tolerance, or the last one if none is.

        Parameters
        ----------
        penalty : Penalty
            With ``l2 > 0``.
        start : ndarray of float64, shape (n_rows,)
            First dual point: the residual at a nearby solution.
        tolerance : float
            Relative to ``||b||^2 / (2 n)``.
        polish : bool
            Whether to go on from there with full, more accurate steps, down to rounding error.
        max_steps : int
        """
        at, nearest, found = self._best_multiple(penalty, start), np.inf, None
        for _ in range(max_steps):
            weights = np.copysign(np.maximum(np.abs(at.correlation) - penalty.l1, 0.0) / penalty.l2, at.correlation)
            residual = self._design.target - self._design.apply(weights)
            mismatch = residual - at.point
            active = np.flatnonzero(weights)
            last = Point(active, weights[active], residual, self._gap(penalty, residual, weights, at.value))
            if last.gap <= tolerance:
                # The certificate uses the residual as dual point, so the gap must hold there too.
                last = replace(last, gap=self._gap(penalty, residual, weights, self._evaluate(penalty, residual).value))
            if last.gap <= tolerance or found:
                distance = float(np.linalg.norm(mismatch))
                if distance < nearest:
                    found = last
                if not polish or distance <= self._negligible or distance > nearest / 2:
                    break
                nearest = distance
            self.steps += 1
            accuracy = _POLISHING_TOLERANCE if found else _LINEAR_TOLERANCE
            end = self._evaluate(penalty, at.point + self._direction(weights != 0, mismatch, penalty, accuracy))
            at = end if found else self._search(penalty, at, end, mismatch)
        return found or last

    def _gap(self, penalty: Penalty, residual: Vector, weights: Vector, dual: float) -> float:
        return (primal_objective(residual, weights, penalty) - dual) / self._null_objective

    def _evaluate(self, penalty: Penalty, point: Vector) -> _DualPoint:
        correlation = self._correlations.all(point)
        return _DualPoint(point, correlation, penalised_dual(self._design.target, point, correlation, penalty))

    def _best_multiple(self, penalty: Penalty, point: Vector) -> _DualPoint:
        """Return where ``D`` is largest on the half-line from the origin through a point.

        A weaker penalty has a smaller residual; from a larger one, far too many columns would seem active. The slope of
        ``D`` along the line is concave and falling, so Newton's method reaches its zero from above.
        """
        at = self._evaluate(penalty, point)
        size, n_rows = np.abs(at.correlation), point.size
        linear, square = float(self._design.target @ point) / n_rows, float(point @ point) / n_rows
        if linear <= 0:
            return at
        factor = linear / square
        for _ in range(_LINE_STEPS):
            active = size[factor * size > penalty.l1]
            factor = (linear + penalty.l1 * active.sum() / penalty.l2) / (square + active @ active / penalty.l2)
        correlation = factor * at.correlation
        value = penalised_dual(self._design.target, factor * point, correlation, penalty)
        return _DualPoint(factor * point, correlation, value)

    def _search(self, penalty: Penalty, start: _DualPoint, end: _DualPoint, mismatch: Vector) -> _DualPoint:
        """Halve the step from `start` to `end` until it satisfies Armijo's condition, and return where it ends."""
        slope = float(mismatch @ (end.point - start.point)) / mismatch.size
        length, trial = 1.0, end
        while trial.value < start.value + _SUFFICIENT_INCREASE * length * slope and length > _SHORTEST_STEP:
            length /= 2
            point = (1 - length) * start.point + length * end.point
            correlation = (1 - length) * start.correlation + length * end.correlation
            trial = _DualPoint(point, correlation, penalised_dual(self._design.target, point, correlation, penalty))
        return trial

    def _direction(self, members: NDArray[np.bool_], mismatch: Vector, penalty: Penalty, accuracy: float) -> Vector:
        """Return the solution of ``(I + A_S A_S^T / shift) d = mismatch``, where ``shift = n l2``."""
        shift = self._design.n_rows * penalty.l2
        active = np.flatnonzero(members)
        if 2 * active.size <= mismatch.size:
            self._system.select(active, shift)
            pool = self._system.pool
            inner = pool.correlate(mismatch, pool.slot[active])
            return mismatch - self._system.combine(self._system.solve(inner))
        if self._kernel is None:
            self._kernel = KernelSystem(self._design.columns)
        self._kernel.select(members)
        return self._kernel.solve(shift * mismatch, shift, accuracy)
