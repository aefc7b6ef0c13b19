"""The Optuna side of a search: one study per family, the same after any interruption."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from regsearch.search.config import SearchConfig
from regsearch.search.penalty import Family
from regsearch.search.proposals.samplers import BATCH, GridOrder, distributions, sampler_of

_GAIN = 1e-4  # a score is better if it differs in the digits that tables show


@dataclass(frozen=True)
class Proposal:
    """A trial to be solved.

    Attributes
    ----------
    number : int
        Of the trial in its family's study.
    parameters : mapping of str to float
    told : bool
        Whether Optuna already has its value, and only its run is missing.
    """

    number: int
    parameters: Mapping[str, float]
    told: bool = False


class FamilyStudy:
    """The Optuna study of one family.

    Parameters
    ----------
    study : optuna.Study
    family : {"none", "ridge", "lasso", "elasticnet"}
    n_trials : int
        How many trials are wanted in all.
    distributions : mapping of str to FloatDistribution
    patience : int or None
        After how many trials without a better score no more are wanted; looked at between batches.

    Attributes
    ----------
    is_grid : bool
        Whether nothing that is told changes what is proposed: all is then proposed together, and may be told at once.
    """

    def __init__(
        self,
        study: optuna.Study,
        family: Family,
        n_trials: int,
        distributions: Mapping[str, FloatDistribution],
        patience: int | None = None,
    ) -> None:
        self.study = study
        self.is_grid = isinstance(study.sampler, GridOrder)
        self.family = family
        self.n_trials = n_trials
        self.patience = patience
        self._distributions: dict[str, BaseDistribution] = dict(distributions)

    def ask(self, logged: Set[int]) -> list[Proposal]:
        """Return the next batch: empty when all that is wanted has been told and logged, or patience is at its end.

        A batch that was interrupted is taken up where it stopped: a trial that Optuna holds as running keeps its
        parameters, one that was told but never logged is solved again for its run.

        Parameters
        ----------
        logged : set of int
            Numbers of the trials whose runs are finished.
        """
        size = self.n_trials if self.is_grid else BATCH
        trials = self.study.get_trials(deepcopy=False)
        lost = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.number not in logged]
        if lost:
            return [Proposal(trial.number, trial.params, told=True) for trial in lost[:size]]
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if not running and self.patience and stagnation(trial.value for trial in trials) >= self.patience:
            return []
        batch = (running[0].number if running else len(trials)) // size
        proposals = [Proposal(trial.number, self._complete(trial)) for trial in running]
        partly_told = (
            not self.is_grid
            and running
            and any(trial.number // size == batch and trial.state == TrialState.COMPLETE for trial in trials)
        )
        if not partly_told:
            for _ in range(len(trials), min((batch + 1) * size, self.n_trials)):
                trial = self.study.ask(self._distributions)
                proposals.append(Proposal(trial.number, trial.params))
        return proposals

    def settled(self, logged: Set[int]) -> int:
        """Return how many trials have been told and logged, so that they are not solved again.

        Parameters
        ----------
        logged : set of int
            Numbers of the trials whose runs are finished.
        """
        told = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return sum(trial.number in logged for trial in told)

    def tell(self, number: int, r2_validation: float) -> None:
        """Give Optuna the value of a trial, to seven digits.

        What lies below is rounding error, which depends on where and after what a trial was solved, and must not
        decide what is proposed next.
        """
        self.study.tell(number, round(float(f"{r2_validation:.7g}"), 7))

    def _complete(self, trial: FrozenTrial) -> Mapping[str, float]:
        if trial.params.keys() == self._distributions.keys():
            return trial.params
        live = optuna.trial.Trial(self.study, trial._trial_id)
        return {name: live._suggest(name, distribution) for name, distribution in self._distributions.items()}


def stagnation(scores: Iterable[float | None]) -> int:
    """Return how many scores follow the last one that was better than all before it, by more than 0.0001."""
    best, since = float("-inf"), 0
    for score in scores:
        if score is not None and score > best + _GAIN:
            best, since = score, 0
        else:
            since += 1
    return since


def open_studies(config: SearchConfig, search_id: str, storage: BaseStorage) -> list[FamilyStudy]:
    """Create or resume the studies of a search, the unregularised baseline first.

    Parameters
    ----------
    config : SearchConfig
    search_id : str
    storage : optuna.storages.BaseStorage
    """
    studies = [FamilyStudy(_open(config, search_id, storage, "none", GridOrder([{}])), "none", 1, {})]
    for family, settings in config.families.searched.items():
        study = _open(config, search_id, storage, family, sampler_of(config, family, settings))
        studies.append(FamilyStudy(study, family, settings.n_trials, distributions(settings), settings.patience))
    return studies


def _open(
    config: SearchConfig, search_id: str, storage: BaseStorage, family: Family, sampler: BaseSampler
) -> optuna.Study:
    with quiet_optuna():
        return optuna.create_study(
            storage=storage,
            study_name=f"{config.name}/{search_id}/{family}",
            sampler=sampler,
            direction="maximize",
            load_if_exists=True,
        )


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing each study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
