"""The families of a search and their strengths, as a configuration gives them."""

from __future__ import annotations

import math
from itertools import product
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, Tag, model_validator

from regsearch.search.config.expectations import is_listed, one_of
from regsearch.search.config.schema import ENDS, ranges_or_grids
from regsearch.search.penalty import Family


class Section(BaseModel):
    """A section of a configuration: it cannot be changed, and knows all of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Span(Section):
    model_config = ConfigDict(json_schema_extra=ENDS)

    low: Annotated[float | None, Field(gt=0, strict=True, description="weakest strength")] = None
    high: Annotated[float | None, Field(gt=0, strict=True, description="strongest strength")] = None
    of: Annotated[
        Literal["max"] | None,
        Field(
            description='"max": low and high are fractions of a maximum computed from the data; without low and high, '
            "the whole useful range"
        ),
    ] = None

    @model_validator(mode="after")
    def _has_ends(self) -> Self:
        if self.of is None and (self.low is None or self.high is None):
            raise ValueError('a range needs low and high, or of = "max"')
        if self.low is not None and self.low >= self._highest:
            raise ValueError(f"low must be below high, found low = {self.low:g} and high = {self._highest:g}")
        return self

    @property
    def _highest(self) -> float:
        return 1.0 if self.high is None else self.high

    def ends(self, maximum: float, default_low: float) -> tuple[float, float]:
        """Return both ends as absolute strengths.

        Parameters
        ----------
        maximum : float
            The strength that `of` refers to.
        default_low : float
            The fraction of it to begin at if `low` is left out.
        """
        low, high = self.low or default_low, self._highest
        return (low, high) if self.of is None else (low * maximum, high * maximum)


class Range(_Span):
    """Strengths searched on a log scale, both ends included."""


class Points(_Span):
    """A grid of strengths, evenly spaced on a log scale, both ends included."""

    points: Annotated[int, Field(ge=2, le=1000, strict=True, description="number of strengths")]


Grid = Annotated[
    tuple[Annotated[float, Field(gt=0, strict=True)], ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})
]


def kind_of_strength(value: object) -> str | None:
    """Return which kind of strengths a value gives: ``"as range"``, ``"as points"``, ``"as listed"``, or none."""
    if isinstance(value, Points) or (isinstance(value, dict) and "points" in value):
        return "as points"
    if isinstance(value, dict | Range):
        return "as range"
    return "as listed" if is_listed(value) else None


Strengths = Annotated[
    Annotated[Range, Tag("as range")] | Annotated[Points, Tag("as points")] | Annotated[Grid, Tag("as listed")],
    one_of("a table with low and high, or a list of numbers", kind_of_strength),
    Field(
        description="a range {low, high} to search, or an exact grid: an array, or {low, high, points}. "
        '`of = "max"` makes it relative to the data'
    ),
]
Trials = Annotated[
    int | None, Field(gt=0, strict=True, description="number of trials wanted in all, if the strengths are ranges")
]
Patience = Annotated[
    int | None,
    Field(
        gt=0,
        strict=True,
        description="number of trials without a better score after which a family stops (default: never)",
    ),
]


OF_RANGES = frozenset({"trials", "patience"})
"""Keys that only a family of ranges has."""


class _SearchedFamily(Section):
    trials: Trials = None
    patience: Patience = None

    @property
    def strengths(self) -> dict[str, Range | Points | tuple[float, ...]]:
        """The range or the grid of each hyperparameter."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in OF_RANGES}

    @property
    def is_relative(self) -> bool:
        """Whether any strength is relative to the data."""
        return any(isinstance(strength, _Span) and bool(strength.of) for strength in self.strengths.values())

    @property
    def is_grid(self) -> bool:
        """Whether every combination is tried rather than sampled."""
        return not any(isinstance(strength, Range) for strength in self.strengths.values())

    @property
    def n_trials(self) -> int:
        """Number of trials that the family wants in all, or at most if it has `patience`."""
        if self.trials is not None:
            return self.trials
        return math.prod(
            strength.points if isinstance(strength, Points) else len(strength)
            for strength in self.strengths.values()
            if not isinstance(strength, Range)
        )

    @model_validator(mode="after")
    def _ranges_have_trials(self) -> Self:
        if len({isinstance(strength, Range) for strength in self.strengths.values()}) > 1:
            raise ValueError(f"give {' and '.join(self.strengths)} both as ranges or both as grids")
        for name, strength in self.strengths.items():
            if isinstance(strength, tuple) and len(set(strength)) < len(strength):
                raise ValueError(f"{name} repeats a value; list each value once")
        if self.is_grid and self.trials is not None:
            raise ValueError("an exact grid takes no trials; leave `trials` out or give ranges")
        if self.is_grid and self.patience is not None:
            raise ValueError("an exact grid is tried whole; leave `patience` out or give ranges")
        if not self.is_grid and self.trials is None:
            raise ValueError("a range needs `trials`, the number of points to try")
        return self


class OneStrength(_SearchedFamily):
    """Ridge or lasso: one strength."""

    model_config = ConfigDict(json_schema_extra=ranges_or_grids("alpha"))

    alpha: Strengths


class TwoStrengths(_SearchedFamily):
    """ElasticNet: every mix of an L1 and an L2 strength."""

    model_config = ConfigDict(json_schema_extra=ranges_or_grids("l1_alpha", "l2_alpha"))

    l1_alpha: Strengths
    l2_alpha: Strengths


class Families(Section):
    """The families to search; the unregularised baseline is always fitted beside them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    ridge: Annotated[OneStrength | None, Field(description="penalises squared weights: all of them shrink")] = None
    lasso: Annotated[OneStrength | None, Field(description="penalises absolute weights: most of them become 0")] = None
    elasticnet: Annotated[
        TwoStrengths | None, Field(description="penalises both: every mix of an L1 and an L2 strength")
    ] = None

    @property
    def is_relative(self) -> bool:
        """Whether any strength is relative to the data."""
        return any(family.is_relative for family in self.searched.values())

    @property
    def searched(self) -> dict[Family, OneStrength | TwoStrengths]:
        """The families that are searched, in the order of the penalty plane."""
        asked: dict[Family, OneStrength | TwoStrengths | None] = {
            "ridge": self.ridge,
            "lasso": self.lasso,
            "elasticnet": self.elasticnet,
        }
        return {family: settings for family, settings in asked.items() if settings is not None}

    @model_validator(mode="after")
    def _something_to_search(self) -> Self:
        if not self.searched:
            raise ValueError("name at least one of ridge, lasso and elasticnet")
        return self


def ends_of(strength: Range | Points | tuple[float, ...]) -> tuple[float, float]:
    """Return the weakest and the strongest of some absolute strengths."""
    if isinstance(strength, tuple):
        return min(strength), max(strength)
    return strength.ends(math.nan, math.nan)


def grid_points(settings: OneStrength | TwoStrengths) -> list[dict[str, float]]:
    """Return every combination of a family's strengths, each L2 row from the strongest L1 to the weakest.

    A range becomes points that are evenly spaced on a log scale, as many as make `n_trials` in all.
    """
    side = round(settings.n_trials ** (1 / len(settings.strengths)))
    axes = {
        name: strength if isinstance(strength, tuple) else np.geomspace(*ends_of(strength), side).tolist()
        for name, strength in settings.strengths.items()
    }
    slowest_last = list(axes)[::-1]
    combinations = product(*(sorted(axes[name], reverse=True) for name in slowest_last))
    return [dict(zip(slowest_last, values, strict=True)) for values in combinations]
