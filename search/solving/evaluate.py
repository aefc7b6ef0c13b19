"""Fits become evaluations: the scores of a trial on every fold, and the properties of its weights."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, FoldRows, Rows, fits_in_memory
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
    is_drawn : bool
        Whether workers also draw the weights that they find.
    """

    development: Development
    tolerance: float
    score: Score = "pooled"
    is_drawn: bool = True

    def solver(self) -> Callable[[Sequence[Proposal]], list[Solved | Failure]]:
        """Return what solves paths of proposals beside the driver."""
        return Evaluator(self)

    def worker(self, processes: int = 1) -> Callable[[Sequence[Proposal]], list[Solved | Failure]]:
        """Return what solves paths of proposals, and draws their weights so that the driver need not."""
        evaluator = Evaluator(self, processes)
        return partial(illustrated, evaluator) if self.is_drawn else evaluator

    def check(self, work: Sequence[Proposal], result: object) -> None:
        """Refuse outcomes that no solver of these proposals can have; see `search.solving.arrivals`."""
        from regsearch.search.solving.arrivals import require_plausible

        require_plausible(result, work, self.development)

    def near(self, work: Sequence[Proposal]) -> Penalty | None:
        """Return the penalty whose neighbours a solver should have solved to solve a path fast."""
        return work[0].penalty


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


def validation_score(folds: Sequence[FoldRows], predicted: Sequence[Vector], score: Score) -> float:
    """Return R² on the validation rows of all folds; see `Evaluator`.

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
    folds: Sequence[FoldRows], predicted: Sequence[Vector], score: Score, *, independent: bool = False
) -> tuple[float, tuple[float, ...]]:
    """Return the standard error of `validation_score`, and the losses of folds or blocks; see `Evaluation`."""
    if len(folds) == 1:
        rows = folds[0].validation
        squares = np.square(rows.y - predicted[0]) * (1.0 if rows.weights is None else rows.weights)
        shares = squares / _sum_of_squares(_centred(rows.y, rows.weights), rows.weights)
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


def of_folds(measure: Callable[..., float], folds: Sequence[FoldRows], predicted: Sequence[Vector]) -> list[float]:
    """Return a measure of true against predicted validation rows, such as `r2_score`, fold by fold."""
    rows = [fold.validation for fold in folds]
    return [measure(one.y, values, one.weights) for one, values in zip(rows, predicted, strict=True)]


def _sums(folds: Sequence[FoldRows], predicted: Sequence[Vector]) -> tuple[Vector, Vector]:
    """Return each fold's squared validation error, and the squared deviations from the mean of its training rows."""
    both = [(fold.validation, fold.train.mean) for fold in folds]
    errors = [_sum_of_squares(rows.y - values, rows.weights) for (rows, _), values in zip(both, predicted, strict=True)]
    deviations = [_sum_of_squares(rows.y - mean, rows.weights) for rows, mean in both]
    return np.array(errors), np.array(deviations)


def predict(rows: Rows, model: Model) -> Vector:
    """Return the predictions at some rows in double precision, at the cost of the non-zero coefficients."""
    return predict_all(rows, [model])[0]


def predict_all(rows: Rows, models: Sequence[Model]) -> list[Vector]:
    """Return the predictions of several models; a column is read once for all of them."""
    is_used = np.zeros(rows.X.shape[1], dtype=bool)
    for model in models:
        is_used |= model.coef != 0
    support = np.flatnonzero(is_used)
    predicted = np.tile([[model.intercept] for model in models], len(rows.y))
    for block in blocks(len(support), max(1, _BLOCK_VALUES // len(rows.y))):
        predicted += (rows.X[:, support[block]] @ np.array([model.coef[support[block]] for model in models]).T).T
    if rows.covariates is not None:
        predicted += np.array([model.covariate_coef for model in models]) @ rows.covariates.T
    return list(predicted)


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


def paths_of(task: Task, processes: int = 1) -> tuple[list[RegularizationPath], RegularizationPath]:
    """Return the path of each fold, and that of the trials' own models, which for a holdout is its fold's.

    Parameters
    ----------
    task : Task
    processes : int
        How many processes share this machine's memory.
    """
    development = task.development
    folds, model = [fold.train for fold in development.folds], development.model
    fitted = folds if model is folds[0] else [*folds, model]
    size = 8 * development.n_features * sum(len(rows.y) for rows in fitted)
    sets = [TrainingRows(rows.X, rows.y, rows.index, rows.weights, rows.covariates) for rows in fitted]
    paths = paths_for(
        sets,
        tolerance=task.tolerance,
        scale=development.preparation.scale,
        in_memory=fits_in_memory(size, processes),
    )
    return paths[: len(folds)], paths[-1]


def on_rows_of(path: RegularizationPath, penalty: Penalty, model: RegularizationPath, task: Task) -> Penalty:
    """Return the penalty that means the same on the rows of a fold as another on those of the trial's own model."""
    if task.development.preparation.scale != "unit-norm":
        return penalty  # on these scales weights do not change with the number of rows
    return penalty.on(path.total_weight, instead_of=model.total_weight, keep_l1=task.score == "mean")


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
        self._folds = task.development.folds
        self._task = task
        self._paths, self._model = paths_of(task, processes)
        self._is_holdout = self._model is self._paths[0]

    def of(self, task: Task) -> Evaluator:
        """Return the evaluator of another target on the same rows, which shares all that features alone decide."""
        other, development = copy(self), task.development
        other._folds, other._task = development.folds, task
        other._paths = [
            path.with_target(fold.train.y) for path, fold in zip(self._paths, development.folds, strict=True)
        ]
        other._model = other._paths[0] if self._is_holdout else self._model.with_target(development.model.y)
        return other

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
        of_folds = [
            list(path.solve([on_rows_of(path, penalty, self._model, self._task) for penalty in penalties]))
            for path in self._paths
        ]
        models = of_folds[0] if self._is_holdout else list(self._model.solve(penalties))
        predicted = [predict_all(fold.validation, fits) for fold, fits in zip(self._folds, of_folds, strict=True)]
        each = zip(zip(*of_folds, strict=True), models, zip(*predicted, strict=True), strict=True)
        return [self._evaluated(*one) for one in each]

    def _evaluated(self, fits: Sequence[Fit], model: Fit, predicted: tuple[Vector, ...]) -> Solved:
        every = fits if self._is_holdout else [*fits, model]
        scores = self._scores(fits, predicted)
        n_nonzero = np.count_nonzero(model.coef)
        evaluation = Evaluation(
            r2_train=scores.r2_train,
            r2_validation=scores.r2_validation,
            r2_validation_se=scores.r2_validation_se,
            r_validation=float(np.mean(of_folds(pearson_r, self._folds, predicted))),
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

    def _scores(self, fits: Sequence[Fit], predicted: Sequence[Vector]) -> _Scores:
        trained = [fold.train for fold in self._folds]
        r2_trained = [r2_score(rows.y, fit.fitted, rows.weights) for rows, fit in zip(trained, fits, strict=True)]
        folds = tuple(zip(r2_trained, of_folds(r2_score, self._folds, predicted), strict=True))
        independent = self._task.development.preparation.independent
        r2_validation = validation_score(self._folds, predicted, self._task.score)
        error, losses = validation_error(self._folds, predicted, self._task.score, independent=independent)
        shares = [_sum_of_squares(_centred(rows.y, rows.weights), rows.weights) for rows in trained]
        alike = self._is_holdout or self._task.score == "mean"
        r2_train = float(np.average(r2_trained, weights=None if alike else shares))
        return _Scores(r2_train, r2_validation, error, () if self._is_holdout else folds, losses)


def illustrated(evaluator: Evaluator, proposals: Sequence[Proposal]) -> list[Solved | Failure]:
    """Evaluate a path and draw its weights, so that workers share the drawing and the driver does not limit them."""
    from regsearch.tracking import figures  # matplotlib, which a search without tracking does not need

    return [
        replace(outcome, picture=figures.weights_png(outcome.fit.coef, proposal.name))
        if isinstance(outcome, Solved)
        else outcome
        for proposal, outcome in zip(proposals, evaluator(proposals), strict=False)
    ]


@dataclass(frozen=True)
class _Scores:
    r2_train: float
    r2_validation: float
    r2_validation_se: float
    folds: tuple[tuple[float, float], ...]
    losses: tuple[float, ...]
