"""The choice of a search, read back from its runs: its configuration, its finished trials, and the one that wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from regsearch.search.config import SearchConfig
from regsearch.search.proposals.studies import stagnation
from regsearch.search.strengths import Maxima, absolute
from regsearch.search.trial import Trial, finished_trials
from regsearch.search.weights import read_losses
from regsearch.search.winner import winner
from regsearch.tracking.runs import SearchRun


@dataclass(frozen=True)
class Choice:
    """What a search has chosen.

    Attributes
    ----------
    trials : tuple of Trial
        All finished trials, in order of family and number.
    winner : Trial
    absolute : SearchConfig
        The configuration with absolute strengths; see `search.strengths`.
    """

    trials: tuple[Trial, ...]
    winner: Trial
    absolute: SearchConfig


def config_of(run: SearchRun) -> SearchConfig:
    """Return the configuration that a search's run holds."""
    return SearchConfig.from_toml(run.read(run.run_id, "config.toml").decode())


def is_complete(config: SearchConfig, trials: Sequence[Trial]) -> bool:
    """Return whether these finished trials are all that a configuration wants, the baseline included."""
    if not any(trial.family == "none" for trial in trials):
        return False
    for family, settings in config.families.searched.items():
        scores = [trial.r2_validation for trial in trials if trial.family == family]
        is_stopped = settings.patience is not None and stagnation(scores) >= settings.patience
        if len(scores) < settings.n_trials and not is_stopped:
            return False
    return True


def choose(run: SearchRun, config: SearchConfig, trials: Sequence[Trial] | None = None) -> Choice:
    """Return the choice by a configuration's rule among the trials that a search has logged.

    Parameters
    ----------
    run : SearchRun
    config : SearchConfig
    trials : sequence of Trial or None
        Its finished trials (default: they are read).

    Raises
    ------
    NoWinnerError
        If no trial can win.
    """
    trials = finished_trials(run) if trials is None else trials
    best = winner(trials, config.tolerance, config.select, partial(read_losses, run))
    return Choice(tuple(trials), best, absolute(config, Maxima.of_params(run.run.data.params)))
