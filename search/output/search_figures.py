"""The figures of a whole search, each made from its trials or from its winner's weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regsearch.data import Development, Rows
from regsearch.errors import NoWinnerError
from regsearch.search.output.importance import strength_importance
from regsearch.search.output.trial_files import Weights, read_weights
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.search.result import Search
from regsearch.search.solving.evaluate import predict
from regsearch.search.trial import Trial, baseline
from regsearch.search.winner import winner
from regsearch.tracking import figures


def search_figures(search: Search) -> dict[str, Figure]:
    """Return the figures of a search by the names of their files."""
    drawn = {**_of_the_winner(search), **_of_all_trials(search)}
    for family in search.config.families.searched:
        drawn |= _of_one_strength(search, family) if len(PARAMETERS[family]) == 1 else _of_two_strengths(search, family)
    return drawn | _path_of_the_lasso(search)


def predictions(search: Search, test: Rows | None = None) -> Figure:
    """Return the figure of the winner's predictions.

    Parameters
    ----------
    search : Search
    test : Rows or None
        The test rows once a promotion has opened them; until then ``None``.
    """
    development = search.development
    weights = read_weights(search.run, search.winner.run_id)
    return figures.predictions(
        _predicted(development.model, weights),
        _validated(development, weights),
        development.target,
        search.winner.name,
        _predicted(test, weights) if test else None,
    )


def _of_the_winner(search: Search) -> dict[str, Figure]:
    development = search.development
    winner, unregularised = (
        read_weights(search.run, trial.run_id).coef for trial in (search.winner, baseline(search.trials))
    )
    compared = figures.weights_compared(
        unregularised, winner, search.winner.name, development.target, development.feature_names
    )
    return {"weights": compared, "predictions": predictions(search)}


def _path_of_the_lasso(search: Search) -> dict[str, Figure]:
    """Return the lasso's weights against its strength, if it was searched at more than one."""
    trials, development = _of_family(search, "lasso"), search.development
    if len({trial.parameters["alpha"] for trial in trials}) < 2:
        return {}
    coef = np.stack([read_weights(search.run, trial.run_id).coef for trial in trials])
    best = search.winner if search.winner in trials else max(trials, key=lambda trial: trial.r2_validation)
    path = figures.coefficient_path(
        _strength(trials, "alpha"), coef, trials.index(best), development.target, development.feature_names
    )
    return {"lasso_path": path}


def _of_all_trials(search: Search) -> dict[str, Figure]:
    trials = search.trials
    searched = [trial for trial in trials if trial.family != "none"]
    return {
        "trade_off": figures.trade_off(
            [trial.family for trial in trials],
            _column(trials, "n_nonzero"),
            _column(trials, "r2_validation"),
            _choices(trials, search),
            lambda at: trials[at].name,
        ),
        "history": figures.history(
            [trial.family for trial in searched],
            np.array([trial.number for trial in searched], dtype=float),
            _column(searched, "r2_validation"),
            baseline(trials).r2_validation,
        ),
    }


def _of_one_strength(search: Search, family: Family) -> dict[str, Figure]:
    trials = _of_family(search, family)
    unregularised = baseline(search.trials)
    curve = figures.Curve(
        _strength(trials, "alpha"),
        _column(trials, "r2_train"),
        _column(trials, "r2_validation"),
        _column(trials, "r2_validation_se"),
    )
    levels = (unregularised.r2_train, unregularised.r2_validation)
    return {family: figures.r2_against_alpha(family, curve, levels, _choices(trials, search))}


def _of_two_strengths(search: Search, family: Family) -> dict[str, Figure]:
    trials = _of_family(search, family)
    choices = _choices(trials, search)
    strengths = {name: _strength(trials, name) for name in PARAMETERS[family]}
    r2_validation = _column(trials, "r2_validation")
    drawn: dict[str, Figure] = {family: figures.mix_heatmap(**strengths, r2_validation=r2_validation, choices=choices)}
    shares = strength_importance(strengths, r2_validation)
    if shares is not None:
        drawn["importance"] = figures.importance(strengths, r2_validation, shares, choices)
    return drawn


def _of_family(search: Search, family: Family) -> list[Trial]:
    return [trial for trial in search.trials if trial.family == family]


def _choices(trials: Sequence[Trial], search: Search) -> figures.Choices | None:
    """Return the positions of the trials that the two rules choose, or ``None`` if none may be chosen."""
    tolerance = search.config.tolerance
    try:
        best, one_se = winner(trials, tolerance), winner(trials, tolerance, "one-se")
    except NoWinnerError:
        return None
    return figures.Choices(trials.index(best), trials.index(one_se))


def _column(trials: Sequence[Trial], metric: str) -> NDArray[np.float64]:
    return np.array([trial.metrics[metric] for trial in trials])


def _strength(trials: Sequence[Trial], name: str) -> NDArray[np.float64]:
    return np.array([trial.parameters[name] for trial in trials])


def _predicted(rows: Rows, weights: Weights) -> figures.Trace:
    return figures.Trace(rows.index, rows.y, predict(rows, weights.coef, weights.intercept))


def _validated(development: Development, weights: Weights) -> figures.Trace:
    rows = [fold.validation for fold in development.folds]
    return figures.Trace(
        np.concatenate([one.index for one in rows]),
        np.concatenate([one.y for one in rows]),
        np.concatenate(weights.predicted),
    )
