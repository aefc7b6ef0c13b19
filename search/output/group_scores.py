"""How well the winner predicts each group of rows, such as each session: a table, and its figure."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from regsearch.data import Rows
from regsearch.search.output.search_figures import Predicted
from regsearch.search.solving.scores import r2_score
from regsearch.search.trial import Trial
from regsearch.tracking import figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

GROUPS = "groups.csv"
"""Name of the artifact with the table."""


def group_scores(validation: Sequence[Rows], predicted: Predicted, test: Rows | None = None) -> pd.DataFrame | None:
    """Return the winner's R² in each group of validation rows, and of test rows if they are given.

    A group's R² compares with the mean of that group's own rows.  It is missing where the target does not vary.

    Parameters
    ----------
    validation : sequence of Rows
        Validation rows of each fold.
    predicted : Predicted
    test : Rows or None
        The opened test rows.

    Returns
    -------
    DataFrame or None
        One row per group, with `group`, `rows_validation` and `r2_validation`, and the same for the test rows; ``None``
        if the recording has no groups.
    """
    validated = _scored(validation, predicted.validation, "validation")
    if validated is None:
        return None
    tested = _scored([test], predicted.test, "test") if test is not None and predicted.test else None
    return validated if tested is None else validated.merge(tested, how="outer", on="group")


def draw(content: bytes, winner: Trial) -> Figure:
    """Draw the table that was written as CSV."""
    import pandas as pd

    numbers = {f"{kind}_{part}": [""] for kind in ("rows", "r2") for part in ("validation", "test")}
    scores = pd.read_csv(BytesIO(content), dtype={"group": str}, keep_default_na=False, na_values=numbers)
    r2 = {name: scores[name].to_numpy(dtype=float) for name in ("r2_validation", "r2_test") if name in scores}
    return figures.group_scores(
        scores["group"].tolist(), r2["r2_validation"], winner.r2_validation, winner.name, r2.get("r2_test")
    )


def _scored(parts: Sequence[Rows], predicted: figures.Trace, name: str) -> pd.DataFrame | None:
    import pandas as pd

    labels = [rows.groups for rows in parts if rows.groups is not None]
    if not labels:
        return None
    groups = np.concatenate(labels)
    weights = np.concatenate([np.ones(len(rows.y)) if rows.weights is None else rows.weights for rows in parts])
    scores = []
    for group in np.unique(groups):
        at = groups == group
        scores.append((str(group), int(at.sum()), r2_score(predicted.true[at], predicted.predicted[at], weights[at])))
    return pd.DataFrame(scores, columns=["group", f"rows_{name}", f"r2_{name}"])
