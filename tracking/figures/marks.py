"""What figures of scores have in common: the two trials that they mark, and an axis of R²."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from regsearch.tracking.figures.style import CHOSEN, QUIET, Floats, score

_FLOOR = -0.5
_NARROWEST = 0.1
_RING: Mapping[str, Any] = {"color": "none", "mec": CHOSEN, "mew": 1.6, "zorder": 3.5}
_LOOKS: Sequence[Mapping[str, Any]] = (
    {"marker": "*", "color": CHOSEN, "mec": "white", "mew": 0.6, "markersize": 13, "zorder": 4},
    {"marker": "D", "markersize": 9, **_RING},
    {"marker": "o", "markersize": 14, **_RING},
)


class Choices(NamedTuple):
    """The trials that stand out.

    Parameters
    ----------
    best : int
        Position of the trial with the best validation R².
    one_se : int
        Position of the most regularised trial within one standard error of it.
    chosen : int or None
        Position of the trial that the search chose; ``None`` where it is one of these, or not among the trials.
    """

    best: int
    one_se: int
    chosen: int | None = None

    def named(self, name: Callable[[int], str]) -> list[tuple[int, str]]:
        """Return the position of each, and what to call it: with the name of its trial."""
        both = [
            (self.best, f"best: {name(self.best)}"),
            (self.one_se, f"within one standard error: {name(self.one_se)}"),
        ]
        return both if self.chosen is None else [*both, (self.chosen, f"chosen: {name(self.chosen)}")]


def mark_choices(axes: Axes, x: Floats, y: Floats, choices: Choices | None, name: Callable[[int], str]) -> None:
    """Mark the best trial with a star, and the points of the other two with a diamond and a circle around them.

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
    for (at, label), look in zip(choices.named(name), _LOOKS, strict=False):
        axes.plot(x[at], y[at], label=label, linestyle="none", **look)


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
