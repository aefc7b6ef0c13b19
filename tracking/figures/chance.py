"""Scores of null targets, and among them the real target's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from regsearch.tracking.figures.style import CHOSEN, QUIET, house_style, legend_below, score, sheet

_LOWEST = -1.0
"""Scores below it are drawn in the first bin: how bad they are says nothing."""


@house_style
def null_scores(null: Sequence[float], real: float, title: str, rows: str) -> Figure:
    """Draw the scores of null targets as a histogram, and the real target's as a line.

    Parameters
    ----------
    null : sequence of float
    real : float
    title : str
    rows : str
        Which rows the scores are of: ``"validation"`` or ``"test"``.
    """
    figure = sheet(95)
    axes = figure.add_subplot()
    shown = np.maximum(np.asarray(null, dtype=float), _LOWEST)
    edges = np.histogram_bin_edges(shown, bins=int(np.clip(2 * len(shown) ** 0.5, 8, 40)))
    below = int(np.sum(np.asarray(null) < _LOWEST))
    lower = f", {below} of them below the axis" if below else ""
    axes.hist(shown, bins=edges.tolist(), color=QUIET, label=f"{len(shown)} null targets{lower}")
    axes.axvline(max(real, _LOWEST), color=CHOSEN, linewidth=2, label=f"the real target: {score(real)}")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"{rows} R² of the whole choice, on a fixed grid")
    axes.set_ylabel("null targets")
    axes.set_title(title)
    legend_below(figure, 2)
    return figure
