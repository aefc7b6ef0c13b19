"""Ridge and minimum-norm least squares: every strength from one decomposition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from regsearch.search.solvers.design import Design
from regsearch.search.solvers.matrix import RowFactor
from regsearch.search.solvers.singular import Singular

Floats = NDArray[np.float64]

_DOUBTFUL = 1e-10
"""Share of the largest eigenvalue of a Gram matrix below which rounding may have changed or made an eigenvalue."""

_WELL_CONDITIONED = 1e4
"""Condition number of the ridge system up to which its solution needs no refinement."""

_SHARES = (0.0, 0.0, 0.0, 1e-20, 1e-14, 1e-8)
"""Share of the largest eigenvalue up to which each step of refinement leaves smaller ones out."""

_INTERPOLATED = 1e-12
"""Share of the target up to which least squares on independent rows may leave a residual."""

_REFINEMENTS = 6
_PROGRESS = 0.5
"""Refinement ends with a step that does not shrink the residual of the ridge system to this share."""


class RidgeSolver:
    r"""Minimises :math:`\|b - Aw\|^2 / 2n + l_2 \|w\|^2 / 2` for any number of strengths.

    Through the rows' Gram matrix :math:`A A^T = U S U^T` the weights are :math:`A^T U (S + n l_2)^{-1} U^T b`, and
    through the columns' :math:`A^T A = V S V^T` they are :math:`V (S + n l_2)^{-1} V^T A^T b` (Hastie, Tibshirani &
    Friedman, "The Elements of Statistical Learning", sections 3.4 and 18.3.5). At ``l2 = 0`` these are the
    least-squares weights of minimum norm.

    An eigenvalue of a Gram matrix is wrong by about ``eps`` times the largest one. This does no harm where ``n l2``
    is large or where every eigenvalue that can differ from zero is large: iterative refinement then recovers the lost
    digits (Bjorck, "Numerical Methods for Least Squares Problems", section 2.9.3). Otherwise `singular` decomposes
    ``A`` itself, which keeps every singular value above LAPACK's threshold.

    Parameters
    ----------
    design : Design
    """

    def __init__(self, design: Design) -> None:
        self._design = design

    @cached_property
    def _singular(self) -> Singular:
        return self._design.matrix.singular(self._design.target)

    def solve(self, strengths: Sequence[float]) -> Floats:
        """Return the weights that minimise the objective at each strength, shape (n_strengths, n_features).

        Those of all well-conditioned systems together take a product of matrices, where one alone takes a product with
        a vector: the matrix is read once.

        Parameters
        ----------
        strengths : sequence of float
            ``l2``, each at least 0.
        """
        weights = np.empty((len(strengths), self._design.n_features))
        inverses: dict[int, Floats | None] = {}
        for place, l2 in enumerate(strengths):
            found = self._interpolation if l2 == 0 else None
            if found is None:
                inverses[place] = self._inverse(l2)
            else:
                weights[place] = found
        exact = {place: one for place, one in inverses.items() if one is not None}
        well = {place: one for place, one in exact.items() if _is_well_conditioned(one)}
        if well:
            weights[[*well]] = self._together(np.array([*well.values()]))
        if ill := {place: one for place, one in exact.items() if place not in well}:
            weights[[*ill]] = self._refined([strengths[place] for place in ill], np.array([*ill.values()]))
        if doubtful := [place for place in inverses if place not in exact]:
            weights[doubtful] = self._by_singular([strengths[place] for place in doubtful])
        weights[:, self._design.constant] = 0.0
        return weights

    @cached_property
    def _interpolation(self) -> Floats | None:
        """The least-squares weights of minimum norm where the rows are independent but for what was projected out.

        A Cholesky factor takes a twentieth of the time of a decomposition, which is preferred only if it is there.
        In single precision it takes half of that and, refined in double, leads to the same weights (Carson & Higham
        2018, SIAM J. Sci. Comput. 40). ``None`` if the rows may depend on each other.
        """
        matrix, design = self._design.matrix, self._design
        if matrix.is_decomposed or not 0 < design.largest_rank < design.n_rows <= design.n_features:
            return None
        if not matrix.has_row_gram:
            found = self._interpolated(matrix.rough_row_factor)
            if found is not None:
                return found
        return self._interpolated(RowFactor.of(matrix.row_gram, _DOUBTFUL))

    def _interpolated(self, factor: RowFactor) -> Floats | None:
        """Return the weights by way of a factor, whose pivots choose as many rows as the matrix has ranks.

        ``None`` if a pivot or the residual says that the rows may depend on each other.
        """
        design, rank = self._design, self._design.largest_rank
        if factor.rank < rank:
            return None
        kept, lower = factor.pivots[:rank], factor.values[:rank, :rank]

        def step(weights: Floats, missing: Floats) -> tuple[Floats, Floats]:
            dual = np.zeros(design.n_rows)
            scale = float(np.abs(missing[kept]).max()) or 1.0  # single precision has no place for tiny numbers
            scaled = (missing[kept] / scale).astype(lower.dtype)
            dual[kept] = scale * cho_solve((lower, True), scaled, check_finite=False)
            following = weights + design.columns @ dual
            return following, design.target - design.apply(following)

        weights, left = _refine(step, np.zeros(design.n_features), design.target, most=_REFINEMENTS)
        return weights if left <= _INTERPOLATED * float(np.linalg.norm(design.target)) else None

    def _inverse(self, l2: float) -> Floats | None:
        """Return the inverse of each eigenvalue of the ridge system, or None if the spectrum is not exact enough."""
        values, shift = self._design.matrix.spectrum.values, self._design.n_rows * l2
        certain = np.count_nonzero(values > _DOUBTFUL * values[-1])
        if certain < self._design.largest_rank and shift <= _DOUBTFUL * values[-1]:
            return None
        kept = values + shift > _DOUBTFUL * values[-1]
        return np.divide(1.0, values + shift, out=np.zeros_like(values), where=kept)

    def _together(self, inverses: Floats) -> Floats:
        spectrum, design = self._design.matrix.spectrum, self._design
        right = design.target if spectrum.of_rows else design.correlation
        solved = spectrum.vectors @ (inverses * (spectrum.vectors.T @ right)).T
        weights: Floats = (design.columns @ solved if spectrum.of_rows else solved).T
        return weights

    def _refined(self, strengths: Sequence[float], inverses: Floats) -> Floats:
        spectrum, shifts = self._design.matrix.spectrum, self._design.n_rows * np.array(strengths)
        if spectrum.of_rows:
            return self._through_rows(spectrum.vectors, inverses, shifts)
        pairs = zip(inverses, shifts.tolist(), strict=True)
        return np.array([self._through_columns(spectrum.vectors, inverse, shift) for inverse, shift in pairs])

    def _by_singular(self, strengths: Sequence[float]) -> Floats:
        found, shifts = self._singular, self._design.n_rows * np.array(strengths)
        inverses = 1 / (found.values**2 + shifts[:, None])
        if found.of_rows:
            return self._through_rows(found.vectors, inverses, shifts)
        weights: Floats = (found.values * inverses * found.components) @ found.vectors.T
        return weights

    def _through_rows(self, vectors: Floats, inverses: Floats, shifts: Floats) -> Floats:
        """Solve ``(A A' + shift I) z = b`` for each shift, and return each ``w = A' z``.

        In an ill-conditioned system ``A' z`` has rounding errors in every direction, and ``A`` magnifies them. Later
        steps of refinement correct only what lies along ever larger eigenvalues, so that their own errors are small.
        """
        columns, target = self._design.columns, self._design.target
        well = all(map(_is_well_conditioned, inverses))
        smallest = np.min(inverses, axis=1, where=inverses > 0, initial=np.inf, keepdims=True)
        dual = np.zeros((len(shifts), target.size))
        missing = dual + target
        weights = np.zeros((len(shifts), self._design.n_features))
        for share in _SHARES[: 1 if well else None]:
            chosen = np.where(share * inverses <= smallest, inverses, 0.0)
            step = (chosen * (missing @ vectors)) @ vectors.T
            dual += step
            weights += (columns @ step.T).T
            if not well:
                missing = target - weights @ columns - shifts[:, None] * dual
        return weights

    def _through_columns(self, vectors: Floats, inverse: Floats, shift: float) -> Floats:
        """Solve ``(A' A + shift I) w = A' b``, and refine the solution while that helps."""
        design = self._design

        def step(weights: Floats, missing: Floats) -> tuple[Floats, Floats]:
            following = weights + vectors @ (inverse * (vectors.T @ missing))
            residual = design.target - design.apply(following)
            return following, design.columns @ residual - shift * following

        most = 1 if _is_well_conditioned(inverse) else _REFINEMENTS
        return _refine(step, np.zeros(design.n_features), design.correlation, most=most)[0]


def _refine(
    step: Callable[[Floats, Floats], tuple[Floats, Floats]], weights: Floats, missing: Floats, *, most: int
) -> tuple[Floats, float]:
    """Return weights refined for as long as that helps, and the norm of what they leave missing.

    Parameters
    ----------
    step : callable
        Returns the next weights and what they leave missing, from those before.
    weights, missing : ndarray of float64
    most : int
        The largest number of steps.
    """
    smallest = np.inf
    for _ in range(most):
        following, missing = step(weights, missing)
        size = float(np.linalg.norm(missing))
        if size >= smallest:
            break
        is_last = size > _PROGRESS * smallest
        weights, smallest = following, size
        if is_last:
            break
    return weights, smallest


def _is_well_conditioned(inverse: Floats) -> bool:
    return bool(inverse.max() <= _WELL_CONDITIONED * inverse[inverse > 0].min(initial=np.inf))
