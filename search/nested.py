"""Nested cross-validation: what searches score on the part of the rows that each of them has never seen."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from regsearch.search.output.search_figures import drawn
from regsearch.search.result import Search
from regsearch.tracking import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE, RESULT = "nested.csv", "nested"
"""The artifact on the run of the search on all rows, and the tag that says what came of it."""

_METRICS = ("nested_r2_test", "nested_r2_test_se")


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
        return self.metrics()["nested_r2_test"]

    @property
    def r2_test_se(self) -> float:
        """Standard error of that mean, from the spread of the parts.

        The training rows of the parts overlap, so it is somewhat too small (Bengio & Grandvalet 2004, "No unbiased
        estimator of the variance of k-fold cross-validation").
        """
        return self.metrics()["nested_r2_test_se"]

    def metrics(self) -> dict[str, float]:
        """Return mean and standard error as metrics of the run."""
        return _metrics([part.r2_test for part in self.parts])

    def __str__(self) -> str:
        return f"R² test {self.r2_test:.4f} ± {self.r2_test_se:.4f} over {len(self.parts)} parts"


def conclude(search: Search, nested: Nested) -> None:
    """Write the scores of all parts into the run of the search on all rows: a table, a figure, metrics and a tag."""
    run, said = search.run, str(nested)
    if search.said_of_choice(RESULT) == said and run.store.holds(run.run_id, TABLE):
        return
    run.write({TABLE: _csv(nested.parts), **drawn({"nested": lambda: _figure(search, nested)})})
    run.annotate(metrics=nested.metrics(), tags=search.tags_of_choice(RESULT, said))


def metrics_of_choice(search: Search, known: Collection[str]) -> dict[str, float]:
    """Return those of the known metrics that are of the parts' scores: NaN if not of this winner by this rule.

    Parameters
    ----------
    search : Search
    known : collection of str
        The metrics that the search's run has.
    """
    run = search.run
    if _METRICS[0] not in known:
        return {}
    if search.said_of_choice(RESULT) and run.store.holds(run.run_id, TABLE):
        rows = csv.DictReader(StringIO(run.read(run.run_id, TABLE).decode()))
        return _metrics([float(row["r2_test"]) for row in rows])
    return dict.fromkeys(_METRICS, math.nan)


def _metrics(scores: Sequence[float]) -> dict[str, float]:
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    return dict(zip(_METRICS, (float(np.mean(scores)), float(error)), strict=True))


def _csv(parts: Sequence[Part]) -> bytes:
    import pandas as pd

    text: str = pd.DataFrame([asdict(part) for part in parts]).to_csv(index=False)
    return text.encode()


def _figure(search: Search, nested: Nested) -> Figure:
    parts = nested.parts
    return figures.nested(
        [part.rows.rpartition("(")[2].rstrip(")") for part in parts],  # the groups alone, where there are any
        np.array([[part.r2_test_low, part.r2_test, part.r2_test_high] for part in parts]),
        [part.winner for part in parts],
        (nested.r2_test, nested.r2_test_se),
        search.development.target,
    )
