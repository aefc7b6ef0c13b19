"""Which trial wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from regsearch.errors import NoWinnerError
from regsearch.search.config import AtMost, Rule
from regsearch.search.trial import Trial

Losses = Callable[[Trial], NDArray[np.float64]]
"""Returns the validation losses of a trial by fold or by block; see `solving.evaluate.Evaluation`."""

_TIE_DECIMALS = 9


def winner(trials: Iterable[Trial], tolerance: float, rule: Rule = "best", losses: Losses | None = None) -> Trial:
    r"""Return the winning trial over all families and the baseline.

    By the rule ``"best"`` the best validation R² wins; among equals (to nine decimals) the sparser, then the more
    regularised.  By ``"one-se"`` every trial within one standard error of the best counts as its equal (Breiman,
    Friedman, Olshen & Stone 1984, "Classification and Regression Trees", section 3.4.3).  By ``"one-se-paired"`` a
    trial counts as equal if its difference to the best is within the standard error of *that difference*: the errors
    of trials on the same rows go together, so most of the standard error is common to them and does not tell which is
    better.  With differences :math:`\delta_j` of the losses in :math:`k` folds or blocks, that error is
    :math:`\sqrt{k / (k - 1) \sum_j (\delta_j - \bar\delta)^2}`.

    By `AtMost` the best among the trials with at most so many weights that are not zero wins.

    A trial whose certificate is above the tolerance cannot win.

    Parameters
    ----------
    trials : iterable of Trial
    tolerance : float
        Largest duality gap of a certified trial.
    rule : {"best", "one-se", "one-se-paired"} or AtMost
    losses : callable or None
        Required by ``"one-se-paired"``.

    Raises
    ------
    NoWinnerError
        If no trial is certified, or none of them is as sparse as the rule wants.
    """
    certified = [trial for trial in trials if trial.duality_gap <= tolerance]
    if not certified:
        raise NoWinnerError(f"no trial reached the duality gap {tolerance:g}; raise `tolerance` or narrow the ranges")
    if isinstance(rule, AtMost):
        certified = _sparse(certified, rule.at_most)
    highest = max(map(_score, certified))
    best = [trial for trial in certified if _score(trial) == highest]
    if rule == "one-se":
        error = max(trial.r2_validation_se for trial in best)
        best = [trial for trial in certified if _score(trial) >= highest - error]
    elif rule == "one-se-paired":
        assert losses is not None, "paired comparisons need the trials' losses"  # noqa: S101
        first = min(best, key=_most_regularised_first)
        reference = losses(first)
        best = [trial for trial in certified if highest - _score(trial) <= _paired_error(losses(trial) - reference)]
    return min(best, key=_most_regularised_first)


def doubt(trials: Sequence[Trial], tolerance: float) -> str:
    """Return how many trials cannot win because a fit did not reach the tolerance; empty if all can."""
    uncertified = sum(trial.duality_gap > tolerance for trial in trials)
    return f"{uncertified} trial(s) did not reach the duality gap {tolerance:g} and cannot win" if uncertified else ""


def _sparse(trials: list[Trial], most: int) -> list[Trial]:
    """Return the trials with at most `most` weights that are not zero."""
    sparse = [trial for trial in trials if trial.n_nonzero <= most]
    if not sparse:
        fewest = min(trial.n_nonzero for trial in trials)
        raise NoWinnerError(
            f"no trial has at most {most:,} non-zero weights, the fewest are {fewest:,}; raise `at_most` or search "
            "stronger L1 penalties"
        )
    return sparse


def standing_out(trials: Sequence[Trial], tolerance: float, chosen: Trial) -> tuple[int, int, int | None] | None:
    """Return the positions of the winners by ``"best"`` and by ``"one-se"``, and of the trial that the search chose.

    The last is ``None`` if it is one of the two or not among the trials.  All are ``None`` if no trial may win.
    """
    try:
        best, one_se = winner(trials, tolerance), winner(trials, tolerance, "one-se")
    except NoWinnerError:
        return None
    other = trials.index(chosen) if chosen in trials and chosen not in (best, one_se) else None
    return trials.index(best), trials.index(one_se), other


def _paired_error(differences: NDArray[np.float64]) -> float:
    k = len(differences)
    return float(np.sqrt(k / (k - 1) * np.sum(np.square(differences - differences.mean())))) if k > 1 else 0.0


def _score(trial: Trial) -> float:
    return round(trial.r2_validation, _TIE_DECIMALS)


def _most_regularised_first(trial: Trial) -> tuple[float, float, str, int]:
    return -trial.sparsity, -trial.penalty.sklearn_alpha, trial.family, trial.number
