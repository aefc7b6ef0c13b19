"""Test scores of the parts of a nested cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from regsearch.tracking.figures.style import CHOSEN, QUIET, TEST, Floats, house_style, legend_below, sheet, shortened


@house_style
def nested(
    parts: Sequence[str], scores: Floats, winners: Sequence[str], mean: tuple[float, float], target: str
) -> Figure:
    """Draw the test score of each part with its interval, and the mean of all with its standard error.

    Parameters
    ----------
    parts : sequence of str
        The test rows of each part in words.
    scores : ndarray of float, shape (n_parts, 3)
        Lower end of the 95 % interval, R², and upper end.
    winners : sequence of str
        Name of the trial that was chosen without each part.
    mean : tuple of float
        Mean R² and its standard error.
    target : str
    """
    figure = sheet(30 + 12 * len(parts))
    axes = figure.add_subplot()
    places = np.arange(len(parts))
    low, r2, high = scores.T
    axes.axvspan(mean[0] - mean[1], mean[0] + mean[1], color=CHOSEN, alpha=0.15, label="one standard error")
    axes.axvline(mean[0], color=CHOSEN, label=f"mean {mean[0]:.3f}".replace("-", "−"))
    spread = np.maximum(np.array([r2 - low, high - r2]), 0.0)
    axes.errorbar(r2, places, xerr=spread, fmt="o", color=TEST, capsize=2, label="R² test of a part, 95 % interval")
    for place, winner in zip(places.tolist(), winners, strict=True):
        axes.annotate(
            shortened(winner),
            (r2[place], place),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            color=QUIET,
            fontsize="small",
        )
    axes.set_yticks(places.tolist(), [shortened(part) for part in parts])
    axes.invert_yaxis()
    axes.margins(y=0.25)
    axes.set_xlabel("R² test")
    axes.set_title(f"{target}: each part tested by a search that never saw it")
    legend_below(figure, 3)
    return figure
