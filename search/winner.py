"""Which trial wins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from regsearch.errors import NoWinnerError
from regsearch.search.trial import Trial

Rule = Literal["best", "one-se"]

_TIE_DECIMALS = 9


def winner(trials: Iterable[Trial], tolerance: float, rule: Rule = "best") -> Trial:
    """Return the winning trial over all families and the baseline.

    By the rule ``"best"`` the best validation R² wins; among equals (to nine decimals) the sparser, then the more
    regularised.  By ``"one-se"`` every trial within one standard error of the best counts as its equal (Breiman,
    Friedman, Olshen & Stone 1984, "Classification and Regression Trees", section 3.4.3).  A trial whose certificate is
    above the tolerance cannot win.

    Parameters
    ----------
    trials : iterable of Trial
    tolerance : float
        Largest duality gap of a certified trial.
    rule : {"best", "one-se"}

    Raises
    ------
    NoWinnerError
        If no trial is certified.
    """
    certified = [trial for trial in trials if trial.duality_gap <= tolerance]
    if not certified:
        raise NoWinnerError(f"no trial reached the duality gap {tolerance:g}; raise `tolerance` or narrow the ranges")
    highest = max(map(_score, certified))
    best = [trial for trial in certified if _score(trial) == highest]
    if rule == "one-se":
        error = max(trial.r2_validation_se for trial in best)
        best = [trial for trial in certified if _score(trial) >= highest - error]
    return min(best, key=_most_regularised_first)


def _score(trial: Trial) -> float:
    return round(trial.r2_validation, _TIE_DECIMALS)


def _most_regularised_first(trial: Trial) -> tuple[float, float, str, int]:
    return -trial.sparsity, -trial.penalty.sklearn_alpha, trial.family, trial.number
