"""Scores of predictions: R², its standard error, and how those of several folds make one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regsearch.data import FoldRows
from regsearch.search.solving.bootstrap import r2_standard_error

Floats = NDArray[np.float64]

Score = Literal["pooled", "mean"]
"""How the folds of a trial make one score; see `validation_score`."""

_BLOCKS = 10
"""Into how many contiguous blocks the losses of a single validation block are cut."""


def r2_score(true: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """Return the coefficient of determination, ``1 - sum v (true - predicted)² / sum v (true - mean(true))²``.

    Parameters
    ----------
    true, predicted : ndarray of float64, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,), or None
        ``v``, which the mean is weighted by, too; ``None`` for 1.

    Returns
    -------
    float
        NaN if the target does not vary, as in a fold of a single row.
    """
    deviations = squared_deviations(true, weights)
    return float(1 - _sum_of_squares(true - predicted, weights) / deviations) if deviations else float("nan")


def pearson_r(true: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """Return Pearson's correlation, and 0 if either does not vary; see `r2_score`."""
    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    x, y = _centred(true, weights), _centred(predicted, weights)
    product = np.sqrt(_sum_of_squares(x, weights)) * np.sqrt(_sum_of_squares(y, weights))
    return float(np.clip((x @ y if weights is None else x @ (weights * y)) / product, -1.0, 1.0))


def squared_deviations(values: Floats, weights: Floats | None) -> float:
    """Return the weighted sum of squared deviations from the weighted mean, which R² compares errors with."""
    return _sum_of_squares(_centred(values, weights), weights)


def _sum_of_squares(values: Floats, weights: Floats | None) -> float:
    return float(values @ values if weights is None else np.square(values) @ weights)


def _centred(values: Floats, weights: Floats | None) -> Floats:
    centred: Floats = values - (values.mean() if weights is None else np.average(values, weights=weights))
    return centred


def validation_score(folds: Sequence[FoldRows], predicted: Sequence[Floats], score: Score) -> float:
    r"""Return R² on the validation rows of all folds.

    The pooled score of folds is :math:`1 - \sum_f e_f / \sum_f d_f`, with the squared error :math:`e_f` on the
    validation rows of fold :math:`f` and the squared deviations :math:`d_f` of these rows from the mean of the fold's
    *training* rows: a model that knows nothing but that mean scores exactly 0, and a fold in which the target hardly
    varies does not decide.

    The first version's score was the mean of the folds' own R².  Its searches keep that: ``score = "mean"``.

    Parameters
    ----------
    folds : sequence of FoldRows
        One for a holdout.
    predicted : sequence of ndarray of float64
        Predictions at each fold's validation rows.
    score : {"pooled", "mean"}
    """
    if len(folds) == 1 or score == "mean":
        return float(np.mean(of_folds(r2_score, folds, predicted)))
    errors, deviations = _sums(folds, predicted)
    return float(1 - errors.sum() / deviations.sum())


def validation_error(
    folds: Sequence[FoldRows], predicted: Sequence[Floats], score: Score, *, independent: bool = False
) -> tuple[float, tuple[float, ...]]:
    r"""Return the standard error of `validation_score`, and the losses of folds or blocks.

    For a single fold the error is that of the block bootstrap.  For the pooled score it is that of a ratio of sums over
    folds, :math:`\sqrt{k / (k - 1) \sum_f u_f^2} / \sum_f d_f` with :math:`u_f = e_f - (1 - R^2) d_f` (Cochran 1977,
    "Sampling Techniques", section 6.4).

    Parameters
    ----------
    folds, predicted, score
        Arguments of `validation_score`.
    independent : bool
        Whether the order of rows means nothing, so that the bootstrap draws single rows.

    Returns
    -------
    float
    tuple of float
        Squared error of each fold, or of each of ten contiguous blocks for a holdout, as a share of the sum of squared
        deviations over all validation rows.
    """
    if len(folds) == 1:
        rows = folds[0].validation
        squares = np.square(rows.y - predicted[0]) * (1.0 if rows.weights is None else rows.weights)
        shares = squares / squared_deviations(rows.y, rows.weights)
        losses = tuple(float(part.sum()) for part in np.array_split(shares, min(_BLOCKS, len(shares))))
        return r2_standard_error(rows.y, predicted[0], rows.weights, independent=independent), losses
    errors, deviations = _sums(folds, predicted)
    losses = tuple((errors / deviations.sum()).tolist())
    n_folds = len(folds)
    if score == "mean":
        return float(np.std(of_folds(r2_score, folds, predicted), ddof=1) / np.sqrt(n_folds)), losses
    unexplained = (errors - errors.sum() / deviations.sum() * deviations) / deviations.sum()
    error = np.sqrt(n_folds / (n_folds - 1) * np.sum(unexplained**2))
    return float(error), losses


def of_folds(measure: Callable[..., float], folds: Sequence[FoldRows], predicted: Sequence[Floats]) -> list[float]:
    """Return a measure of true against predicted validation rows, such as `r2_score`, fold by fold."""
    rows = [fold.validation for fold in folds]
    return [measure(one.y, values, one.weights) for one, values in zip(rows, predicted, strict=True)]


def _sums(folds: Sequence[FoldRows], predicted: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return each fold's squared validation error, and the squared deviations from the mean of its training rows."""
    both = [(fold.validation, fold.train.mean) for fold in folds]
    errors = [_sum_of_squares(rows.y - values, rows.weights) for (rows, _), values in zip(both, predicted, strict=True)]
    deviations = [_sum_of_squares(rows.y - mean, rows.weights) for rows, mean in both]
    return np.array(errors), np.array(deviations)
