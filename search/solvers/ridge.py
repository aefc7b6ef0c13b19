"""Ridge and minimum-norm least squares: every strength from one eigendecomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from regsearch.search.solvers.columns import gram_of_features, gram_of_rows
from regsearch.search.solvers.design import Design


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigendecomposition of the smaller of the two Gram matrices of a design.

    Attributes
    ----------
    values : ndarray of float64, shape (k,)
        Eigenvalues of ``A A'`` (``k = n_rows``) or ``A' A`` (``k = n_features``), whichever is smaller, ascending.
    vectors : ndarray of float64, shape (k, k)
        Their eigenvectors, one per column.
    of_rows : bool
        Whether the matrix is ``A A'``.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    of_rows: bool


def decompose(design: Design) -> Spectrum:
    """Return the spectrum of a design, at the cost of one Gram matrix and one symmetric eigendecomposition."""
    of_rows = design.n_rows <= design.n_features
    gram = gram_of_rows(design.columns) if of_rows else gram_of_features(design.columns)
    values, vectors = linalg.eigh(gram, lower=True, overwrite_a=True, check_finite=False, driver="evd")
    return Spectrum(np.maximum(values, 0.0), vectors, of_rows)


def solve_ridge(design: Design, spectrum: Spectrum, l2: float) -> NDArray[np.float64]:
    r"""Return the weights that minimise :math:`\|b - Aw\|^2 / 2n + l_2 \|w\|^2 / 2`.

    Through the rows' Gram matrix :math:`A A^T = U S U^T` they are :math:`A^T U (S + n l_2)^{-1} U^T b`, and through
    the columns' :math:`A^T A = V S V^T` they are :math:`V (S + n l_2)^{-1} V^T A^T b` (Hastie, Tibshirani & Friedman,
    "The Elements of Statistical Learning", sections 3.4 and 18.3.5).  At ``l2 = 0`` these are the least-squares
    weights of minimum norm: eigenvalues within the rounding error of the largest count as zero, and one step of
    iterative refinement makes up for the squared condition number.

    Parameters
    ----------
    design : Design
    spectrum : Spectrum
        Of that design.
    l2 : float
        Strength, at least 0.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        Weights of the normalised columns.
    """
    weights = _shrink(design, spectrum, l2, design.target)
    if l2 == 0:
        weights += _shrink(design, spectrum, l2, design.target - design.apply(weights))
    weights[design.constant] = 0.0
    return weights


def _shrink(design: Design, spectrum: Spectrum, l2: float, target: NDArray[np.float64]) -> NDArray[np.float64]:
    shrinkage = spectrum.values + design.n_rows * l2
    negligible = np.finfo(np.float64).eps * max(design.columns.shape) * shrinkage[-1]
    inverse = np.divide(1.0, shrinkage, out=np.zeros_like(shrinkage), where=shrinkage > negligible)
    right = target if spectrum.of_rows else design.columns @ target
    shrunk = spectrum.vectors @ (inverse * (spectrum.vectors.T @ right))
    return design.columns @ shrunk if spectrum.of_rows else shrunk
