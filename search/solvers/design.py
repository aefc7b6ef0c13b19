"""A matrix and a target: the least-squares problem that penalties act on, made of the raw training rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Scale
from regsearch.data.blocks import Columnwise
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.columns import Columns, combined
from regsearch.search.solvers.matrix import Matrix, matrix_of
from regsearch.search.solvers.normalisation import Normalisation, project_out

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """Training rows as a least-squares problem: minimise ``||b - A u||^2 / (2 n) + l1 ||u||_1 + (l2 / 2) ||u||^2``.

    The columns of ``A`` have at most unit norm, and unit norm under the scales "unit-norm" and "standard". `inner` says
    which penalty of ``u`` is the one asked for: the scale and the weights of rows only change its strengths.

    Attributes
    ----------
    matrix : Matrix
        ``A``, which the designs of several targets share.
    target : ndarray of float64, shape (n_rows,)
        ``b``: the target less its weighted mean, each row multiplied by the root of its weight, less what the
        covariates explain.
    target_mean : float
        Weighted mean of the target, in target units.
    target_loadings : ndarray of float64, shape (rank,)
        Component of the target along the basis of the covariates.
    """

    matrix: Matrix
    target: Floats
    target_mean: float
    target_loadings: Floats

    def with_targets(self, targets: Floats) -> list[Design]:
        """Return the designs of the same rows and other targets, which share all that depends on features alone.

        Parameters
        ----------
        targets : ndarray of float64, shape (n_rows, n_targets)
            In target units.
        """
        return designs(self.matrix, targets)

    @cached_property
    def correlation(self) -> Floats:
        """``A'b``, the inner product of every column with the target, shape (n_features,)."""
        product: Floats = self.columns @ self.target
        return product

    @property
    def columns(self) -> Columns:
        """``A^T``, shape (n_features, n_rows)."""
        return self.matrix.columns

    @property
    def normalisation(self) -> Normalisation:
        """How the columns were made of the raw ones."""
        return self.matrix.normalisation

    @property
    def total_weight(self) -> float:
        """Sum of the rows' weights; the number of rows if all weigh the same."""
        return self.matrix.total_weight

    @property
    def unit(self) -> float:
        """A weight of the column as `scale` has it is this times the weight of the column held here."""
        return self.matrix.unit

    @property
    def mean(self) -> Floats:
        """Number subtracted from each column, shape (n_features,), in the feature's units."""
        return self.normalisation.mean

    @property
    def scale(self) -> Floats:
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

    def apply(self, weights: Floats) -> Floats:
        """Return the normalised matrix times weights, shape (n_rows,), at the cost of the non-zero ones."""
        return combined(self.columns, weights)

    def to_units(self, weights: Floats) -> tuple[Floats, float]:
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

    def covariate_coef(self, coef: Floats) -> Floats:
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
        found: Floats = covariates.inverse @ (self.target_loadings - coef @ loadings)
        return found

    def fitted(self, y: Floats, residual: Floats) -> Floats:
        """Return the predictions at the training rows, in target units, given the target and ``b - A u``."""
        roots = self.normalisation.root_weights
        return y - (residual if roots is None else residual / roots)


def normalise(
    X: Columnwise,
    y: Floats,
    *,
    scale: Scale = "unit-norm",
    weights: Floats | None = None,
    covariates: Floats | None = None,
    in_memory: bool = True,
) -> Design:
    """Make the design of some training rows.

    Each column is centred by its weighted mean; what the covariates explain of it is subtracted; then it is divided by
    its Euclidean norm, by its standard deviation, or by nothing: `matrix_of`. The objective, with ``z_i`` a row of the
    columns so made, ``t_i`` its target so centred, ``v_i`` its weight and ``W`` the sum of all weights, is
    ``sum_i v_i (t_i - z_i w)^2 / (2 W) + l1 ||w||_1 + (l2 / 2) ||w||^2``: a row of weight 2 counts as the row twice.

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
    matrix = matrix_of(X, scale=scale, weights=weights, covariates=covariates, in_memory=in_memory)
    (design,) = designs(matrix, y[:, None])
    return design


def designs(matrix: Matrix, targets: Floats) -> list[Design]:
    """Return the design of each target on one matrix.

    Parameters
    ----------
    matrix : Matrix
    targets : ndarray of float64, shape (n_rows, n_targets)
        In target units.
    """
    roots, covariates = matrix.normalisation.root_weights, matrix.normalisation.covariates
    values = np.array(targets.T, dtype=np.float64, order="C")
    mean = values.mean(axis=1) if roots is None else values @ roots**2 / matrix.total_weight
    values -= mean[:, None]
    if roots is not None:
        values *= roots
    loadings = np.empty((len(values), 0)) if covariates is None else project_out(values, covariates.basis)
    return [Design(matrix, *one) for one in zip(values, mean.tolist(), loadings, strict=True)]
