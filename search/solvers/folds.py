"""The paths of several sets of training rows, as folds have them: what their rows have in common is summed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Scale, fits_in_memory
from regsearch.data.blocks import Columnwise
from regsearch.search.solvers.moments import Moments, combined, moments, rough_mean
from regsearch.search.solvers.path import RegularizationPath

Floats = NDArray[np.float64]

_PARTS_PER_SET = 2
"""As many parts as blocks with an embargo have; where folds are drawn anew, hardly two rows are in the same sets."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows that a model is fitted on.

    Attributes
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
        Target.
    index : ndarray of int, shape (n_rows,)
        Number of each row in the recording, ascending.
    weights : ndarray of float64, shape (n_rows,), optional
        One positive weight per row; a row weighs the same in every set that it is in.
    covariates : ndarray of float64, shape (n_rows, n_covariates), optional
    """

    X: Columnwise
    y: Floats
    index: NDArray[np.integer]
    weights: Floats | None = None
    covariates: Floats | None = None


def paths_for(
    sets: Sequence[TrainingRows], *, tolerance: float = 1e-6, scale: Scale = "unit-norm", in_memory: bool = True
) -> list[RegularizationPath]:
    """Return the path of each set of rows.

    If one set holds the rows of all others, as that of the final model does, each row is read once for the moments of
    every set: they are sums over the rows that the same sets have in common.

    Parameters
    ----------
    sets : sequence of TrainingRows
    tolerance : float
        Relative duality gap that a fit must reach.
    scale : {"unit-norm", "standard", "none"}
    in_memory : bool
        Whether to hold the normalised columns of designs that are not reduced.
    """
    shared = _SharedMoments(sets)
    return [
        RegularizationPath(
            rows.X,
            rows.y,
            tolerance=tolerance,
            moments=partial(shared.of, number) if shared.helps else None,
            scale=scale,
            weights=rows.weights,
            covariates=rows.covariates,
            in_memory=in_memory,
        )
        for number, rows in enumerate(sets)
    ]


class _SharedMoments:
    """Moments of several sets of rows, each the sum of those of its parts: rows that the same sets have in common."""

    def __init__(self, sets: Sequence[TrainingRows]) -> None:
        self._widest = max(sets, key=lambda rows: len(rows.index))
        members = np.array([np.isin(self._widest.index, rows.index, assume_unique=True) for rows in sets])
        self._parts, self._part_of = np.unique(members, axis=1, return_inverse=True)
        contained = all(np.count_nonzero(of) == len(rows.index) for of, rows in zip(members, sets, strict=True))
        n_parts = self._parts.shape[1]
        are_few = n_parts <= _PARTS_PER_SET * len(sets)
        size = 8 * (self._widest.X.shape[1] + 1) ** 2 * (n_parts + 1)
        self.helps = len(sets) > 1 and are_few and contained and fits_in_memory(size)

    def of(self, number: int) -> Moments:
        """Return the moments of a set, by its place among all."""
        return combined([self._moments[part] for part in np.flatnonzero(self._parts[number])])

    @cached_property
    def _moments(self) -> list[Moments]:
        rows, part_of = self._widest, self._part_of.ravel()
        centre = rough_mean(rows.X, rows.y)
        return [
            moments(rows.X, rows.y, np.flatnonzero(part_of == part), centre=centre, weights=rows.weights)
            for part in range(self._parts.shape[1])
        ]
