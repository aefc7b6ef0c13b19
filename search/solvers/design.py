"""The design matrix that penalties act on, made of the raw training rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regsearch.data.blocks import Columnwise, blocks
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.columns import Columns, Streamed, gram_of_features
from regsearch.search.solvers.normalisation import Covariates, Normalisation, Scale

Vector = NDArray[np.float64]

_BLOCK_VALUES = 2**21

_NEGLIGIBLE = 1e-13
"""Share of a column's norm up to which a mean that rounding has left in it is let be."""


@dataclass(frozen=True, eq=False)
class Design:
    """Training rows as a least-squares problem: minimise ``||b - A u||^2 / (2 n) + l1 ||u||_1 + (l2 / 2) ||u||^2``.

    The columns of ``A`` have at most unit norm, and unit norm under the scales "unit-norm" and "standard". `inner` says
    which penalty of ``u`` is the one asked for: the scale and the weights of rows only change its strengths.

    Attributes
    ----------
    columns : Columns, shape (n_features, n_rows)
        ``A^T``: one normalised column of the training matrix per row, so that a column is contiguous in memory.
    target : ndarray of float64, shape (n_rows,)
        ``b``: the target less its weighted mean, each row multiplied by the root of its weight, less what the
        covariates explain.
    normalisation : Normalisation
        How the columns were made of the raw ones.
    target_mean : float
        Weighted mean of the target, in target units.
    total_weight : float
        Sum of the rows' weights; the number of rows if all weigh the same.
    unit : float
        A weight of the column as `scale` has it is this times the weight of the column held here.
    target_loadings : ndarray of float64, shape (rank,)
        Component of the target along the basis of the covariates.
    rank_cutoff : float
        Share of the largest singular value up to which others count as zero: ``eps * max(n, p)`` of the raw rows, as
        in ``numpy.linalg.lstsq``.
    """

    columns: Columns
    target: Vector
    normalisation: Normalisation
    target_mean: float
    total_weight: float
    unit: float
    target_loadings: Vector
    rank_cutoff: float

    @cached_property
    def correlation(self) -> Vector:
        """``A'b``, the inner product of every column with the target, shape (n_features,)."""
        product: Vector = self.columns @ self.target
        return product

    @cached_property
    def gram(self) -> Vector:
        """Lower triangle of ``A'A``, shape (n_features, n_features); zeros above it."""
        return gram_of_features(self.columns)

    @property
    def mean(self) -> Vector:
        """Number subtracted from each column, shape (n_features,), in the feature's units."""
        return self.normalisation.mean

    @property
    def scale(self) -> Vector:
        """Number that each column was divided by, shape (n_features,), in the feature's units."""
        return self.normalisation.scale

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which columns do not vary, or only as the covariates do, shape (n_features,)."""
        return self.normalisation.constant

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return int(self.columns.shape[1])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.columns.shape[0])

    @property
    def largest_rank(self) -> int:
        """Largest possible rank of the matrix: its mean and its covariates lower it, and so do constant columns."""
        return min(self.n_rows - 1 - self.target_loadings.size, self.n_features - int(self.constant.sum()))

    @property
    def largest_l1(self) -> float:
        """Smallest ``l1``, in the terms of `inner`'s argument, at which all weights are zero."""
        return float(np.abs(self.correlation).max(initial=0.0)) / (self.unit * self.total_weight)

    def inner(self, penalty: Penalty) -> Penalty:
        """Return the strengths for the columns held here of a penalty on the columns as `scale` has them.

        With ``W`` the sum of the rows' weights, the objective asked for has ``||b - A u||^2 / (2 W)`` and the weights
        ``unit * u``; it is multiplied by ``W / n``, which changes no solution.
        """
        factor = self.total_weight / self.n_rows * self.unit
        return Penalty(penalty.l1 * factor, penalty.l2 * factor * self.unit)

    def apply(self, weights: Vector) -> Vector:
        """Return the normalised matrix times weights, shape (n_rows,), at the cost of the non-zero ones."""
        support = np.flatnonzero(weights)
        if 6 * len(support) < self.n_features:
            combination: Vector = weights[support] @ self.columns[support]
        else:
            combination = weights @ self.columns
        return combination

    def to_units(self, weights: Vector) -> tuple[Vector, float]:
        """Return coefficients and intercept in the recording's own units.

        Parameters
        ----------
        weights : ndarray of float64, shape (n_features,)
            Weights of the columns held here.
        """
        coef = weights / self.scale
        intercept = self.target_mean - float(self.mean @ coef)
        if self.normalisation.covariates is not None:
            intercept -= float(self.normalisation.covariates.mean @ self.covariate_coef(coef))
        return coef, intercept

    def covariate_coef(self, coef: Vector) -> Vector:
        """Return the coefficients of the covariates beside some of the features, in target units per covariate unit.

        By the theorem of Frisch, Waugh & Lovell they are the least-squares fit on the covariates of what the features
        leave of the target (Davidson & MacKinnon 1993, "Estimation and Inference in Econometrics", section 1.4).

        Parameters
        ----------
        coef : ndarray of float64, shape (n_features,)
            Target units per unit of each feature.

        Returns
        -------
        ndarray of float64, shape (n_covariates,)
            Empty without covariates.
        """
        covariates, loadings = self.normalisation.covariates, self.normalisation.loadings
        if covariates is None or loadings is None:
            return np.empty(0)
        found: Vector = covariates.inverse @ (self.target_loadings - coef @ loadings)
        return found

    def fitted(self, y: Vector, residual: Vector) -> Vector:
        """Return the predictions at the training rows, in target units, given the target and ``b - A u``."""
        roots = self.normalisation.root_weights
        return y - (residual if roots is None else residual / roots)


def normalise(
    X: Columnwise,
    y: Vector,
    *,
    scale: Scale = "unit-norm",
    weights: Vector | None = None,
    covariates: Vector | None = None,
    in_memory: bool = True,
) -> Design:
    """Make the design of some training rows.

    Each column is centred by its weighted mean; what the covariates explain of it is subtracted; then it is divided by
    its Euclidean norm, by its standard deviation, or by nothing. A constant column becomes zero and keeps scale 1. The
    objective, with ``z_i`` a row of the columns so made, ``t_i`` its target so centred, ``v_i`` its weight and ``W``
    the sum of all weights, is ``sum_i v_i (t_i - z_i w)^2 / (2 W) + l1 ||w||_1 + (l2 / 2) ||w||^2``: a row of weight 2
    counts as the row twice.

    A column counts as constant if its variance is within the rounding error of computing it, by the bound of
    scikit-learn's ``_is_constant_feature`` (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample
    variance", table 1), or if what the covariates leave of it is within rounding error of its norm.

    Parameters
    ----------
    X : Columnwise of float32 or float64, shape (n_rows, n_features)
    y : ndarray of float64, shape (n_rows,)
    scale : {"unit-norm", "standard", "none"}
        What a column is divided by. With weights, norms and deviations are weighted, ``sqrt(sum_i v_i x_i^2)`` and
        that divided by ``sqrt(W)``.
    weights : ndarray of float64, shape (n_rows,), optional
        One positive weight per row; by default 1.
    covariates : ndarray of float64, shape (n_rows, n_covariates), optional
        Columns that are fitted and never penalised.
    in_memory : bool
        Whether to hold the normalised columns. If not, they are made of `X` a few at a time on each use, which takes
        hardly any memory and several times as long.

    Raises
    ------
    ValueError
        If a weight is not positive and finite: rows of weight zero are left out by the caller.
    """
    if weights is not None and not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("expected positive, finite row weights; leave out rows of weight zero")
    n_rows, n_features = X.shape
    total = float(n_rows) if weights is None else float(weights.sum())
    roots = None if weights is None else np.sqrt(weights)
    nuisance = None if covariates is None else Covariates.of(covariates, weights)
    columns = np.empty((n_features, n_rows)) if in_memory else None
    mean, remainder, divisor = np.empty(n_features), np.empty(n_features), np.empty(n_features)
    constant = np.empty(n_features, dtype=bool)
    loadings = None if nuisance is None else np.empty((n_features, nuisance.basis.shape[1]))
    eps = np.finfo(np.float64).eps
    for block in blocks(n_features, max(1, _BLOCK_VALUES // n_rows)):
        part = np.empty((block.stop - block.start, n_rows)) if columns is None else columns[block]
        part[...] = X[:, block].T
        mean[block] = part.mean(axis=1) if weights is None else part @ weights / total
        part -= mean[block, None]
        squared_norm = np.einsum("ij,ij->i", part, part)
        left = part.mean(axis=1) if weights is None else part @ weights / total
        remainder[block] = np.where(n_rows * left**2 > _NEGLIGIBLE**2 * squared_norm, left, 0.0)
        if remainder[block].any():
            part -= remainder[block, None]
        if roots is not None:
            part *= roots
            squared_norm = np.einsum("ij,ij->i", part, part)
        variance = squared_norm / total
        constant[block] = variance <= n_rows * eps * variance + (n_rows * mean[block] * eps) ** 2
        if nuisance is not None and loadings is not None:
            loadings[block] = _project_out(part, nuisance.basis)
            before, squared_norm = squared_norm, np.einsum("ij,ij->i", part, part)
            constant[block] |= squared_norm <= (n_rows * eps) ** 2 * before
        divisor[block] = np.where(constant[block], 1.0, np.sqrt(squared_norm))
        if columns is not None:
            part[constant[block]] = 0.0
            if scale != "none":
                part /= divisor[block, None]
    if scale == "none":
        divisor = np.where(constant, 1.0, divisor[~constant].max(initial=0.0))
        if columns is not None:
            columns /= divisor.min(initial=np.inf, where=~constant)
    left_over = remainder if remainder.any() else None
    normalisation = Normalisation(mean, divisor, constant, left_over, roots, nuisance, loadings)
    target_mean = float(y.mean()) if weights is None else float(y @ weights / total)
    target = (y - target_mean) * (1.0 if roots is None else roots)
    target_loadings = np.empty(0) if nuisance is None else _project_out(target[None], nuisance.basis)[0]
    unit = {"unit-norm": 1.0, "standard": total**-0.5, "none": 1 / float(divisor[~constant].max(initial=1e-300))}
    made = Streamed(X, normalisation) if columns is None else columns
    return Design(
        made, target, normalisation, target_mean, total, unit[scale], target_loadings, float(eps) * max(X.shape)
    )


def _project_out(vectors: Vector, basis: Vector) -> Vector:
    """Subtract from each row, in place, its projection on an orthonormal basis, and return its components along it.

    The second time removes what rounding left the first time (Giraud, Langou, Rozloznik & van den Eshof 2005).
    """
    components = np.zeros((len(vectors), basis.shape[1]))
    for _ in range(2):
        found = vectors @ basis
        vectors -= found @ basis.T
        components += found
    return components
