"""Strengths relative to the data, and the absolute strengths that they stand for.

``of = "max"`` in a configuration refers to the data's own maximum.  For an L1 strength that is the smallest strength at
which every weight is zero, ``max |A'b| / n`` with the normalised columns ``A`` and the centred target ``b``; the
smallest useful fraction of it is 0.01 with more features than rows and 1e-4 otherwise, as in R's glmnet (Friedman,
Hastie & Tibshirani 2010, J. Stat. Softw. 33).  For a ridge strength it is the strength that leaves 1 % of the effective
degrees of freedom, ``sum s / (s + alpha)`` over the eigenvalues ``s`` of ``A A'`` (Hastie, Tibshirani & Friedman, "The
Elements of Statistical Learning", section 3.4.1); the smallest useful strength leaves 99 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh

from regsearch.data import Development, Rows, Scale, fits_in_memory
from regsearch.search.config import SearchConfig
from regsearch.search.config.families import Points, Range
from regsearch.search.penalty import Family
from regsearch.search.solvers.columns import gram_of_rows
from regsearch.search.solvers.design import Design, normalise

_L1_LOW_WIDE, _L1_LOW_TALL = 0.01, 1e-4
_L2_LOWEST = 1e-8  # of the maximum: below it, ridge is least squares to any eye
_LEFT, _KEPT = 0.01, 0.99  # shares of the effective degrees of freedom at both ends of a ridge range
_ALONE = 1 / _KEPT - 1  # shrinks a column of unit norm, if it alone is active, to the same share
_MOST_ROWS = 3000
_DIGITS = 3


@dataclass(frozen=True)
class Maxima:
    """What relative strengths refer to, to three digits, so that rounding error decides nothing.

    Attributes
    ----------
    l1_max : float
        The smallest L1 strength at which every weight is zero.
    l1_low : float
        The smallest useful fraction of `l1_max`.
    l2_max : float
        The ridge `alpha` at which 1 % of the effective degrees of freedom are left.
    l2_low : float
        The smallest useful fraction of `l2_max`.
    l2_low_beside_l1 : float
        The same beside an L1 strength, which leaves few columns active: with many columns it is smaller.
    """

    l1_max: float
    l1_low: float
    l2_max: float
    l2_low: float
    l2_low_beside_l1: float

    def params(self) -> dict[str, str]:
        """Return the maxima as a search's run keeps them."""
        return {name: repr(value) for name, value in asdict(self).items()}

    @classmethod
    def of_params(cls, params: Mapping[str, str]) -> Self | None:
        """Return what `params` was made of; ``None`` for a run without relative strengths.

        A run that began before mixes had a low end of their own keeps that of ridge.
        """
        known = {name: float(params[name]) for name in cls.__dataclass_fields__ if name in params}
        return cls(**{"l2_low_beside_l1": known["l2_low"], **known}) if "l2_low" in known else None

    def ends(self, family: Family, name: str) -> tuple[float, float]:
        """Return the maximum of a strength, and the smallest useful fraction of it."""
        if _is_l1(family, name):
            return self.l1_max, self.l1_low
        return self.l2_max, self.l2_low_beside_l1 if family == "elasticnet" else self.l2_low

    def fractions(self, family: Family, parameters: Mapping[str, float]) -> dict[str, float]:
        """Return a trial's strengths as fractions of the maxima, by names such as ``alpha_of_max``."""
        return {
            f"{name}_of_max": value / (self.l1_max if _is_l1(family, name) else self.l2_max)
            for name, value in parameters.items()
        }


def maxima_of(development: Development) -> Maxima:
    """Return the maxima of the rows that a trial's own model is fitted on."""
    return maxima_of_targets([development])[0]


def maxima_of_targets(developments: Sequence[Development]) -> list[Maxima]:
    """Return the maxima of each of several targets of the same rows; what depends on features alone is computed once.

    Parameters
    ----------
    developments : sequence of Development
        At least one; they differ in their targets alone.
    """
    model, scale = developments[0].model, developments[0].preparation.scale
    n_rows, n_features = model.X.shape
    design = design_of(model, scale)
    high, low = _ridge_ends(_eigenvalues(model, design, scale))
    l1_low = _L1_LOW_WIDE if n_features > n_rows else _L1_LOW_TALL
    l2_max = _rounded_up(high / design.unit**2)
    l2_low, beside_l1 = (_rounded_up(max(end / high, _L2_LOWEST)) for end in (low, min(low, _ALONE)))
    of_targets = design.with_targets(np.column_stack([one.model.y for one in developments]))
    largest = [one.largest_l1 or 1.0 for one in of_targets]  # 1 if no column says anything of the target
    return [Maxima(_rounded_up(l1_max), l1_low, l2_max, l2_low, beside_l1) for l1_max in largest]


def absolute(config: SearchConfig, maxima: Maxima | None) -> SearchConfig:
    """Return a configuration whose strengths are absolute ranges and arrays.

    Parameters
    ----------
    config : SearchConfig
    maxima : Maxima or None
        May be ``None`` if no strength is relative.
    """
    families: dict[str, Any] = {}
    for family, settings in config.families.searched.items():
        strengths = {
            name: _absolute(strength, *(maxima.ends(family, name) if maxima else (math.nan, math.nan)))
            for name, strength in settings.strengths.items()
        }
        families[family] = settings.model_copy(update=strengths)
    return config.model_copy(update={"families": config.families.model_copy(update=families)})


def _is_l1(family: Family, name: str) -> bool:
    return family == "lasso" or name == "l1_alpha"


def _absolute(strength: Range | Points | tuple[float, ...], maximum: float, lowest: float) -> Range | tuple[float, ...]:
    if isinstance(strength, tuple):
        return strength
    low, high = strength.ends(maximum, lowest)
    if isinstance(strength, Points):
        return tuple(np.geomspace(low, high, strength.points).tolist())
    return Range(low=low, high=high)


def design_of(rows: Rows, scale: Scale) -> Design:
    """Return the design that a penalty on some rows acts on."""
    return normalise(
        rows.X,
        rows.y,
        scale=scale,
        weights=rows.weights,
        covariates=rows.covariates,
        in_memory=fits_in_memory(8 * math.prod(rows.X.shape)),
    )


def _eigenvalues(model: Rows, design: Design, scale: Scale) -> NDArray[np.float64]:
    """Return the eigenvalues of ``A A'`` that are not zero; for very many rows and columns, of some of the rows."""
    n_rows, n_features = model.X.shape
    if min(n_rows, n_features) > _MOST_ROWS:
        chosen = np.linspace(0, n_rows - 1, _MOST_ROWS).astype(np.intp)
        part = np.vstack([model.X[row : row + 1, :] for row in chosen.tolist()])
        weights, covariates = (None if one is None else one[chosen] for one in (model.weights, model.covariates))
        design = normalise(part, model.y[chosen], scale=scale, weights=weights, covariates=covariates)
        n_rows = _MOST_ROWS
    gram: NDArray[np.float64] = gram_of_rows(design.columns) if n_rows <= n_features else design.matrix.gram
    values = np.asarray(eigvalsh(gram, lower=True, check_finite=False), dtype=np.float64)
    is_positive = values > max(values[-1], 0.0) * len(values) * np.finfo(float).eps
    positive: NDArray[np.float64] = values[is_positive]
    return positive


def _ridge_ends(eigenvalues: NDArray[np.float64]) -> tuple[float, float]:
    """Return the strengths that leave 1 % and 99 % of the effective degrees of freedom."""
    from scipy.optimize import brentq  # few searches need it, and its import takes 0.1 s

    if not eigenvalues.size:  # no column varies, so every strength does the same
        return 1.0, _L2_LOWEST

    def excess(log_alpha: float, share: float) -> float:
        return float(np.mean(eigenvalues / (eigenvalues + math.exp(log_alpha)))) - share

    widest = math.log(eigenvalues[0]) - 10, math.log(eigenvalues[-1]) + 10
    high, low = (math.exp(brentq(excess, *widest, args=(share,))) for share in (_LEFT, _KEPT))
    return high, low


def _rounded_up(value: float) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) - _DIGITS + 1)
    return float(f"{math.ceil(value / unit) * unit:.{_DIGITS}g}")
