"""Optuna's samplers by their names in a configuration.  Each one's proposals depend only on what was told."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from regsearch.errors import ConfigError
from regsearch.search.config import SearchConfig
from regsearch.search.config.families import OneStrength, TwoStrengths, ends_of, grid_points
from regsearch.search.penalty import Family

BATCH = 10
"""Number of trials proposed together, except for grids: TPE and GP draw as many at random before they start to model,
and CMA-ES and NSGA-II take as many for a generation."""

_NEEDS = {"gp": "torch", "cmaes": "cmaes"}
"""The package that a sampler needs; the extra that installs it has the sampler's name."""


def require_sampler(config: SearchConfig) -> None:
    """Raise `ConfigError` if a configuration's sampler is an extra that is not installed."""
    package = _NEEDS.get(config.sampler)
    is_asked = any(not settings.is_grid for settings in config.families.searched.values())
    if package and is_asked and find_spec(package) is None:
        raise ConfigError(
            f'sampler = "{config.sampler}": needs {package}, which is not installed; '
            f"pip install 'regsearch[{config.sampler}]'"
        )


def sampler_of(config: SearchConfig, family: Family, settings: OneStrength | TwoStrengths) -> BaseSampler:
    """Return the sampler that proposes the trials of a family."""
    if settings.is_grid or config.sampler == "grid":
        return GridOrder(grid_points(settings))
    ranges = distributions(settings)
    make: Callable[[int], BaseSampler] = {
        "tpe": lambda seed: TPESampler(seed=seed),
        "random": lambda seed: RandomSampler(seed=seed),
        "gp": lambda seed: GPSampler(seed=seed),
        "cmaes": lambda seed: _CmaEs(ranges, seed),
        "nsgaii": lambda seed: NSGAIISampler(seed=seed, population_size=BATCH),
    }[config.sampler]
    return _SeededPerTrial(make, (config.seed, zlib.crc32(family.encode())))


def distributions(settings: OneStrength | TwoStrengths) -> dict[str, FloatDistribution]:
    """Return the ranges that a family is searched in, as Optuna's distributions."""
    ends = {name: ends_of(strength) for name, strength in settings.strengths.items()}
    return {name: FloatDistribution(low, high, log=True) for name, (low, high) in ends.items()}


class GridOrder(BaseSampler):
    """Proposes the points of a grid by trial number."""

    def __init__(self, points: Sequence[Mapping[str, float]]) -> None:
        self._points = points

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Return nothing: every parameter is drawn alone."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return nothing: every parameter is drawn alone."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> float:
        """Return a parameter of the point that the trial's number counts to."""
        return self._points[trial.number][param_name]


class _SeededPerTrial(BaseSampler):
    """Makes a new sampler, with its own seed, for every trial and parameter.

    A proposal then depends on the seed and on the trials told so far.  It depends on nothing that an interruption could
    change: neither on how many random numbers were drawn before, nor on what is already stored of the trial itself.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: tuple[int, ...]) -> None:
        self._make = make
        self._seed = seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._for(trial).infer_relative_search_space(_before(study, trial), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._for(trial).sample_relative(_before(study, trial), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler = self._for(trial, param_name)
        return sampler.sample_independent(_before(study, trial), trial, param_name, param_distribution)

    def _for(self, trial: FrozenTrial, param_name: str = "") -> BaseSampler:
        entropy = (*self._seed, trial.number, zlib.crc32(param_name.encode()))
        return self._make(int(np.random.SeedSequence(entropy).generate_state(1)[0]))


class _Before:
    """A study as it was before a trial was begun.

    The Gaussian process of Optuna 5.0 takes every running trial with parameters for another trial, even the interrupted
    trial that it proposes for.
    """

    def __init__(self, study: optuna.Study, number: int) -> None:
        self._study = study
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(self, *arguments: Any, **named: Any) -> list[FrozenTrial]:
        return [trial for trial in self._study._get_trials(*arguments, **named) if trial.number < self._number]


def _before(study: optuna.Study, trial: FrozenTrial) -> optuna.Study:
    return cast(optuna.Study, _Before(study, trial.number))


class _CmaEs(BaseSampler):
    """CMA-ES by the package that Optuna uses.  Every batch is a generation, and each proposal is told all of them anew.

    `optuna.samplers.CmaEsSampler` keeps its state as a pickle in the storage; whoever can write there could have it
    execute code.  This sampler needs no state: it learns from the trials' values.
    """

    def __init__(self, ranges: Mapping[str, FloatDistribution], seed: int) -> None:
        from cmaes import CMA

        self._ranges = dict(ranges)
        middle = np.full(len(ranges), 0.5)
        bounds = np.tile([0.0, 1.0], (len(ranges), 1))
        self._optimizer = CMA(middle, 1 / 6, bounds=bounds, seed=seed, population_size=BATCH)

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        return dict(self._ranges)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        told = study._get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        for start in range(0, trial.number // BATCH * BATCH, BATCH):
            generation = told[start : start + BATCH]
            self._optimizer.tell([(self._place(one.params), -cast(float, one.value)) for one in generation])
        places = zip(self._ranges.items(), self._optimizer.ask(), strict=True)
        return {name: float(np.clip(at.low * (at.high / at.low) ** x, at.low, at.high)) for (name, at), x in places}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        return self.sample_relative(study, trial, {})[param_name]

    def _place(self, parameters: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the place of a trial in the unit cube of log strengths."""
        logs = [np.log(parameters[name] / at.low) / np.log(at.high / at.low) for name, at in self._ranges.items()]
        return np.array(logs)
