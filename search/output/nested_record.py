"""The scores of a nested cross-validation on the run of the search on all rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Sequence
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from regsearch.search.nested import Nested, mean_and_error
from regsearch.search.output.search_figures import drawn
from regsearch.search.result import Search
from regsearch.tracking import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE, RESULT = "nested.csv", "nested"
"""The artifact with a row for each part, and the tag that says what came of them."""

_METRICS = ("nested_r2_test", "nested_r2_test_se")


def conclude(search: Search, nested: Nested) -> None:
    """Write the scores of all parts into the run of the search on all rows: a table, a figure, metrics and a tag."""
    import pandas as pd

    run, said = search.run, str(nested)
    if search.said_of_choice(RESULT) == said and run.store.holds(run.run_id, TABLE):
        return
    table = pd.DataFrame(list(nested.parts)).to_csv(index=False)
    run.write({TABLE: table.encode(), **drawn({"nested": lambda: _figure(search, nested)})})
    metrics = _metrics([part.r2_test for part in nested.parts])
    run.annotate(metrics=metrics, tags=search.tags_of_choice(RESULT, said))


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
    return dict(zip(_METRICS, mean_and_error(scores), strict=True))


def _figure(search: Search, nested: Nested) -> Figure:
    parts = nested.parts
    return figures.nested(
        [part.rows.rpartition("(")[2].rstrip(")") for part in parts],  # the groups alone, where there are any
        np.array([[part.r2_test_low, part.r2_test, part.r2_test_high] for part in parts]),
        [part.winner for part in parts],
        (nested.r2_test, nested.r2_test_se),
        search.target,
    )
