"""Nested cross-validation: what searches score on the part of the rows that each of them has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """One part of the rows, and the search that was tested on it.

    Attributes
    ----------
    part : int
    rows : str
        The test rows in words.
    search_id : str
    winner : str
        Name of the trial that the search chose.
    r2_validation : float
    r2_test, r2_test_low, r2_test_high : float
        R² on the part, and its 95 % interval.
    openings : int
        How often these rows had been opened by then.
    """

    part: int
    rows: str
    search_id: str
    winner: str
    r2_validation: float
    r2_test: float
    r2_test_low: float
    r2_test_high: float
    openings: int


@dataclass(frozen=True)
class Nested:
    """The test scores of all parts.

    Attributes
    ----------
    parts : tuple of Part
    """

    parts: tuple[Part, ...]

    @property
    def r2_test(self) -> float:
        """Mean of the parts' R²."""
        return mean_and_error([part.r2_test for part in self.parts])[0]

    @property
    def r2_test_se(self) -> float:
        """Standard error of that mean, from the spread of the parts.

        The training rows of the parts overlap, so it is somewhat too small (Bengio & Grandvalet 2004, "No unbiased
        estimator of the variance of k-fold cross-validation").
        """
        return mean_and_error([part.r2_test for part in self.parts])[1]

    def __str__(self) -> str:
        return f"R² test {self.r2_test:.4f} ± {self.r2_test_se:.4f} over {len(self.parts)} parts"


def mean_and_error(scores: Sequence[float]) -> tuple[float, float]:
    """Return the mean of some scores, and its standard error."""
    return float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
