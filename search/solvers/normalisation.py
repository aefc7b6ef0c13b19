"""How raw columns become those that penalties act on: weighted, centred, freed of covariates, and scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Covariates:
    """Columns that are fitted and never penalised, as an orthonormal basis of what they span.

    Attributes
    ----------
    basis : ndarray of float64, shape (n_rows, rank)
        ``Q``, orthonormal: spans the centred covariates, each row multiplied by the root of its weight.
    mean : ndarray of float64, shape (n_covariates,)
        Weighted mean of each covariate.
    inverse : ndarray of float64, shape (n_covariates, rank)
        ``M`` such that ``M Q^T v`` are the least-squares coefficients of a vector ``v`` on the covariates, of minimum
        norm if the covariates are linearly dependent.
    """

    basis: Floats
    mean: Floats
    inverse: Floats

    @classmethod
    def of(cls, values: Floats, weights: Floats | None) -> Covariates:
        """Return the covariates of shape (n_rows, n_covariates), given one positive weight per row or none.

        A covariate that does not vary in these rows has the coefficient 0.  What tells two covariates apart counts for
        nothing if it is within the rounding error of their values: its coefficients would be so large that predictions
        lose their digits.
        """
        mean = np.average(values, axis=0, weights=weights)
        centred = values - mean
        centred -= np.average(centred, axis=0, weights=weights)  # what rounding of the mean left
        variance = np.average(np.square(centred), axis=0, weights=weights)
        centred[:, is_constant(variance, mean, len(values))] = 0.0
        if weights is not None:
            centred *= np.sqrt(weights)[:, None]
        norm = np.linalg.norm(centred, axis=0)
        varies = norm > 0
        norm[~varies] = 1.0
        left, singular, right = linalg.svd(centred / norm, full_matrices=False)
        total = len(values) if weights is None else weights.sum()
        offset = (mean * np.sqrt(total) / norm)[varies]
        rounding = np.linalg.norm(offset)  # that of the values themselves, far from zero
        kept = singular > np.finfo(np.float64).eps * max(max(values.shape) * singular.max(initial=0.0), rounding)
        return cls(left[:, kept], mean, (right[kept] / singular[kept, None]).T / norm[:, None])


@dataclass(frozen=True, eq=False)
class Normalisation:
    """The steps from the raw columns of a recording to the columns of a design.

    Attributes
    ----------
    mean : ndarray of float64, shape (n_features,)
        Number subtracted from each column: its weighted mean.
    scale : ndarray of float64, shape (n_features,)
        Number that each column is divided by last; 1 for a constant column.
    constant : ndarray of bool, shape (n_features,)
        Columns that do not vary, or only as the covariates do; they become exactly zero.
    remainder : ndarray of float64, shape (n_features,), or None
        Mean that rounding leaves once `mean` is subtracted; None if it is negligible beside the deviations.
    root_weights : ndarray of float64, shape (n_rows,), or None
        Square root of each row's weight.
    covariates : Covariates or None
    loadings : ndarray of float64, shape (n_features, rank), or None
        Component of each column along the basis of the covariates.
    """

    mean: Floats
    scale: Floats
    constant: NDArray[np.bool_]
    remainder: Floats | None = None
    root_weights: Floats | None = None
    covariates: Covariates | None = None
    loadings: Floats | None = None

    def centred(self, raw: NDArray[np.floating], rows: slice, features: slice | Indices) -> Floats:
        """Return columns after every step but the last, shape (features, rows), from raw ones of that shape."""
        values = raw.astype(np.float64, order="C")
        values -= self.mean[features, None]
        if self.remainder is not None:
            values -= self.remainder[features, None]
        if self.root_weights is not None:
            values *= self.root_weights[rows]
        if self.covariates is not None and self.loadings is not None:
            values -= self.loadings[features] @ self.covariates.basis[rows].T
        values[self.constant[features]] = 0.0
        return values


def is_constant(variance: Floats, mean: Floats, n_rows: int) -> NDArray[np.bool_]:
    """Return which columns have a variance within the rounding error of computing it.

    The bound is that of scikit-learn's ``_is_constant_feature`` (Chan, Golub & LeVeque 1983, "Algorithms for computing
    the sample variance", table 1).
    """
    eps = float(np.finfo(np.float64).eps)
    found: NDArray[np.bool_] = variance <= n_rows * eps * variance + (n_rows * mean * eps) ** 2
    return found


def project_out(vectors: Floats, basis: Floats) -> Floats:
    """Subtract from each row, in place, its projection on an orthonormal basis, and return its components along it.

    The second time removes what rounding left the first time (Giraud, Langou, Rozloznik & van den Eshof 2005).
    """
    components = np.zeros((len(vectors), basis.shape[1]))
    for _ in range(2):
        found = vectors @ basis
        vectors -= found @ basis.T
        components += found
    return components
