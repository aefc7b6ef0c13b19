"""What figures of scores have in common: the two trials that they mark, and an axis of R²."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from regsearch.tracking.figures.style import CHOSEN, QUIET, Floats, score

_FLOOR = -0.5
_NARROWEST = 0.1


class Choices(NamedTuple):
    """The trials that the two rules choose.

    Parameters
    ----------
    best : int
        Position of the trial with the best validation R².
    one_se : int
        Position of the most regularised trial within one standard error of it.
    """

    best: int
    one_se: int

    def labels(self, name: Callable[[int], str]) -> tuple[str, str]:
        """Return what to call the two, each with the name of its trial."""
        return f"best: {name(self.best)}", f"within one standard error: {name(self.one_se)}"


def mark_choices(axes: Axes, x: Floats, y: Floats, choices: Choices | None, name: Callable[[int], str]) -> None:
    """Mark the best trial with a star and the one-standard-error choice with a diamond around its point.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : ndarray of float, shape (n_trials,)
    choices : Choices or None
        None where no trial may be chosen.
    name : callable
        Names the trial at a position, for the legend.
    """
    if choices is None:
        return
    best, one_se = choices.labels(name)
    at = choices.best
    axes.plot(x[at], y[at], "*", color=CHOSEN, mec="white", mew=0.6, markersize=13, zorder=4, label=best)
    at = choices.one_se
    axes.plot(x[at], y[at], "D", color="none", mec=CHOSEN, mew=1.6, markersize=9, zorder=3.5, label=one_se)


def r2_axis(axes: Axes, x: Floats, r2: Floats, levels: Sequence[float] = ()) -> None:
    """Keep the informative range of R² readable: points far below zero become carets on the lower edge.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, r2 : ndarray of float, shape (n_points,)
        All points of the axes.
    levels : sequence of float
        R² of the axes' horizontal lines.
    """
    below = r2 < _FLOOR
    shown = [*r2[~below], *(level for level in levels if level >= _FLOOR)] or [_FLOOR, 1.0]
    low, high = min(shown), max(shown)
    margin = max(0.06 * (high - low), (_NARROWEST - (high - low)) / 2)
    bottom = low - margin
    axes.set_ylim(bottom, high + margin)
    axes.set_ylabel("R²")
    if below.any():
        axes.plot(
            x[below],
            np.full(below.sum(), bottom),
            "v",
            color=QUIET,
            markersize=5,
            clip_on=False,
            zorder=5,
            label=f"below the axis (lowest: {score(r2.min())})",
        )


def r2_level(axes: Axes, level: float, colour: str, label: str) -> None:
    """Draw an R² as a horizontal line, and say in its label if it is below the axis."""
    where = " (below the axis)" if level < axes.get_ylim()[0] else ""
    axes.axhline(level, color=colour, linestyle="--", linewidth=1, label=f"{label}: {score(level)}{where}")
