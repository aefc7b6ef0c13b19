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

Floats = NDArray[np.float64]

_LINEAR_TOLERANCE = 0.03
_POLISHING_TOLERANCE = 1e-4
_NEGLIGIBLE = 1e-9
"""A dual point counts as solved when its distance from the residual, relative to the target's norm, is below this."""
_ROUGH = 3e-4
"""The same distance down to which products of single precision serve: their error is 1e-7 times the columns' norms,
squared and divided by ``n l2``."""

_SUFFICIENT_INCREASE = 1e-4
_SHORTEST_STEP = 2.0**-30
_LINE_STEPS = 10

_REACH = 1.5
"""Longest extrapolation along a path, as a multiple of the last step on it."""


@dataclass(frozen=True, eq=False)
class DualPoint:
    """A dual point ``u``.

    Attributes
    ----------
    point : ndarray of float64, shape (n_rows,)
    correlation : ndarray of float64, shape (n_features,)
        ``A^T u / n``.
    value : float
        ``D(u)``.
    is_rough : bool
        Whether single precision is enough for what is computed of it.
    """

    point: NDArray[np.float64]
    correlation: NDArray[np.float64]
    value: float
    is_rough: bool


@dataclass(frozen=True, eq=False)
class _End:
    """Where the method ended: the penalty, the last dual point, and the residual of the weights that it returned."""

    penalty: Penalty
    at: DualPoint
    residual: Floats


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
        self._size = float(np.linalg.norm(design.target)) or 1.0
        self._ends: list[_End] = []
        self.steps = 0

    def solve(self, penalty: Penalty, start: DualPoint, *, tolerance: float, polish: bool, max_steps: int) -> Point:
        """Return the first point whose duality gap is within the tolerance, or the last one if none is.

        Parameters
        ----------
        penalty : Penalty
            With ``l2 > 0``.
        start : DualPoint
            Such as `start` returns.
        tolerance : float
            Relative to ``||b||^2 / (2 n)``.
        polish : bool
            Whether to go on from there with full, more accurate steps, down to rounding error.
        max_steps : int
        """
        at, nearest, found = start, np.inf, None
        before, is_rough = np.inf, True
        for _ in range(max_steps):
            weights = np.copysign(np.maximum(np.abs(at.correlation) - penalty.l1, 0.0) / penalty.l2, at.correlation)
            residual = self._design.target - self._combine(weights, roughly=at.is_rough)
            mismatch = residual - at.point
            distance = float(np.linalg.norm(mismatch)) / self._size
            active = np.flatnonzero(weights)
            last = Point(active, weights[active], residual, self._gap(penalty, residual, weights, at.value))
            if at.is_rough and (last.gap <= tolerance or distance <= _ROUGH or distance > before / 2):
                at, is_rough = self._evaluate(penalty, at.point), False
                continue
            before = distance
            if last.gap <= tolerance and not polish:
                # The certificate uses the residual as dual point, so the gap must hold there too.
                last = replace(last, gap=self._gap(penalty, residual, weights, self._evaluate(penalty, residual).value))
            if last.gap <= tolerance or found:
                if distance < nearest:
                    found = last
                if not polish or distance <= _NEGLIGIBLE or distance > nearest / 2:
                    break
                nearest = distance
            self.steps += 1
            accuracy = _POLISHING_TOLERANCE if found else _LINEAR_TOLERANCE
            direction = self._direction(weights != 0, mismatch, penalty, accuracy)
            end = self._evaluate(penalty, at.point + direction, roughly=is_rough and accuracy * distance > _ROUGH)
            at = end if found else self._search(penalty, at, end, mismatch)
        found = found or last
        self._ends = [*self._ends[-1:], _End(penalty, at, found.residual)]
        return found

    def _gap(self, penalty: Penalty, residual: Floats, weights: Floats, dual: float) -> float:
        return (primal_objective(residual, weights, penalty) - dual) / self._null_objective

    def start(self, penalty: Penalty, residual: Floats) -> DualPoint:
        """Return where ``D`` is largest on the half-line from the origin through a likely point.

        A weaker penalty has a smaller residual; from a larger one, far too many columns would seem active. The slope of
        ``D`` along the line is concave and falling, so Newton's method reaches its zero from above.

        Parameters
        ----------
        penalty : Penalty
            With ``l2 > 0``.
        residual : ndarray of float64, shape (n_rows,)
            That of a nearby solution.
        """
        at = self._likely(penalty, residual)
        size, n_rows = np.abs(at.correlation), at.point.size
        linear, square = float(self._design.target @ at.point) / n_rows, float(at.point @ at.point) / n_rows
        if linear <= 0:
            return at
        factor = linear / square
        for _ in range(_LINE_STEPS):
            active = size[factor * size > penalty.l1]
            factor = (linear + penalty.l1 * active.sum() / penalty.l2) / (square + active @ active / penalty.l2)
        return self._at(penalty, factor * at.point, factor * at.correlation, is_rough=at.is_rough)

    def _likely(self, penalty: Penalty, residual: Floats) -> DualPoint:
        """Return the residual as a dual point, or where the last two solutions lead if it is of the last of them.

        Between changes of the active set, solutions of one ``l2`` are linear in ``l1``.
        """
        if not self._ends or self._ends[-1].residual is not residual:
            return self._evaluate(penalty, residual, roughly=True)
        before, last = self._ends[0], self._ends[-1]
        share = 0.0
        if before.penalty.l2 == last.penalty.l2 == penalty.l2 and before.penalty.l1 != last.penalty.l1:
            share = (penalty.l1 - last.penalty.l1) / (last.penalty.l1 - before.penalty.l1)
        here, there = last.at, before.at if 0 < share <= _REACH else last.at
        point = here.point + share * (here.point - there.point)
        correlation = here.correlation + share * (here.correlation - there.correlation)
        return self._at(penalty, point, correlation, is_rough=self._system.pool.single is not None)

    def _evaluate(self, penalty: Penalty, point: Floats, *, roughly: bool = False) -> DualPoint:
        correlation = self._correlations.roughly(point) if roughly else self._correlations.all(point)
        return self._at(penalty, point, correlation, is_rough=roughly and self._system.pool.single is not None)

    def _at(self, penalty: Penalty, point: Floats, correlation: Floats, *, is_rough: bool) -> DualPoint:
        value = penalised_dual(self._design.target, point, correlation, penalty)
        return DualPoint(point, correlation, value, is_rough)

    def _combine(self, weights: Floats, *, roughly: bool) -> Floats:
        single = self._system.pool.single if roughly else None
        return single.combine(weights) if single else self._design.apply(weights)

    def _search(self, penalty: Penalty, start: DualPoint, end: DualPoint, mismatch: Floats) -> DualPoint:
        """Halve the step from `start` to `end` until it satisfies Armijo's condition, and return where it ends."""
        slope = float(mismatch @ (end.point - start.point)) / mismatch.size
        length, trial = 1.0, end
        if trial.value < start.value + _SUFFICIENT_INCREASE * slope and (start.is_rough or end.is_rough):
            start, end = self._evaluate(penalty, start.point), self._evaluate(penalty, end.point)
            trial = end
        while trial.value < start.value + _SUFFICIENT_INCREASE * length * slope and length > _SHORTEST_STEP:
            length /= 2
            point = (1 - length) * start.point + length * end.point
            correlation = (1 - length) * start.correlation + length * end.correlation
            trial = self._at(penalty, point, correlation, is_rough=False)
        return trial

    def _direction(self, members: NDArray[np.bool_], mismatch: Floats, penalty: Penalty, accuracy: float) -> Floats:
        """Return the solution of ``(I + A_S A_S^T / shift) d = mismatch``, where ``shift = n l2``."""
        shift = self._design.n_rows * penalty.l2
        active = np.flatnonzero(members)
        if 2 * active.size <= mismatch.size:
            self._system.select(active, shift)
            pool = self._system.pool
            inner = pool.correlate(mismatch, pool.slot[active])
            return mismatch - self._system.combine(self._system.solve(inner))
        if self._kernel is None:
            single = self._system.pool.single
            self._kernel = KernelSystem(single.columns if single else self._design.columns)
        self._kernel.select(members)
        return self._kernel.solve(shift * mismatch, shift, accuracy)
