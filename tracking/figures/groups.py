"""How well a model predicts each group of rows, such as each session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from regsearch.tracking.figures.marks import r2_axis, r2_level
from regsearch.tracking.figures.style import TEST, VALIDATION, Floats, house_style, legend_below, sheet, shortened

_NAMED = 20


@house_style
def group_scores(
    names: Sequence[str], r2_validation: Floats, overall: float, title: str, r2_test: Floats | None = None
) -> Figure:
    """Draw R² of each group, from the group that is predicted worst to the best one; up to 20 groups are named.

    Parameters
    ----------
    names : sequence of str, length n_groups
    r2_validation : ndarray of float, shape (n_groups,)
        NaN for a group without validation rows, or whose target does not vary.
    overall : float
        The validation score of the search.
    title : str
    r2_test : ndarray of float, shape (n_groups,), or None
        ``None`` while the test rows are sealed.
    """
    figure = sheet(112)
    axes = figure.add_subplot()
    parts = [("validation", r2_validation, VALIDATION, "s")]
    parts += [("test", r2_test, TEST, "D")] if r2_test is not None else []
    order = np.argsort(np.where(np.isnan(r2_validation), np.inf, r2_validation), kind="stable")
    place = np.arange(len(names), dtype=float)
    for label, r2, colour, marker in parts:
        axes.plot(place, r2[order], marker, color=colour, mec="white", mew=0.4, markersize=6, label=label)
    every = np.concatenate([r2[order] for _, r2, _, _ in parts])
    known = ~np.isnan(every)
    r2_axis(axes, np.tile(place, len(parts))[known], every[known], [overall])
    r2_level(axes, overall, VALIDATION, "validation score of the search")
    if len(names) <= _NAMED:
        axes.xaxis.set_major_locator(FixedLocator(place.tolist()))
        axes.set_xticklabels([shortened(names[at]) for at in order], rotation=90)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(f"{len(names):,} groups, from the worst to the best")
    axes.set_title(f"{title}: R² of each group")
    legend_below(figure, 2)
    return figure
