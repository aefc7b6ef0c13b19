"""What a person should know of a finished search, and could not see from its winner's scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from regsearch.search.config import SearchConfig
from regsearch.search.families import ends_of
from regsearch.search.penalty import PARAMETERS, Family
from regsearch.search.trial import Trial, best_of_each_family

_EDGE = 0.02
_SPOILT = -10.0
_COVARIATES_ALONE = "the covariates alone predict the target: the winner gives no feature a weight"


def notes(trials: Sequence[Trial], winner: Trial, config: SearchConfig, *, has_covariates: bool = False) -> list[str]:
    """Return everything that a person should know of a finished search, one sentence each.

    Parameters
    ----------
    trials : sequence of Trial
    winner : Trial
    config : SearchConfig
        With absolute strengths; see `search.strengths`.
    has_covariates : bool
        Whether columns were fitted beside the features without a penalty.
    """
    uncertified = sum(trial.duality_gap > config.tolerance for trial in trials)
    doubt = f"{uncertified} trial(s) did not reach the duality gap {config.tolerance:g} and cannot win"
    return [
        *([] if winner.family != "none" else ["the unregularised baseline won: no penalty that was tried does better"]),
        *_edges_of_each_family(trials, winner, config),
        *_all_zero(trials),
        *_useless(winner),
        *([_COVARIATES_ALONE] if has_covariates and winner.n_nonzero == 0 and winner.r2_validation > 0 else []),
        *_silent_features(trials),
        *([doubt] if uncertified else []),
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
        f"{family} stopped after {made[family]} of {settings.n_trials} trials: no better for {settings.patience}"
        for family, settings in config.families.searched.items()
        if settings.patience is not None and made[family] < settings.n_trials
    ]


def invitation(search_id: str) -> str:
    """Return how to promote the winner of a search that was only run."""
    return f"not promoted; to promote it: regsearch promote {search_id}"


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


def _silent_features(trials: Sequence[Trial]) -> list[str]:
    """Return what the unregularised baseline shows of features that do not, or hardly, vary in the training rows."""
    found = []
    for trial in trials:
        if trial.family != "none" or not trial.n_nonzero:
            continue
        n_features = round(trial.n_nonzero / (1 - trial.sparsity))
        if silent := n_features - trial.n_nonzero:
            found.append(f"{silent:,} of {n_features:,} features do not vary in the training rows and have no weight")
        if trial.r2_validation < _SPOILT:
            found.append(
                f"the unregularised validation R² is {trial.r2_validation:.3g}: features that hardly vary in the "
                "training rows are scaled up, and spoil least squares and ridge where they do vary; an L1 penalty "
                "leaves them out"
            )
    return found


def _surplus(trials: Sequence[Trial], config: SearchConfig) -> list[str]:
    surplus = len(trials) - config.n_trials
    return [f"{surplus} trial(s) more than wanted were there already, and count"] if surplus > 0 else []


def _count(trials: Sequence[Trial], family: Family) -> int:
    return sum(trial.family == family for trial in trials)
