"""The estimator that is registered: scikit-learn's own scaler and linear model, which refit with the same penalty."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

_TOLERANCE = {"tol": 1e-8, "max_iter": 100_000}
"""How far scikit-learn goes when the estimator is fitted again; its default stops after three digits."""

REGRESSORS = (ElasticNet, Lasso, LinearRegression, Ridge)


class Champion(Pipeline):  # type: ignore[misc]  # scikit-learn has no types
    """A scaler and a linear model, with the weights in the units of the columns.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_features,)
        Target units per unit of each column.
    intercept_ : float
        Target units.
    """

    @property
    def coef_(self) -> NDArray[np.float64]:  # noqa: D102  # the class has it
        scale = self[0].scale_
        coef: NDArray[np.float64] = self[-1].coef_ / (1.0 if scale is None else scale)
        return coef

    @property
    def intercept_(self) -> float:  # noqa: D102
        return float(self[-1].intercept_ - self[0].mean_ @ self.coef_)


Block = tuple[NDArray[np.floating], NDArray[np.float64] | None]
"""Some rows of a table, and their weights."""


def fitted(
    coef: NDArray[np.float64],
    intercept: float,
    rows: Iterable[Block],
    *,
    strengths: tuple[float, float],
    feature_names: tuple[str, ...] = (),
    is_scaled: bool = True,
) -> Pipeline:
    """Return a fitted scikit-learn pipeline that predicts ``X @ coef + intercept`` and keeps the penalty.

    Over columns of unit Euclidean norm regsearch minimises ``||y - Z w||^2 / (2 n) + l1 ||w||_1 + l2 ||w||^2 / 2``.
    Over columns of unit standard deviation, ``S = sqrt(n) Z``, with ``v = w / sqrt(n)``, that is
    ``||y - S v||^2 / (2 n) + l1 sqrt(n) ||v||_1 + l2 n ||v||^2 / 2``.  Fitted again on the same rows, with the same
    weights, the pipeline finds the same coefficients, to scikit-learn's tolerance; covariates would be penalised then.

    Parameters
    ----------
    coef : ndarray of float64, shape (n_columns,)
        Target units per unit of each column.
    intercept : float
        Target units.
    rows : iterable of Block
        The rows that the coefficients were fitted on.
    strengths : tuple of float
        Strengths of both penalties for the columns as they are scaled here: ``l1 sqrt(n)`` and ``l2 n`` above.
    feature_names : tuple of str
        Empty where the columns have no names.
    is_scaled : bool
        Whether columns are divided by their standard deviation; else they are only centred.
    """
    scaler = StandardScaler(with_std=is_scaled)
    total = 0.0
    for block, weights in rows:
        with np.errstate(invalid="ignore"):  # rounding can put a constant column's variance below 0; its scale is 1
            scaler.partial_fit(block, sample_weight=weights)
        total += len(block) if weights is None else weights.sum()
    regressor = _regressor(*strengths, total)
    regressor.coef_ = coef * (scaler.scale_ if is_scaled else 1.0)
    regressor.intercept_ = float(intercept + scaler.mean_ @ coef)
    regressor.n_features_in_ = len(coef)
    if feature_names:
        scaler.feature_names_in_ = np.array(feature_names, dtype=object)
    return Pipeline([("scale", scaler), ("fit", regressor)])


def _regressor(l1: float, l2: float, n_rows: float) -> Any:
    """Return the estimator of ``||y - S v||^2 / (2 n) + l1 ||v||_1 + l2 ||v||^2 / 2``."""
    if l1 == l2 == 0:
        return LinearRegression()
    if l1 == 0:
        return Ridge(alpha=float(l2 * n_rows))
    if l2 == 0:
        return Lasso(alpha=float(l1), **_TOLERANCE)
    return ElasticNet(alpha=float(l1 + l2), l1_ratio=float(l1 / (l1 + l2)), **_TOLERANCE)
