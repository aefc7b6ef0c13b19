"""One data set, many penalties: a solver that remembers what it has solved."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.penalty import Penalty
from search.solvers.certificate import duality_gap
from search.solvers.design import Design, normalise
from search.solvers.elastic_net import solve_elastic_net
from search.solvers.ridge import Spectrum, decompose, solve_ridge


@dataclass(frozen=True, eq=False)
class Fit:
    """One solved point of the penalty plane, in the recording's own units.

    Attributes
    ----------
    penalty : Penalty
    coef : ndarray of float64, shape (n_features,)
        Target units per unit of each feature; exactly 0 where the penalty removed a feature.
    intercept : float
        Target units.
    fitted : ndarray of float64, shape (n_rows,)
        Predictions at the training rows, in target units.
    duality_gap : float
        Certificate: `search.solvers.certificate.duality_gap`.
    seconds : float
        Time it took to solve, the certificate included.
    """

    penalty: Penalty
    coef: NDArray[np.float64]
    intercept: float
    fitted: NDArray[np.float64]
    duality_gap: float
    seconds: float


class RegularizationPath:
    """Solves penalties on one set of training rows, each from the nearest one solved before.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    tolerance : float
        Relative duality gap that an L1-penalised fit must reach.
    """

    def __init__(self, X: NDArray[np.floating], y: NDArray[np.float64], *, tolerance: float = 1e-6) -> None:
        self._X = X
        self._y = y
        self._tolerance = tolerance
        self._solved: dict[Penalty, NDArray[np.float64]] = {}

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self._y)

    def solve(self, penalties: Iterable[Penalty]) -> Iterator[Fit]:
        """Yield the fit of each penalty, in the order given; a falling L1 strength makes a short path."""
        for penalty in penalties:
            started = time.perf_counter()
            weights = self._weights(penalty)
            gap = duality_gap(self._design, weights, penalty)
            fitted = self._design.target_mean + self._design.apply(weights)
            coef, intercept = self._design.to_units(weights)
            yield Fit(penalty, coef, intercept, fitted, gap, time.perf_counter() - started)

    @cached_property
    def _design(self) -> Design:
        return normalise(self._X, self._y)

    @cached_property
    def _spectrum(self) -> Spectrum:
        return decompose(self._design)

    def _weights(self, penalty: Penalty) -> NDArray[np.float64]:
        if penalty.l1 == 0:
            return solve_ridge(self._design, self._spectrum, penalty.l2)
        weights = solve_elastic_net(self._design, penalty, self._nearest(penalty), self._tolerance)
        self._solved[penalty] = weights
        return weights

    def _nearest(self, penalty: Penalty) -> NDArray[np.float64]:
        if not self._solved:
            return np.zeros(self._design.n_features)
        return self._solved[min(self._solved, key=lambda solved: _distance(solved, penalty))]


def _distance(one: Penalty, other: Penalty) -> float:
    return abs(math.log(one.l1 / other.l1)) + abs(math.log1p(one.l2) - math.log1p(other.l2))
