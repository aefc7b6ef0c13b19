"""The solver by itself: strengths in, weights and their certificates out."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regsearch.data import Scale, fits_in_memory
from regsearch.data.array_likes import real_numbers
from regsearch.data.plausibility import Ranges, require_weighable
from regsearch.data.refusal import short
from regsearch.errors import ConfigError, DataError
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.path import RegularizationPath


@dataclass(frozen=True, eq=False)
class PenalizedPath:
    """Models of one data set under several penalties.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_penalties, n_features)
        Target units per unit of each feature; exactly 0 where the penalty removed a feature.
    intercept : ndarray of float64, shape (n_penalties,)
        Target units.
    duality_gap : ndarray of float64, shape (n_penalties,)
        Upper bound of how far the objective is above its minimum, as a share of the objective at zero weights.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    duality_gap: NDArray[np.float64]


def penalized_path(
    X: ArrayLike,
    y: ArrayLike,
    l1: ArrayLike,
    l2: ArrayLike = 0.0,
    *,
    scale: Scale = "unit-norm",
    sample_weight: ArrayLike | None = None,
    tolerance: float = 1e-6,
) -> PenalizedPath:
    """Fit a linear model for each pair of an L1 and an L2 strength, each from the nearest one fitted before.

    With the columns of ``Z`` centred and divided as `scale` says, and ``n`` the number of rows, the weights minimise
    ``||y - mean(y) - Z w||^2 / (2 n) + l1 ||w||_1 + (l2 / 2) ||w||^2``. At ``l1 = l2 = 0`` they are the least-squares
    solution of minimum norm. With `sample_weight`, means and squares are weighted and ``n`` is the sum of the weights.

    Parameters
    ----------
    X : array-like, shape (n_rows, n_features)
        Kept in single precision if it is float32; everything is computed in double precision.
    y : array-like, shape (n_rows,)
    l1, l2 : array-like, shape (n_penalties,) or a single number
        Strengths, at least 0. They broadcast. With ``scale="standard"`` or ``"none"``,
        ``sklearn.linear_model.ElasticNet(alpha, l1_ratio)`` on such columns has ``l1 = alpha * l1_ratio`` and
        ``l2 = alpha * (1 - l1_ratio)``, and ``Ridge(alpha)`` has ``l2 = alpha / n``.
    scale : {"unit-norm", "standard", "none"}
        What a centred column is divided by: its Euclidean norm, its standard deviation, or nothing.
    sample_weight : array-like, shape (n_rows,), optional
        One weight per row, at least 0. A row of weight 2 counts as the row twice.
    tolerance : float
        Relative duality gap that a fit should reach; `PenalizedPath.duality_gap` says what it did reach.

    Returns
    -------
    PenalizedPath
        In the order of the strengths.

    Raises
    ------
    DataError
        If the shapes do not fit together, a value is missing or no finite number, or squares leave double precision.
    ConfigError
        If a strength, the scale or the tolerance is not one of those above.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    >>> path = penalized_path(X, X[:, 0], l1=[10.0, 0.0])
    >>> path.coef.round(6)
    array([[0., 0.],
           [1., 0.]])
    """
    if scale not in get_args(Scale):
        raise ConfigError(f"scale: expected one of {', '.join(get_args(Scale))}, found {short(scale)}")
    if not (isinstance(tolerance, Real) and 0 < tolerance < 1):
        raise ConfigError(f"tolerance: expected a number between 0 and 1, found {short(tolerance)}")
    penalties = _penalties(l1, l2)
    values, target, weights = _rows(X, y, sample_weight)
    path = RegularizationPath(
        values,
        target,
        tolerance=tolerance,
        scale=scale,
        weights=weights,
        in_memory=fits_in_memory(8 * values.size),
    )
    n_penalties = len(penalties)
    found = PenalizedPath(np.empty((n_penalties, values.shape[1])), np.empty(n_penalties), np.empty(n_penalties))
    order = sorted(range(n_penalties), key=lambda place: (-penalties[place].row, -penalties[place].l1))
    for place, fit in zip(order, path.solve(penalties[place] for place in order), strict=True):
        found.coef[place], found.intercept[place], found.duality_gap[place] = fit.coef, fit.intercept, fit.duality_gap
    return found


def _penalties(l1: ArrayLike, l2: ArrayLike) -> list[Penalty]:
    try:
        given = [real_numbers(strength, name).astype(np.float64) for name, strength in (("l1", l1), ("l2", l2))]
    except DataError as error:
        raise ConfigError(str(error)) from None
    try:
        pairs = np.broadcast(*given)
    except ValueError as error:
        raise ConfigError(
            f"l1 and l2: expected as many of one as of the other, or a single one, found shapes {given[0].shape} "
            f"and {given[1].shape}; give one pair for each model"
        ) from error
    if pairs.ndim > 1:
        raise ConfigError(f"l1 and l2: expected numbers in a row, found shape {pairs.shape}; ravel them")
    for name, strength in zip(("l1", "l2"), given, strict=True):
        wrong = strength[~((strength >= 0) & np.isfinite(strength))]
        if wrong.size:
            raise ConfigError(f"{name}: expected finite strengths of at least 0, found {wrong.flat[0]:g}")
    return [Penalty(float(one), float(other)) for one, other in pairs]


def _rows(
    X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[NDArray[np.floating], NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the rows that count, their target and their weights; without `sample_weight` all count the same."""
    values, target = real_numbers(X, "X"), real_numbers(y, "y").astype(np.float64)
    if values.dtype != np.float32:
        values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"X: expected a table of rows and columns, found shape {values.shape}")
    _require_finite("X", values)
    Ranges.of(values).require_squares("X")
    n_rows = len(values)
    if target.shape != (n_rows,):
        raise DataError(f"y: expected one number for each of the {n_rows} rows of X, found shape {target.shape}")
    _require_finite("y", target)
    Ranges.of(target).require_squares("y")
    if sample_weight is None:
        return values, target, None
    weights = real_numbers(sample_weight, "sample_weight").astype(np.float64)
    if weights.shape != (n_rows,):
        raise DataError(
            f"sample_weight: expected one number for each of the {n_rows} rows of X, found shape {weights.shape}"
        )
    _require_finite("sample_weight", weights)
    if weights.min() < 0 or not weights.any():
        found = f"{weights.min():g}" if weights.any() else "that every weight is zero"
        raise DataError(f"sample_weight: expected weights of at least 0 and some above, found {found}")
    require_weighable(weights, "sample_weight")
    counts = weights > 0
    if not counts.all():
        values, target, weights = values[counts], target[counts], weights[counts]
    return values, target, weights


def _require_finite(name: str, values: NDArray[np.floating]) -> None:
    if not np.isfinite(values).all():
        where = np.argwhere(~np.isfinite(values))
        raise DataError(
            f"{name}: expected finite numbers, found {len(where)} that are missing, NaN or infinite, the first in row "
            f"{where[0][0]} (from 0); drop or fill them first"
        )
