"""A fit becomes an evaluation: what a trial scored, on every fold, and how its weights look."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from data import Development, FoldRows
from search.penalty import Family, penalty_of
from search.solvers.path import Fit, RegularizationPath


@dataclass(frozen=True)
class Evaluation:
    """Scores and weights of one trial in numbers; means over the folds.

    Attributes
    ----------
    r2_train, r2_validation : float
        Coefficient of determination on the rows fitted on, and on the fold's other rows.
    sparsity : float
        Fraction of weights that are exactly zero.
    n_nonzero : float
        Number of weights that are not.
    l1_norm, l2_norm : float
        Of the coefficients, in target units per unit of each feature.
    duality_gap : float
        The worst certificate among the folds.
    fit_seconds : float
        All folds together.
    """

    r2_train: float
    r2_validation: float
    sparsity: float
    n_nonzero: float
    l1_norm: float
    l2_norm: float
    duality_gap: float
    fit_seconds: float

    def metrics(self) -> dict[str, float]:
        """Return the evaluation as names and numbers."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Solved:
    """An evaluation and the fit it is of."""

    evaluation: Evaluation
    fit: Fit


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


class Evaluator:
    """Solves and evaluates trials on the folds of one recording, remembering what it has solved.

    Parameters
    ----------
    development : Development
    tolerance : float
        Relative duality gap that every fit must reach.
    """

    def __init__(self, development: Development, tolerance: float) -> None:
        self._folds = development.folds
        self._paths = [
            RegularizationPath(fold.train.X, fold.train.y, tolerance=tolerance) for fold in development.folds
        ]

    def __call__(self, family: Family, trials: Sequence[Mapping[str, float]]) -> list[Solved | Failure]:
        """Evaluate trials of one family in the order given, up to the first that raises."""
        outcomes: list[Solved | Failure] = []
        for parameters in trials:
            try:
                outcomes.append(self._evaluate(family, parameters))
            except Exception:
                outcomes.append(Failure(traceback.format_exc()))
                break
        return outcomes

    def _evaluate(self, family: Family, parameters: Mapping[str, float]) -> Solved:
        fits = [
            next(path.solve([penalty_of(family, parameters, len(fold.train.y))]))
            for fold, path in zip(self._folds, self._paths, strict=True)
        ]
        per_fold = [_evaluate_fold(fold, fit) for fold, fit in zip(self._folds, fits, strict=True)]
        means = {name: float(np.mean([getattr(one, name) for one in per_fold])) for name in asdict(per_fold[0])}
        means["duality_gap"] = max(one.duality_gap for one in per_fold)
        means["fit_seconds"] = sum(one.fit_seconds for one in per_fold)
        return Solved(Evaluation(**means), fits[0])


def _evaluate_fold(fold: FoldRows, fit: Fit) -> Evaluation:
    support = np.flatnonzero(fit.coef)
    return Evaluation(
        r2_train=r2_score(fold.train.y, fit.fitted),
        r2_validation=r2_score(fold.validation.y, fold.validation.X @ fit.coef + fit.intercept),
        sparsity=1 - len(support) / len(fit.coef),
        n_nonzero=float(len(support)),
        l1_norm=float(np.abs(fit.coef).sum()),
        l2_norm=float(np.linalg.norm(fit.coef)),
        duality_gap=fit.duality_gap,
        fit_seconds=fit.seconds,
    )
