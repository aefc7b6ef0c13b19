"""Fits become evaluations: the scores of a trial on every fold, and the properties of its weights."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, Rows, fits_in_memory
from regsearch.data.blocks import blocks
from regsearch.search.penalty import Penalty
from regsearch.search.solvers.path import Fit, RegularizationPath
from regsearch.search.solving.bootstrap import r2_standard_error
from regsearch.search.trial import Proposal

_BLOCK_VALUES = 2**18
"""How many values a prediction reads at once: 2 MB in double precision, so that they stay in the cache."""


@dataclass(frozen=True)
class Evaluation:
    """Scores and weights of one trial in numbers.

    Attributes
    ----------
    r2_train, r2_validation : float
        R² on the training rows and on the validation rows of a fold; means over the folds.
    r2_validation_se : float
        Standard error of `r2_validation`; for a single fold by the block bootstrap.
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
        R² on the train and validation rows of each fold; empty for a holdout.
    """

    r2_train: float
    r2_validation: float
    r2_validation_se: float
    sparsity: float
    n_nonzero: float
    l1_norm: float
    l2_norm: float
    duality_gap: float
    fit_seconds: float
    folds: tuple[tuple[float, float], ...] = field(default=())

    def metrics(self) -> dict[str, float]:
        """Return the evaluation as names and numbers."""
        numbers: dict[str, float] = {name: value for name, value in asdict(self).items() if name != "folds"}
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
    picture : bytes
        The stem plot of the weights, if it was drawn beside the solver; else empty.
    """

    evaluation: Evaluation
    fit: Fit
    predicted: tuple[NDArray[np.float64], ...]
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


def predict(rows: Rows, coef: NDArray[np.float64], intercept: float) -> NDArray[np.float64]:
    """Return ``X @ coef + intercept`` in double precision, at the cost of the non-zero coefficients."""
    support = np.flatnonzero(coef)
    predicted = np.full(len(rows.y), intercept)
    for block in blocks(len(support), max(1, _BLOCK_VALUES // len(predicted))):
        predicted += rows.X[:, support[block]] @ coef[support[block]]
    return predicted


class Evaluator:
    """Solves and evaluates trials on one recording, remembering what it has solved.

    Parameters
    ----------
    development : Development
    tolerance : float
        Relative duality gap that every fit must reach.
    processes : int
        How many processes share this machine's memory.
    """

    def __init__(self, development: Development, tolerance: float, processes: int = 1) -> None:
        self._folds = development.folds
        model = development.model
        self._is_holdout = model is self._folds[0].train
        fitted = [fold.train for fold in self._folds] + ([] if self._is_holdout else [model])
        size = 8 * development.n_features * sum(len(rows.y) for rows in fitted)
        in_memory = fits_in_memory(size, processes)
        paths = [RegularizationPath(rows.X, rows.y, tolerance=tolerance, in_memory=in_memory) for rows in fitted]
        self._paths, self._model = paths[: len(self._folds)], paths[-1]

    def __call__(self, proposals: Sequence[Proposal]) -> list[Solved | Failure]:
        """Evaluate trials of one family in the order given, up to the first that raises."""
        outcomes: list[Solved | Failure] = []
        for proposal in proposals:
            try:
                outcomes.append(self._evaluate(proposal.penalty))
            except Exception:
                outcomes.append(Failure(traceback.format_exc()))
                break
        return outcomes

    def _evaluate(self, penalty: Penalty) -> Solved:
        n_rows = self._model.n_rows
        fits = [_solve(path, penalty.on(path.n_rows, instead_of=n_rows)) for path in self._paths]
        model = fits[0] if self._is_holdout else _solve(self._model, penalty)
        every = fits if self._is_holdout else [*fits, model]
        predicted = tuple(
            predict(fold.validation, fit.coef, fit.intercept) for fold, fit in zip(self._folds, fits, strict=True)
        )
        scores = tuple(
            (r2_score(fold.train.y, fit.fitted), r2_score(fold.validation.y, validated))
            for fold, fit, validated in zip(self._folds, fits, predicted, strict=True)
        )
        n_nonzero = np.count_nonzero(model.coef)
        evaluation = Evaluation(
            r2_train=float(np.mean([train for train, _ in scores])),
            r2_validation=float(np.mean([validation for _, validation in scores])),
            r2_validation_se=self._standard_error([validation for _, validation in scores], predicted),
            sparsity=1 - n_nonzero / len(model.coef),
            n_nonzero=float(n_nonzero),
            l1_norm=float(np.abs(model.coef).sum()),
            l2_norm=float(np.linalg.norm(model.coef)),
            duality_gap=max(fit.duality_gap for fit in every),
            fit_seconds=sum(fit.seconds for fit in every),
            folds=() if self._is_holdout else scores,
        )
        return Solved(evaluation, model, predicted)

    def _standard_error(self, scores: Sequence[float], predicted: Sequence[NDArray[np.float64]]) -> float:
        if self._is_holdout:
            return r2_standard_error(self._folds[0].validation.y, predicted[0])
        return float(np.std(scores, ddof=1) / np.sqrt(len(scores)))


def _solve(path: RegularizationPath, penalty: Penalty) -> Fit:
    return next(path.solve([penalty]))
