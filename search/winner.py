"""Which trial wins."""

from __future__ import annotations

import math
from typing import Literal

import pandas as pd

from regsearch.errors import NoWinnerError
from regsearch.search.config import Range, SearchConfig
from regsearch.search.penalty import PARAMETERS

_TIE_DECIMALS = 9
_EDGE = 0.02
_SPOILT = -10.0


def winner(trials: pd.DataFrame, tolerance: float, rule: Literal["best", "one-se"] = "best") -> pd.Series:
    """Return the row of the winning trial over all families and the baseline.

    By the rule ``"best"`` the best validation R² wins; among equals (to nine decimals) the sparser, then the more
    regularised.  By ``"one-se"`` every trial within one standard error of the best counts as its equal (Breiman,
    Friedman, Olshen & Stone 1984, "Classification and Regression Trees", section 3.4.3).  A trial whose certificate is
    above the tolerance cannot win.

    Parameters
    ----------
    trials : DataFrame
        One row per finished trial, with the columns of `regsearch.tracking.runs.SearchRun.trials`.
    tolerance : float
        Largest duality gap of a certified trial.
    rule : {"best", "one-se"}

    Raises
    ------
    NoWinnerError
        If no trial is certified.
    """
    certified = trials[trials["duality_gap"] <= tolerance]
    if certified.empty:
        raise NoWinnerError(f"no trial reached the duality gap {tolerance:g}; raise `tolerance` or narrow the ranges")
    scores = certified["r2_validation"].round(_TIE_DECIMALS)
    best = certified[scores == scores.max()]
    if rule == "one-se":
        best = certified[scores >= scores.max() - best["r2_validation_se"].max()]
    order = ["sparsity", "sklearn_alpha", "family", "trial"]
    ranked: pd.DataFrame = best.sort_values(order, ascending=[False, False, True, True])
    return ranked.iloc[0]


def remarks(trials: pd.DataFrame, best: pd.Series, config: SearchConfig) -> list[str]:
    """Say what a person should know of a finished search, and could not see from its winner's scores."""
    uncertified = int((trials["duality_gap"] > config.tolerance).sum())
    doubt = f"{uncertified} trial(s) did not reach the duality gap {config.tolerance:g} and cannot win"
    return [
        *(edges(best, config) if best["family"] != "none" else _without_penalty(trials, config)),
        *_useless(best),
        *_silent_features(trials),
        *([doubt] if uncertified else []),
        *stops(trials, config),
        *_surplus(trials, config),
    ]


def _without_penalty(trials: pd.DataFrame, config: SearchConfig) -> list[str]:
    """Say that no penalty won, and at which end of its range the best of each family would have been looked for."""
    best = trials.sort_values("r2_validation", ascending=False).drop_duplicates("family")
    ends = [f"{row['family']}: {edge}" for _, row in best.iterrows() for edge in edges(row, config)]
    return ["the unregularised baseline won: no penalty that was tried validates better", *ends]


def _useless(best: pd.Series) -> list[str]:
    r2 = best["r2_validation"]
    return [] if r2 > 0 else [f"the winner's validation R² is {r2:.3g}: no better than always predicting the mean"]


def _silent_features(trials: pd.DataFrame) -> list[str]:
    """Say what the unregularised baseline shows of features that do not, or hardly, vary in the training rows."""
    notes = []
    for _, baseline in trials[(trials["family"] == "none") & (trials["n_nonzero"] > 0)].iterrows():
        n_features = round(baseline["n_nonzero"] / (1 - baseline["sparsity"]))
        if silent := n_features - int(baseline["n_nonzero"]):
            notes.append(f"{silent:,} of {n_features:,} features do not vary in the training rows and have no weight")
        if baseline["r2_validation"] < _SPOILT:
            notes.append(
                f"the unregularised validation R² is {baseline['r2_validation']:.3g}: features that hardly vary in the "
                "training rows are scaled up, and spoil least squares and ridge where they do vary; an L1 penalty "
                "leaves them out"
            )
    return notes


def _surplus(trials: pd.DataFrame, config: SearchConfig) -> list[str]:
    surplus = len(trials) - config.n_trials
    return [f"{surplus} trial(s) more than are wanted were there already, and count"] if surplus > 0 else []


def stops(trials: pd.DataFrame, config: SearchConfig) -> list[str]:
    """Say which families of a finished search stopped early, for want of a better score."""
    made = trials["family"].value_counts()
    return [
        f"{family} stopped after {made[family]} of {settings.n_trials} trials: no better for {settings.patience}"
        for family, settings in config.families.searched.items()
        if settings.patience is not None and made[family] < settings.n_trials
    ]


def edges(best: pd.Series, config: SearchConfig) -> list[str]:
    """Say at which ends of its ranges or grids a trial lies, where a wider search might find better.

    Parameters
    ----------
    best : Series
        A row of the table of trials.
    config : SearchConfig
    """
    settings = config.families.searched.get(best["family"])
    if settings is None:
        return []
    notes = []
    for name in PARAMETERS[best["family"]]:
        strength = settings.strengths[name]
        low, high = (strength.low, strength.high) if isinstance(strength, Range) else (min(strength), max(strength))
        if low == high:
            continue
        place = math.log(best[name] / low) / math.log(high / low)
        if place <= _EDGE:
            notes.append(f"{name} = {best[name]:.4g} is at the weak end of its range; try values below {low:g}")
        elif place >= 1 - _EDGE:
            notes.append(f"{name} = {best[name]:.4g} is at the strong end of its range; try values above {high:g}")
    return notes
