"""The Optuna side of a search: one study per family, the same after any interruption."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from regsearch.search.config import SearchConfig
from regsearch.search.penalty import Family, penalty_of
from regsearch.search.proposals.samplers import BATCH, GridOrder, distributions, sampler_of
from regsearch.search.trial import Proposal

_GAIN = 1e-4  # a score is better if it differs in the digits that tables show


class FamilyStudy:
    """The Optuna study of one family.

    Parameters
    ----------
    study : optuna.Study
    family : {"none", "ridge", "lasso", "elasticnet"}
    space : mapping of str to FloatDistribution
        The ranges of the family's hyperparameters.
    n_trials : int
        How many trials are wanted in all.
    n_rows : float
        Number of rows that a trial's own model is fitted on.
    patience : int or None
        Stop after so many trials without a better score; looked at between batches.

    Attributes
    ----------
    is_grid : bool
        Whether the proposals depend on nothing that is told.  All are then proposed together, and told in any order.
    """

    def __init__(
        self,
        study: optuna.Study,
        family: Family,
        space: Mapping[str, FloatDistribution],
        *,
        n_trials: int,
        n_rows: float,
        patience: int | None = None,
    ) -> None:
        self.study = study
        self.is_grid = isinstance(study.sampler, GridOrder)
        self.family = family
        self.n_trials = n_trials
        self.patience = patience
        self._n_rows = n_rows
        self._space: dict[str, BaseDistribution] = dict(space)

    def ask(self, logged: Set[int]) -> list[Proposal]:
        """Return the next batch, which is empty once every wanted trial is told and logged, or patience has run out.

        An interrupted batch goes on where it stopped: a trial that Optuna holds as running keeps its parameters, and a
        trial that was told but never logged is proposed again for its run.

        Parameters
        ----------
        logged : set of int
            Numbers of the trials whose runs are finished.
        """
        size = self.n_trials if self.is_grid else BATCH
        trials = self.study.get_trials(deepcopy=False)
        lost = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.number not in logged]
        if lost:
            return [self._proposal(trial.number, trial.params, told=True) for trial in lost[:size]]
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if not running and self.patience and stagnation(trial.value for trial in trials) >= self.patience:
            return []
        batch = (running[0].number if running else len(trials)) // size
        proposals = [self._proposal(trial.number, self._complete(trial)) for trial in running]
        partly_told = (
            not self.is_grid
            and running
            and any(trial.number // size == batch and trial.state == TrialState.COMPLETE for trial in trials)
        )
        if not partly_told:
            for _ in range(len(trials), min((batch + 1) * size, self.n_trials)):
                trial = self.study.ask(self._space)
                proposals.append(self._proposal(trial.number, trial.params))
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

        The digits below are rounding error.  They depend on where and after which trials a trial was solved, and must
        not decide what is proposed next.
        """
        self.study.tell(number, round(float(f"{r2_validation:.7g}"), 7))

    def _proposal(self, number: int, parameters: Mapping[str, float], *, told: bool = False) -> Proposal:
        penalty = penalty_of(self.family, parameters, self._n_rows)
        return Proposal(self.family, number, parameters, penalty, told)

    def _complete(self, trial: FrozenTrial) -> Mapping[str, float]:
        if trial.params.keys() == self._space.keys():
            return trial.params
        live = optuna.trial.Trial(self.study, trial._trial_id)
        return {name: live._suggest(name, distribution) for name, distribution in self._space.items()}


def stagnation(scores: Iterable[float | None]) -> int:
    """Return how many scores follow the last one that was better than all before it, by more than 0.0001."""
    best, since = float("-inf"), 0
    for score in scores:
        if score is not None and score > best + _GAIN:
            best, since = score, 0
        else:
            since += 1
    return since


def open_studies(config: SearchConfig, search_id: str, storage: BaseStorage, n_rows: float) -> list[FamilyStudy]:
    """Open the studies of a search, the unregularised baseline's after ridge's, whose decomposition it takes.

    Parameters
    ----------
    config : SearchConfig
    search_id : str
    storage : optuna.storages.BaseStorage
    n_rows : float
        Number of rows that a trial's own model is fitted on.
    """
    unregularised = _open(config, search_id, storage, "none", GridOrder([{}]))
    baseline = FamilyStudy(unregularised, "none", {}, n_trials=1, n_rows=n_rows)
    studies = []
    for family, settings in config.families.searched.items():
        study = _open(config, search_id, storage, family, sampler_of(config, family, settings))
        studies.append(
            FamilyStudy(
                study,
                family,
                distributions(settings),
                n_trials=settings.n_trials,
                n_rows=n_rows,
                patience=settings.patience,
            )
        )
    place = 1 if config.families.ridge else 0
    return [*studies[:place], baseline, *studies[place:]]


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
    """Silence what Optuna logs when a study is made."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
