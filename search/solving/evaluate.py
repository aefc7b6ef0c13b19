"""Fits become evaluations: the scores of a trial on every fold, and the properties of its weights."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, Rows, fits_in_memory
from regsearch.data.blocks import blocks
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.folds import TrainingRows, paths_for
from regsearch.search.solvers.path import Fit, RegularizationPath
from regsearch.search.solving.bootstrap import r2_standard_error
from regsearch.search.trial import Proposal

Vector = NDArray[np.float64]

_BLOCK_VALUES = 2**18
"""How many values a prediction reads at once: 2 MB in double precision, so that they stay in the cache."""


Score = Literal["pooled", "mean"]
"""How the folds of a trial make one score; see `Evaluator`."""

_BLOCKS = 10
"""Into how many contiguous blocks the losses of a single validation block are cut."""


@dataclass(frozen=True, eq=False)
class Task:
    """What an engine needs to solve the trials of a search.

    Parameters
    ----------
    development : Development
    tolerance : float
        Relative duality gap that every fit must reach.
    score : {"pooled", "mean"}
        How folds make one score; see `Evaluator`.
    """

    development: Development
    tolerance: float
    score: Score = "pooled"


@dataclass(frozen=True)
class Evaluation:
    """Scores and weights of one trial in numbers.

    Attributes
    ----------
    r2_train, r2_validation : float
        R² on the training rows and on the validation rows, over all folds; see `Evaluator`.
    r2_validation_se : float
        Standard error of `r2_validation`; for a single fold by the block bootstrap.
    r_validation : float
        Pearson's correlation of target and predictions on the validation rows, averaged over the folds.
    sparsity : float
        Fraction of weights that are exactly zero.
    n_nonzero : float
        Number of weights that are not zero.
    l1_norm, l2_norm : float
        Norms of the coefficients, in target units per unit of each feature.
    duality_gap : float
        The worst certificate among the trial's fits.
    fit_seconds : float
        Seconds spent on all fits of the trial.
    folds : tuple of (float, float)
        Each fold's own R² on its train and validation rows; empty for a holdout.
    losses : tuple of float
        Squared validation error of each fold, or of each of ten contiguous blocks for a holdout, as a share of the sum
        of squared deviations over all validation rows.
    """

    r2_train: float
    r2_validation: float
    r2_validation_se: float
    r_validation: float
    sparsity: float
    n_nonzero: float
    l1_norm: float
    l2_norm: float
    duality_gap: float
    fit_seconds: float
    folds: tuple[tuple[float, float], ...] = field(default=())
    losses: tuple[float, ...] = field(default=())

    def metrics(self) -> dict[str, float]:
        """Return the evaluation as names and numbers."""
        numbers: dict[str, float] = asdict(self)
        del numbers["folds"], numbers["losses"]
        for number, (r2_train, r2_validation) in enumerate(self.folds, start=1):
            numbers |= {f"fold_{number}_r2_train": r2_train, f"fold_{number}_r2_validation": r2_validation}
        return numbers


@dataclass(frozen=True, eq=False)
class Solved:
    """A solved trial.

    Attributes
    ----------
    evaluation : Evaluation
    fit : Fit
        The trial's own model, fitted on every row that is not a test row.
    predicted : tuple of ndarray of float64
        Predictions at the validation rows of each fold, by the model that was not fitted on them.
    selected : ndarray of int16, shape (n_features,)
        In how many of the folds' models each feature's weight is not zero.
    picture : bytes
        The stem plot of the weights, if it was drawn beside the solver; else empty.
    """

    evaluation: Evaluation
    fit: Fit
    predicted: tuple[NDArray[np.float64], ...]
    selected: NDArray[np.int16]
    picture: bytes = b""


@dataclass(frozen=True)
class Failure:
    """A trial that raised.

    Attributes
    ----------
    traceback : str
    """

    traceback: str


def r2_score(true: Vector, predicted: Vector, weights: Vector | None = None) -> float:
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
    deviations = _sum_of_squares(_centred(true, weights), weights)
    return float(1 - _sum_of_squares(true - predicted, weights) / deviations) if deviations else float("nan")


def pearson_r(true: Vector, predicted: Vector, weights: Vector | None = None) -> float:
    """Return Pearson's correlation, and 0 if either does not vary; see `r2_score`."""
    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    x, y = _centred(true, weights), _centred(predicted, weights)
    product = np.sqrt(_sum_of_squares(x, weights)) * np.sqrt(_sum_of_squares(y, weights))
    return float(np.clip((x @ y if weights is None else x @ (weights * y)) / product, -1.0, 1.0))


def _sum_of_squares(values: Vector, weights: Vector | None) -> float:
    return float(values @ values if weights is None else np.square(values) @ weights)


def _centred(values: Vector, weights: Vector | None) -> Vector:
    centred: Vector = values - (values.mean() if weights is None else np.average(values, weights=weights))
    return centred


def predict(rows: Rows, model: Model) -> Vector:
    """Return the predictions at some rows in double precision, at the cost of the non-zero coefficients."""
    support = np.flatnonzero(model.coef)
    predicted = np.full(len(rows.y), model.intercept)
    for block in blocks(len(support), max(1, _BLOCK_VALUES // len(predicted))):
        predicted += rows.X[:, support[block]] @ model.coef[support[block]]
    if rows.covariates is not None:
        predicted += rows.covariates @ model.covariate_coef
    return predicted


class Model(Protocol):
    """A linear model."""

    @property
    def coef(self) -> Vector:
        """Target units per unit of each feature, shape (n_features,)."""

    @property
    def intercept(self) -> float:
        """Target units."""

    @property
    def covariate_coef(self) -> Vector:
        """Target units per unit of each covariate, shape (n_covariates,)."""


class Evaluator:
    r"""Solves and evaluates trials on one recording, remembering what it has solved.

    The score of a holdout is R² on its validation rows.  The pooled score of folds is
    :math:`1 - \sum_f e_f / \sum_f d_f`, with the squared error :math:`e_f` on the validation rows of fold :math:`f` and
    the squared deviations :math:`d_f` of these rows from the mean of the fold's *training* rows: a model that knows
    nothing but that mean scores exactly 0, and a fold in which the target hardly varies does not decide.  Its standard
    error is that of a ratio of sums over folds, :math:`\sqrt{k / (k - 1) \sum_f u_f^2} / \sum_f d_f` with
    :math:`u_f = e_f - (1 - R^2) d_f` (Cochran 1977, "Sampling Techniques", section 6.4).

    The first version's score was the mean of the folds' own R², with the same L1 strength on every number of rows.  Its
    searches keep that: ``score = "mean"``.

    Parameters
    ----------
    task : Task
    processes : int
        How many processes share this machine's memory.
    """

    def __init__(self, task: Task, processes: int = 1) -> None:
        development = task.development
        self._folds = development.folds
        self._score = task.score
        model = development.model
        self._is_holdout = model is self._folds[0].train
        fitted = [fold.train for fold in self._folds] + ([] if self._is_holdout else [model])
        size = 8 * development.n_features * sum(len(rows.y) for rows in fitted)
        in_memory = fits_in_memory(size, processes)
        sets = [TrainingRows(rows.X, rows.y, rows.index, rows.weights, rows.covariates) for rows in fitted]
        self._prepared = development.preparation
        paths = paths_for(sets, tolerance=task.tolerance, scale=self._prepared.scale, in_memory=in_memory)
        self._paths, self._model = paths[: len(self._folds)], paths[-1]

    def __call__(self, proposals: Sequence[Proposal]) -> list[Solved | Failure]:
        """Evaluate trials of one family in the order given, up to the first that raises."""
        try:
            return self._evaluate_together([proposal.penalty for proposal in proposals])
        except Exception:
            if len(proposals) == 1:
                return [Failure(traceback.format_exc())]
        outcomes: list[Solved | Failure] = []
        for proposal in proposals:  # one at a time, to find the one that raises
            outcomes += self([proposal])
            if isinstance(outcomes[-1], Failure):
                break
        return outcomes

    def _evaluate_together(self, penalties: Sequence[Penalty]) -> list[Solved | Failure]:
        of_folds = [_solve(path, [self._on(path, penalty) for penalty in penalties]) for path in self._paths]
        models = of_folds[0] if self._is_holdout else _solve(self._model, penalties)
        return [self._evaluated(fits, model) for *fits, model in zip(*of_folds, models, strict=True)]

    def _on(self, path: RegularizationPath, penalty: Penalty) -> Penalty:
        """Return the penalty that means the same on the rows of a fold."""
        if self._prepared.scale != "unit-norm":
            return penalty  # these scales do not change with the number of rows
        keep_l1 = self._score == "mean"
        return penalty.on(path.total_weight, instead_of=self._model.total_weight, keep_l1=keep_l1)

    def _evaluated(self, fits: Sequence[Fit], model: Fit) -> Solved:
        every = fits if self._is_holdout else [*fits, model]
        predicted = tuple(predict(fold.validation, fit) for fold, fit in zip(self._folds, fits, strict=True))
        scores = self._scores(fits, predicted)
        n_nonzero = np.count_nonzero(model.coef)
        evaluation = Evaluation(
            r2_train=scores.r2_train,
            r2_validation=scores.r2_validation,
            r2_validation_se=scores.r2_validation_se,
            r_validation=float(np.mean(self._of_folds(pearson_r, predicted))),
            sparsity=1 - n_nonzero / len(model.coef),
            n_nonzero=float(n_nonzero),
            l1_norm=float(np.abs(model.coef).sum()),
            l2_norm=float(np.linalg.norm(model.coef)),
            duality_gap=max(fit.duality_gap for fit in every),
            fit_seconds=sum(fit.seconds for fit in every),
            folds=scores.folds,
            losses=scores.losses,
        )
        selected = np.count_nonzero([fit.coef for fit in fits], axis=0).astype(np.int16)
        return Solved(evaluation, model, predicted, selected)

    def _of_folds(self, measure: Callable[..., float], predicted: Sequence[Vector]) -> list[float]:
        """Return a measure of true against predicted validation rows, fold by fold."""
        rows = [fold.validation for fold in self._folds]
        return [measure(one.y, values, one.weights) for one, values in zip(rows, predicted, strict=True)]

    def _scores(self, fits: Sequence[Fit], predicted: Sequence[Vector]) -> _Scores:
        trained = [
            r2_score(fold.train.y, fit.fitted, fold.train.weights) for fold, fit in zip(self._folds, fits, strict=True)
        ]
        folds = tuple(zip(trained, self._of_folds(r2_score, predicted), strict=True))
        if self._is_holdout:
            return self._scores_of_holdout(*folds[0], predicted[0])
        rows = [fold.validation for fold in self._folds]
        errors = np.array(
            [_sum_of_squares(one.y - values, one.weights) for one, values in zip(rows, predicted, strict=True)]
        )
        deviations = np.array(
            [_sum_of_squares(fold.validation.y - fold.train.mean, fold.validation.weights) for fold in self._folds]
        )
        losses = tuple((errors / deviations.sum()).tolist())
        if self._score == "mean":
            r2_train, r2_validation = np.mean(folds, axis=0).tolist()
            error = np.std([validation for _, validation in folds], ddof=1) / np.sqrt(len(folds))
            return _Scores(r2_train, r2_validation, float(error), folds, losses)
        shares = [
            _sum_of_squares(_centred(fold.train.y, fold.train.weights), fold.train.weights) for fold in self._folds
        ]
        lost = errors.sum() / deviations.sum()
        unexplained = errors - lost * deviations
        n_folds = len(folds)
        if n_folds == 1:
            independent = self._prepared.independent
            error = r2_standard_error(rows[0].y, predicted[0], rows[0].weights, independent=independent)
        else:
            error = np.sqrt(n_folds / (n_folds - 1) * np.sum(unexplained**2)) / deviations.sum()
        return _Scores(float(np.average(trained, weights=shares)), float(1 - lost), float(error), folds, losses)

    def _scores_of_holdout(self, r2_train: float, r2_validation: float, predicted: Vector) -> _Scores:
        rows = self._folds[0].validation
        squares = np.square(rows.y - predicted) * (1.0 if rows.weights is None else rows.weights)
        shares = squares / _sum_of_squares(_centred(rows.y, rows.weights), rows.weights)
        losses = tuple(float(part.sum()) for part in np.array_split(shares, min(_BLOCKS, len(shares))))
        error = r2_standard_error(rows.y, predicted, rows.weights, independent=self._prepared.independent)
        return _Scores(r2_train, r2_validation, error, (), losses)


@dataclass(frozen=True)
class _Scores:
    r2_train: float
    r2_validation: float
    r2_validation_se: float
    folds: tuple[tuple[float, float], ...]
    losses: tuple[float, ...]


def _solve(path: RegularizationPath, penalties: Sequence[Penalty]) -> list[Fit]:
    return list(path.solve(penalties))
