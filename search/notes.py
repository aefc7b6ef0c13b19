"""What a person should know of a finished search, and could not see from its winner's scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from regsearch.data import MEMORY, Development, Rows
from regsearch.data.blocks import column_blocks
from regsearch.data.refusal import some
from regsearch.search.config import SearchConfig
from regsearch.search.config.families import ends_of
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.search.solvers.normalisation import Covariates, project_out
from regsearch.search.trial import Trial, best_of_each_family
from regsearch.search.winner import doubt

_EDGE = 0.02
_SPOILT = -10.0
_HARDLY = 0.1
"""Share of a column's deviation in the validation rows below which it hardly varies in the training rows."""
_COVARIATES_ALONE = "the covariates alone predict the target: the winner gives no feature a weight"


def notes(trials: Sequence[Trial], winner: Trial, config: SearchConfig, development: Development) -> list[str]:
    """Return everything that a person should know of a finished search, one sentence each.

    Parameters
    ----------
    trials : sequence of Trial
    winner : Trial
    config : SearchConfig
        With absolute strengths; see `search.strengths`.
    development : Development
        Rows of the search.
    """
    has_covariates = development.model.covariates is not None
    return [
        *([] if winner.family != "none" else ["the unregularised baseline won: no tested penalty predicts better"]),
        *_edges_of_each_family(trials, winner, config),
        *_all_zero(trials),
        *_useless(winner),
        *([_COVARIATES_ALONE] if has_covariates and winner.n_nonzero == 0 and winner.r2_validation > 0 else []),
        *_silent_features(trials, development),
        *_explained_features(development),
        *filter(None, [doubt(trials, config.tolerance)]),
        *early_stops(trials, config),
        *_surplus(trials, config),
    ]


def edges(trial: Trial, config: SearchConfig) -> list[str]:
    """Return at which ends of its ranges or grids a trial lies, where a wider search might find better."""
    settings = config.families.searched.get(trial.family)
    if settings is None:
        return []
    found = []
    for name in PARAMETERS[trial.family]:
        strength = settings.strengths[name]
        low, high = ends_of(strength)
        if low == high:
            continue
        value = trial.parameters[name]
        place = math.log(value / low) / math.log(high / low)
        if place <= _EDGE:
            found.append(f"{name} = {value:.4g} is at the weak end of its range; try values below {low:.4g}")
        elif place >= 1 - _EDGE and trial.metrics.get("n_nonzero") != 0:
            found.append(f"{name} = {value:.4g} is at the strong end of its range; try values above {high:.4g}")
    return found


def early_stops(trials: Sequence[Trial], config: SearchConfig) -> list[str]:
    """Return which families of a finished search stopped early because their score no longer improved."""
    made = {family: _count(trials, family) for family in config.families.searched}
    return [
        f"{family} stopped after {made[family]} of {settings.n_trials} trials: no improvement in {settings.patience}"
        for family, settings in config.families.searched.items()
        if settings.patience is not None and made[family] < settings.n_trials
    ]


def invitation(search_id: str, config: SearchConfig) -> str:
    """Return how to promote the winner of a search that was only run."""
    return f"not promoted; to promote it: {promoting(search_id, config)}"


def promoting(search_id: str, config: SearchConfig, options: Iterable[str] = ()) -> str:
    """Return the command that promotes a search with some options; for data given from Python, the call that does."""
    if config.data.source != MEMORY:
        return " ".join(("regsearch promote", search_id, *options))
    keys = "".join(f", {option.removeprefix('--')}=True" for option in options)
    return f'promote("{search_id}", data=…{keys})'


def _edges_of_each_family(trials: Sequence[Trial], winner: Trial, config: SearchConfig) -> list[str]:
    """Return at which ends of its ranges the winner lies, and the best trial of each other family."""
    others = [trial for trial in best_of_each_family(trials) if trial.family != winner.family]
    ends = [f"{trial.family}: {edge}" for trial in others for edge in edges(trial, config)]
    return [*edges(winner, config), *ends]


def _all_zero(trials: Sequence[Trial]) -> list[str]:
    """Return which families mostly have models without any weight, and how many such models there are."""
    found = []
    for family in dict.fromkeys(trial.family for trial in trials):
        made = [trial for trial in trials if trial.family == family]
        empty = sum(trial.n_nonzero == 0 for trial in made)
        if 2 * empty > len(made):
            found.append(
                f"{family}: {empty} of {len(made)} models have no weight at all, so the strengths are too strong for "
                'these data; try weaker ones or `of = "max"`'
            )
    return found


def _useless(winner: Trial) -> list[str]:
    r2 = winner.r2_validation
    return [] if r2 > 0 else [f"the winner's validation R² is {r2:.3g}: no better than always predicting the mean"]


def _silent_features(trials: Sequence[Trial], development: Development) -> list[str]:
    """Return which features do not, or hardly, vary in the training rows, if the unregularised baseline shows it.

    The columns are read again only if the baseline left one out, or failed on the validation rows.
    """
    baseline = next((trial for trial in trials if trial.family == "none"), None)
    if baseline is None:
        return []
    found, n_features = [], development.n_features
    if baseline.n_nonzero < n_features and (silent := np.sum(_deviations(development.model) == 0)):
        found.append(f"{silent:,} of {n_features:,} features do not vary in the training rows and have no weight")
    if baseline.r2_validation < _SPOILT and development.preparation.scale != "none":
        hardly = np.zeros(n_features, dtype=bool)
        for fold in development.folds:
            train, validation = _deviations(fold.train), _deviations(fold.validation)
            hardly |= (train > 0) & (train < _HARDLY * validation)
        if hardly.any():
            found.append(
                f"the unregularised validation R² is {baseline.r2_validation:.3g}: {hardly.sum():,} of {n_features:,} "
                "features hardly vary in the training rows; they are scaled up, and spoil least squares and ridge "
                "where they do vary; an L1 penalty leaves them out"
            )
    return found


def _explained_features(development: Development) -> list[str]:
    """Return which features vary only as the covariates do, but for the rounding of their values."""
    rows = development.model
    if rows.covariates is None:
        return []
    basis = Covariates.of(rows.covariates, rows.weights).basis
    roots = np.sqrt(np.ones(len(rows.y)) if rows.weights is None else rows.weights)
    computed = len(rows.y) * np.finfo(np.float64).eps
    explained: list[int] = []
    for columns in column_blocks(rows.X):
        stored = rows.X[slice(0, len(rows.y)), columns]
        values = stored.T.astype(np.float64)
        rounding = max(np.finfo(stored.dtype).eps, computed) * np.linalg.norm(values * roots, axis=1)
        values -= np.average(values, axis=1, weights=rows.weights)[:, None]
        values *= roots
        project_out(values, basis)
        is_noise = (np.linalg.norm(values, axis=1) <= rounding) & (np.ptp(stored, axis=0) > 0)
        explained += (columns.start + np.flatnonzero(is_noise)).tolist()
    if not explained:
        return []
    names = development.feature_names
    listed = some([names[column] if names else f"feature {column}" for column in explained])
    return [
        f"{len(explained):,} of {development.n_features:,} features vary only as the covariates do, except for the "
        f"rounding of {rows.X.dtype} numbers: {listed}; what remains without the covariates is noise: leave them out"
    ]


def _deviations(rows: Rows) -> NDArray[np.float64]:
    """Return the standard deviation of each column; of one that does not vary, exactly 0."""
    found = np.empty(rows.X.shape[1])
    for columns in column_blocks(rows.X):
        values = rows.X[slice(0, len(rows.y)), columns]
        found[columns] = np.where(np.ptp(values, axis=0) == 0, 0.0, values.std(axis=0, dtype=np.float64))
    return found


def _surplus(trials: Sequence[Trial], config: SearchConfig) -> list[str]:
    surplus = len(trials) - config.n_trials
    return [f"the search had {surplus} trial(s) more than you asked for; they count too"] if surplus > 0 else []


def _count(trials: Sequence[Trial], family: Family) -> int:
    return sum(trial.family == family for trial in trials)
