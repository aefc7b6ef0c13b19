"""The penalties solved so far, and the first guess that they give for another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regsearch.search.penalty import Penalty
from regsearch.search.solvers.point import Point

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_REMEMBERED = 400
"""Largest number of penalties that are kept, so that neither memory nor the time to search them grows further."""

_CLOSE = 0.8
"""Correlations from this share of ``l1`` on are kept for guesses."""

_REACH = 1.5
"""Largest distance of an extrapolated penalty, as a multiple of that between the two it is extrapolated from."""


@dataclass(frozen=True, eq=False)
class _Solved:
    """A solution, and the columns whose correlation with its residual is close to ``l1``, with these correlations."""

    point: Point
    close: Indices
    correlation: Floats


class Neighbours:
    """Remembers the solutions of the last penalties.

    Parameters
    ----------
    null : Point
        The solution without weights.
    largest_l1 : float
        Smallest ``l1`` at which it is the solution, whatever ``l2``.
    """

    def __init__(self, null: Point, largest_l1: float) -> None:
        self._null = null
        self._largest_l1 = largest_l1
        self._solved: dict[Penalty, _Solved] = {}
        self._place = np.empty((0, 2))

    def get(self, penalty: Penalty) -> Point | None:
        """Return the solution of a penalty, if it is remembered."""
        found = self._solved.get(penalty)
        return found.point if found else None

    def add(self, penalty: Penalty, point: Point, correlation: Floats | None) -> None:
        """Remember a solution, and of the correlations with its residual, if they are known, those close to ``l1``."""
        if len(self._solved) == _REMEMBERED:
            del self._solved[next(iter(self._solved))]
            self._place = self._place[1:]
        close = np.empty(0, dtype=np.intp)
        if correlation is not None:
            close = np.flatnonzero(np.abs(correlation) >= _CLOSE * penalty.l1)
        values = np.empty(0) if correlation is None else correlation[close]
        self._solved[penalty] = _Solved(point, close, values)
        self._place = np.vstack([self._place, [penalty.l1, penalty.l2]])

    def nearest(self, penalty: Penalty) -> Point:
        """Return the nearest known solution; from the largest ``l1`` on it is without weights, whatever ``l2``."""
        distance = self._distances(penalty)
        top = abs(np.log(self._largest_l1 / penalty.l1))
        if not distance.size or top < distance.min():
            return self._null
        return list(self._solved.values())[int(distance.argmin())].point

    def above(self, penalty: Penalty) -> tuple[float, Point]:
        """Return the nearest larger ``l1`` with a known solution of the same ``l2``, and that solution."""
        l1 = min((one.l1 for one in self._solved if one.l2 == penalty.l2 and one.l1 > penalty.l1), default=None)
        return (self._largest_l1, self._null) if l1 is None else (l1, self._solved[Penalty(l1, penalty.l2)].point)

    def distance(self, penalty: Penalty) -> float:
        """Return how far the nearest remembered penalty is, in units of ``log l1``; infinity without any."""
        return float(self._distances(penalty).min(initial=np.inf))

    def guess(self, penalty: Penalty) -> tuple[Indices, Floats]:
        """Return the columns that are likely to be active, ascending, and the likely signs of their weights.

        They are those of the nearest solution, corrected by extrapolating its weights and correlations through the
        next nearest one on the same path: between changes of the active set both are linear in ``l1`` (Rosset & Zhu
        2007, "Piecewise linear regularized solution paths").
        """
        nearest = self.nearest(penalty)
        features, signs = nearest.features, np.sign(nearest.values)
        distance = np.where(self._place[:, 1] == penalty.l2, self._distances(penalty), np.inf)
        if np.count_nonzero(np.isfinite(distance)) < 2:
            return features, signs
        every = list(self._solved.items())
        (one_penalty, one), (other_penalty, other) = (every[place] for place in np.argsort(distance)[:2].tolist())
        share = (penalty.l1 - one_penalty.l1) / (other_penalty.l1 - one_penalty.l1)
        if one.point is not nearest or abs(share) > _REACH:
            return features, signs
        before = np.zeros(features.size)
        _, here, there = np.intersect1d(features, other.point.features, assume_unique=True, return_indices=True)
        before[here] = other.point.values[there]
        stays = (nearest.values + share * (before - nearest.values)) * signs > 0
        both, here, there = np.intersect1d(one.close, other.close, assume_unique=True, return_indices=True)
        correlation = one.correlation[here] + share * (other.correlation[there] - one.correlation[here])
        joins = (np.abs(correlation) > penalty.l1) & ~np.isin(both, features, assume_unique=True)
        active = np.concatenate([features[stays], both[joins]])
        order = np.argsort(active)
        return active[order], np.concatenate([signs[stays], np.sign(correlation[joins])])[order]

    def _distances(self, penalty: Penalty) -> Floats:
        """Return how far each remembered penalty is, in units of ``log l1``."""
        l1, l2 = self._place.T
        floor = 1e-12 + 1e-2 * np.maximum(l2, penalty.l2)
        distance: Floats = np.abs(np.log(l1 / penalty.l1)) + np.abs(np.log((l2 + floor) / (penalty.l2 + floor))) / 2
        return distance
