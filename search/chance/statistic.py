"""The statistic of the test: the score that the whole choice reaches on one target, over a grid fixed for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, FoldRows, Rows
from regsearch.data.blocks import blocks
from regsearch.data.lagged import Lagged
from regsearch.errors import EngineLostError
from regsearch.search.chance.distribution import rounded
from regsearch.search.config import AtMost, SearchConfig
from regsearch.search.config.families import grid_points
from regsearch.search.penalty import Family, Penalty, penalty_of
from regsearch.search.solvers.normalisation import Covariates
from regsearch.search.solvers.path import Coefficients, RegularizationPath
from regsearch.search.solving.evaluate import Task, on_rows_of, paths_of
from regsearch.search.solving.scores import r2_score, validation_error, validation_score
from regsearch.search.strengths import Maxima, absolute
from regsearch.search.trial import Candidate, Trial
from regsearch.search.winner import winner

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_BLOCK_VALUES = 2**22
"""Number of values that predictions read at once."""


@dataclass(frozen=True, eq=False)
class NullTask:
    """What an engine needs to score targets: a list of targets is its unit of work.

    Parameters
    ----------
    task : Task
        The rows that every target has, cut into the search's folds.
    config : SearchConfig
        The search's configuration.
    maxima : Maxima or None
        What relative strengths referred to in the search. The L1 strength at which every weight is zero is each
        target's own, by the same formula; the others depend on the features alone.
    test : Rows or None
        Test rows to score the chosen model on, instead of taking its validation score.
    """

    task: Task
    config: SearchConfig
    maxima: Maxima | None = None
    test: Rows | None = None

    @property
    def development(self) -> Development:
        """The rows that every target has."""
        return self.task.development

    def solver(self, processes: int = 1) -> Callable[[Floats], list[float]]:
        """Return what scores targets; see `Statistic`."""
        return Statistic(self, processes)

    worker = solver

    def check(self, work: Floats, result: object) -> None:
        """Refuse what is not one finite score for each target."""
        if not isinstance(result, list) or len(result) != work.shape[1] or not np.isfinite(result).all():
            raise EngineLostError(
                f"a worker of the cluster sent back something else than {work.shape[1]} scores: use workers that you "
                "started yourself, from the same environment"
            )

    def near(self, work: Floats) -> Penalty | None:  # noqa: ARG002
        """Return None: every worker solves all penalties of its targets."""
        return None


class Statistic:
    """Scores targets by the search's own rules: its folds, its score, its choice of a winner.

    The candidates are a grid over the ranges that the search was given, as many as it had trials. No target has a part
    in the grid, so that the real target and null targets are treated alike: the score is one function of features and
    target.

    Parameters
    ----------
    task : NullTask
    processes : int
        How many processes share this machine's memory.
    """

    def __init__(self, task: NullTask, processes: int = 1) -> None:
        self._task = task
        self._config = task.config
        self._rows = rows_of(task.development, task.test)
        self._paths, self._model = paths_of(task.task, processes)
        self._is_holdout = self._model is self._paths[0]
        self._needs_model = not self._is_holdout and (task.config.select != "best" or task.test is not None)

    def __call__(self, targets: Floats) -> list[float]:
        """Return the score of each target.

        Parameters
        ----------
        targets : ndarray of float64, shape (n_rows, n_targets)
            At the rows of `rows_of`.
        """
        development = self._task.development
        of_folds = [
            path.with_targets(targets[self._at(fold.train)])
            for path, fold in zip(self._paths, development.folds, strict=True)
        ]
        needs_paths = self._needs_model or (not self._is_holdout and self._config.families.is_relative)
        models = self._model.with_targets(targets[self._at(development.model)]) if needs_paths else []
        scores = []
        for y in targets.T:
            paths = [several.pop(0) for several in of_folds]  # a solved path is large: it goes with its target
            scores.append(self._score(y, paths, models.pop(0) if models else paths[0]))
        return rounded(scores)

    def _score(self, y: Floats, paths: Sequence[RegularizationPath], model: RegularizationPath) -> float:
        folds = self._folds(y)
        every = candidates(self._config, self._maxima(model), self._model.total_weight)
        penalties = [one.penalty for one in every]
        found = [
            path.coefficients([on_rows_of(path, one, self._model, self._task.task) for one in penalties])
            for path in paths
        ]
        own = model.coefficients(penalties) if self._needs_model else found[0]
        predicted = [predict_all(fold.validation, of) for fold, of in zip(folds, found, strict=True)]
        gaps = np.max([of.duality_gap for of in (*found, own)], axis=0)
        losses: dict[int, tuple[float, ...]] = {}
        trials = []
        for place, one in enumerate(every):
            of_one = [values[:, place] for values in predicted]
            metrics = {
                "r2_validation": validation_score(folds, of_one, self._task.task.score),
                "sparsity": float(np.mean(own.coef[place] == 0)),
                "n_nonzero": float(np.count_nonzero(own.coef[place])),
                "duality_gap": float(gaps[place]),
            }
            if self._config.select != "best":
                error, losses[place] = validation_error(
                    folds, of_one, self._task.task.score, independent=self._task.development.preparation.independent
                )
                metrics["r2_validation_se"] = error
            trials.append(Trial(one.family, place, one.parameters, one.penalty, metrics, ""))
        rule = self._config.select
        certified = [trial for trial in trials if trial.duality_gap <= self._config.tolerance]
        if isinstance(rule, AtMost) and certified and all(trial.n_nonzero > rule.at_most for trial in certified):
            return self._score_without_features(y, paths, model)
        chosen = winner(trials, self._config.tolerance, rule, lambda trial: np.array(losses[trial.number]))
        if self._task.test is None:
            return chosen.r2_validation
        test = self._task.test
        return r2_score(y[self._at(test)], predict_all(test, own)[:, chosen.number], test.weights)

    def _score_without_features(
        self, y: Floats, paths: Sequence[RegularizationPath], model: RegularizationPath
    ) -> float:
        """Return the score of the models in which no feature has a weight."""
        test = self._task.test
        found = [
            path.coefficients([Penalty(2 * path.largest_l1 or 1.0, 0.0)])
            for path in (paths if test is None else [model])
        ]
        if test is not None:
            return r2_score(y[self._at(test)], predict_all(test, found[0])[:, 0], test.weights)
        folds = self._folds(y)
        predicted = [predict_all(fold.validation, of)[:, 0] for fold, of in zip(folds, found, strict=True)]
        return validation_score(folds, predicted, self._task.task.score)

    def _maxima(self, model: RegularizationPath) -> Maxima | None:
        maxima = self._task.maxima
        return replace(maxima, l1_max=model.largest_l1 or 1.0) if maxima else None

    def _folds(self, y: Floats) -> list[FoldRows]:
        return [
            FoldRows(*(replace(rows, y=y[self._at(rows)]) for rows in (fold.train, fold.validation)))
            for fold in self._task.development.folds
        ]

    def _at(self, rows: Rows) -> Indices:
        return np.searchsorted(self._rows, rows.index)


def candidates(config: SearchConfig, maxima: Maxima | None, n_rows: float) -> list[Candidate]:
    """Return the fixed grid: the baseline, and for every family as many points as it had trials.

    Exact grids are taken as they are. A range becomes points that are evenly spaced on a log scale, both ends included;
    two ranges become a square of points, of the size that comes nearest to the number of trials.

    Parameters
    ----------
    config : SearchConfig
    maxima : Maxima or None
        What relative strengths refer to.
    n_rows : float
        Number of rows that a candidate's own model is fitted on; with weights their sum.
    """
    points: list[tuple[Family, dict[str, float]]] = [("none", {})]
    for family, settings in absolute(config, maxima).families.searched.items():
        points += [(family, point) for point in grid_points(settings)]
    return [
        Candidate(family, number, point, penalty_of(family, point, n_rows))
        for number, (family, point) in enumerate(points)
    ]


def rows_of(development: Development, test: Rows | None = None) -> Indices:
    """Return the places in the recording of all rows that a target is needed at, ascending."""
    return _at_each(development, test, lambda rows: rows.index)


def real_target(development: Development, test: Rows | None = None) -> Floats:
    """Return the real target at the rows of `rows_of`."""
    return _at_each(development, test, lambda rows: rows.y)


def covariate_fit(development: Development, test: Rows | None = None) -> Floats | None:
    """Return what the covariates explain of the real target at the rows of `rows_of`; ``None`` without covariates.

    It is the fit of least squares, with an intercept, and weighted as the rows are.
    """
    if development.model.covariates is None:
        return None
    y, values = real_target(development, test), _at_each(development, test, lambda rows: rows.covariates)
    weights = np.ones(len(y))
    if development.model.weights is not None:
        weights = _at_each(development, test, lambda rows: rows.weights)
    covariates, mean = Covariates.of(values, weights), np.average(y, weights=weights)
    coef = covariates.inverse @ (covariates.basis.T @ (np.sqrt(weights) * (y - mean)))
    fit: Floats = mean + (values - covariates.mean) @ coef
    return fit


def groups_of(development: Development, test: Rows | None = None) -> NDArray[np.str_] | None:
    """Return the group of each of the rows of `rows_of`; ``None`` if the recording has no groups."""
    return None if development.model.groups is None else _at_each(development, test, lambda rows: rows.groups)


def _at_each(development: Development, test: Rows | None, part: Callable[[Rows], Any]) -> NDArray[Any]:
    """Return what all sets of rows have of something, once for each row of `rows_of`."""
    sets = [*development.sets, *([test] if test else [])]
    first = np.unique(np.concatenate([rows.index for rows in sets]), return_index=True)[1]
    return np.concatenate([part(rows) for rows in sets])[first]


def narrowed(rows: Rows, kept: Indices) -> Rows:
    """Return some rows without those whose places in the recording are not in `kept`; nothing large is copied."""
    places = np.flatnonzero(np.isin(rows.index, kept))
    if len(places) == len(rows.index):
        return rows
    arrays: dict[str, Any] = {
        field.name: values[places]
        for field in fields(rows)
        if field.name != "X" and isinstance(values := getattr(rows, field.name), np.ndarray)
    }
    return replace(rows, X=Lagged(rows.X, places[None]), **arrays)


def narrowed_development(development: Development, kept: Indices) -> Development:
    """Return the rows of a search without those whose places in the recording are not in `kept`."""
    of = {rows: narrowed(rows, kept) for rows in development.sets}
    folds = tuple(FoldRows(of[fold.train], of[fold.validation]) for fold in development.folds)
    return replace(development, folds=folds, model=of[development.model])


def predict_all(rows: Rows, found: Coefficients) -> Floats:
    """Return the predictions of several fits, shape (n_rows, n_fits), reading the rows once."""
    n_rows, n_features = rows.X.shape
    predicted = np.tile(found.intercept, (n_rows, 1))
    for block in blocks(n_features, max(1, _BLOCK_VALUES // n_rows)):
        predicted += rows.X[:, block] @ found.coef[:, block].T
    if rows.covariates is not None:
        predicted += rows.covariates @ found.covariate_coef.T
    return predicted
