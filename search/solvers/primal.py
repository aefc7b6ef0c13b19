"""Active-set methods on the optimality conditions: exact after finitely many steps, in practice a few."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.certificate import primal_objective
from regsearch.search.solvers.conditions import Conditions
from regsearch.search.solvers.point import Point

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
End = Literal["optimum", "circle", "given up"]
"""How a method ended: no column joins or leaves any more; a set came back; or it took too many steps or columns."""

_ROOM_SHARE = 4
_ALWAYS_WELCOME = 20
_CROWDED_SHARE = 64

_STALLED = 20
"""Number of points in turn that do not lower the objective, after which rounding keeps the search from going on."""


def newton(
    conditions: Conditions,
    penalty: Penalty,
    guess: tuple[Indices, Floats],
    *,
    rank: int,
    max_active: int,
    max_steps: int,
) -> tuple[Point | None, End]:
    """Primal-dual active set method, a semismooth Newton method on the optimality conditions.

    A step solves for the weights of the active set, given their signs. Weights that come out with another sign leave;
    columns whose correlation with the residual exceeds ``l1`` join; if nothing changes, the point is optimal
    (Hintermueller, Ito & Kunisch 2003, SIAM J. Optim. 13). From the solution of a nearby penalty two to five steps
    suffice (Fan, Jiao & Lu 2014). From a distant start the method can cycle, because too many columns correlate with a
    bad residual. So only the most correlated columns join, at most a quarter of the rank that is still free, and the
    method stops where a set comes back. With ``l2 > 0`` more columns than the rank may be active; then few join a step.

    Parameters
    ----------
    conditions : Conditions
    penalty : Penalty
    guess : tuple of ndarray
        Columns of the first active set, ascending, and the signs of their weights.
    rank : int
        Largest number of columns that can be independent.
    max_active, max_steps : int
        Give up when more columns than `max_active` are active, or after `max_steps` steps.

    Returns
    -------
    Point or None
        Where the method stopped, if it took a step.
    {"optimum", "circle", "given up"}
    """
    point, (active, signs), seen = None, guess, set[bytes]()
    for _ in range(max_steps):
        if active.size > max_active:
            break
        state = active.tobytes() + signs.tobytes()
        if state in seen:
            return point, "circle"
        seen.add(state)
        values = conditions.solve(penalty, active, signs)
        point, violation = conditions.judge(penalty, active, values, signs)
        if (point.values * signs > 0).all() and not violation.any():
            point, violation = conditions.refine(penalty, signs, point, violation)
            if (point.values * signs > 0).all() and not violation.any():
                return point, "optimum"
        stays = point.values * signs > 0
        joining = np.flatnonzero(violation)
        size = int(stays.sum())
        least = max(1, rank // _CROWDED_SHARE if penalty.l2 else 0)
        quota = max(least, min((rank - size) // _ROOM_SHARE, _ALWAYS_WELCOME + size // 2))
        if joining.size > quota:
            joining = joining[np.argpartition(np.abs(violation[joining]), -quota)[-quota:]]
        active = np.concatenate([active[stays], joining])
        order = np.argsort(active)
        signs = np.concatenate([signs[stays], np.sign(violation[joining])])[order]
        active = active[order]
    return point, "given up"


def feature_sign_search(
    conditions: Conditions, penalty: Penalty, start: Point, *, tolerance: float, polish: bool, max_steps: int
) -> tuple[Point, End]:
    """Active-set method that needs more steps than `newton` but cannot cycle, as no step raises the objective.

    A step leads from the weights towards the solution for their signs and ends at the lowest point of the objective
    on that line. A weight that becomes zero there leaves. At a point that is optimal for its active set, the column
    that violates the optimality conditions most joins (Lee, Battle, Raina & Ng 2006, NIPS 19).

    Parameters
    ----------
    conditions : Conditions
    penalty : Penalty
    start : Point
    tolerance : float
        Relative duality gap at which to stop short of the exact solution.
    polish : bool
        Whether to go on from there for as long as the objective falls in floating point.
    max_steps : int

    Returns
    -------
    Point
    {"optimum", "given up"}
    """
    lowest, stalled = np.inf, 0
    active, values, signs = start.features, start.values, np.sign(start.values)
    here, _ = conditions.judge(penalty, active, values)
    residual = here.residual
    for _ in range(max_steps):
        goal, violation = conditions.judge(penalty, active, conditions.solve(penalty, active, signs), signs)
        if (goal.values * signs > 0).all():
            refined, others = conditions.refine(penalty, signs, goal, violation)
            here = goal
            if (refined.values * signs > 0).all():
                here, violation = refined, others
            joining = int(np.argmax(np.abs(violation)))
            objective = primal_objective(here.residual, here.values, penalty)
            stalled = 0 if objective < lowest else stalled + 1
            near = here.gap <= tolerance and (stalled or not polish)
            if near or stalled == _STALLED or violation[joining] == 0:
                return here, "optimum"
            lowest = min(lowest, objective)
            at = int(np.searchsorted(active, joining))
            active = np.insert(active, at, joining)
            values = np.insert(here.values, at, 0.0)
            signs = np.insert(signs, at, np.sign(violation[joining]))
            residual = here.residual
        else:
            values, length = _lowest_on_the_way(penalty, values, signs, residual, goal)
            residual = (1 - length) * residual + length * goal.residual
            if np.array_equal(np.sign(values), signs):  # the same goal again: only rounding keeps it out of reach
                there, _ = conditions.judge(penalty, active, values)
                return min(here, there, key=lambda point: point.gap), "optimum"
            alive = values != 0
            active, values, signs = active[alive], values[alive], np.sign(values[alive])
    return here, "given up"


def _lowest_on_the_way(
    penalty: Penalty, values: Floats, signs: Floats, residual: Floats, goal: Point
) -> tuple[Floats, float]:
    """Return the weights of lowest objective on the line between two points, and their place on it from 0 to 1.

    Along the line the slope of the objective rises linearly, and by ``2 l1 |d_j|`` where weight ``j`` changes sign.
    """
    step, change = goal.values - values, goal.residual - residual
    curvature = float(change @ change) / change.size + penalty.l2 * float(step @ step)
    slope = (
        float(residual @ change) / change.size + penalty.l2 * float(values @ step) + penalty.l1 * float(signs @ step)
    )
    crossing = np.flatnonzero((step * signs < 0) & (goal.values * signs <= 0))
    lengths = -values[crossing] / step[crossing]
    order = np.argsort(lengths)
    crossing, lengths = crossing[order], lengths[order]
    jumps = 2 * penalty.l1 * np.abs(step[crossing])
    risen = np.cumsum(jumps)
    rising = slope + curvature * lengths + risen >= 0
    first = int(np.argmax(rising)) if rising.any() else crossing.size - 1
    if slope + curvature * lengths[first] + risen[first] - jumps[first] > 0:
        length = -(slope + risen[first] - jumps[first]) / curvature
    else:
        length = float(lengths[first])
    lowest: Floats = values + length * step
    if length == lengths[first]:
        lowest[crossing[first]] = 0.0
    return lowest, length
