"""Rows of the penalty plane: a worker that has solved one solves it, and those near it, faster than others do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from regsearch.search.penalty import Penalty

_FARTHEST = 3.0
"""Distance from a row where nothing is known to be near it."""


@dataclass(frozen=True)
class PlaneRow:
    """A row of the penalty plane: the same L2 strength, beside an L1 strength or without one.

    Attributes
    ----------
    has_l1 : bool
    l2 : float
        0 without an L1 strength, where all points are one path.
    """

    has_l1: bool
    l2: float

    @classmethod
    def of(cls, penalty: Penalty | None) -> PlaneRow | None:
        """Return the row of a penalty, if there is one."""
        return cls(penalty.l1 > 0, penalty.row) if penalty else None

    def distance(self, other: PlaneRow) -> float:
        """Return 0 for the same row, up to 1 for another row of its solver, and 2 for a row of the other solver."""
        if self.has_l1 != other.has_l1:
            return 2.0
        weak, strong = sorted((self.l2, other.l2))
        return 1 - weak / strong if strong else 0.0


def nearest(row: PlaneRow | None, solved: Iterable[PlaneRow | None]) -> float:
    """Return the distance of a row from the nearest of those that were solved."""
    return min((row.distance(other) for other in solved if other), default=_FARTHEST) if row else _FARTHEST
