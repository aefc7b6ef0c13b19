"""One data set, many penalties: a solver that remembers what it has solved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from regsearch.data import Scale
from regsearch.data.blocks import Columnwise, blocks
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.certificate import certificate, certify
from regsearch.search.solvers.coordinate_descent import descend
from regsearch.search.solvers.design import Design, designs
from regsearch.search.solvers.elastic_net import ElasticNetPath
from regsearch.search.solvers.matrix import Matrix, matrix_of
from regsearch.search.solvers.moments import Moments, moments
from regsearch.search.solvers.reduction import Triangle, product_from, reduced_by_reflections, triangle_from
from regsearch.search.solvers.ridge import RidgeSolver

Floats = NDArray[np.float64]

_TALL = 2
"""Rows per feature from which a design is reduced to a triangle."""

_CERTIFIED_VALUES = 2**24
"""Number of weights and residuals that are certified together: 128 MB."""


@cache
def _blas() -> ThreadpoolController:
    """Return what sets the threads of the linear algebra libraries; finding them takes 8 ms."""
    return ThreadpoolController().select(user_api="blas")


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


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Several solved points of the penalty plane, in the recording's own units.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_penalties, n_features)
    intercept : ndarray of float64, shape (n_penalties,)
    covariate_coef : ndarray of float64, shape (n_penalties, n_covariates)
    duality_gap : ndarray of float64, shape (n_penalties,)
        Certificates on the design that was solved, which for a tall one is the triangle that it was reduced to.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    covariate_coef: NDArray[np.float64]
    duality_gap: NDArray[np.float64]


class Options(TypedDict, total=False):
    """How the rows become a design: the keyword arguments of `regsearch.search.solvers.design.normalise`."""

    scale: Scale
    weights: NDArray[np.float64] | None
    covariates: NDArray[np.float64] | None
    in_memory: bool


class RegularizationPath:
    """Solves penalties on one set of training rows, each from the nearest one solved before.

    A design that is at least twice as tall as wide is reduced to a triangle first, from its moments
    (`regsearch.search.solvers.reduction`). Its rows are read again only for certificates, and by several fits together.

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    tolerance : float
        Relative duality gap that a fit must reach.
    moments : callable, optional
        Returns the moments of these rows, which folds share: `paths_for` (default: they are computed from the rows).
    **normalisation
        `scale`, `weights`, `covariates` and `in_memory` of `regsearch.search.solvers.design.normalise`.
    """

    def __init__(
        self,
        X: Columnwise,
        y: Floats,
        *,
        tolerance: float = 1e-6,
        moments: Callable[[], Moments] | None = None,
        **normalisation: Unpack[Options],
    ) -> None:
        self._X = X
        self._y = y
        self._tolerance = tolerance
        self._moments = moments
        self._options = normalisation

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

    def with_target(self, y: Floats) -> RegularizationPath:
        """Return the path of the same rows and another target; see `with_targets`."""
        (path,) = self.with_targets(y[:, None])
        return path

    def with_targets(self, targets: Floats) -> list[RegularizationPath]:
        """Return the paths of the same rows and other targets.

        They share all that depends on the features alone: the normalised columns, their Gram matrices and
        eigendecompositions, the triangle of a tall matrix, and copies of the columns that have been active, with the
        products between these. Each is made on its first use, for whichever target; so paths that share may only be
        used in turn, never in two threads.

        Parameters
        ----------
        targets : ndarray of float64, shape (n_rows, n_targets)
        """
        of_rows = solved = self._design.with_targets(targets)
        if self._is_tall:
            triangle, _ = self._reduction
            solved = triangle.reduced(of_rows) if triangle else reduced_by_reflections(of_rows)
        return [self._sibling(*one) for one in zip(targets.T, of_rows, solved, strict=True)]

    def _sibling(self, y: Floats, design: Design, solved: Design) -> RegularizationPath:
        path = copy(self)
        for name in ("_ridge", "_elastic_net"):
            path.__dict__.pop(name, None)
        path._y, path._design, path._solved = y, design, solved
        return path

    def solve(self, penalties: Iterable[Penalty]) -> Iterator[Fit]:
        """Yield the fit of each penalty, in the order given; a falling L1 strength makes a short path.

        Certificates of several penalties together cost hardly more than one.
        """
        waiting = list(penalties)
        room = max(1, _CERTIFIED_VALUES // sum(self._X.shape))
        for chunk in blocks(len(waiting), room):
            yield from self._solve(waiting[chunk])

    def _solve(self, penalties: list[Penalty]) -> Iterator[Fit]:
        weights, seconds = self._weights(penalties)
        started = time.perf_counter()
        inner = [self._design.inner(penalty) for penalty in penalties]
        gaps, residuals = certify(self._design, weights, inner)
        certifying = (time.perf_counter() - started) / max(1, len(penalties))
        for place, (penalty, gap) in enumerate(zip(penalties, gaps, strict=True)):
            started = time.perf_counter()
            one, residual = weights[place], residuals[place]
            if penalty.l1 > 0 and gap > self._tolerance:
                other = descend(self._design, inner[place], one, self._tolerance)
                (other_gap,), (other_residual,) = certify(self._design, other[None], [inner[place]])
                if other_gap < gap:
                    one, gap, residual = other, other_gap, other_residual
            coef, intercept = self._design.to_units(one)
            covariate_coef, fitted = self._design.covariate_coef(coef), self._design.fitted(self._y, residual)
            took = float(seconds[place]) + certifying + time.perf_counter() - started
            yield Fit(penalty, coef, intercept, covariate_coef, fitted, gap, took)

    def coefficients(self, penalties: Sequence[Penalty]) -> Coefficients:
        """Return the fits of all penalties together, without their predictions at the training rows.

        They are those of `solve`, and cost less where many are wanted: certificates of a tall design do not read its
        rows.
        """
        design, inner = self._solved, [self._solved.inner(penalty) for penalty in penalties]
        weights, _ = self._weights(penalties)
        gaps = np.array(certify(design, weights, inner)[0])
        for place in np.flatnonzero(gaps > self._tolerance).tolist():
            if inner[place].l1 > 0:
                other = descend(design, inner[place], weights[place], self._tolerance)
                gap = certificate(design, other, inner[place])
                if gap < gaps[place]:
                    weights[place], gaps[place] = other, gap
        found = [self._design.to_units(one) for one in weights]
        coef = np.array([one for one, _ in found])
        of_covariates = np.array([self._design.covariate_coef(one) for one in coef])
        return Coefficients(coef, np.array([intercept for _, intercept in found]), of_covariates, gaps)

    def _weights(self, penalties: Sequence[Penalty]) -> tuple[Floats, Floats]:
        """Return the weights of each penalty, and the seconds that they took; ridge strengths are solved together."""
        inner = [self._solved.inner(penalty) for penalty in penalties]
        weights, seconds = np.empty((len(inner), self._solved.n_features)), np.empty(len(inner))
        ridge = [place for place, one in enumerate(inner) if one.l1 == 0]
        if ridge:
            started = time.perf_counter()
            weights[ridge] = self._ridge.solve([inner[place].l2 for place in ridge])
            seconds[ridge] = (time.perf_counter() - started) / len(ridge)
        with _blas().limit(limits=1):  # of many small products, most are slower on several threads
            for place, one in enumerate(inner):
                if one.l1 > 0:
                    started = time.perf_counter()
                    weights[place] = self._elastic_net.solve(one).weights
                    seconds[place] = time.perf_counter() - started
        return weights, seconds

    @property
    def _is_tall(self) -> bool:
        n_rows, n_features = self._X.shape
        return n_rows >= _TALL * n_features

    @cached_property
    def _matrix(self) -> Matrix:
        options = self._options | {"in_memory": False} if self._is_tall else self._options
        return matrix_of(self._X, **options)

    @cached_property
    def _design(self) -> Design:
        (design,) = designs(self._matrix, self._y[:, None])
        return design

    @cached_property
    def _solved(self) -> Design:
        """The design that is solved: that of the rows, or the triangle it is reduced to."""
        return self._reduction[1] if self._is_tall else self._design

    @cached_property
    def _reduction(self) -> tuple[Triangle | None, Design]:
        """The triangle for any target, if the matrix is well-conditioned, and the reduced design of the path's own."""
        own = self._moments() if self._moments is not None else self._own_moments()
        triangle = triangle_from(self._matrix, own)
        if triangle is None:
            return None, reduced_by_reflections([self._design])[0]
        self._matrix.know_gram(triangle.gram)
        return triangle, triangle.of(self._design, product_from(self._design, own))

    def _own_moments(self) -> Moments:
        every = np.arange(self.n_rows)
        centre = np.append(self._matrix.normalisation.mean, self._design.target_mean)
        return moments(self._X, self._y, every, centre=centre, weights=self._options.get("weights"))

    @cached_property
    def _ridge(self) -> RidgeSolver:
        return RidgeSolver(self._solved)

    @cached_property
    def _elastic_net(self) -> ElasticNetPath:
        return ElasticNetPath(self._solved, tolerance=self._tolerance)
