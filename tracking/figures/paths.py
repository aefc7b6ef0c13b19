"""Coefficients against the strength of the penalty: which features enter when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from regsearch.tracking.figures.strengths import label_strengths
from regsearch.tracking.figures.style import (
    CHOSEN,
    QUIET,
    Floats,
    Ints,
    house_style,
    legend_below,
    number,
    sheet,
    shortened,
)

_NAMED = 20
_QUIET = 100
_COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#56B4E9", "#000000")
_APART = 0.052


@house_style
def coefficient_path(
    alpha: Floats, coef: Floats, chosen: int, target: str, feature_names: Sequence[str] = ()
) -> Figure:
    """Draw the lasso's weights against its strength, weak penalties on the right.

    The 20 largest weights of the chosen trial have colours and names.  Of the other features, the 100 whose weights
    become largest are grey, and the rest is left out.

    Parameters
    ----------
    alpha : ndarray of float, shape (n_trials,)
    coef : ndarray of float, shape (n_trials, n_features)
        In target units per unit of each feature.
    chosen : int
        Position of the trial whose largest weights are named.
    target : str
    feature_names : sequence of str, length n_features
        Empty if the features have none; they are numbered then.
    """
    named = _largest(np.abs(coef[chosen]), _NAMED)
    size = np.abs(coef).max(axis=0)
    size[named] = 0
    quiet = _largest(size, _QUIET)
    order = np.argsort(-alpha)
    figure = sheet(112)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    if len(quiet):
        gap = [np.nan]
        x = np.concatenate([[*alpha[order], *gap] for _ in quiet])
        y = np.concatenate([[*coef[order, at], *gap] for at in quiet])
        axes.plot(x, y, color=QUIET, alpha=0.35, linewidth=0.6, label=f"{len(quiet)} other features")
    for place, at in enumerate(named):
        axes.plot(alpha[order], coef[order, at], color=_COLOURS[place % len(_COLOURS)], linewidth=1.1)
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.axvline(alpha[chosen], color=CHOSEN, linestyle="--", linewidth=1, label=f"best lasso: {number(alpha[chosen])}")
    axes.set_xlim(alpha.max() * 1.05, alpha.min() / 1.05)
    label_strengths(axes.xaxis)
    _name_ends(axes, coef[order[-1]], named, feature_names)
    entered = int(np.count_nonzero(np.any(coef != 0, axis=0)))
    axes.set_title(f"lasso: {entered:,} of {coef.shape[1]:,} features enter as the penalty becomes weaker")
    axes.set_xlabel("lasso alpha, weaker to the right")
    axes.set_ylabel(f"weight ({shortened(target)} per unit of the feature)")
    legend_below(figure, 2)
    return figure


def _largest(size: Floats, most: int) -> Ints:
    """Return the positions of the largest sizes that are not zero, the largest first."""
    order = np.argsort(-size, kind="stable")[:most]
    return order[size[order] > 0]


def _name_ends(axes: Axes, ends: Floats, named: Ints, feature_names: Sequence[str]) -> None:
    """Write the name of each line beside its right end; names move apart where they would cover each other."""
    low, high = axes.get_ylim()
    order = sorted(range(len(named)), key=lambda place: float(ends[named[place]]))
    of_lines = [(float(ends[named[place]]) - low) / (high - low) for place in order]
    heights = of_lines.copy()
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + _APART)
    above = max(heights[-1] - 1, 0.0) if heights else 0.0
    for place in reversed(range(len(heights))):
        limit = heights[place + 1] - _APART if place + 1 < len(heights) else heights[place] - above
        heights[place] = min(heights[place], limit)
    colours = [_COLOURS[place % len(_COLOURS)] for place in order]
    leaders = [((1, start), (1.065, end)) for start, end in zip(of_lines, heights, strict=True)]
    axes.add_artist(LineCollection(leaders, colors=colours, linewidths=0.5, transform=axes.transAxes, clip_on=False))
    for place, height, colour in zip(order, heights, colours, strict=True):
        at = int(named[place])
        name = shortened(feature_names[at] if feature_names else f"{at:,}")
        axes.text(1.07, height, name, color=colour, fontsize="small", va="center", transform=axes.transAxes)
