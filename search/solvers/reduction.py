"""A tall design reduced to a triangle with as many rows as features, which makes the same least-squares problem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from regsearch.search.solvers.design import Design
from regsearch.search.solvers.moments import Moments
from regsearch.search.solvers.singular import triangle_of

Vector = NDArray[np.float64]

_REGULAR = 1e-6
"""Reciprocal condition number of ``A^T A`` from which its Cholesky factor is as good as a QR decomposition of ``A``."""

_LEFT = 1e-4
"""Smallest share of a column's square that covariates must leave for its moments to be exact enough."""


def reduce(design: Design, moments: Moments) -> Design:
    """Return a design of ``p + 1`` rows or fewer that has the same solutions.

    With ``[A, b] = Q [R, c; 0, d]`` and orthonormal ``Q``, ``||b - A w||^2 = ||c - R w||^2 + d^2`` for all ``w``
    (Golub & Van Loan, "Matrix Computations", section 5.3). If ``A^T A`` is well-conditioned, ``R`` is the Cholesky
    factor of the moments, and the rows are not read again. Otherwise a QR decomposition by blocks of rows finds it,
    because forming ``A^T A`` loses half the digits of small singular values.

    Parameters
    ----------
    design : Design
        With more rows than features.
    moments : Moments
        Those of the raw features and the target at the design's rows.
    """
    triangle = _from_moments(design, moments)
    if triangle is None:
        triangle = triangle_of(design.columns, design.target)
    columns = np.ascontiguousarray(triangle[:, :-1].T)
    return replace(design, columns=columns, target=triangle[:, -1].copy(), target_loadings=np.empty(0))


def _from_moments(design: Design, moments: Moments) -> Vector | None:
    """Return the triangle, shape (rank + 1, p + 1), or None if the moments are not exact enough."""
    features = np.flatnonzero(~design.constant)
    cross = moments.cross[np.ix_(features, features)]
    product = moments.cross[-1, features]
    loadings = design.normalisation.loadings
    if loadings is not None:
        before = cross.diagonal().copy()
        cross -= loadings[features] @ loadings[features].T
        product -= loadings[features] @ design.target_loadings
        if (cross.diagonal() < _LEFT * before).any():
            return None
    norm = np.sqrt(cross.diagonal())
    factor, info = lapack.dpotrf(np.asfortranarray(cross / norm[:, None] / norm), lower=1, clean=1, overwrite_a=1)
    if info or lapack.dtrcon(factor, uplo="L")[0] ** 2 < _REGULAR:
        return None
    target = linalg.solve_triangular(factor, product / norm, lower=True, check_finite=False)
    triangle = np.zeros((features.size + 1, design.n_features + 1))
    triangle[:-1, features] = factor.T * (norm / design.scale[features])
    triangle[:-1, -1] = target
    triangle[-1, -1] = np.sqrt(max(0.0, float(design.target @ design.target - target @ target)))
    return triangle
