"""A tall design reduced to a triangle with as many rows as features, which makes the same least-squares problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from regsearch.search.solvers.design import Design
from regsearch.search.solvers.matrix import Matrix
from regsearch.search.solvers.moments import Moments
from regsearch.search.solvers.singular import triangle_of

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_REGULAR = 1e-6
"""Reciprocal condition number of ``A^T A`` from which its Cholesky factor is as good as a QR decomposition of ``A``."""

_LEFT = 1e-4
"""Smallest share of a column's square that covariates must leave for its moments to be exact enough."""


@dataclass(frozen=True, eq=False)
class Triangle:
    """A matrix of ``p + 1`` rows or fewer that makes the same problem as a tall one, for any target.

    With ``[A, b] = Q [R, c; 0, d]`` and orthonormal ``Q``, ``||b - A w||^2 = ||c - R w||^2 + d^2`` for all ``w``
    (Golub & Van Loan, "Matrix Computations", section 5.3). ``R`` is the Cholesky factor of ``A^T A``, so that
    ``c = R^-T A^T b``.

    Attributes
    ----------
    matrix : Matrix
        ``[R; 0]``.
    factor : ndarray of float64, shape (n_varying, n_varying)
        ``R^T`` of the columns that vary, each scaled to unit norm.
    features : ndarray of intp, shape (n_varying,)
        These columns.
    norm : ndarray of float64, shape (n_varying,)
        Their norms in ``A``.
    """

    matrix: Matrix
    factor: Floats
    features: Indices
    norm: Floats

    def gram(self) -> Floats:
        """Return the lower triangle of ``A^T A``, shape (n_features, n_features), zeros above it."""
        rows = self.norm[:, None] * self.factor
        n_features = self.matrix.columns.shape[0]
        gram = np.zeros((n_features, n_features), order="F")
        gram[np.ix_(self.features, self.features)] = np.tril(rows @ rows.T)
        return gram

    def reduced(self, designs: Sequence[Design]) -> list[Design]:
        """Return the reduced design of each target, reading the rows once for all of them.

        Parameters
        ----------
        designs : sequence of Design
            Those of the rows.
        """
        targets = np.array([design.target for design in designs])
        products = designs[0].columns @ targets.T
        return [self.of(design, product) for design, product in zip(designs, products.T, strict=True)]

    def of(self, design: Design, product: Floats) -> Design:
        """Return the reduced design of a target, given its inner product ``A^T b`` with every column."""
        scaled = product[self.features] / self.norm
        target = linalg.solve_triangular(self.factor, scaled, lower=True, check_finite=False)
        left = float(design.target @ design.target - target @ target)
        return replace(
            design,
            matrix=self.matrix,
            target=np.append(target, np.sqrt(max(0.0, left))),
            target_loadings=np.empty(0),
        )


def triangle_from(matrix: Matrix, moments: Moments) -> Triangle | None:
    """Return the triangle of a tall matrix from the moments of its raw rows, which are not read again.

    Parameters
    ----------
    matrix : Matrix
        With more rows than features.
    moments : Moments
        Those of the raw features, and perhaps of a target, at the matrix's rows.

    Returns
    -------
    Triangle or None
        None if ``A^T A`` is not well-conditioned: forming it loses half the digits of small singular values.
    """
    features = np.flatnonzero(~matrix.normalisation.constant)
    cross = moments.cross[np.ix_(features, features)]
    loadings = matrix.normalisation.loadings
    if loadings is not None:
        before = cross.diagonal().copy()
        cross -= loadings[features] @ loadings[features].T
        if (cross.diagonal() < _LEFT * before).any():
            return None
    norm = np.sqrt(cross.diagonal())
    factor, info = lapack.dpotrf(np.asfortranarray(cross / norm[:, None] / norm), lower=1, clean=1, overwrite_a=1)
    if info or lapack.dtrcon(factor, uplo="L")[0] ** 2 < _REGULAR:
        return None
    norm /= matrix.normalisation.scale[features]
    columns = np.zeros((matrix.columns.shape[0], features.size + 1))
    columns[features, :-1] = factor * norm[:, None]
    return Triangle(replace(matrix, columns=columns), factor, features, norm)


def product_from(design: Design, moments: Moments) -> Floats:
    """Return ``A^T b`` from the moments of the raw features and the target, shape (n_features,)."""
    product: Floats = moments.cross[-1, :-1].copy()
    if design.normalisation.loadings is not None:
        product -= design.normalisation.loadings @ design.target_loadings
    return product / design.scale


def reduced_by_reflections(designs: Sequence[Design]) -> list[Design]:
    """Return the reduced designs of several targets on one matrix that may be ill-conditioned.

    A QR decomposition by blocks of rows of the matrix and all targets finds them. Where columns depend on each other
    ``Q`` is not unique, so targets share a reduced matrix only if they are reduced together.
    """
    first = designs[0]
    triangle = triangle_of(first.columns, np.array([design.target for design in designs]).T)
    n_features = first.n_features
    columns = np.zeros((n_features, n_features + 1))
    columns[:, :-1] = triangle[:n_features, :n_features].T
    matrix = replace(first.matrix, columns=columns)
    return [
        replace(
            design,
            matrix=matrix,
            target=np.append(column[:n_features], np.linalg.norm(column[n_features:])),
            target_loadings=np.empty(0),
        )
        for design, column in zip(designs, triangle[:, n_features:].T, strict=True)
    ]
