"""Fits become evaluations: the scores of a trial on every fold, and the properties of its weights."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, fits_in_memory
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.folds import TrainingRows, paths_for
from regsearch.search.solvers.path import Fit, RegularizationPath
from regsearch.search.solving.predictions import predict_all
from regsearch.search.solving.scores import (
    Score,
    of_folds,
    pearson_r,
    r2_score,
    squared_deviations,
    validation_error,
    validation_score,
)
from regsearch.search.trial import Proposal

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """What an engine needs to solve the trials of a search.

    Parameters
    ----------
    development : Development
    tolerance : float
        Relative duality gap that every fit must reach.
    score : {"pooled", "mean"}
        How folds make one score; see `validation_score`.
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
        R² on the training rows and on the validation rows, over all folds; see `validation_score`.
    r2_validation_se : float
        Standard error of `r2_validation`; see `validation_error`.
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
        Squared validation errors of folds or blocks; see `validation_error`.
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
    """Solves and evaluates trials on one recording, remembering what it has solved.

    With ``score = "mean"``, as the first version had it, a trial has the same L1 strength on every number of rows.

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
        of_each = [
            list(path.solve([on_rows_of(path, penalty, self._model, self._task) for penalty in penalties]))
            for path in self._paths
        ]
        models = of_each[0] if self._is_holdout else list(self._model.solve(penalties))
        predicted = [predict_all(fold.validation, fits) for fold, fits in zip(self._folds, of_each, strict=True)]
        each = zip(zip(*of_each, strict=True), models, zip(*predicted, strict=True), strict=True)
        return [self._evaluated(*one) for one in each]

    def _evaluated(self, fits: Sequence[Fit], model: Fit, predicted: tuple[Floats, ...]) -> Solved:
        every = fits if self._is_holdout else [*fits, model]
        folds, score, n_nonzero = self._folds, self._task.score, np.count_nonzero(model.coef)
        trained = [r2_score(one.train.y, fit.fitted, one.train.weights) for one, fit in zip(folds, fits, strict=True)]
        independent = self._task.development.preparation.independent
        error, losses = validation_error(folds, predicted, score, independent=independent)
        each = () if self._is_holdout else zip(trained, of_folds(r2_score, folds, predicted), strict=True)
        evaluation = Evaluation(
            r2_train=self._r2_train(trained),
            r2_validation=validation_score(folds, predicted, score),
            r2_validation_se=error,
            r_validation=float(np.mean(of_folds(pearson_r, folds, predicted))),
            sparsity=1 - n_nonzero / len(model.coef),
            n_nonzero=float(n_nonzero),
            l1_norm=float(np.abs(model.coef).sum()),
            l2_norm=float(np.linalg.norm(model.coef)),
            duality_gap=max(fit.duality_gap for fit in every),
            fit_seconds=sum(fit.seconds for fit in every),
            folds=tuple(each),
            losses=losses,
        )
        selected = np.count_nonzero([fit.coef for fit in fits], axis=0).astype(np.int16)
        return Solved(evaluation, model, predicted, selected)

    def _r2_train(self, trained: Sequence[float]) -> float:
        """Return R² on the training rows of all folds, given that of each: pooled or the mean, as the score is."""
        alike = self._is_holdout or self._task.score == "mean"
        deviations = [squared_deviations(fold.train.y, fold.train.weights) for fold in self._folds]
        return float(np.average(trained, weights=None if alike else deviations))


def illustrated(evaluator: Evaluator, proposals: Sequence[Proposal]) -> list[Solved | Failure]:
    """Evaluate a path and draw its weights, so that workers share the drawing and the driver does not limit them."""
    from regsearch.tracking import figures  # matplotlib, which a search without tracking does not need

    return [
        replace(outcome, picture=figures.weights_png(outcome.fit.coef, proposal.name))
        if isinstance(outcome, Solved)
        else outcome
        for proposal, outcome in zip(proposals, evaluator(proposals), strict=False)
    ]
