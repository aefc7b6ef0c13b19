"""Fits become evaluations: the scores of a trial on every fold, and the properties of its weights."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, FoldRows, Rows, fits_in_memory
from regsearch.data.blocks import blocks
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.folds import TrainingRows, paths_for
from regsearch.search.solvers.path import Fit, RegularizationPath
from regsearch.search.solving.bootstrap import r2_standard_error
from regsearch.search.trial import Proposal
from regsearch.tracking import figures

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

    def solver(self, processes: int = 1) -> Callable[[Sequence[Proposal]], list[Solved | Failure]]:
        """Return what solves paths of proposals beside the driver."""
        return Evaluator(self, processes)

    def worker(self, processes: int = 1) -> Callable[[Sequence[Proposal]], list[Solved | Failure]]:
        """Return what solves paths of proposals, and draws their weights so that the driver need not."""
        return partial(illustrated, Evaluator(self, processes))

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


def r2_score(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the coefficient of determination, ``1 - ||true - predicted||² / ||true - mean(true)||²``."""
    residual = true - predicted
    centred = true - true.mean()
    return float(1 - (residual @ residual) / (centred @ centred))


def pearson_r(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return Pearson's correlation, and 0 if either does not vary."""
    x, y = true - true.mean(), predicted - predicted.mean()
    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(np.clip(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)), -1.0, 1.0))


def validation_score(folds: Sequence[FoldRows], predicted: Sequence[NDArray[np.float64]], score: Score) -> float:
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
        each = zip(folds, predicted, strict=True)
        return float(np.mean([r2_score(fold.validation.y, values) for fold, values in each]))
    errors, deviations = _sums(folds, predicted)
    return float(1 - errors.sum() / deviations.sum())


def validation_error(
    folds: Sequence[FoldRows], predicted: Sequence[NDArray[np.float64]], score: Score
) -> tuple[float, tuple[float, ...]]:
    """Return the standard error of `validation_score`, and the losses of folds or blocks; see `Evaluation`."""
    if len(folds) == 1:
        true = folds[0].validation.y
        shares = np.square(true - predicted[0]) / np.sum(np.square(true - true.mean()))
        losses = tuple(float(part.sum()) for part in np.array_split(shares, min(_BLOCKS, len(shares))))
        return r2_standard_error(true, predicted[0]), losses
    errors, deviations = _sums(folds, predicted)
    losses = tuple((errors / deviations.sum()).tolist())
    n_folds = len(folds)
    if score == "mean":
        scores = [r2_score(fold.validation.y, values) for fold, values in zip(folds, predicted, strict=True)]
        return float(np.std(scores, ddof=1) / np.sqrt(n_folds)), losses
    unexplained = errors - errors.sum() / deviations.sum() * deviations
    error = np.sqrt(n_folds / (n_folds - 1) * np.sum(unexplained**2)) / deviations.sum()
    return float(error), losses


def _sums(
    folds: Sequence[FoldRows], predicted: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each fold's squared validation error, and the squared deviations from the mean of its training rows."""
    errors = [np.sum(np.square(fold.validation.y - values)) for fold, values in zip(folds, predicted, strict=True)]
    deviations = [np.sum(np.square(fold.validation.y - fold.train.y.mean())) for fold in folds]
    return np.array(errors), np.array(deviations)


def predict(rows: Rows, coef: NDArray[np.float64], intercept: float) -> NDArray[np.float64]:
    """Return ``X @ coef + intercept`` in double precision, at the cost of the non-zero coefficients."""
    support = np.flatnonzero(coef)
    predicted = np.full(len(rows.y), intercept)
    for block in blocks(len(support), max(1, _BLOCK_VALUES // len(predicted))):
        predicted += rows.X[:, support[block]] @ coef[support[block]]
    return predicted


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
    sets = [TrainingRows(rows.X, rows.y, rows.index) for rows in fitted]
    paths = paths_for(sets, tolerance=task.tolerance, in_memory=fits_in_memory(size, processes))
    return paths[: len(folds)], paths[-1]


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
        self._score = task.score
        self._paths, self._model = paths_of(task, processes)
        self._is_holdout = self._model is self._paths[0]

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
        n_rows, keep_l1 = self._model.n_rows, self._score == "mean"
        of_folds = [
            _solve(path, [penalty.on(path.n_rows, instead_of=n_rows, keep_l1=keep_l1) for penalty in penalties])
            for path in self._paths
        ]
        models = of_folds[0] if self._is_holdout else _solve(self._model, penalties)
        return [self._evaluated(fits, model) for *fits, model in zip(*of_folds, models, strict=True)]

    def _evaluated(self, fits: Sequence[Fit], model: Fit) -> Solved:
        every = fits if self._is_holdout else [*fits, model]
        predicted = tuple(
            predict(fold.validation, fit.coef, fit.intercept) for fold, fit in zip(self._folds, fits, strict=True)
        )
        scores = self._scores(fits, predicted)
        n_nonzero = np.count_nonzero(model.coef)
        evaluation = Evaluation(
            r2_train=scores.r2_train,
            r2_validation=scores.r2_validation,
            r2_validation_se=scores.r2_validation_se,
            r_validation=float(
                np.mean(
                    [pearson_r(fold.validation.y, values) for fold, values in zip(self._folds, predicted, strict=True)]
                )
            ),
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

    def _scores(self, fits: Sequence[Fit], predicted: Sequence[NDArray[np.float64]]) -> _Scores:
        folds = tuple(
            (r2_score(fold.train.y, fit.fitted), r2_score(fold.validation.y, values))
            for fold, fit, values in zip(self._folds, fits, predicted, strict=True)
        )
        r2_validation = validation_score(self._folds, predicted, self._score)
        error, losses = validation_error(self._folds, predicted, self._score)
        weights = [len(fold.train.y) * fold.train.y.var() for fold in self._folds]
        r2_train = np.average(
            [train for train, _ in folds], weights=None if self._is_holdout or self._score == "mean" else weights
        )
        return _Scores(float(r2_train), r2_validation, error, () if self._is_holdout else folds, losses)


def illustrated(evaluator: Evaluator, proposals: Sequence[Proposal]) -> list[Solved | Failure]:
    """Evaluate a path and draw its weights, so that workers share the drawing and the driver does not limit them."""
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


def _solve(path: RegularizationPath, penalties: Sequence[Penalty]) -> list[Fit]:
    return list(path.solve(penalties))
