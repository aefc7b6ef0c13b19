"""Lasso and elastic net: many penalties on one design, each started from the nearest solved one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.active_set import ActiveSystem
from regsearch.search.solvers.conditions import Conditions
from regsearch.search.solvers.correlations import Correlations
from regsearch.search.solvers.design import Design
from regsearch.search.solvers.dual import DualNewton, DualPoint
from regsearch.search.solvers.face import least_norm
from regsearch.search.solvers.neighbours import Neighbours
from regsearch.search.solvers.point import Point
from regsearch.search.solvers.primal import End, feature_sign_search, newton

_CURVED = 0.05
"""Smallest ``n l2`` at which the dual method is used when many columns are active."""

_BARELY_CURVED = 1e-4
"""Smallest ``n l2`` at which the dual method is tried where the primal one fails."""

_PRIMAL_SHARE = 0.75
"""Largest number of active columns, as a share of the rows, for which the primal method is used even then."""

_STRIDE = 0.5
"""Logarithm of the ratio of successive strengths when a path is followed to reach a penalty."""

_SHORTEST_STRIDE = 0.005
"""Stride at which following a path is given up."""

_ON_THE_FACE = 1e-9
"""Relative distance from ``l1`` of the correlations of columns that may have a weight."""

_NEAR_THE_FACE = 1e-5
"""The same before the last refinement."""

_EXACT = 1e-12
"""Relative duality gap of a solution that is as good as another."""

_SHORT_SEARCH = 100
_PRIMAL_STEPS = 30
_DUAL_STEPS = 200
_SEARCH_STEPS_PER_FEATURE = 10


Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights at a penalty, and the work it took to find them.

    Attributes
    ----------
    weights : ndarray of float64, shape (n_features,)
    duality_gap : float
        Relative duality gap as the solver computes it; `solvers.certificate` computes it independently.
    newton_steps : int
        Number of linear systems solved.
    passes : int
        Number of products with the whole matrix.
    """

    weights: NDArray[np.float64]
    duality_gap: float
    newton_steps: int
    passes: int


class ElasticNetPath:
    """Solver of the elastic net that remembers every penalty it has solved on a design.

    It minimises ``||b - A w||^2 / (2 n) + l1 ||w||_1 + (l2 / 2) ||w||^2``, starting from the nearest solved penalty.
    `newton` on the primal ends at the exact solution, up to rounding, from a start that is near. Where ``l2`` is not
    small and many columns are active, `DualNewton` is faster and takes over. Where neither arrives, the path of the
    same ``l2`` is followed from above, in shorter steps if need be, and `feature_sign_search` has the last word.

    Parameters
    ----------
    design : Design
    tolerance : float
        Largest acceptable duality gap, relative to the objective at zero, ``||b||^2 / (2 n)``.
    polish : bool
        Whether to go on from there to rounding error, so that a solution does not depend on the order of penalties.

    Notes
    -----
    Not thread-safe. Besides the design it keeps a Cholesky factor of the active columns and two ``n x n`` matrices in
    single precision; the matrix keeps up to ``min(p, 2 n)`` columns and their Gram matrix for all targets.
    """

    def __init__(self, design: Design, *, tolerance: float = 1e-6, polish: bool = True) -> None:
        pool = design.matrix.pool
        system = ActiveSystem(pool)
        self._design = design
        self._rank = min(design.n_rows, design.n_features)
        self._system = system
        self._tolerance = tolerance
        self._polish = polish
        self._enough = min(tolerance, _EXACT) if polish else tolerance
        self._correlations = Correlations(design.columns, pool)
        self._conditions = Conditions(design, system, self._correlations)
        self._dual = DualNewton(design, system, self._correlations)
        correlation = self._correlations.all(design.target)
        self._largest_l1 = float(np.abs(correlation).max(initial=0.0))
        self._null = Point(np.empty(0, dtype=np.intp), np.empty(0), design.target, 0.0)
        self._solved = Neighbours(self._null, self._largest_l1)

    def solve(self, penalty: Penalty) -> Solution:
        """Return the solution at a penalty.

        Parameters
        ----------
        penalty : Penalty
            With ``l1 > 0``.

        Raises
        ------
        ValueError
            If ``l1`` is not positive: ridge and least squares have closed forms.
        """
        if not penalty.l1 > 0:
            raise ValueError(f"the elastic net solver needs l1 > 0, got {penalty}")
        steps, passes = self._conditions.solved + self._dual.steps, self._correlations.passes
        point = self._solved.get(penalty) or self._find(penalty)
        return Solution(
            weights=point.weights(self._design.n_features),
            duality_gap=point.gap,
            newton_steps=self._conditions.solved + self._dual.steps - steps,
            passes=self._correlations.passes - passes,
        )

    def _find(self, penalty: Penalty) -> Point:
        if penalty.l1 >= self._largest_l1:
            return self._null
        n_rows, n_features = self._design.n_rows, self._design.n_features
        curvature = n_rows * penalty.l2
        curved = curvature >= _CURVED
        limit = min(n_features, 2 * n_rows) if curvature else self._rank
        if curved:
            limit = int(_PRIMAL_SHARE * n_rows)
        start, guess = self._solved.nearest(penalty), self._solved.guess(penalty)
        is_near = self._solved.distance(penalty) < _STRIDE
        first = None if is_near or not curved else self._dual.start(penalty, start.residual)
        expected = guess[0].size if first is None else int(np.count_nonzero(np.abs(first.correlation) > penalty.l1))
        found = self._newton(penalty, guess, limit) if expected <= limit else None
        if found is None and curvature >= _BARELY_CURVED:
            point = self._by_dual(penalty, first or self._dual.start(penalty, start.residual))
            if curved or point.gap <= self._enough:
                self._solved.add(penalty, point, None)
                return point
        if found is None:
            start, found = self._from_above(penalty, limit)
        if found is None:
            found, _ = self._search(penalty, start, _SEARCH_STEPS_PER_FEATURE * n_features)
        found = self._canonical(penalty, found)
        self._solved.add(penalty, found, self._conditions.correlation)
        return found

    def _by_dual(self, penalty: Penalty, start: DualPoint) -> Point:
        """Return the solution that the dual method finds, by Newton's method on the primal where it is not exact."""
        point = self._dual.solve(penalty, start, tolerance=self._tolerance, polish=self._polish, max_steps=_DUAL_STEPS)
        if point.gap > self._enough:
            return self._newton(penalty, (point.features, np.sign(point.values)), self._rank) or point
        return point

    def _canonical(self, penalty: Penalty, point: Point) -> Point:
        """Return the same solution, or where there are several that of least norm; see `solvers.face`."""
        if penalty.l2 > 0.0:
            return point
        others = np.abs(self._conditions.correlation) >= (1 - _NEAR_THE_FACE) * penalty.l1
        others[point.features] = False
        may_be_dependent = self._system.may_be_dependent(point.features)
        if not others.any() and not may_be_dependent:
            return point
        self._conditions.judge(penalty, point.features, point.values)
        correlation = self._conditions.correlation
        face = np.union1d(np.flatnonzero(np.abs(correlation) >= (1 - _ON_THE_FACE) * penalty.l1), point.features)
        if face.size == point.features.size and not may_be_dependent:
            return point
        signs = np.sign(correlation[face])
        found = least_norm(np.asarray(self._design.columns[face]), signs, point.weights(correlation.size)[face])
        if found is None:
            return point
        taken = np.flatnonzero(found)
        other, _ = self._conditions.judge(penalty, face[taken], found[taken])
        return other if other.gap <= max(point.gap, _EXACT) else point

    def _search(self, penalty: Penalty, start: Point, max_steps: int) -> tuple[Point, End]:
        return feature_sign_search(
            self._conditions, penalty, start, tolerance=self._tolerance, polish=self._polish, max_steps=max_steps
        )

    def _newton(self, penalty: Penalty, guess: tuple[Indices, Floats], limit: int) -> Point | None:
        """Return the solution, or None if Newton's method does not find it from a guess."""
        point, end = newton(
            self._conditions, penalty, guess, rank=self._rank, max_active=limit, max_steps=_PRIMAL_STEPS
        )
        if point is not None and end == "circle":
            point, end = self._search(penalty, point, _SHORT_SEARCH)
        return point if point is not None and end == "optimum" and point.gap <= self._enough else None

    def _from_above(self, penalty: Penalty, limit: int) -> tuple[Point, Point | None]:
        """Follow the path of one ``l2`` down from the nearest solution on it, or from the one without weights.

        Returns
        -------
        Point
            The last solution on the way.
        Point or None
            The one at the penalty, if the way led there.
        """
        l1, point = self._solved.above(penalty)
        stride = _STRIDE
        while stride > _SHORTEST_STRIDE:
            way = np.log(l1 / penalty.l1)
            lower = penalty.l1 if way <= stride else l1 * np.exp(-way / np.ceil(way / stride))
            found = self._newton(Penalty(lower, penalty.l2), (point.features, np.sign(point.values)), limit)
            if found is None:
                stride /= 4
            elif lower == penalty.l1:
                return found, found
            else:
                l1, point, stride = lower, found, min(_STRIDE, 2 * stride)
        return point, None
