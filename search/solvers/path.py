"""One data set, many penalties: a solver that remembers what it has solved."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from regsearch.data.blocks import Columnwise
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.certificate import certify
from regsearch.search.solvers.coordinate_descent import descend
from regsearch.search.solvers.design import Design, normalise
from regsearch.search.solvers.elastic_net import ElasticNetPath
from regsearch.search.solvers.normalisation import Scale
from regsearch.search.solvers.ridge import RidgeSolver


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
    covariate_coef : ndarray of float64, shape (n_covariates,)
        Target units per unit of each covariate; empty without covariates.
    fitted : ndarray of float64, shape (n_rows,)
        Predictions at the training rows, in target units.
    duality_gap : float
        Certificate: `regsearch.search.solvers.certificate.certify`.
    seconds : float
        Time it took to solve, the certificate included.
    """

    penalty: Penalty
    coef: NDArray[np.float64]
    intercept: float
    covariate_coef: NDArray[np.float64]
    fitted: NDArray[np.float64]
    duality_gap: float
    seconds: float


class Options(TypedDict, total=False):
    """How the rows become a design: the keyword arguments of `regsearch.search.solvers.design.normalise`."""

    scale: Scale
    weights: NDArray[np.float64] | None
    covariates: NDArray[np.float64] | None
    in_memory: bool


class RegularizationPath:
    """Solves penalties on one set of training rows, each from the nearest one solved before.

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    tolerance : float
        Relative duality gap that a fit must reach.
    **normalisation
        `scale`, `weights`, `covariates` and `in_memory` of `regsearch.search.solvers.design.normalise`.
    """

    def __init__(
        self, X: Columnwise, y: NDArray[np.float64], *, tolerance: float = 1e-6, **normalisation: Unpack[Options]
    ) -> None:
        self._X = X
        self._y = y
        self._tolerance = tolerance
        self._options = normalisation
        self._blas = ThreadpoolController().select(user_api="blas")

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self._y)

    @property
    def total_weight(self) -> float:
        """Sum of the rows' weights, by which ridge strengths are divided; `n_rows` if all weigh the same."""
        weights = self._options.get("weights")
        return float(self.n_rows) if weights is None else float(weights.sum())

    @property
    def largest_l1(self) -> float:
        """Smallest ``l1`` at which all weights are zero."""
        return self._design.largest_l1

    def solve(self, penalties: Iterable[Penalty]) -> Iterator[Fit]:
        """Yield the fit of each penalty, in the order given; a falling L1 strength makes a short path."""
        for penalty in penalties:
            started = time.perf_counter()
            weights, gap, residual = self._certified(self._design.inner(penalty))
            fitted = self._design.fitted(self._y, residual)
            coef, intercept = self._design.to_units(weights)
            covariate_coef = self._design.covariate_coef(coef)
            yield Fit(penalty, coef, intercept, covariate_coef, fitted, gap, time.perf_counter() - started)

    @cached_property
    def _design(self) -> Design:
        return normalise(self._X, self._y, **self._options)

    @cached_property
    def _ridge(self) -> RidgeSolver:
        return RidgeSolver(self._design)

    @cached_property
    def _elastic_net(self) -> ElasticNetPath:
        return ElasticNetPath(self._design, tolerance=self._tolerance)

    def _certified(self, penalty: Penalty) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Return weights, their certificate and residual: of coordinate descent where Newton's methods fall short."""
        if penalty.l1 == 0:
            weights = self._ridge.solve(penalty.l2)
            return weights, *certify(self._design, weights, penalty)
        with self._blas.limit(limits=1):  # of many small products, most are slower on several threads
            weights = self._elastic_net.solve(penalty).weights
        gap, residual = certify(self._design, weights, penalty)
        if gap > self._tolerance:
            other = descend(self._design, penalty, weights, self._tolerance)
            other_gap, other_residual = certify(self._design, other, penalty)
            if other_gap < gap:
                return other, other_gap, other_residual
        return weights, gap, residual
