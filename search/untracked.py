"""A search that is kept in memory alone: the trials of `search.launch`, without a store and without runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from optuna.storages import InMemoryStorage

from regsearch.data import Development
from regsearch.errors import TrialError
from regsearch.search.config import SearchConfig
from regsearch.search.proposals.samplers import require_sampler
from regsearch.search.proposals.studies import open_studies
from regsearch.search.solving.evaluate import Evaluator, Failure, Solved, Task
from regsearch.search.solving.local_engines import processes, thread
from regsearch.search.solving.loop import drive
from regsearch.search.solving.workload import Engine
from regsearch.search.strengths import Maxima, absolute, maxima_of_targets
from regsearch.search.trial import Proposal, Trial
from regsearch.search.winner import winner


@dataclass(frozen=True, eq=False)
class Tried:
    """A trial, and the model on all rows that it came to.

    Attributes
    ----------
    trial : Trial
    losses : ndarray of float64, shape (n_folds,)
        See `solving.evaluate.Evaluation.losses`.
    coef : ndarray of float64, shape (n_features,)
        Target units per unit of each feature.
    intercept : float
    """

    trial: Trial
    losses: NDArray[np.float64]
    coef: NDArray[np.float64]
    intercept: float


def search(
    config: SearchConfig,
    task: Task,
    maxima: Maxima | None,
    engine: Engine,
    count: Callable[[Tried], object] = lambda _: None,
) -> list[Tried]:
    """Try what a configuration proposes on some rows.

    Proposals and scores are those of `regsearch.search.launch.run_search` on the same rows. The unregularised baseline
    is left out: whoever asks for a lasso gets one.

    Parameters
    ----------
    config : SearchConfig
        Its data section is not read.
    task : Task
    maxima : Maxima or None
        What relative strengths refer to; may be ``None`` if no strength is relative.
    engine : Engine
    count : callable
        Called with each trial once it is done.

    Returns
    -------
    list of Tried
        In order of family and number; the trials have no run.

    Raises
    ------
    ConfigError
        If the sampler is not installed.
    TrialError
        If a trial raised.
    """
    require_sampler(config)
    total_weight = task.development.model.total_weight
    studies = open_studies(absolute(config, maxima), "", InMemoryStorage(), total_weight)
    studies = [study for study in studies if study.family != "none"]
    found: dict[tuple[str, int], Tried] = {}

    def keep(proposal: Proposal, outcome: Solved | Failure) -> None:
        if isinstance(outcome, Failure):
            raise TrialError(f"{proposal.name}: {outcome.traceback.strip().splitlines()[-1]}")
        tried = found[proposal.family, proposal.number] = _tried(proposal, outcome)
        count(tried)

    with engine(task) as submit:
        drive(studies, submit, keep, set())
    order = [(study.family, number) for study in studies for number in range(study.n_trials)]
    return [found[key] for key in order if key in found]


def search_targets(
    config: SearchConfig,
    developments: Sequence[Development],
    workers: int,
    counts: Sequence[Callable[[Tried], object]],
) -> list[list[Tried]]:
    """Search each of several targets; in one process, all share what depends on the features alone.

    Parameters
    ----------
    config : SearchConfig
    developments : sequence of Development
        The rows of each target, with the same features.
    workers : int
        Number of processes that solve; 1 for a thread of this process.
    counts : sequence of callable
        Called with each trial of a target once it is done.
    """
    tasks = [_Prepared(development, config.tolerance, is_drawn=False) for development in developments]
    maxima = maxima_of_targets(developments) if config.families.is_relative else [None] * len(tasks)
    if workers > 1:
        return [
            search(config, task, of_target, processes(workers), count)
            for task, of_target, count in zip(tasks, maxima, counts, strict=True)
        ]
    first = Evaluator(tasks[0])
    evaluators = chain([first], map(first.of, tasks[1:]))
    return [
        search(config, replace(task, evaluator=evaluator), of_target, thread, count)
        for task, evaluator, of_target, count in zip(tasks, evaluators, maxima, counts, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Prepared(Task):
    """A task whose evaluator is there already."""

    evaluator: Evaluator | None = None

    def solver(self) -> Evaluator:
        return self.evaluator or Evaluator(self)


def _tried(proposal: Proposal, solved: Solved) -> Tried:
    metrics = solved.evaluation.metrics()
    trial = Trial(proposal.family, proposal.number, proposal.parameters, proposal.penalty, metrics, run_id="")
    return Tried(trial, np.array(solved.evaluation.losses), solved.fit.coef, solved.fit.intercept)


def place_of_the_winner(tried: list[Tried], config: SearchConfig) -> int:
    """Return which of some trials a configuration's rule chooses.

    Raises
    ------
    NoWinnerError
        If no trial reached the tolerance.
    """
    places = {(one.trial.family, one.trial.number): place for place, one in enumerate(tried)}

    def place(trial: Trial) -> int:
        return places[trial.family, trial.number]

    trials = [one.trial for one in tried]
    return place(winner(trials, config.tolerance, config.select, lambda trial: tried[place(trial)].losses))
