"""The figures of a whole search, each made from its trials or from its winner's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regsearch.data import Development, Rows
from regsearch.errors import NoWinnerError
from regsearch.search.output.importance import strength_importance
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.search.result import Search
from regsearch.search.solving.evaluate import predict
from regsearch.search.trial import Trial, baseline
from regsearch.search.weights import Weights, read_weights
from regsearch.search.winner import winner
from regsearch.tracking import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawings = Mapping[str, Callable[[], Figure | None]]


def figure_files(search: Search) -> dict[str, bytes]:
    """Return the figures of a search as files by name, without those that cannot be drawn."""
    drawings = {**_of_the_winner(search), **_of_all_trials(search), **_path_of_the_lasso(search)}
    for family in search.config.families.searched:
        of_family = _of_one_strength if len(PARAMETERS[family]) == 1 else _of_two_strengths
        drawings |= of_family(search, family)
    return _drawn(drawings)


def tested_files(search: Search, test: Rows) -> dict[str, bytes]:
    """Return the figure of the winner's predictions with the opened test rows, as files by name."""
    return _drawn({"predictions": partial(_predictions, search, test)})


def _drawn(drawings: Drawings) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name, draw in drawings.items():
        files |= figures.unless_it_fails(f"figure {name}", partial(_files, name, draw)) or {}
    return files


def _files(name: str, draw: Callable[[], Figure | None]) -> dict[str, bytes]:
    """Return a figure as files: to look at, to put into pages, and to print."""
    figure = draw()
    if figure is None:
        return {}
    kinds = {"png": figures.to_png, "svg": figures.to_svg, "pdf": figures.to_pdf}
    return {f"figures/{name}.{kind}": to_file(figure) for kind, to_file in kinds.items()}


def _of_the_winner(search: Search) -> Drawings:
    development = search.development
    unregularised = read_weights(search.run, baseline(search.trials).run_id).coef
    return {
        "weights": lambda: figures.weights_compared(
            unregularised,
            search.weights.coef,
            search.winner.name,
            development.target,
            development.feature_names,
        ),
        "predictions": partial(_predictions, search),
    }


def _predictions(search: Search, test: Rows | None = None) -> Figure:
    development = search.development
    weights = search.weights
    return figures.predictions(
        _predicted(development.model, weights),
        _validated(development, weights),
        development.target,
        search.winner.name,
        _predicted(test, weights) if test else None,
    )


def _path_of_the_lasso(search: Search) -> Drawings:
    """Return the lasso's weights against its strength, if it was searched at more than one."""
    trials, development = _of_family(search, "lasso"), search.development
    if len({trial.parameters["alpha"] for trial in trials}) < 2:
        return {}
    best = search.winner if search.winner in trials else max(trials, key=lambda trial: trial.r2_validation)
    return {
        "lasso_path": lambda: figures.coefficient_path(
            _strength(trials, "alpha"),
            np.stack([read_weights(search.run, trial.run_id).coef for trial in trials]),
            trials.index(best),
            development.target,
            development.feature_names,
        )
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


def _predicted(rows: Rows, weights: Weights) -> figures.Trace:
    return figures.Trace(rows.index, rows.y, predict(rows, weights))


def _validated(development: Development, weights: Weights) -> figures.Trace:
    rows = [fold.validation for fold in development.folds]
    return figures.Trace(
        np.concatenate([one.index for one in rows]),
        np.concatenate([one.y for one in rows]),
        np.concatenate(weights.predicted),
    )
