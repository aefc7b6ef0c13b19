"""The Optuna side of a search: one study per family, the same after any interruption."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from search.config import ConfigError, OneStrength, Range, SearchConfig, TwoStrengths
from search.penalty import Family
from tracking import postgresql
from tracking.locks import Locks
from tracking.store import reason, without_secrets

BATCH = 10
"""Trials proposed together: as many as TPE draws at random before it starts to model."""

_LOCKED_SECONDS = 20  # MLflow waits as long for a database that another process has locked


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
    """

    def __init__(
        self, study: optuna.Study, family: Family, n_trials: int, distributions: Mapping[str, FloatDistribution]
    ) -> None:
        self.study = study
        self.family = family
        self.n_trials = n_trials
        self._distributions: dict[str, BaseDistribution] = dict(distributions)

    def ask(self, logged: Set[int]) -> list[Proposal]:
        """Return the next batch: empty when all that is wanted has been told and logged.

        A batch that was interrupted is taken up where it stopped: a trial that Optuna holds as running keeps its
        parameters, one that was told but never logged is solved again for its run.

        Parameters
        ----------
        logged : set of int
            Numbers of the trials whose runs are finished.
        """
        trials = self.study.get_trials(deepcopy=False)
        lost = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.number not in logged]
        if lost:
            return [Proposal(trial.number, trial.params, told=True) for trial in lost[:BATCH]]
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        batch = (running[0].number if running else len(trials)) // BATCH
        proposals = [Proposal(trial.number, self._complete(trial)) for trial in running]
        partly_told = running and any(
            trial.number // BATCH == batch and trial.state == TrialState.COMPLETE for trial in trials
        )
        if not partly_told:
            for _ in range(len(trials), min((batch + 1) * BATCH, self.n_trials)):
                trial = self.study.ask(self._distributions)
                proposals.append(Proposal(trial.number, trial.params))
        return proposals

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


def open_storage(url: str | None, home: Path) -> BaseStorage:
    """Open Optuna's storage: a database URL, the path of a journal file, or ``optuna.journal`` in `home`.

    Raises
    ------
    ConfigError
        If there is no such database, the folder cannot be made, or the journal is damaged.
    """
    try:
        if url is not None and "://" in url:
            return RDBStorage(url, engine_kwargs=_engine(url))
        path = Path(url) if url is not None else home / "optuna.journal"
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_journal(path)
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise ConfigError(
            f"--storage {without_secrets(str(url))}: cannot be opened ({type(error).__name__}); give a database URL "
            "such as sqlite:///optuna.db or postgresql://…, or the path of a journal file"
        ) from error


def _engine(url: str) -> dict[str, Any]:
    if postgresql.is_postgresql(url):
        return {"connect_args": postgresql.arguments(), "pool_pre_ping": True}
    return {"connect_args": {"timeout": _LOCKED_SECONDS}} if url.startswith("sqlite") else {}


@contextmanager
def storage_at(url: str | None, home: Path, locks: Locks) -> Iterator[BaseStorage]:
    """Open Optuna's storage as `open_storage` does, one process at a time, and close its connections in the end."""
    with locks.hold("store"):
        storage = open_storage(url, home)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def _open_journal(path: Path) -> BaseStorage:
    """Open a journal, cutting off a line that its writer did not live to end: what it held is proposed again."""
    lock = _JournalLock(path)
    lock.acquire()
    try:
        content = path.read_bytes() if path.exists() else b""
        ends = content.rfind(b"\n") + 1
        if ends < len(content) and content.startswith(b'{"op_code"'):
            os.truncate(path, ends)
    finally:
        lock.release()
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, LookupError) as error:
        raise ConfigError(
            f"{path}: is no journal of Optuna's, or damaged ({reason(error)}); restore a copy or move the file "
            "away: the same search then proposes the same trials again"
        ) from error


def open_studies(config: SearchConfig, search_id: str, storage: BaseStorage) -> list[FamilyStudy]:
    """Create or resume the studies of a search, the unregularised baseline first.

    Parameters
    ----------
    config : SearchConfig
    search_id : str
    storage : optuna.storages.BaseStorage
    """
    studies = [_open(config, search_id, storage, "none", 1, {}, _GridOrder([{}]))]
    for family, settings in config.families.searched.items():
        sampler = _sampler(config, family, settings)
        studies.append(_open(config, search_id, storage, family, settings.n_trials, _distributions(settings), sampler))
    return studies


def grid_points(settings: OneStrength | TwoStrengths) -> list[dict[str, float]]:
    """Return every combination of a family's strengths, each L2 row from the strongest L1 to the weakest.

    A range stands for as many points, evenly spaced on a log scale, as make `n_trials` in all.
    """
    side = round(settings.n_trials ** (1 / len(settings.strengths)))
    axes = {
        name: np.geomspace(strength.low, strength.high, side).tolist() if isinstance(strength, Range) else strength
        for name, strength in settings.strengths.items()
    }
    slowest_last = list(axes)[::-1]
    combinations = product(*(sorted(axes[name], reverse=True) for name in slowest_last))
    return [dict(zip(slowest_last, values, strict=True)) for values in combinations]


def _open(
    config: SearchConfig,
    search_id: str,
    storage: BaseStorage,
    family: Family,
    n_trials: int,
    distributions: Mapping[str, FloatDistribution],
    sampler: BaseSampler,
) -> FamilyStudy:
    with quiet_optuna():
        study = optuna.create_study(
            storage=storage,
            study_name=f"{config.name}/{search_id}/{family}",
            sampler=sampler,
            direction="maximize",
            load_if_exists=True,
        )
    return FamilyStudy(study, family, n_trials, distributions)


def _sampler(config: SearchConfig, family: Family, settings: OneStrength | TwoStrengths) -> BaseSampler:
    if settings.is_grid or config.sampler == "grid":
        return _GridOrder(grid_points(settings))
    make: Callable[[int], BaseSampler] = {
        "tpe": lambda seed: TPESampler(seed=seed),
        "random": lambda seed: RandomSampler(seed=seed),
    }[config.sampler]
    return _SeededPerTrial(make, (config.seed, zlib.crc32(family.encode())))


def _distributions(settings: OneStrength | TwoStrengths) -> dict[str, FloatDistribution]:
    ends = {
        name: (strength.low, strength.high) if isinstance(strength, Range) else (min(strength), max(strength))
        for name, strength in settings.strengths.items()
    }
    return {name: FloatDistribution(low, high, log=True) for name, (low, high) in ends.items()}


class _GridOrder(BaseSampler):
    """Proposes the points of a grid by trial number."""

    def __init__(self, points: Sequence[Mapping[str, float]]) -> None:
        self._points = points

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> float:
        return self._points[trial.number][param_name]


class _SeededPerTrial(BaseSampler):
    """Asks a sampler that is made anew, with a seed of its own, for every trial and parameter.

    What is proposed then depends on the seed and on the trials told so far, and on nothing that an interruption
    could change: not on how many numbers were drawn before, nor on which parameters of the trial are already stored.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: tuple[int, ...]) -> None:
        self._make = make
        self._seed = seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._for(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._for(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._for(trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def _for(self, trial: FrozenTrial, param_name: str = "") -> BaseSampler:
        entropy = (*self._seed, trial.number, zlib.crc32(param_name.encode()))
        return self._make(int(np.random.SeedSequence(entropy).generate_state(1)[0]))


class _JournalLock(JournalFileSymlinkLock):
    """A lock that the operating system releases when its process dies; Optuna's own then blocks for 30 seconds."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = FileLock(f"{path}.flock")

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing each study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
