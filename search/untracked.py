"""A search that is kept in memory alone: the trials of `search.launch`, without a store and without runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from optuna.storages import InMemoryStorage

from regsearch.errors import TrialError
from regsearch.search.config import SearchConfig
from regsearch.search.proposals.samplers import require_sampler
from regsearch.search.proposals.studies import open_studies
from regsearch.search.solving.evaluate import Failure, Solved, Task
from regsearch.search.solving.loop import drive
from regsearch.search.solving.workload import Engine
from regsearch.search.strengths import absolute, maxima_of
from regsearch.search.trial import Proposal, Trial
from regsearch.search.winner import winner


@dataclass(frozen=True, eq=False)
class Searched:
    """A search that is over.

    Attributes
    ----------
    trials : tuple of Trial
        In order of family and number; they have no run.
    solved : tuple of Solved
        The outcome of each trial, without predictions.
    winner : Trial
    """

    trials: tuple[Trial, ...]
    solved: tuple[Solved, ...]
    winner: Trial

    @property
    def place_of_the_winner(self) -> int:
        """Index of the winner among the trials."""
        return self.trials.index(self.winner)


def search(config: SearchConfig, task: Task, engine: Engine) -> Searched:
    """Try what a configuration proposes on some rows, and choose.

    Proposals, scores and choice are those of `regsearch.search.launch.run_search` on the same rows. The unregularised
    baseline is left out: whoever asks for a lasso gets one.

    Parameters
    ----------
    config : SearchConfig
        Its data section is not read.
    task : Task
    engine : Engine

    Raises
    ------
    ConfigError
        If the sampler is not installed.
    NoWinnerError
        If no trial reached the tolerance.
    TrialError
        If a trial raised.
    """
    require_sampler(config)
    measured = maxima_of(task.development) if config.families.is_relative else None
    total_weight = task.development.model.total_weight
    studies = open_studies(absolute(config, measured), "", InMemoryStorage(), total_weight)
    studies = [study for study in studies if study.family != "none"]
    found: dict[tuple[str, int], tuple[Trial, Solved]] = {}

    def keep(proposal: Proposal, outcome: Solved | Failure) -> None:
        if isinstance(outcome, Failure):
            raise TrialError(f"{proposal.name}: {outcome.traceback.strip().splitlines()[-1]}")
        metrics: Mapping[str, float] = outcome.evaluation.metrics()
        trial = Trial(proposal.family, proposal.number, proposal.parameters, proposal.penalty, metrics, "")
        lean = replace(outcome, fit=replace(outcome.fit, fitted=np.empty(0)), predicted=())
        found[trial.family, trial.number] = (trial, lean)

    with engine(task) as submit:
        drive(studies, submit, keep, set())
    order = [(study.family, number) for study in studies for number in range(study.n_trials)]
    trials, solved = zip(*(found[key] for key in order if key in found), strict=True)

    def losses(trial: Trial) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(found[trial.family, trial.number][1].evaluation.losses)

    return Searched(trials, solved, winner(trials, config.tolerance, config.select, losses))
