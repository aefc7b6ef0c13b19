"""The figures of a whole search, each made from its trials or from its winner's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development
from regsearch.errors import NoWinnerError
from regsearch.search.output.importance import strength_importance
from regsearch.search.output.trial_files import Weights, read_weights
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.search.result import Search
from regsearch.search.solving.evaluate import predict
from regsearch.search.trial import Trial, baseline
from regsearch.search.winner import winner
from regsearch.tracking import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawings = Mapping[str, Callable[[], Figure | None]]


def figure_files(search: Search) -> dict[str, bytes]:
    """Return the figures of a search as files by name, without those that cannot be drawn."""
    drawings = {**_of_the_winner(search), **_of_all_trials(search)}
    for family in search.config.families.searched:
        of_family = _of_one_strength if len(PARAMETERS[family]) == 1 else _of_two_strengths
        drawings |= of_family(search, family)
    files: dict[str, bytes] = {}
    for name, draw in drawings.items():
        files |= figures.unless_it_fails(f"figure {name}", partial(_files, name, draw)) or {}
    return files


def _files(name: str, draw: Callable[[], Figure | None]) -> dict[str, bytes]:
    figure = draw()
    if figure is None:
        return {}
    return {f"figures/{name}.png": figures.to_png(figure), f"figures/{name}.svg": figures.to_svg(figure)}


def _of_the_winner(search: Search) -> Drawings:
    development, name = search.development, search.winner.name
    weights = read_weights(search.run, search.winner.run_id)
    unregularised = read_weights(search.run, baseline(search.trials).run_id)
    model = development.model
    fitted = figures.Trace(model.index, model.y, predict(model, weights.coef, weights.intercept))
    validated = _validated(development, weights)
    return {
        "weights": lambda: figures.weights_compared(unregularised.coef, weights.coef, name),
        "predictions": lambda: figures.predictions(fitted, validated, development.target, name),
    }


def _of_all_trials(search: Search) -> Drawings:
    trials = search.trials
    searched = [trial for trial in trials if trial.family != "none"]
    return {
        "trade_off": lambda: figures.trade_off(
            [trial.family for trial in trials],
            _column(trials, "n_nonzero"),
            _column(trials, "r2_validation"),
            _choices(trials, search),
            lambda at: trials[at].name,
        ),
        "history": lambda: figures.history(
            [trial.family for trial in searched],
            np.array([trial.number for trial in searched], dtype=float),
            _column(searched, "r2_validation"),
            baseline(trials).r2_validation,
        ),
    }


def _of_one_strength(search: Search, family: Family) -> Drawings:
    trials = _of_family(search, family)
    unregularised = baseline(search.trials)
    curve = figures.Curve(
        _strength(trials, "alpha"),
        _column(trials, "r2_train"),
        _column(trials, "r2_validation"),
        _column(trials, "r2_validation_se"),
    )
    levels = (unregularised.r2_train, unregularised.r2_validation)
    return {family: lambda: figures.r2_against_alpha(family, curve, levels, _choices(trials, search))}


def _of_two_strengths(search: Search, family: Family) -> Drawings:
    trials = _of_family(search, family)
    choices = _choices(trials, search)
    strengths = {name: _strength(trials, name) for name in PARAMETERS[family]}
    r2_validation = _column(trials, "r2_validation")

    def importance() -> Figure | None:
        shares = strength_importance(strengths, r2_validation)
        return figures.importance(strengths, r2_validation, shares, choices) if shares else None

    return {
        family: lambda: figures.mix_heatmap(**strengths, r2_validation=r2_validation, choices=choices),
        "importance": importance,
    }


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


def _validated(development: Development, weights: Weights) -> figures.Trace:
    rows = [fold.validation for fold in development.folds]
    return figures.Trace(
        np.concatenate([one.index for one in rows]),
        np.concatenate([one.y for one in rows]),
        np.concatenate(weights.predicted),
    )
