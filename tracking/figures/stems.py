"""Stem plots of weights: a weight that is zero has no stem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import local

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regsearch.tracking.figures.attempt import unless_it_fails
from regsearch.tracking.figures.style import (
    DOUBLE,
    QUIET,
    TRAIN,
    Floats,
    house_style,
    number,
    power_of_ten,
    sheet,
    shortened,
    to_png,
)

_BINS = 800
_MARKED = 400
_UNREADABLE = 10
_NAMED = 12
_PLAIN_EXPONENTS = range(-2, 4)
_kept = local()


@house_style
def weights(coef: Floats, title: str) -> Figure:
    """Draw one stem per non-zero weight.

    Parameters
    ----------
    coef : ndarray of float, shape (n_features,)
        In target units per unit of each feature.
    title : str
    """
    return _filled(_blank(), coef, title)


def weights_png(coef: Floats, title: str) -> bytes:
    """Return `weights` as the bytes of a PNG file, or nothing if it cannot be drawn.

    It is drawn for every trial, and half of its time would go into making a figure and its ticks: one is kept.
    """

    def draw() -> bytes:
        if not hasattr(_kept, "figure"):
            _kept.figure = house_style(_blank)()
        return to_png(house_style(_filled)(_kept.figure, coef, title))

    return unless_it_fails("the stem plot of a trial's weights", draw) or b""


@house_style
def weights_compared(
    unregularised: Floats, winner: Floats, winner_title: str, target: str, names: Sequence[str] = ()
) -> Figure:
    """Draw the unregularised model's weights above the winner's, on one vertical scale.

    Where one model's weights are too small to be seen on that scale, they are drawn once more, magnified.  Where the
    features have names, the winner's largest weights are named.

    Parameters
    ----------
    unregularised, winner : ndarray of float, shape (n_features,)
        In target units per unit of each feature.
    winner_title, target : str
    names : sequence of str, length n_features
        Empty if the features have none.
    """
    models = (("unregularised", unregularised), (winner_title, winner))
    scale = _largest(np.concatenate([unregularised, winner]))
    panels = [(coef, scale, _count(coef, title)) for title, coef in models]
    for title, coef in models:
        times = scale / _largest(coef)
        if coef.any() and times > _UNREADABLE:
            power = 10 ** math.floor(math.log10(times))
            times = max(times // power, 1) * power
            panels.append((coef, scale / times, f"{title}, magnified {times:,.0f} times"))
    figure = sheet(18 + 48 * len(panels))
    grid = figure.subplots(len(panels), 1, sharex=True)
    for axes, (coef, limit, title) in zip(grid, panels, strict=True):
        _stems(axes, coef, limit)
        axes.set_title(title)
    if names:
        last = max(place for place, (coef, _, _) in enumerate(panels) if coef is winner)
        _name_largest(figure, grid[last], winner, names)
    same = "both" if len(panels) == len(models) else "the upper two"
    grid[-1].set_xlabel(
        f"feature, counted from 0 ({same} on the same vertical scale)\n"
        f"weights in units of {shortened(target)} per unit of the feature"
    )
    figure.align_ylabels()
    return figure


def _name_largest(figure: Figure, axes: Axes, coef: Floats, names: Sequence[str]) -> None:
    """Write the names of the largest weights at their stems, the largest first, where they cover no other's name."""
    low, high = axes.get_ylim()
    axes.set_ylim(1.25 * low, 1.25 * high)  # leaves room for a name beyond the longest stem
    left, right = axes.get_xlim()
    letter = (right - left) * 0.62 * mpl.rcParams["font.size"] / (72 * 0.85 * figure.get_figwidth())
    taken: list[tuple[float, float, bool]] = []
    for at in np.argsort(-np.abs(coef), kind="stable")[:_NAMED]:
        name, above = shortened(names[at]), bool(coef[at] > 0)
        half = letter * len(name) / 2
        middle = min(max(float(at), left + half), right - half)
        begin, end = middle - half, middle + half
        if coef[at] and not any(above == other and begin < stop and start < end for start, stop, other in taken):
            taken.append((begin, end, above))
            axes.annotate(
                name,
                (middle, coef[at]),
                xytext=(0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize="small",
            )


def _blank() -> Figure:
    figure = Figure(figsize=(DOUBLE / 25.4, 2.5), dpi=110)
    figure.add_axes((0.115, 0.19, 0.845, 0.7))  # by hand: a layout engine costs 10 ms
    return figure


def _filled(figure: Figure, coef: Floats, title: str) -> Figure:
    (axes,) = figure.axes
    for line in list(axes.lines):
        line.remove()
    _stems(axes, coef, _largest(coef))
    axes.set_title(_count(coef, title))
    axes.set_xlabel("feature")
    return figure


def _count(coef: Floats, title: str) -> str:
    return f"{title}: {np.count_nonzero(coef):,} of {len(coef):,} weights are not zero"


def _largest(coef: Floats) -> float:
    return float(np.abs(coef).max(initial=0.0)) or 1.0


def _stems(axes: Axes, coef: Floats, limit: float) -> None:
    index = np.flatnonzero(coef)
    at, low, high = _bars(index, coef[index], len(coef))
    bars = np.stack([low, high, np.full(len(at), np.nan)], axis=1)
    axes.plot(np.repeat(at, 3), bars.ravel(), color=TRAIN, linewidth=0.8)
    if len(index) <= _MARKED:
        axes.plot(index, coef[index], ".", color=TRAIN, markersize=4)
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.set_xlim(-0.01 * len(coef), 1.01 * len(coef))
    axes.set_ylim(-1.08 * limit, 1.08 * limit)
    exponent = math.floor(math.log10(limit))
    exponent = 0 if exponent in _PLAIN_EXPONENTS else exponent
    axes.set_ylabel(f"weight / {power_of_ten(exponent)}" if exponent else "weight")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: number(value / 10.0**exponent))


def _bars(index: NDArray[np.int64], values: Floats, n_features: int) -> tuple[Floats, Floats, Floats]:
    """Return where stems stand, and from where to where: those that share a pixel as the one bar that they cover."""
    if len(index) <= _BINS:
        return index.astype(float), np.minimum(values, 0.0), np.maximum(values, 0.0)
    bins = index * _BINS // n_features
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    return index[first].astype(float), np.minimum(low, 0.0), np.maximum(high, 0.0)
